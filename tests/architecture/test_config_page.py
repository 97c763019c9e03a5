"""The keys of a child on the page of the file are those of the code, in the code's words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from roger_actors.otp import BEHAVIOURS, definitions

PAGE = Path(__file__).parents[2] / "docs" / "pages" / "reference" / "config.md"
MARKS = "<!-- generated from the code: see tests/architecture/test_config_page.py -->\n", "<!-- end -->"


def kind(schema: dict[str, Any]) -> str:
    """Return a schema in a few words."""
    if "enum" in schema:
        return " or ".join(f'`"{word}"`' for word in schema["enum"])
    if "anyOf" in schema:
        return " or ".join(map(kind, schema["anyOf"]))
    if "allOf" in schema:
        return "a table like these"
    types = schema.get("type", "anything")
    words = " or ".join([types] if isinstance(types, str) else types)
    words = {"integer": "whole number", "object": "table"}.get(words, words).replace("object", "table")
    return f"`{schema['const']}`" if "const" in schema else words


def table(properties: dict[str, Any], required: list[str]) -> str:
    rows = ["| key | what it may be | what it is | default |", "|---|---|---|---|"]
    for name, schema in properties.items():
        default = (
            "required" if name in required else f"`{schema['default']!r}`" if "default" in schema else ""
        )
        default = default.replace("'", '"').replace("False", "false")
        rows.append(f"| `{name}` | {kind(schema)} | {schema.get('description', '')} | {default} |")
    return "\n".join(rows) + "\n"


def generated() -> str:
    """Return the part of the page that is made from the code."""
    known = definitions()
    server = known["server"]["properties"]
    parts = [table(server, known["server"]["required"])]
    for name in BEHAVIOURS:
        own = {
            key: schema
            for key, schema in known[name]["properties"].items()
            if key not in server or (key == "args" and name == "Agent")
        }
        parts.append(f'\n### `start = "{name}"`\n\n{known[name]["description"].replace(chr(10), " ")}\n')
        parts.append("\n" + table(own, known[name]["required"]) if own else "\nNo options of its own.\n")
    return "\n" + "".join(parts) + "\n"


def test_the_keys_of_a_child_are_on_the_page_as_the_code_has_them() -> None:
    head, rest = PAGE.read_text().split(MARKS[0])
    written, tail = rest.split(MARKS[1], 1)

    if written != generated():
        PAGE.with_suffix(".md.new").write_text(head + MARKS[0] + generated() + MARKS[1] + tail)
    assert written == generated(), f"{PAGE.name}.new beside the page has what should stand there"
