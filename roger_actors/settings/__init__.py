"""Settings: nested tables read and checked, wherever they come from.

May import `errors`. Modules: `checks` (spots, sections and checks), `toml_file` (tables from a TOML file,
and the line of each key).
"""

from roger_actors.settings.checks import (
    SHOWN,
    Check,
    Phrase,
    Refused,
    Schema,
    Section,
    Spot,
    anything,
    array,
    expanding,
    fraction,
    joined,
    meaning,
    one_of,
    seconds,
    size,
    text,
    whole,
)
from roger_actors.settings.toml_file import line_of, lines_of, place, placed, read_tables

__all__ = [
    "SHOWN",
    "Check",
    "Phrase",
    "Refused",
    "Schema",
    "Section",
    "Spot",
    "anything",
    "array",
    "expanding",
    "fraction",
    "joined",
    "line_of",
    "lines_of",
    "meaning",
    "one_of",
    "place",
    "placed",
    "read_tables",
    "seconds",
    "size",
    "text",
    "whole",
]
