"""What `top` shows: two looks at a node become rows with rates, and rows become tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from rich.console import Group
from rich.table import Table
from rich.text import Text

from roger_actors.cli.output import clean

SORTS: Final = ("mailbox", "rate", "handled", "memory", "cpu")
"""What the busiest are sorted by; memory and cpu are those of a process's host."""

HOSTS: Final = ("host#", "role", "os pid#", "state", "memory#", "cpu#", "processes#", "now in")
PROCESSES: Final = ("pid", "name", "class", "state", "mailbox#", "msg/s#", "handled#", "now in")

WIDEST: Final = 28
"""Characters of a column, but for the last, on a full screen."""

_OS_STATES: Final = {"T": "stopped", "t": "stopped", "Z": "ended", "D": "in the kernel", "R": "computes"}


def view_of(name: str, now: Mapping[str, Any], before: Mapping[str, Any] | None, sort: str) -> dict[str, Any]:
    """Return what is shown of a node, with rates, sorted.

    Args:
        name: The node's.
        now: From `Outside.top`.
        before: An earlier look, for rates; without it they are None.
        sort: One of `SORTS`.
    """
    seconds = now["at"] - before["at"] if before is not None else 0.0
    earlier = before if before is not None and seconds > 0 else {"hosts": {}, "processes": []}
    hosts = {
        number: {
            **info,
            "cpu_share": _rate(info.get("cpu"), earlier["hosts"].get(number, {}).get("cpu"), seconds),
        }
        for number, info in now["hosts"].items()
    }
    handled = {process["pid"]: process["handled"] for process in earlier["processes"]}
    processes = [
        {**process, "rate": _rate(process["handled"], handled.get(process["pid"]), seconds)}
        for process in now["processes"]
    ]
    processes.sort(key=lambda process: _key(process, hosts, sort), reverse=True)
    return {"node": name, "sort": sort, "hosts": hosts, "processes": processes}


def _rate(now: float | None, before: float | None, seconds: float) -> float | None:
    return None if now is None or before is None or seconds <= 0 else max(0.0, (now - before) / seconds)


def _key(process: Mapping[str, Any], hosts: Mapping[int, Mapping[str, Any]], sort: str) -> tuple[float, ...]:
    host = hosts.get(process["host"], {})
    by = {
        "mailbox": process["mailbox"],
        "rate": process["rate"] or 0.0,
        "handled": process["handled"],
        "memory": host.get("rss") or 0,
        "cpu": host.get("cpu_share") or 0.0,
    }
    return by[sort], process["mailbox"], process["rate"] or 0.0, process["handled"]


def host_rows(view: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """Return a row for each host under `HOSTS`."""
    return [_host_row(number, info) for number, info in sorted(view["hosts"].items())]


def _host_row(number: int, info: Mapping[str, Any]) -> tuple[Any, ...]:
    share = info.get("cpu_share")
    return (
        *(number, info["role"], info.get("os_pid"), host_state(info), memory(info.get("rss"))),
        None if share is None else f"{share * 100:.0f} %",
        *(info.get("processes"), now_in(info.get("standing"))),
    )


def host_state(info: Mapping[str, Any]) -> str:
    """Return in words whether a host answers, and if not, since when and what the system sees of it."""
    if not info["ready"]:
        return "starting"
    if "error" not in info:
        return "answers"
    seen = _OS_STATES.get(info.get("os_state", ""), "waits")
    silent = info.get("silent")
    return f"no answer{f' for {silent:.0f} s' if silent else ''}, {seen}"


def now_in(standing: Mapping[str, Any] | None) -> str:
    """Return where a host that does not answer stands."""
    if not standing:
        return ""
    whose = standing.get("name") or standing.get("pid")
    return f"{standing.get('function') or '?'}{f' of {whose}' if whose else ''}"


def memory(size: int | None) -> str:
    """Return bytes for people."""
    return "" if size is None else f"{size / 2**20:.0f} MB"


def process_rows(view: Mapping[str, Any], most: int) -> list[tuple[Any, ...]]:
    """Return the rows of the busiest processes under `PROCESSES`."""
    return [
        (
            *(one["pid"], one["name"], one["class"], one["state"], one["mailbox"]),
            *(None if one["rate"] is None else f"{one['rate']:.0f}", one["handled"], one["function"]),
        )
        for one in view["processes"][:most]
    ]


def summary(view: Mapping[str, Any]) -> str:
    """Return the line above the tables."""
    hosts, processes = view["hosts"].values(), view["processes"]
    count = sum(info.get("processes") or 0 for info in hosts)
    rate = sum(process["rate"] or 0.0 for process in processes)
    mute = sum("error" in info for info in hosts)
    text = f"{view['node']}: {len(hosts)} hosts, {count} processes, {rate:.0f} messages/s"
    return f"{text}, {mute} {'host does' if mute == 1 else 'hosts do'} not answer" if mute else text


def screen(view: Mapping[str, Any], height: int) -> Group:
    """Return a full screen of a node.

    Args:
        view: From `view_of`.
        height: Lines of the terminal.
    """
    most = max(3, height - len(view["hosts"]) - 6)
    head = Text.assemble((clean(summary(view)), "bold"), (f"   sorted by {view['sort']}, Ctrl-C ends", "dim"))
    return Group(
        head,
        Text(),
        _table(HOSTS, host_rows(view), {3: _host_style, 7: lambda _: "bold red"}),
        Text(),
        _table(PROCESSES, process_rows(view, most), {3: _process_style, 4: _mailbox_style}),
    )


def _table(columns: Sequence[str], rows: Sequence[Sequence[Any]], styles: Mapping[int, Any]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim", expand=True)
    for at, column in enumerate(columns):
        natural = max([len(column.rstrip("#")), *(len(str(row[at] or "-")) for row in rows)])
        is_last = at == len(columns) - 1  # it takes what is left of the line
        table.add_column(
            column.rstrip("#"),
            justify="right" if column.endswith("#") else "left",
            no_wrap=True,
            overflow="ellipsis",
            width=None if is_last else min(natural, WIDEST),
            ratio=1 if is_last else None,
        )
    for row in rows:
        cells = []
        for at, value in enumerate(row):
            style = styles[at](str(value)) if at in styles else ""
            cells.append(Text("-" if value in (None, "") else clean(str(value)), style=style))
        table.add_row(*cells)
    return table


def _host_style(state: str) -> str:
    return "bold red" if state.startswith("no answer") else "green" if state == "answers" else "yellow"


def _process_style(state: str) -> str:
    return {"waiting": "dim", "busy": "cyan", "suspended": "bold yellow"}.get(state, "")


def _mailbox_style(count: str) -> str:
    return "bold yellow" if int(count) >= 1000 else ""
