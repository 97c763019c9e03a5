"""Checked reading of nested tables: every wrong setting is found, not only the first.

A `Spot` is one value at one key path. A `Check` turns a spot into the value that the program wants; it
refuses what it does not like, which is noted, and reading goes on with the next setting. When all has
been read and no problem was noted, every answer is good. A check also says what it takes as a JSON
Schema, beside the code that takes it, so that editors are told the same.

Nothing here knows what is configured.
"""

from __future__ import annotations

import difflib
import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final, Generic, NoReturn, TypeVar, cast

import attrs

from roger_actors.errors import ConfigError

T = TypeVar("T")
D = TypeVar("D")
Schema = Mapping[str, Any]
"""A JSON Schema, or a part of one."""

SHOWN: Final = 80
"""Characters of a wrong value that a message shows."""
SIZES: Final = {"": 1, "B": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}
VARIABLE: Final = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
"""A reference to an environment variable."""
_BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")
_SIZE: Final = re.compile(r"(\d+) ?([A-Za-z]*)")


class Phrase(str):
    """What a message says in place of a value, without quotation marks."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


class Refused(Exception):
    """A check did not accept a value, and has noted why; caught by whoever reads on."""


@attrs.frozen
class Spot:
    """One value at one place of a configuration.

    Attributes:
        path: Where it stands, as in `children[1].restart`.
        value: What stands there.
        problems: Where everything wrong is collected.
    """

    path: str
    value: object
    problems: list[ConfigError]

    def note(self, expected: str, shown: object = None, kind: str | None = None) -> None:
        """Note that the value is not what was expected, and go on.

        Args:
            expected: What would have been right, in words.
            shown: What to print in place of the value (of a secret, say), None for the value.
            kind: What OTP calls such a fault, None where it has no word for it.
        """
        value = _shortened(self.value) if shown is None else shown
        named = {} if kind is None else {"kind": kind}
        self.problems.append(ConfigError(key=self.path, value=value, expected=expected, **named))

    def refuse(self, expected: str, shown: object = None, kind: str | None = None) -> NoReturn:
        """Note it, as `note` does, and give this value up."""
        self.note(expected, shown, kind)
        raise Refused

    def item(self, index: int, value: object) -> Spot:
        """Return the spot of an array's item."""
        return Spot(f"{self.path}[{index}]", value, self.problems)

    def under(self, key: str, value: object) -> Spot:
        """Return the spot of a table's entry."""
        return Spot(joined(self.path, key), value, self.problems)


@attrs.frozen
class Check(Generic[T]):
    """What a setting must be.

    Attributes:
        read: Returns the wanted value of a spot, or refuses it.
        schema: What it takes, for editors.
    """

    read: Callable[[Spot], T]
    schema: Schema = attrs.field(factory=dict, repr=False)

    def __call__(self, spot: Spot) -> T:
        """Return the wanted value.

        Raises:
            Refused: It is not what it must be.
        """
        return self.read(spot)


class Section:
    """A table while it is read: takes its settings one by one, then reports what nobody took."""

    def __init__(self, spot: Spot) -> None:
        self.spot = spot
        self.values: Mapping[str, object] = _table_of(spot)
        self._known: list[str] = []
        self._spoilt: set[str] = set()

    def replace(self, change: Check[object]) -> None:
        """Put another value in the place of each, before any is taken."""
        changed: dict[str, object] = {}
        for key, value in self.values.items():
            try:
                changed[key] = change(self.spot.under(key, value))
            except Refused:
                self._spoilt.add(key)
        self.values = changed

    def take(self, key: str, check: Check[T], default: D) -> T | D:
        """Return a setting, checked, or its default.

        Args:
            key: Its name in this table.
            check: What it must be.
            default: What it is when left out.
        """
        self._known.append(key)
        if key not in self.values or key in self._spoilt:
            return default
        try:
            return check(self.spot.under(key, self.values[key]))
        except Refused:
            return default

    def need(self, key: str, check: Check[T]) -> T:
        """Return a setting that may not be left out, checked."""
        self._known.append(key)
        if key not in self._spoilt and isinstance(self.spot.value, Mapping):
            try:
                return check(self.spot.under(key, self.values.get(key, Phrase("nothing"))))
            except Refused:
                pass
        return cast("T", None)  # noted as a problem, so nothing that is built from it will be used

    def section(self, key: str) -> Section:
        """Return the table under a key, an empty one when it is left out."""
        self._known.append(key)
        return Section(self.spot.under(key, self.values.get(key, {})))

    def finish(self, elsewhere: Mapping[str, str] = MappingProxyType({})) -> None:
        """Report every key that was not taken, with the known one that was probably meant.

        Args:
            elsewhere: What others call a setting, and its name here; where it is no near word.
        """
        for key in self.values:
            if key not in self._known and key not in self._spoilt:
                meant = elsewhere.get(key, key)
                expected = _instead_of(meant, self._known)
                self.spot.under(key, None).note(expected, Phrase("an unknown key"))


def joined(path: str, key: str) -> str:
    """Return the path of a key in a table, quoted where TOML would."""
    word = key if _BARE_KEY.fullmatch(key) else json.dumps(key, ensure_ascii=False)
    return f"{path}.{word}" if path else word


def nearest(word: object, words: Iterable[str]) -> str | None:
    """Return the word that was probably meant, None when none is near."""
    if not isinstance(word, str):
        return None
    return next(iter(difflib.get_close_matches(word, list(words), n=1, cutoff=0.6)), None)


# -- checks ---------------------------------------------------------------------------------------


def _whatever(spot: Spot) -> Any:
    return spot.value


anything: Final[Check[Any]] = Check(_whatever)
"""Takes every value as it is; another function judges it."""


def whole(minimum: int, maximum: int | None = None) -> Check[int]:
    """Return the check for a whole number (a boolean is none)."""
    limit = f"{minimum} or more" if maximum is None else f"from {minimum} to {maximum}"

    def check(spot: Spot) -> int:
        value = spot.value
        if not isinstance(value, int) or isinstance(value, bool):
            spot.refuse(f"a whole number, {limit}")
        if value < minimum or (maximum is not None and value > maximum):
            spot.refuse(f"a whole number, {limit}")
        return value

    schema = {"type": "integer", "minimum": minimum}
    return Check(check, schema if maximum is None else {**schema, "maximum": maximum})


def seconds(*, above: float | None = None, at_least: float | None = None, at_most: float) -> Check[float]:
    """Return the check for a duration in seconds; give one of `above` and `at_least`."""
    low = f"above {above:g}" if above is not None else f"{at_least:g} or more"

    def check(spot: Spot) -> float:
        value = spot.value
        if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
            spot.refuse(f"a number of seconds, {low}")
        if value <= above if above is not None else value < cast("float", at_least):
            spot.refuse(f"a number of seconds, {low}")
        if value > at_most:
            spot.refuse(f"at most {at_most:.0f} seconds")
        return float(value)

    least = {"exclusiveMinimum": above} if above is not None else {"minimum": at_least}
    return Check(check, {"type": "number", **least, "maximum": at_most})


def fraction() -> Check[float]:
    """Return the check for a number from 0 to 1."""

    def check(spot: Spot) -> float:
        value = spot.value
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= 1:
            spot.refuse("a number from 0 to 1")
        return float(value)

    return Check(check, {"type": "number", "minimum": 0, "maximum": 1})


def size(minimum: int) -> Check[int]:
    """Return the check for a size in bytes: a whole number, or a string with a unit (`"512 MiB"`)."""
    expected = f'a size of at least {minimum} bytes, as a whole number or a string like "512 MiB"'

    def check(spot: Spot) -> int:
        found = _SIZE.fullmatch(spot.value) if isinstance(spot.value, str) else None
        if found and found[2] in SIZES:
            number: object = int(found[1]) * SIZES[found[2]]
        else:
            number = spot.value
        if not isinstance(number, int) or isinstance(number, bool) or number < minimum:
            spot.refuse(expected)
        return number

    written = {"type": "string", "pattern": f"^\\d+ ?({'|'.join(SIZES)})$"}
    return Check(check, {"anyOf": [{"type": "integer", "minimum": minimum}, written]})


def text(expected: str, pattern: str = r"[\s\S]+") -> Check[str]:
    """Return the check for a string that matches a pattern as a whole."""
    compiled = re.compile(pattern)

    def check(spot: Spot) -> str:
        if (
            isinstance(spot.value, str)
            and not isinstance(spot.value, Phrase)
            and compiled.fullmatch(spot.value)
        ):
            return spot.value
        return spot.refuse(expected)

    return Check(check, {"type": "string", "pattern": f"^(?:{pattern})$"})


def one_of(*words: str) -> Check[Any]:
    """Return the check for one of a few words; a wrong one is answered with the nearest."""
    listed = ", ".join(f"'{word}'" for word in words[:-1])
    expected = f"{listed} or '{words[-1]}'" if listed else f"'{words[-1]}'"

    def check(spot: Spot) -> str:
        if isinstance(spot.value, str) and spot.value in words:
            return str(spot.value)
        return spot.refuse(expected + meaning(spot.value, words))

    return Check(check, {"enum": list(words)})


def array(check: Check[T], expected: str) -> Check[tuple[T, ...]]:
    """Return the check for an array whose items all pass a check; each wrong item is noted."""

    def check_all(spot: Spot) -> tuple[T, ...]:
        if not isinstance(spot.value, list | tuple):
            spot.refuse(expected)
        found = []
        for index, value in enumerate(spot.value):
            try:
                found.append(check(spot.item(index, value)))
            except Refused:
                pass
        return tuple(found)

    return Check(check_all, {"type": "array", "items": check.schema})


def expanding(environ: Mapping[str, str]) -> Check[object]:
    """Return the check that puts environment variables in the place of `${NAME}`, at any depth."""

    def expanded(spot: Spot) -> object:
        match spot.value:
            case str() as text:
                return _expanded(spot, text, environ)
            case Mapping() as table:
                return {key: expanded(spot.under(key, value)) for key, value in table.items()}
            case list() as values:
                return [expanded(spot.item(index, value)) for index, value in enumerate(values)]
        return spot.value

    return Check(expanded)


def _expanded(spot: Spot, text: str, environ: Mapping[str, str]) -> str:
    missing = [name for name in VARIABLE.findall(text) if name not in environ]
    for name in missing:
        spot.note(f"the environment variable {name} to be set", Phrase(f"${{{name}}}"))
    if missing:
        raise Refused
    return VARIABLE.sub(lambda found: environ[found[1]], text)


def meaning(word: object, words: Iterable[str]) -> str:
    """Return the question whether another word was meant, empty when none is near."""
    meant = nearest(word, words)
    return "" if meant is None or meant == word else f"; did you mean '{meant}'?"


def _table_of(spot: Spot) -> Mapping[str, object]:
    if isinstance(spot.value, Mapping) and all(isinstance(key, str) for key in spot.value):
        return spot.value
    spot.note("a table")
    return {}


def _instead_of(key: str, known: list[str]) -> str:
    meant = nearest(key, known)
    if meant is not None:
        return f"a known one; did you mean '{meant}'?"
    return "one of " + ", ".join(known) if known else "none here"


def _shortened(value: object) -> object:
    if isinstance(value, bool):
        return Phrase("true" if value else "false")
    written = repr(value)
    return value if len(written) <= SHOWN else Phrase(written[:SHOWN] + "…")
