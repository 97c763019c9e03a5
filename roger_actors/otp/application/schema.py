"""The JSON Schema of an application's tables, generated from what reads and judges them.

Fields and options come from the classes and signatures, their types from the hints, their limits by asking
the functions that judge them, their descriptions from the docstrings. Nothing is kept by hand here.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from types import UnionType
from typing import Any, Final, Literal, Union, get_args, get_origin, get_type_hints

import attrs
import msgspec

from roger_actors.otp.application.application import Application
from roger_actors.otp.application.short_names import BEHAVIOURS, Behaviour
from roger_actors.otp.application.tables import CHILD_FIELDS, OWN_KEYS
from roger_actors.otp.child_spec import FAULTY_FIELDS, PATH, ChildSpec, Start, faults_of
from roger_actors.otp.supervision.restart import STRATEGIES, SupervisorFlags

_HINTS: Final = get_type_hints(ChildSpec)
_CHILD: Final = {"$ref": "#/definitions/child"}
_CHILDREN: Final = {"type": "array", "items": _CHILD, "title": "children"}
_TARGET: Final = {"type": "string", "pattern": f"^{PATH}$"}

Accepts = Callable[[Any], bool]


def described(documented: Any) -> dict[str, str]:
    """Return what a docstring says of each attribute or argument, on one line without code quotes."""
    text = inspect.getdoc(documented) or ""
    section = re.search(r"^(?:Attributes|Args):\n(?P<body>(?:    .*\n?|\n)+)", text, re.MULTILINE)
    body = section["body"] if section else ""
    entries = re.findall(r"^    (\w+): ((?:.*\n?)(?:^     .*\n?)*)", body, re.MULTILINE)
    entries += re.findall(r"^- `(\w+)`: (.*\n?(?:^  .*\n?)*)", text, re.MULTILINE)
    return {name: " ".join(said.split()).rstrip(";") for name, said in entries}


def of_hint(hint: Any, accepts: Accepts) -> dict[str, Any]:
    """Return the schema of a type, without null, which TOML has not, and with limits for its numbers.

    Args:
        hint: The type.
        accepts: Whether a value is a good one.
    """
    parts: list[dict[str, Any]] = []
    for kind in _alternatives(hint):
        limited = _limited(kind, accepts)
        parts += [limited] if limited not in parts else []
    return parts[0] if len(parts) == 1 else {"anyOf": parts}


def _alternatives(hint: Any) -> list[Any]:
    if get_origin(hint) not in {Union, UnionType}:
        return [] if hint is type(None) else [hint]
    return [kind for part in get_args(hint) for kind in _alternatives(part)]


def _limited(hint: Any, accepts: Accepts) -> dict[str, Any]:
    if get_origin(hint) is Literal:
        return {"enum": [word for word in get_args(hint) if accepts(word)]}
    schema: dict[str, Any] = msgspec.json.schema(hint)
    if schema.get("type") not in {"integer", "number"} or accepts(-1):
        return schema
    return {**schema, "minimum": 0} if accepts(0) else {**schema, "exclusiveMinimum": 0}


def schema_table(properties: Mapping[str, Any], required: Iterable[str] = (), **more: Any) -> dict[str, Any]:
    """Return the schema of a table whose keys are all known."""
    needed = {"required": list(required)} if required else {}
    return {
        "type": "object",
        **more,
        "properties": {name: {"title": name, **schema} for name, schema in properties.items()},
        **needed,
        "additionalProperties": False,
    }


def flags_table(
    default: SupervisorFlags, strategies: tuple[str, ...] = STRATEGIES, *, auto_shutdown: bool = True
) -> dict[str, Any]:
    """Return the schema of a supervisor's options, with their defaults; see `read_options`."""
    options = _options_schema(BEHAVIOURS["Supervisor"])
    options["strategy"] = {**options["strategy"], "enum": list(strategies)}
    defaults = {
        "strategy": default.strategy,
        "max_restarts": default.intensity,
        "max_seconds": default.period,
        "auto_shutdown": default.auto_shutdown,
    }
    kept = [name for name in defaults if auto_shutdown or name != "auto_shutdown"]
    return schema_table({name: {**options[name], "default": defaults[name]} for name in kept})


def application_table() -> dict[str, Any]:
    """Return the schema of `[application]`."""
    said = described(Application)
    env = {"type": "object", "description": said["env"]}
    name = {"type": "string", "pattern": r"^[\s\S]+$", "description": said["name"]}
    start = {**_TARGET, "description": said["callback"]}
    return schema_table({"name": name, "start": start, **_arguments(), "env": env})


def children_array() -> dict[str, Any]:
    """Return the schema of `[[children]]`; it needs `definitions`."""
    return {**_CHILDREN, "description": "The processes that it supervises, in starting order."}


def definitions() -> dict[str, Any]:
    """Return what the other schemas refer to: a child, for each thing that it may be."""
    kinds = {"server": _server(), **{name: _behaviour(name, each) for name, each in BEHAVIOURS.items()}}
    options = [{"$ref": f"#/definitions/{name}"} for name in kinds]
    return {"child": {"title": "child", "oneOf": options}, **kinds}


def _server() -> dict[str, Any]:
    said = described(Start)
    start = {**_TARGET, "description": f"module:name. {said['target']}"}
    properties = {"id": _fields()["id"], "start": start, **_arguments(), **_name(), **_fields()}
    return schema_table(
        properties, ("id", "start"), description="A server class or a start function of yours."
    )


def _behaviour(name: str, behaviour: Behaviour) -> dict[str, Any]:
    options = _options_schema(behaviour)
    server: Any = behaviour.server
    said = described(server.start_link)
    first: dict[str, Any] = {}
    if behaviour.first == "function":
        args = {"type": "array", "description": said["args"]}
        first = {"function": {**_TARGET, "description": f"module:name. {said['function']}"}, "args": args}
    elif behaviour.first == "child":
        first = {"child": {"allOf": [_CHILD], "description": said["child_spec"]}}
    elif behaviour.first == "children":
        first = {"children": children_array()}
    name_of_it = _name()
    if behaviour.first == "child":
        name_of_it["name"]["minLength"] = 1
    first_line = (inspect.getdoc(inspect.getmodule(behaviour.server)) or "").split("\n\n")[0]
    required = [key for key, option in behaviour.options.items() if option.default is inspect.Parameter.empty]
    required += ["strategy"] if name == "Supervisor" else []
    required += [behaviour.first] if behaviour.first in {"child", "function"} else []
    properties = {
        "id": _fields()["id"],
        "start": {"const": name},
        **options,
        **name_of_it,
        **_fields(),
        **first,
    }
    return schema_table(properties, ("id", "start", *required), description=first_line)


def _arguments() -> dict[str, Any]:
    return {
        "args": {
            "type": ["array", "object"],
            "description": "Positional arguments; or, as a table, named ones.",
        },
        "kwargs": {"type": "object", "description": described(Start)["kwargs"]},
    }


def _name() -> dict[str, dict[str, Any]]:
    said = "What it is registered as on its host: by default its id; an empty string for nothing."
    return {"name": {"type": "string", "description": said}}


def _fields() -> dict[str, dict[str, Any]]:
    """Return the schema of each field that a child's table has in common with a child spec."""
    said = described(ChildSpec)
    found = {}
    for field in attrs.fields(ChildSpec):
        if field.name in CHILD_FIELDS:
            schema = OWN_KEYS.get(field.name) or of_hint(_HINTS[field.name], _accepts_field(field.name))
            found[field.name] = {**schema, "description": said[field.name], **_default(field.default)}
    return found


def _default(value: Any) -> dict[str, Any]:
    known = value is not None and value is not attrs.NOTHING and value is not inspect.Parameter.empty
    return {"default": list(value) if isinstance(value, tuple) else value} if known else {}


def _accepts_field(name: str) -> Accepts:
    def accepts(value: Any) -> bool:
        spec = ChildSpec(**{"id": "a", "start": Start("a:b"), name: value})
        return all(FAULTY_FIELDS[fault.kind][0] != name for fault in faults_of(spec))

    return accepts


def _options_schema(behaviour: Behaviour) -> dict[str, dict[str, Any]]:
    server: Any = behaviour.server
    said = {**described(server), **described(server.init), **described(server.start_link)}
    return {
        key: {
            **of_hint(option.hint, _accepts_option(behaviour, key)),
            **({"description": said[key]} if key in said else {}),
            **_default(option.default),
        }
        for key, option in behaviour.options.items()
    }


def _accepts_option(behaviour: Behaviour, key: str) -> Accepts:
    def accepts(value: Any) -> bool:
        options = {each: option.default for each, option in behaviour.options.items()}
        options.update({"strategy": "one_for_one"} if "strategy" in options else {})
        return all(wrong.option != key for wrong in behaviour.wrongs({**options, key: value}))

    return accepts
