"""Tables from a TOML file, and the line on which each of its keys stands."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from roger_actors.errors import ConfigError, InvalidConfig
from roger_actors.settings.checks import Phrase, joined

_PLACE = re.compile(r"^(?P<what>.*?) \(at (?:line (?P<line>\d+), column (?P<column>\d+)|end of document)\)$")

_CREDENTIALS = re.compile(r"//\S*")
"""What a broken line may hold of a URL; half of it may be a password."""


def read_tables(file: Path) -> dict[str, Any]:
    """Return what a TOML file says.

    Raises:
        InvalidConfig: It cannot be read, is no text or no TOML; names the line.
    """
    try:
        written = file.read_bytes().decode()
    except UnicodeDecodeError as error:
        problem = _problem(str(file), f"byte {error.object[error.start]:#04x} at {error.start}", "UTF-8 text")
    except OSError as error:
        detail = (error.strerror or type(error).__name__).lower()
        problem = _problem(str(file), detail, "a readable TOML file")
    else:
        return _parsed(file, written)
    raise InvalidConfig(source=str(file), problems=(problem,)) from None


def _parsed(file: Path, written: str) -> dict[str, Any]:
    try:
        return tomllib.loads(written)
    except tomllib.TOMLDecodeError as error:
        raise InvalidConfig(source=str(file), problems=(_syntax(str(error), written),)) from None


def _syntax(detail: str, written: str) -> ConfigError:
    place = _PLACE.match(detail)
    lines = written.splitlines() or [""]
    number = int(place["line"]) if place and place["line"] else len(lines)
    line = lines[number - 1].strip() if number <= len(lines) else ""
    what = place["what"] if place else detail
    expected = f"valid TOML: {what[:1].lower()}{what[1:]}"
    return _problem(f"line {number}", repr(_CREDENTIALS.sub("//***", line)[:60]), expected)


def _problem(key: str, got: str, expected: str) -> ConfigError:
    return ConfigError(key=key, value=Phrase(got), expected=expected)


# -- lines ----------------------------------------------------------------------------------------

_HEADER = re.compile(r"\s*(?P<array>\[?)\[(?P<key>[^\[\]]+)\]\]?\s*(#.*)?")


def lines_of(written: str) -> dict[str, int]:
    """Return the line of each key and table header of a good TOML text, by the key's path.

    The paths are those of errors: `children[0].restart`. A key inside an inline table has no line of its
    own; it is on that of what holds it.
    """
    found: dict[str, int] = {}
    arrays: dict[str, int] = {}
    table = ""
    for number, statement in _statements(written.splitlines()):
        header = _HEADER.fullmatch(statement)
        if header:
            table = _entered(_keys(f"{header['key']} = 0"), arrays, is_array=bool(header["array"]))
            found.setdefault(table, number)
            continue
        path = table
        for key in _keys(statement):
            path = joined(path, key)
            found.setdefault(path, number)
    return found


def line_of(lines: dict[str, int], path: str) -> int | None:
    """Return the line of a key, of what holds it if it has none of its own, or None."""
    while path and path not in lines:
        path = re.sub(r'(\[\d+\]|\.?("(?:[^"\\]|\\.)*"|[^.\[\]"]+))$', "", path)
    return lines.get(path)


def placed(error: InvalidConfig) -> list[str]:
    """Return what is wrong with a file as lines for people, each with the file and where it stands there."""
    try:
        read_tables(Path(error.source))
        lines = lines_of(Path(error.source).read_text())
    except InvalidConfig:
        lines = {}  # it is no TOML, or no file at all
    return [f"{place(error.source, each.key, line_of(lines, each.key))}{each}" for each in error.problems]


def place(source: str, key: str, line: int | None) -> str:
    """Return what is put before a problem for people: the file, unless its key is the file, and the line."""
    if key == source:
        return ""
    return f"{source}:{line}: " if line else f"{source}: "


def _statements(lines: list[str]) -> Iterator[tuple[int, str]]:
    """Give each header and each whole `key = value` with the number of its first line."""
    begun, number = "", 0
    for at, line in enumerate(lines, 1):
        if not begun and not line.partition("#")[0].strip():
            continue
        begun, number = (f"{begun}\n{line}", number) if begun else (line, at)
        if _HEADER.fullmatch(begun) or _is_whole(begun):
            yield number, begun
            begun = ""


def _is_whole(statement: str) -> bool:
    try:
        tomllib.loads(statement)
    except tomllib.TOMLDecodeError:
        return False
    return True


def _keys(statement: str) -> list[str]:
    """Return the keys before the `=` of a statement."""
    value: Any = tomllib.loads(statement)
    text = re.match(r"""\s*(?:(?:"[^"]*"|'[^']*'|[\w-]+)\s*\.?\s*)+=""", statement)
    depth = len(re.findall(r""""[^"]*"|'[^']*'|[\w-]+""", text[0])) if text else 1
    keys = []
    for _ in range(depth):
        key = next(iter(value))
        keys.append(key)
        value = value[key]
    return keys


def _entered(keys: list[str], arrays: dict[str, int], *, is_array: bool) -> str:
    """Return the path of a table that a header begins, and count the tables of arrays."""
    path = ""
    for key in keys:
        path = joined(path, key)
        is_last = key is keys[-1]
        if is_last and is_array:
            arrays[path] = arrays.get(path, -1) + 1
        if path in arrays:
            path = f"{path}[{arrays[path]}]"
    return path
