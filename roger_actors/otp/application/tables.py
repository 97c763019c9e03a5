"""Tables of a tree file to child specs and flags, and back (pure).

What a file says becomes the values that code would write, and the functions that judge those judge the
file: nothing here knows what a good child is. Every fault is noted where it stands, with OTP's name for it.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, get_type_hints

import attrs

from roger_actors.otp.application.importing import name_clashes
from roger_actors.otp.application.short_names import (
    BEHAVIOURS,
    Behaviour,
    Wrong,
    behaviour_of,
    flags_of,
    named,
    nested_specs,
    words_of,
)
from roger_actors.otp.child_spec import FAULTY_FIELDS, HOSTS, PATH, ChildSpec, Start, list_faults
from roger_actors.otp.reason import Fault
from roger_actors.otp.supervision.restart import (
    FAULTY_FLAGS,
    SIMPLE,
    STRATEGIES,
    SupervisorFlags,
    flags_faults,
)
from roger_actors.otp.supervision.simple_one_for_one import number_fault
from roger_actors.settings import Check, Phrase, Section, Spot, anything, array, expanding, meaning, text

NOTHING: Final = Phrase("nothing")
CHILD_FIELDS: Final = tuple(field.name for field in attrs.fields(ChildSpec) if field.name != "start")
"""What a child's table has in common with a child spec, by the same name."""

DEFAULT_FLAGS: Final = SupervisorFlags(intensity=3)
"""Of an application's top supervisor: Elixir's defaults."""

_DEFAULTS: Final = {
    field.name: field.default for field in attrs.fields(ChildSpec) if field.default is not attrs.NOTHING
}
_HINTS: Final = get_type_hints(ChildSpec)
_OPTIONS: Final = ("strategy", "max_restarts", "max_seconds", "auto_shutdown")

_ERLANGS: Final = {"intensity": "max_restarts", "period": "max_seconds"}
"""Erlang's names of options that have Elixir's names here."""

_START_WORDS: Final = f"'module:name', or one of {', '.join(BEHAVIOURS)}"
OWN_KEYS: Final[Mapping[str, Mapping[str, Any]]] = {
    "id": {"type": ["string", "number", "boolean"]},
    "host": {"anyOf": [{"enum": [*HOSTS, "app"]}, {"type": "integer", "minimum": 0}]},
}
"""What a file may say of a field whose type in code says more or less than that."""

_WORDS: Final = {
    "invalid_child_spec": "a table",
    "missing_start": _START_WORDS,
    "invalid_mfa": _START_WORDS,
}
"""What is expected where a file says it otherwise than code does."""


# -- an application -------------------------------------------------------------------------------


def read_application(
    root: Section, supervision: Section, environ: Mapping[str, str] | None
) -> dict[str, Any]:
    """Return what the tables of an application set, by the names of `Application`'s fields.

    Takes `[application]` and `[[children]]` out of the root table, and `children` out of `[supervision]`;
    whoever called finishes those two.

    Args:
        root: The table of everything; noted there is what is wrong.
        supervision: The table of the supervisors.
        environ: Where `${NAME}` in `[application.env]` is looked up; None expands nothing.
    """
    section = root.section("application")
    flags = read_options(supervision.section("children"), DEFAULT_FLAGS)
    read = Check(lambda spot: read_children(spot, options_table(flags)))
    children: tuple[ChildSpec, ...] = root.take("children", read, ())
    callback = _callback(section) if "start" in section.values else None
    if callback is not None and children:
        section.spot.under("start", section.values["start"]).note("either this or [[children]], not both")
    name = section.take("name", text("a name"), None)
    env = _read_env(section.section("env"), environ)
    section.finish()
    root.spot.problems.extend(name_clashes(children))
    found = {"name": name, "flags": flags, "children": children, "callback": callback, "env": env}
    return {key: value for key, value in found.items() if value is not None}


def _callback(section: Section) -> Start:
    start = _own_start(section, section.take("start", anything, None), {})
    spot = section.spot.under("start", section.values["start"])
    for _, fault in list_faults([ChildSpec(id="start", start=start)]):
        spot.note("a function as 'module:name'", None, fault.kind)
    return start


def _read_env(section: Section, environ: Mapping[str, str] | None) -> dict[str, Any]:
    if environ is not None:
        section.replace(expanding(environ))
    return dict(section.values)


# -- flags ----------------------------------------------------------------------------------------


def read_options(
    section: Section,
    default: SupervisorFlags,
    strategies: tuple[str, ...] = STRATEGIES,
    *,
    auto_shutdown: bool = True,
) -> SupervisorFlags:
    """Return the flags of a supervisor from a table of its options, Elixir's names.

    Args:
        section: The table.
        default: What is left out there.
        strategies: Those that the tree works with.
        auto_shutdown: Whether that may be set.
    """
    options = options_table(default)
    for name in _OPTIONS if auto_shutdown else _OPTIONS[:-1]:
        options[name] = section.take(name, anything, options[name])
    flags = flags_of(options)
    words = ", ".join(map(repr, strategies[:-1]))
    expected = f"{words} or {strategies[-1]!r}" if words else repr(strategies[-1])
    fields = {**FAULTY_FLAGS, "invalid_strategy": ("strategy", expected)}
    _note_all(section, named(flags_faults(flags, strategies), fields))
    section.finish(_ERLANGS)
    return flags


def options_table(flags: SupervisorFlags) -> dict[str, Any]:
    """Return the table that `read_options` would read as these flags."""
    return {
        "strategy": flags.strategy,
        "max_restarts": flags.intensity,
        "max_seconds": flags.period,
        "auto_shutdown": flags.auto_shutdown,
    }


def _note_all(section: Section, wrongs: Iterable[Wrong]) -> None:
    for wrong in wrongs:
        value = section.values.get(wrong.option, NOTHING)
        words = re.findall(r"'(\w+)'", wrong.expected)
        spot = section.spot.under(wrong.option, value)
        spot.note(wrong.expected + meaning(value, words), None, wrong.kind)


# -- children -------------------------------------------------------------------------------------


def read_children(spot: Spot, options: Mapping[str, Any]) -> tuple[ChildSpec, ...]:
    """Return the child specs of an array of tables; everything that is wrong with one is noted.

    Args:
        spot: The array.
        options: Of the supervisor.
    """
    if not isinstance(spot.value, list | tuple):
        spot.refuse("an array of tables, written [[children]]")
    spots = [spot.item(index, value) for index, value in enumerate(spot.value)]
    specs = [_read_child(each) for each in spots]
    wrong = number_fault(specs) if options["strategy"] == SIMPLE else None
    if wrong is not None:
        spot.note("one table, which all its children are started from", None, wrong.kind)
    for index, fault in list_faults(specs, auto_shutdown=options["auto_shutdown"]):
        _note_child(spots[index], fault)
    return tuple(spec for spec in specs if isinstance(spec, ChildSpec))


def _read_child(spot: Spot) -> Any:
    """Return the spec that a table means, whatever is wrong with it; no table is handed back as it is."""
    if not isinstance(spot.value, Mapping):
        return spot.value
    section = Section(spot)
    target = section.take("start", anything, None)
    fields: dict[str, Any] = {
        name: section.take(name, anything, _DEFAULTS.get(name)) for name in CHILD_FIELDS
    }
    if fields["host"] == "app":  # the word for the host of the file's own children
        fields["host"] = "same"
    known = behaviour_of(target) if isinstance(target, str) else None
    name = _name(section)
    start = _own_start(section, target, name) if known is None else _behaviour_start(section, known[1], name)
    section.finish(_ERLANGS)
    fields["start"] = None if target is None else start
    return ChildSpec(**fields)


def _note_child(spot: Spot, fault: Fault) -> None:
    if fault.kind == "invalid_child_spec":
        spot.note(_WORDS[fault.kind], None, fault.kind)
        return
    field, expected = FAULTY_FIELDS[fault.kind]
    assert isinstance(spot.value, Mapping)
    value = spot.value.get(field, NOTHING)
    expected = _WORDS.get(fault.kind, expected)
    if field == "host" and value == "kernel":
        expected += "; no user code runs in the kernel host, so that none can harm it"
    words = {"start": tuple(BEHAVIOURS), "host": HOSTS}.get(field) or words_of(_HINTS[field])
    spot.under(field, value).note(expected + meaning(value, words), None, fault.kind)


def _own_start(section: Section, target: Any, name: dict[str, Any]) -> Start:
    """Return the start of a user's class or function, with `args` and `kwargs`."""
    args: Any = section.take("args", _ARGS, ())
    kwargs: dict[str, Any] = section.take("kwargs", _KWARGS, {})
    if not isinstance(args, dict):
        return Start(target, *args, **kwargs, **name)
    if kwargs:
        section.spot.under("kwargs", kwargs).note("nothing where args is a table of them")
    return Start(target, **args, **name)


def _name(section: Section) -> dict[str, Any]:
    """Return the keyword `name`, if one is given; an empty one means none."""
    name = section.take("name", _NAME, None)
    return {} if name is None else {"name": name or None}


def _arguments(spot: Spot) -> Any:
    match spot.value:
        case Mapping():
            return _table(spot)
        case list() | tuple() as positional:
            return tuple(positional)
    expected = "an array of positional arguments or a table of keyword arguments"
    return spot.refuse(expected, None, "invalid_mfa")


def _table(spot: Spot) -> dict[str, Any]:
    if isinstance(spot.value, Mapping) and not {"name"} & set(spot.value):
        return dict(spot.value)
    return spot.refuse("a table of keyword arguments; the name is a key of its own", None, "invalid_mfa")


_ARGS: Final[Check[Any]] = Check(_arguments, {"type": ["array", "object"]})
_KWARGS: Final = Check(_table, {"type": "object"})
_NAME: Final = text("a name, or an empty string for none", r"[\s\S]*")


def _not_dynamic(spot: Spot) -> None:
    spot.refuse("nothing: a dynamic supervisor never ends with its children", None, "bad_combination")


_NOT_DYNAMIC: Final = Check(_not_dynamic)


def _behaviour_start(section: Section, behaviour: Behaviour, name: dict[str, Any]) -> Start:
    """Return the start of one of our own servers, with its options checked by its own rules."""
    options = behaviour.options
    if "max_restarts" in options and "auto_shutdown" not in options:
        section.take("auto_shutdown", _NOT_DYNAMIC, None)
    given = {name: section.take(name, anything, NOTHING) for name in options}
    given = {name: value for name, value in given.items() if value is not NOTHING}
    full = {**{option: known.default for option, known in options.items()}, **given}
    missing = [option for option, value in full.items() if value is inspect.Parameter.empty]
    for option in missing:
        section.spot.under(option, NOTHING).note("a value", None, f"missing_{option}")
    if not missing:
        _note_all(section, behaviour.wrongs(full))
    return Start(behaviour.server, *_first(section, behaviour, full), **given, **name)


def _first(section: Section, behaviour: Behaviour, options: Mapping[str, Any]) -> list[Any]:
    """Return what a behaviour's start takes first, by position."""
    match behaviour.first:
        case "children":
            read = Check(lambda spot: list(read_children(spot, options)))
            return [section.take("children", read, [])]
        case "child":
            if section.values.get("name") == "":
                section.spot.under("name", "").note("a name, which its partitions are found under")
            return [section.need("child", _ONLY_CHILD)]
        case "function":
            return [section.need("function", _FUNCTION), *section.take("args", _POSITIONAL, ())]
    return []


def _only_child(spot: Spot) -> Any:
    """Return the spec that many are started from; they cannot all have one name."""
    if not isinstance(spot.value, Mapping):
        spot.refuse("a table, which all its children are started from", None, "bad_start_spec")
    spec = _read_child(spot)
    for _, fault in list_faults([spec], auto_shutdown="never"):
        _note_child(spot, fault)
    return spec


_ONLY_CHILD: Final = Check(_only_child)
_FUNCTION: Final = text("a function as 'module:name'", PATH)
_POSITIONAL: Final = array(anything, "an array of the function's arguments")


# -- and back -------------------------------------------------------------------------------------


def table_of(spec: ChildSpec) -> dict[str, Any]:
    """Return the table that means this child.

    Args:
        spec: Made from a file, or in code of what a file can name.
    """
    fields = {name: getattr(spec, name) for name in CHILD_FIELDS}
    changed = {name: value for name, value in fields.items() if value != _DEFAULTS.get(name)}
    return {**changed, **dict(_start_table(spec))}


def _start_table(spec: ChildSpec) -> Iterator[tuple[str, Any]]:
    start = spec.start
    kwargs = {key: value for key, value in start.kwargs.items() if key != "name"}
    if "name" in start.kwargs:
        yield "name", start.kwargs["name"] or ""
    known = behaviour_of(start.target)
    if known is None:
        yield "start", start.path
        yield from (pair for pair in (("args", list(start.args)), ("kwargs", kwargs)) if pair[1])
        return
    name, behaviour = known
    yield "start", name
    yield from kwargs.items()
    nested = [table_of(each) for each in nested_specs(spec)]
    match behaviour.first:
        case "children":
            yield from [("children", nested)] if nested else []
        case "child":
            yield "child", nested[0]
        case "function":
            yield "function", Start(start.args[0]).path
            yield from [("args", list(start.args[1:]))] if start.args[1:] else []
