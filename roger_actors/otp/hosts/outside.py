"""Talking to a node's processes from outside it: what the starter and the command line use.

`Outside` turns calls into requests over `Node.request` (any thread); `serve_outside` answers them in the
root host, which carries them to the host that is meant. Only plain values travel.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Callable, Coroutine, Generator
from typing import Any, Final

from roger_actors import errors
from roger_actors.errors import NoProcess, ProcessError, RogerActorsError, SeveralProcesses, Undeliverable
from roger_actors.otp.gen_server import GenServer
from roger_actors.otp.hosts import node_view
from roger_actors.otp.hosts.host_agent import AGENT
from roger_actors.otp.hosts.host_child import host_of_role
from roger_actors.otp.hosts.trace_collector import TraceCollector
from roger_actors.otp.hosts.tracing import LENGTH
from roger_actors.otp.message import Refusal
from roger_actors.otp.pid import Pid
from roger_actors.otp.process import current, spawn_on
from roger_actors.otp.reason import KILL, Reason, crash_of, shown
from roger_actors.otp.runtime import Log, Runtime, Target, wire
from roger_actors.otp.send_request import refused
from roger_actors.transport import ROOT, HostId, Node

_log = Log(__name__)

Where = int | str
"""A host's number, or a role (its newest ready host is meant)."""

_SLACK = 1.0
_LONGEST: Final = 10_000
"""Characters of a state that is told outside."""
_PID: Final = re.compile(r"<?(?:.*\.)?(?P<host>\d+)\.(?P<serial>\d+)>?")


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

    def top(self, limit: int = 100, order: str = "mailbox", timeout: float = 5.0) -> dict[str, Any]:
        """Return every host and the busiest processes of each; see `node_view.top`.

        Args:
            limit: Processes of each host.
            order: Which are the busiest: those with the longest `mailbox`, or that have `handled` the most.
            timeout: Seconds; a host that takes longer is shown with where it stands.
        """
        found: dict[str, Any] = self._request(("top", limit, order, timeout), timeout)
        return found

    def kill_host(self, host: int, timeout: float = 5.0) -> None:
        """Kill a host's OS process with all that it started; whoever supervises it starts it anew.

        Raises:
            NoProcess: It is not there, or it is the root host, whose end is the node's.
        """
        self._request(("kill_host", host), timeout)

    def status(self, process: str, timeout: float = 5.0) -> dict[str, Any]:
        """Return a server's `get_status` with its state as text.

        Args:
            process: A pid as it is shown, or a registered name; `name@host` where several have it.
            timeout: Seconds.

        Raises:
            NoProcess, CallTimeout: It is not there, or is busy.
            SeveralProcesses: Several hosts have one of that name.
        """
        found: dict[str, Any] = self._request(("system", process, "status", timeout), timeout * 2)
        return found

    def suspend(self, process: str, timeout: float = 5.0) -> None:
        """Let a server's messages queue up until `resume`; see `status` for the argument."""
        self._request(("system", process, "suspend", timeout), timeout * 2)

    def resume(self, process: str, timeout: float = 5.0) -> None:
        """Let a suspended server go on; see `status` for the argument."""
        self._request(("system", process, "resume", timeout), timeout * 2)

    def trace(
        self, process: str, length: int = LENGTH, timeout: float = 5.0
    ) -> Generator[dict[str, Any], None, None]:
        """Trace a process and give what it does, until it ends or the iterator is closed.

        Args:
            process: See `status`; also a process that a function runs in.
            length: Characters of a message or state that an event shows.
            timeout: Seconds to begin.

        Yields:
            `TraceEvent`s as dicts with pids as text; `{"dropped": n}` where there were too many; and
            `{}` about once a second while nothing happens.

        Raises:
            NoProcess: It is not there.
        """
        name: str = self._request(("trace", process, length, timeout), timeout * 2)
        try:
            over = False
            while not over:
                told = self.call(int(ROOT), name, "next", timeout)
                over = told["over"]
                yield from told["events"] or [{}]
                if told["dropped"]:
                    yield {"dropped": told["dropped"]}
        finally:
            with contextlib.suppress(RogerActorsError):  # it has ended, or the node has
                self.cast(int(ROOT), name, "stop")

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
    return name, _host_of(str(where), name)


async def _call(where: Where, name: str, request: Any, timeout: float | None) -> Any:
    return await GenServer.call(_target(where, name), request, timeout)


async def _cast(where: Where, name: str, request: Any) -> None:
    GenServer.cast(_target(where, name), request)


async def _hosts() -> dict[int, dict[str, Any]]:
    return node_view.hosts()


async def _stop(reason: Reason) -> None:
    runtime = current().runtime
    send_later = runtime.on_shutdown
    runtime.loop.call_soon(send_later, reason)


async def _kill_host(number: int) -> None:
    runtime = current().runtime
    host = HostId(number)
    if host == runtime.host or not runtime.remote.is_up(host):
        raise NoProcess(process=f"host {number}, other than the root host")
    runtime.exit(current().pid, Pid(runtime.node, host, 0), KILL)


async def _system(process: str, operation: str, timeout: float) -> Any:
    target = await find(process, timeout)
    match operation:
        case "suspend":
            return await GenServer.suspend(target, timeout)
        case "resume":
            return await GenServer.resume(target, timeout)
    status = await GenServer.get_status(target, timeout)
    parent = status["parent"]
    return {
        **status,
        "pid": str(status["pid"]),
        "parent": None if parent is None else str(parent),
        "state": shown(status["state"], _LONGEST),
    }


async def _trace(process: str, length: int, timeout: float) -> str:
    name = f"trace:{current().runtime.new_number()}"
    await TraceCollector.start(await find(process, timeout), length, name=name, timeout=timeout)
    return name


async def find(process: str, timeout: float) -> Pid:
    """Return the process that somebody outside means.

    Args:
        process: A pid as it is shown (`<shop.3.17>`, or `3.17`), or a registered name, with `@` and the
            number or role of a host where it is not the only one.
        timeout: Seconds for every host to answer.

    Raises:
        NoProcess: No host that answers knows it.
        SeveralProcesses: The name alone does not say which is meant.
    """
    runtime = current().runtime
    pid = _PID.fullmatch(process)
    if pid is not None:
        return Pid(runtime.node, HostId(int(pid["host"])), int(pid["serial"]))
    name, at, where = process.rpartition("@")
    if not at:
        name, where = process, ""
    asked = [_host_of(where, name)] if at else [runtime.host, *runtime.remote.hosts]
    told = await asyncio.gather(*(_whereis(host, name, timeout) for host in asked))
    found = [pid for pid in told if pid is not None]
    if not found:
        raise NoProcess(process=process)
    if len(found) > 1:
        raise SeveralProcesses(name=name, found=", ".join(map(str, found)))
    return found[0]


async def _whereis(host: HostId, name: str, timeout: float) -> Pid | None:
    try:
        found: Pid | None = await GenServer.call((AGENT, host), ("whereis", name), timeout)
    except ProcessError:  # a host that does not answer must not hide the others' processes
        return None
    return found


def _host_of(where: str, name: str) -> HostId:
    if where.isdigit():
        return HostId(int(where))
    host = host_of_role(current().runtime, where)
    if host is None:
        raise NoProcess(process=f"{name} on a host of role {where}")
    return host


_HANDLERS: dict[str, Callable[..., Coroutine[Any, Any, Any]]] = {
    "call": _call,
    "cast": _cast,
    "tree": node_view.tree,
    "top": node_view.top,
    "hosts": _hosts,
    "kill_host": _kill_host,
    "system": _system,
    "trace": _trace,
    "stop": _stop,
}
