"""All hosts of a node as the root host sees them: those that answer, and those that do not.

What a host runs is asked of its agent. Of a host that does not answer in time the operating system is
asked, and the host's main thread wherever it stands, without its loop.
"""

from __future__ import annotations

import asyncio
import re
from typing import Any, Final

import msgspec

from roger_actors.errors import RogerActorsError
from roger_actors.otp.gen_server import GenServer
from roger_actors.otp.hosts.host_agent import AGENT
from roger_actors.otp.hosts.process_info import busiest, call_of, host_tree
from roger_actors.otp.process import current
from roger_actors.transport import HostId

_PATIENCE: Final = 0.8
"""Share of a request's time limit that a host has to answer."""

_FRAME: Final = re.compile(r'  File "(?P<path>.*)", line (?P<line>\d+) in (?P<function>.*)')


def hosts() -> dict[int, dict[str, Any]]:
    """Return every live host.

    Returns:
        By number: `role`, `os_pid`, `ready`, and as the system sees it: `os_state` (the letter of `ps`),
        `rss` (bytes), `cpu` (seconds so far), `silent` (seconds without a sign of life, 0 while it answers).
    """
    runtime = current().runtime
    known = {runtime.host: _host(runtime.host, runtime.endpoint.role, ready=True)}
    for host, (role, ready) in runtime.remote.hosts.items():
        known[host] = _host(host, role, ready=ready.done())
    return {int(host): info for host, info in known.items()}


def _host(host: HostId, role: str, *, ready: bool) -> dict[str, Any]:
    endpoint = current().runtime.endpoint
    seen = endpoint.vitals(host)
    info: dict[str, Any] = {"role": role, "os_pid": endpoint.os_pid(host), "ready": ready}
    if seen is not None:
        info.update(os_state=seen.state, rss=seen.rss, cpu=seen.cpu, silent=round(seen.silent, 1))
    return info


async def tree(timeout: float) -> dict[str, Any]:
    """Return the whole running tree as plain data, hosts expanded where they stand as children."""
    runtime = current().runtime
    found = await _ask_all(("tree",), timeout)
    whole = host_tree(runtime)
    placed = {process["pid"]: process for told in found.values() for process in told.get("placed", ())}
    _expand(whole["tree"], found, placed)
    whole["os_pid"] = runtime.endpoint.os_pid(runtime.host)
    whole["hosts"] = _joined({**found, runtime.host: whole})
    return whole


async def top(limit: int, order: str, timeout: float) -> dict[str, Any]:
    """Return every host, and the busiest processes of each.

    Args:
        limit: Processes of each host.
        order: `mailbox` or `handled`.
        timeout: Seconds for everything.

    Returns:
        `at` (seconds on a monotonic clock), `hosts` as `hosts` tells them and with their number of
        `processes`, `processes` as `describe` tells them.
    """
    runtime = current().runtime
    found = await _ask_all(("busiest", limit, order), timeout)
    found[runtime.host] = busiest(runtime, limit, order)
    told = [process for one in found.values() for process in one.get("processes", ())]
    for one in found.values():
        one["processes"] = one.get("count")
    return {"at": runtime.loop.time(), "hosts": _joined(found), "processes": told}


def _joined(found: dict[HostId, dict[str, Any]]) -> dict[int, dict[str, Any]]:
    """Return the hosts with what was told of each: numbers, or why it did not answer and where it stands."""
    known = hosts()
    wanted = ("processes", "lingering", "outside", "outside_count", "error", "standing")
    for host, info in known.items():
        told = found.get(HostId(host), {})
        info.update({key: told[key] for key in wanted if key in told})
    return known


async def _ask_all(request: tuple[Any, ...], timeout: float) -> dict[HostId, dict[str, Any]]:
    asked = list(current().runtime.remote.hosts)
    told = await asyncio.gather(*(_ask(host, request, timeout * _PATIENCE) for host in asked))
    return dict(zip(asked, told, strict=True))


async def _ask(host: HostId, request: tuple[Any, ...], timeout: float) -> dict[str, Any]:
    try:
        told: dict[str, Any] = await GenServer.call((AGENT, host), request, timeout)
    except RogerActorsError as error:
        return {"host": host, "tree": None, "error": str(error), "standing": await _examine(host)}
    return told


async def _examine(host: HostId) -> dict[str, Any] | None:
    """Return process, function and stack of a host that does not answer; None if nothing can be told."""
    runtime = current().runtime
    said: asyncio.Future[str] = runtime.loop.create_future()
    runtime.endpoint.examine(host, lambda text: None if said.done() else said.set_result(text))
    stacks, _, told = (await said).partition("\n== ")
    if not stacks:
        return None
    standing: dict[str, Any] = {"stack": stacks.splitlines()[:200]}
    try:
        standing.update(msgspec.json.decode(told or "{}"))
    except msgspec.DecodeError:
        standing["function"] = told.strip()
    standing.setdefault("function", _call_in(stacks))
    return standing


def _call_in(stacks: str) -> str | None:
    """Return what the thread that holds the interpreter is in, from a dump of its stack.

    `faulthandler` prints no qualified names.
    """
    _, _, thread = stacks.partition("Current thread")
    frames = [found for found in map(_FRAME.match, thread.split("\n\n")[0].splitlines()) if found]
    return call_of([(frame["function"], frame["path"], int(frame["line"])) for frame in frames])


def _expand(
    node: dict[str, Any] | None, by_host: dict[HostId, dict[str, Any]], placed: dict[str, dict[str, Any]]
) -> None:
    """Put each host's tree where the host stands as a child, and each placed child where it belongs."""
    if node is None:
        return
    host = node.get("host")
    inner = by_host.get(host, {}) if host is not None else {}
    if node["pid"] in placed:
        node.update(placed[node["pid"]])
    elif node["state"] == "elsewhere" and inner.get("error") and not str(node["pid"]).endswith(".0>"):
        node["state"] = "unresponsive"
    elif node["state"] == "elsewhere" and host in by_host and str(node["pid"]).endswith(f".{host}.0>"):
        node["state"] = "unresponsive" if inner.get("error") else "host"
        node.update({key: inner.get(key) for key in ("role", "processes", "lingering")})
        if inner.get("standing"):
            node["function"] = inner["standing"].get("function")
        if inner.get("tree") is not None:
            node["children"] = inner["tree"]["children"]
    for child in node["children"]:
        _expand(child, by_host, placed)
