"""Talking to a node's processes from outside it: what the starter and the command line use.

`Outside` turns calls into requests over `Node.request` (any thread); `serve_outside` answers them in the
root host, which carries them to the host that is meant. Only plain values travel.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from roger_actors import errors
from roger_actors.errors import NoProcess, RogerActorsError, Undeliverable
from roger_actors.otp.gen_server import GenServer
from roger_actors.otp.hosts.host_agent import AGENT, host_tree
from roger_actors.otp.hosts.host_child import host_of_role
from roger_actors.otp.message import Refusal
from roger_actors.otp.process import current, spawn_on
from roger_actors.otp.reason import Reason, crash_of
from roger_actors.otp.runtime import Log, Runtime, Target, wire
from roger_actors.otp.send_request import refused
from roger_actors.transport import HostId, Node

_log = Log(__name__)

Where = int | str
"""A host's number, or a role (its newest ready host is meant)."""

_SLACK = 1.0


class Outside:
    """A node's processes as the process that started the node sees them; thread-safe as the node is.

    Args:
        node: The running node.
    """

    def __init__(self, node: Node) -> None:
        self._node = node

    def call(self, where: Where, name: str, request: Any, timeout: float = 5.0) -> Any:
        """Call a registered server and wait for its answer.

        Args:
            where: On which host: a number, or a role.
            name: The server's registered name.
            request: Plain data or registered structs.
            timeout: Seconds.

        Raises:
            CallTimeout, NoProcess, ServerExited: As for `GenServer.call`.
            TransportDown: The node has ended.
            Undeliverable: The request is not plain.
            RogerActorsError: What the server refused with.
        """
        return self._request(("call", where, name, request, timeout), timeout)

    def cast(self, where: Where, name: str, request: Any, timeout: float = 5.0) -> None:
        """Cast to a registered server; returns when the root host has passed it on."""
        self._request(("cast", where, name, request), timeout)

    def tree(self, timeout: float = 5.0) -> dict[str, Any]:
        """Return the whole running tree as plain data, hosts expanded where they stand as children."""
        tree: dict[str, Any] = self._request(("tree", timeout), timeout)
        return tree

    def hosts(self, timeout: float = 5.0) -> dict[int, dict[str, Any]]:
        """Return every live host: role, OS process id, whether it is ready."""
        hosts: dict[int, dict[str, Any]] = self._request(("hosts",), timeout)
        return hosts

    def processes(self, where: Where, limit: int = 1000, timeout: float = 5.0) -> list[dict[str, Any]]:
        """Return the processes of one host, at most `limit`."""
        found: list[dict[str, Any]] = self.call(where, AGENT, ("processes", limit), timeout)
        return found

    def stop(self, reason: Reason, timeout: float = 5.0) -> None:
        """Tell the root host to stop its tree in order; returns at once."""
        self._request(("stop", reason), timeout)

    def _request(self, request: tuple[Any, ...], timeout: float) -> Any:
        return read_answer(self._node.request(wire.dumps(request), timeout + _SLACK))


def read_answer(data: bytes) -> Any:
    """Return what the root host answered, or raise what it refused with."""
    kind, value = wire.loads(data)
    if kind == "ok":
        return value
    raise refused(value)


def serve_outside(runtime: Runtime) -> None:
    """Let the root host's runtime answer requests from outside the node."""

    def on_request(frame: bytes, reply: Callable[[bytes], None]) -> None:
        spawn_on(runtime, _answer, frame, reply)

    runtime.endpoint.on_request = on_request


async def _answer(frame: bytes, reply: Callable[[bytes], None]) -> None:
    try:
        request = wire.loads(frame)
        answer = wire.dumps(("ok", await _HANDLERS[request[0]](*request[1:])))
    except RogerActorsError as error:
        answer = _refusal(error)
    except Exception as error:  # noqa: BLE001 - a request that makes no sense must get an answer, too
        _log.exception("a request from outside failed")
        answer = wire.dumps(("error", Refusal("StartFailed", {"what": "request", "reason": crash_of(error)})))
    reply(answer)


def _refusal(error: RogerActorsError) -> bytes:
    name = (
        type(error).__name__
        if getattr(errors, type(error).__name__, None) is type(error)
        else "RogerActorsError"
    )
    try:
        return wire.dumps(("error", Refusal(name, error.data)))
    except Undeliverable:
        return wire.dumps(("error", Refusal("RogerActorsError", {"detail": str(error)})))


def _target(where: Where, name: str) -> Target:
    runtime = current().runtime
    host = where if isinstance(where, int) else host_of_role(runtime, where)
    if host is None:
        raise NoProcess(process=f"{name} on a host of role {where}")
    return name, HostId(host)


async def _call(where: Where, name: str, request: Any, timeout: float | None) -> Any:
    return await GenServer.call(_target(where, name), request, timeout)


async def _cast(where: Where, name: str, request: Any) -> None:
    GenServer.cast(_target(where, name), request)


async def _hosts() -> dict[int, dict[str, Any]]:
    runtime = current().runtime
    endpoint = runtime.endpoint
    known: dict[int, dict[str, Any]] = {
        runtime.host: {"role": endpoint.role, "os_pid": endpoint.os_pid(runtime.host), "ready": True}
    }
    for host, (role, ready) in runtime.remote.hosts.items():
        known[host] = {"role": role, "os_pid": endpoint.os_pid(host), "ready": ready.done()}
    return known


async def _stop(reason: Reason) -> None:
    runtime = current().runtime
    send_later = runtime.on_shutdown
    runtime.loop.call_soon(send_later, reason)


async def _tree(timeout: float) -> dict[str, Any]:
    runtime = current().runtime
    hosts = list(runtime.remote.hosts)
    trees = await asyncio.gather(*(_tree_of(host, timeout * 0.8) for host in hosts))
    by_host = dict(zip(hosts, trees, strict=True))
    whole = host_tree(runtime)
    placed = {process["pid"]: process for tree in trees for process in tree.get("placed", ())}
    _expand(whole["tree"], by_host, placed)
    whole["os_pid"] = runtime.endpoint.os_pid(runtime.host)
    whole["hosts"] = await _hosts()
    return whole


async def _tree_of(host: HostId, timeout: float) -> dict[str, Any]:
    try:
        tree: dict[str, Any] = await GenServer.call((AGENT, host), ("tree",), timeout)
    except RogerActorsError as error:
        return {"host": host, "tree": None, "error": str(error)}
    return tree


def _expand(
    node: dict[str, Any] | None, by_host: dict[HostId, dict[str, Any]], placed: dict[str, dict[str, Any]]
) -> None:
    """Put each host's tree where the host stands as a child, and each placed child where it belongs."""
    if node is None:
        return
    for child in node["children"]:
        _expand(child, by_host, placed)
    host = node.get("host")
    if node["pid"] in placed:
        node.update(placed[node["pid"]])
    elif node["state"] == "elsewhere" and host in by_host and str(node["pid"]).endswith(f".{host}.0>"):
        inner = by_host[host]
        node["state"] = "unresponsive" if inner.get("error") else "host"
        node["role"] = inner.get("role")
        node["processes"] = inner.get("processes")
        node["lingering"] = inner.get("lingering")
        tree = inner.get("tree")
        if tree is not None:
            _expand(tree, by_host, placed)
            node["children"] = tree["children"]


_HANDLERS: dict[str, Callable[..., Coroutine[Any, Any, Any]]] = {
    "call": _call,
    "cast": _cast,
    "tree": _tree,
    "hosts": _hosts,
    "stop": _stop,
}
