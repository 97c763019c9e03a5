"""What commands print: tables, facts and JSON, for people and for programs.

On a terminal it is drawn with rich; into a pipe it is plain columns of full width. What comes from
elsewhere (a job's arguments, a cause, a name) is cleaned of control characters, so that no payload
can draw on the reader's terminal.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

UNBROKEN: Final = ("id", "job")
"""Columns that are never broken over lines: what they hold is copied into the next command."""
NARROWEST: Final = 10
"""Characters that every other column gets at least; else each row is written as a block of lines."""

_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def clean(text: str) -> str:
    """Return a text with its control characters made visible; tab and line feed stay."""
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


def stdout() -> Console:
    """Return a console on the standard output, as wide as it likes where that is no terminal."""
    console = Console(highlight=False, soft_wrap=False)
    return console if console.is_terminal else Console(highlight=False, width=10_000)


def print_json(value: object) -> None:
    """Print a value as JSON on one line per top-level call, keys in their order."""
    print(json.dumps(value, ensure_ascii=False, indent=2 if sys.stdout.isatty() else None, default=str))


def print_json_line(value: object) -> None:
    """Print a value as JSON on one line and let it be read at once."""
    print(json.dumps(value, ensure_ascii=False, default=str), flush=True)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], empty: str) -> None:
    """Print rows under their column names.

    Args:
        columns: Names; those that end in `#` are numbers, aligned right.
        rows: A value per column; None and "" are shown as `-`.
        empty: The line printed when there is no row.
    """
    cells = [[_shown(value) for value in row] for row in rows]
    console = stdout()
    if not cells:
        console.print(Text(empty, style="dim"))
    elif not console.is_terminal:
        _print_plain(columns, cells)
    elif not _fits(columns, cells, console.width):
        for row in cells:
            print_facts(dict(zip((column.rstrip("#") for column in columns), row, strict=True)))
            print()
    else:
        console.print(_table(columns, cells))


def print_facts(facts: Mapping[str, object]) -> None:
    """Print names and values, one a line, values aligned."""
    width = max((len(name) for name in facts), default=0)
    console = stdout()
    for name, value in facts.items():
        # broken by the terminal alone, so that what is copied from it is whole
        console.print(Text.assemble((f"{name:<{width}}  ", "dim"), _shown(value)), soft_wrap=True)


def print_done(text: str) -> None:
    """Print the line that says what was done."""
    stdout().print(Text(clean(text)))


def ago(moment: float, now: float | None = None) -> str:
    """Return how long ago a moment was, in its two largest units.

    Args:
        moment: Seconds since the epoch, 0 for never.
        now: Seconds since the epoch, None for the clock.
    """
    if not moment:
        return "-"
    left = max(0, int((time.time() if now is None else now) - moment))
    parts = [(left // 86_400, "d"), (left // 3600 % 24, "h"), (left // 60 % 60, "min"), (left % 60, "s")]
    first = next((index for index, (count, _) in enumerate(parts) if count), 3)
    return " ".join(f"{count} {unit}" for count, unit in parts[first : first + 2] if count or unit == "s")


def _shown(value: Any) -> str:
    return "-" if value is None or value == "" else clean(str(value))


def _fits(columns: Sequence[str], cells: list[list[str]], width: int) -> bool:
    """Whether a table stays readable in so many characters, its long columns broken over lines."""
    needed = 0
    for index, column in enumerate(columns):
        natural = max(len(cell) for cell in [column.rstrip("#"), *(row[index] for row in cells)])
        is_unbroken = column in UNBROKEN or column.endswith("#")
        needed += 2 + (natural if is_unbroken else min(natural, NARROWEST))
    return needed <= width


def _table(columns: Sequence[str], cells: list[list[str]]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        table.add_column(
            Text(column.rstrip("#")),
            justify="right" if column.endswith("#") else "left",
            no_wrap=column in UNBROKEN or column.endswith("#"),
            overflow="fold",
        )
    for row in cells:
        table.add_row(*(Text(cell) for cell in row))
    return table


def _print_plain(columns: Sequence[str], cells: list[list[str]]) -> None:
    lines = [[column.rstrip("#") for column in columns], *cells]
    lines = [[" ".join(cell.split()) for cell in line] for line in lines]
    widths = [max(len(line[index]) for line in lines) for index in range(len(columns))]
    for line in lines:
        aligned = [
            cell.rjust(width) if column.endswith("#") else cell.ljust(width)
            for cell, width, column in zip(line, widths, columns, strict=True)
        ]
        print("  ".join(aligned).rstrip())
