"""Drawing a supervision tree: with colours on a terminal, with lines anywhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

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


def running(name: str, tree: Mapping[str, Any]) -> Branch:
    """Return what a node says of its running tree.

    Args:
        name: The node's.
        tree: From `Node.tree` or `bootstrap.running_tree`.
    """
    hosts = tree.get("hosts", {})
    top = tree["tree"] or {"children": []}
    root = Branch(
        id="root",
        kind="host",
        pid=_os_process(tree.get("os_pid")),
        children=tuple(_running_branch(child, hosts) for child in top["children"]),
    )
    return Branch(id=name, kind="node", children=(root,))


def _running_branch(part: Mapping[str, Any], hosts: Mapping[Any, Any]) -> Branch:
    is_host = part["state"] in ("host", "unresponsive") or part.get("role") is not None
    children = tuple(_running_branch(child, hosts) for child in part["children"])
    hidden = int(part.get("count", 0)) - len(children)
    return Branch(
        id=str(part["id"]),
        kind="host" if is_host else "supervisor" if part["type"] == "supervisor" else "worker",
        notes=(*_state_notes(part), *((f"and {hidden} more",) if hidden > 0 else ())),
        restarts=part.get("restarts"),
        pid=_process(part, hosts.get(part.get("host"), {}) if is_host else {}),
        children=children,
    )


def _state_notes(part: Mapping[str, Any]) -> Iterator[str]:
    if part["state"] not in ("waiting", "busy", "host"):
        yield str(part["state"])
    if part.get("mailbox"):
        yield f"{part['mailbox']} messages wait"
    if part.get("lingering"):
        yield f"{part['lingering']} killed processes linger"
    if not part["children"] and part["type"] == "supervisor" and part["state"] == "waiting":
        yield "no children"


def _process(part: Mapping[str, Any], host: Mapping[str, Any]) -> str:
    pid = str(part.get("pid") or "")
    return f"{pid} {_os_process(host.get('os_pid'))}".strip()


def _os_process(number: object) -> str:
    return f"OS process {number}" if number else ""
