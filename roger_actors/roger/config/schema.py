"""The JSON Schema of the supervision-tree file, for editors; generated from what reads it.

`tree.schema.json` beside this module is what `schema` returns; a test compares them.

Source:
    New here. JSON Schema draft 7, which the editors' TOML extensions know.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import attrs

from roger_actors.otp import (
    DEFAULT_FLAGS,
    application_table,
    children_array,
    definitions,
    described,
    flags_table,
    schema_table,
)
from roger_actors.roger import queue
from roger_actors.roger.config.broker_url import broker_address
from roger_actors.roger.config.reading import (
    DICT_CONFIG,
    LEVEL,
    NODE,
    NODE_NAME,
    WORKERS,
    strategies_of,
)
from roger_actors.roger.config.supervision import SUPERVISION
from roger_actors.roger.config.value import Config

FILE: Final = Path(__file__).with_name("tree.schema.json")
"""Where the schema is shipped."""

_VARIABLE: Final = {"type": "string", "pattern": r"\$\{[A-Za-z_][A-Za-z0-9_]*\}"}


def schema() -> dict[str, Any]:
    """Return the JSON Schema of the file."""
    tables = {
        "node": _node(),
        "logging": _logging(),
        "partitions": _partitions(),
        "supervision": _supervision(),
        "application": application_table(),
        "children": children_array(),
    }
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        **schema_table(tables, title="roger_actors supervision-tree file"),
        "definitions": definitions(),
    }


def rendered() -> str:
    """Return the schema as the text that is shipped."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def _node() -> dict[str, Any]:
    said = described(Config)
    fields = {field.name: field.default for field in attrs.fields(Config)}
    checks = {"name": NODE_NAME, "broker": broker_address(None), **NODE}
    properties = {
        name: {**_or_variable(check.schema), "description": said[name], **_default(fields[name])}
        for name, check in checks.items()
    }
    return schema_table(properties, ("name", "broker"), description="The node and its jobs.")


def _or_variable(wanted: Any) -> dict[str, Any]:
    """Return the schema that also takes a string with `${NAME}`, which is replaced before it is checked."""
    if wanted.get("type") == "array":
        return {**wanted, "items": _or_variable(wanted["items"])}
    is_text = wanted.get("type") == "string" or "enum" in wanted or "anyOf" in wanted
    return {"anyOf": [*wanted.get("anyOf", [wanted]), _VARIABLE]} if is_text else dict(wanted)


def _default(value: Any) -> dict[str, Any]:
    if value is None or value is attrs.NOTHING or isinstance(value, attrs.Factory):  # type: ignore[arg-type]
        return {}
    return {"default": list(value) if isinstance(value, tuple) else value}


def _logging() -> dict[str, Any]:
    said = described(Config)
    level = schema_table({"level": {**LEVEL.schema, "description": said["log_level"], "default": "INFO"}})
    whole = {"type": "object", "required": ["version"], "properties": {"version": DICT_CONFIG.schema}}
    return {"anyOf": [level, {**whole, "description": said["logging"]}]}


def _partitions() -> dict[str, Any]:
    queues = {
        "type": "object",
        "propertyNames": {"pattern": queue.TYPE_PATTERN},
        "additionalProperties": {**WORKERS.schema, "title": "workers"},
        "description": "For each queue type, how many of its jobs run at the same time; 0 only declares it.",
    }
    return {
        "type": "object",
        "description": described(Config)["partitions"],
        "propertyNames": {"pattern": queue.ID_PATTERN},
        "additionalProperties": schema_table({"queues": queues}, ("queues",)),
    }


def _supervision() -> dict[str, Any]:
    own = {
        name: flags_table(default, strategies_of(name), auto_shutdown=False)
        for name, default in SUPERVISION.items()
    }
    return schema_table(
        {**own, "children": flags_table(DEFAULT_FLAGS)}, description=described(Config)["supervision"]
    )


if __name__ == "__main__":
    FILE.write_text(rendered())
