"""Drawing a supervision tree: with colours on a terminal, with lines anywhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from rich.text import Text

from roger_actors.cli.output import clean, stdout
from roger_actors.roger import Branch

_STYLES: Final = {
    "node": "bold",
    "host": "bold cyan",
    "supervisor": "green",
    "worker": "",
    "many": "italic",
}


def draw(branch: Branch) -> None:
    """Print a tree; on a terminal a line that is too long ends in `…`."""
    console = stdout()
    for line in _lines(branch, "", ""):
        console.print(line, no_wrap=True, overflow="ellipsis")


def _lines(branch: Branch, first: str, rest: str) -> Iterator[Text]:
    """Give the lines of a branch; `first` is put before its own, `rest` before those below it."""
    yield Text().append(first, "dim").append_text(_own_line(branch))
    for child in branch.children:
        is_last = child is branch.children[-1]
        yield from _lines(
            child, rest + ("└── " if is_last else "├── "), rest + ("    " if is_last else "│   ")
        )


def _own_line(branch: Branch) -> Text:
    line = Text.assemble((clean(branch.id), _STYLES[branch.kind]))
    if branch.pid:
        line.append(f" {clean(branch.pid)}", "dim")
    if branch.restarts:
        line.append(f"  restarted {branch.restarts} ×", "bold yellow")
    if branch.notes:
        line.append("  " + clean(", ".join(branch.notes)), "dim")
    return line
