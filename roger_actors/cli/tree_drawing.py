"""Drawing a supervision tree: with colours on a terminal, with lines anywhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from rich.text import Text

from roger_actors.cli.output import clean, stdout
from roger_actors.cli.top_view import host_state, memory, now_in
from roger_actors.roger import Branch

_STYLES: Final = {
    "node": "bold",
    "host": "bold cyan",
    "supervisor": "green",
    "worker": "",
    "many": "italic",
}


_OF_THE_HOST: Final = ("keeper", "host_agent")
"""Processes that run a host and so stand in no tree; every host has them."""


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
        tree: From `Outside.tree`.
    """
    top = tree["tree"] or {"children": []}
    hosts = _with_residents(tree.get("hosts", {}), top)
    children = [_running_branch(child, hosts) for child in top["children"]]
    root = Branch(
        id="root",
        kind="host",
        pid=_os_process(tree.get("os_pid")),
        notes=tuple(_host_notes(hosts.get(0, {}))),
        children=(*children, *_outside(tree)),
    )
    return Branch(id=name, kind="node", children=(root,))


def _with_residents(hosts: Mapping[Any, Any], top: Mapping[str, Any]) -> dict[Any, Any]:
    """Return the hosts, those that were made for one child with that child's id."""
    residents = dict(_placed(top))
    return {number: {**info, "resident": residents.get(number)} for number, info in hosts.items()}


def _placed(part: Mapping[str, Any]) -> Iterator[tuple[Any, str]]:
    """Give the children that are on another host than their supervisor: host and id."""
    for child in part["children"]:
        if child.get("host") not in (None, part.get("host")) and not _is_host(child):
            yield child["host"], str(child["id"])
        yield from _placed(child)


def _is_host(part: Mapping[str, Any]) -> bool:
    return part["state"] in ("host", "unresponsive") or part.get("role") is not None


def _running_branch(part: Mapping[str, Any], hosts: Mapping[Any, Any]) -> Branch:
    is_host = _is_host(part)
    host = hosts.get(part.get("host"), {}) if is_host else {}
    children = tuple(_running_branch(child, hosts) for child in part["children"])
    hidden = int(part.get("count", 0)) - len(children)
    called = part.get("name") if not is_host else host.get("resident") if part.get("role") == "own" else None
    return Branch(
        id=str(part["id"]) if called in (None, part["id"]) else f"{part['id']} ({called})",
        kind="host" if is_host else "supervisor" if part["type"] == "supervisor" else "worker",
        notes=(
            *(_host_notes(host) if is_host else ()),
            *_state_notes(part),
            *((f"and {hidden} more",) if hidden > 0 else ()),
        ),
        restarts=part.get("restarts"),
        pid=_process(part, host),
        children=(*children, *_outside(host)),
    )


def _outside(host: Mapping[str, Any]) -> tuple[Branch, ...]:
    """Return the branch of a host's processes outside any tree, but for those that run the host."""
    found = [part for part in host.get("outside", ()) if part["name"] not in _OF_THE_HOST]
    found = [part for part in found if part["state"] != "running"]  # that which answers here
    hidden = int(host.get("outside_count", 0)) - len(host.get("outside", ()))
    if not found:
        return ()
    children = tuple(_loose(part) for part in found)
    more = (f"and {hidden} more",) if hidden > 0 else ()
    return (Branch(id="outside any tree", kind="many", notes=more, children=children),)


def _loose(part: Mapping[str, Any]) -> Branch:
    notes = tuple(_state_notes({"children": [], "type": "worker", **part}))
    return Branch(id=str(part["name"] or part["class"]), kind="worker", pid=part["pid"], notes=notes)


def _host_notes(host: Mapping[str, Any]) -> Iterator[str]:
    if host.get("rss"):
        yield memory(host["rss"])
    if host.get("processes"):
        yield f"{host['processes']} processes"
    if "error" in host:
        yield host_state(host)
        if host.get("standing"):
            yield f"in {now_in(host['standing'])}"


def _state_notes(part: Mapping[str, Any]) -> Iterator[str]:
    yield from _what_it_does(part)
    if part.get("mailbox"):
        yield f"{part['mailbox']} messages wait"
    if part.get("handled"):
        yield f"{part['handled']} handled"
    if part.get("lingering"):
        yield f"{part['lingering']} killed processes linger"
    if not part["children"] and part["type"] == "supervisor" and part["state"] == "waiting":
        yield "no children"


def _what_it_does(part: Mapping[str, Any]) -> Iterator[str]:
    match part["state"]:
        case "waiting" | "host":
            return
        case "busy":
            if part.get("function"):
                yield f"in {part['function']}"
        case "unresponsive":
            if not part.get("function"):  # else the host's own line tells more
                yield "does not answer" if part["type"] == "supervisor" else "its host does not answer"
        case state:
            yield str(state)


def _process(part: Mapping[str, Any], host: Mapping[str, Any]) -> str:
    pid = str(part.get("pid") or "")
    return f"{pid} {_os_process(host.get('os_pid'))}".strip()


def _os_process(number: object) -> str:
    return f"OS process {number}" if number else ""
