"""Hosts as objects: the transport in one thread, on one event loop, on any operating system.

With a `VirtualLoop` time stands still until it is told to move, so everything is deterministic: tests of
processes, supervisors and of a user's own servers run without waiting. On an ordinary event loop the same
hosts run in real time.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import selectors
from collections.abc import Callable
from types import FrameType
from typing import Any, Final

from roger_actors.clock import ManualClock
from roger_actors.errors import CallTimeout, TransportDown
from roger_actors.transport.base import ROOT, HostExit, HostId, HostVitals, Role, Roles

_log = logging.getLogger(__name__)

_SIGKILL: Final = 9
_START_FAILED: Final = 70
_THREAD_GRACE: Final = 2.0


class NothingCanMove(RuntimeError):
    """Everything waits for something that will never come: a deadlock, found because time is virtual."""


class _Turnstile(selectors.DefaultSelector):
    """A selector that never waits: it says that the loop is idle instead."""

    def __init__(self, on_idle: Callable[[float | None], None]) -> None:
        super().__init__()
        self._on_idle = on_idle

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Look without waiting; report idleness and how long it would have lasted."""
        ready = super().select(0)
        if not ready and (timeout is None or timeout > 0):
            self._on_idle(timeout)
        return ready

    def wait(self, seconds: float) -> bool:
        """Really wait, for another thread's call; return whether there was one."""
        return bool(super().select(seconds))


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time is a `ManualClock`.

    Args:
        clock: The clock; it is moved by this loop and may be moved by the test.
    """

    def __init__(self, clock: ManualClock | None = None) -> None:
        self.clock = clock or ManualClock()
        self._idle_for: float | None = None
        self._turnstile = _Turnstile(self._went_idle)
        super().__init__(self._turnstile)

    def time(self) -> float:
        """Return the manual clock's reading."""
        return self.clock.monotonic()

    def _went_idle(self, seconds: float | None) -> None:
        self._idle_for = seconds
        self.stop()

    def settle(self) -> None:
        """Run until nothing can move without time passing."""
        self.run_forever()

    def advance(self, seconds: float) -> None:
        """Let time pass, stopping at every timer on the way.

        Args:
            seconds: How long, 0 or more.
        """
        target = self.time() + seconds
        self.settle()
        while self._idle_for is not None and self.time() + self._idle_for <= target + 1e-9:
            self.clock.advance(self._idle_for)
            self.settle()
        self.clock.advance(max(0.0, target - self.time()))
        self.settle()

    def run_until(self, future: asyncio.Future[Any], *, limit: float = float("inf")) -> Any:
        """Run until a future is done, letting time pass whenever nothing else can move.

        Args:
            future: What to wait for.
            limit: Virtual seconds after which to give up.

        Returns:
            The future's result.

        Raises:
            NothingCanMove: It will never be done.
        """
        if future.done():
            # A callback on it would stop the loop's next run, whatever that is for.
            return future.result()
        end = self.time() + limit
        future.add_done_callback(lambda _: self.stop())
        while not future.done():
            self.run_forever()
            if future.done():
                break
            if self._idle_for is None:
                if not self._turnstile.wait(_THREAD_GRACE):
                    raise NothingCanMove("everything waits, and no timer is set")
            elif self.time() + self._idle_for > end:
                raise NothingCanMove(f"not done after {limit} s")
            else:
                self.clock.advance(self._idle_for)
        return future.result()


class MemoryEndpoint:
    """A host's view of its in-memory node; see `transport.base.Endpoint`.

    Attributes:
        on_killed: Called when the host is killed: whatever runs in it must stop where it stands.
    """

    def __init__(self, node: MemoryNode, host: HostId, role: str) -> None:
        self.node = node.name
        self.host = host
        self.role = role
        self.loop = node.loop
        self.on_frame: Callable[[HostId, bytes], None] = lambda _, __: None
        self.on_host_down: Callable[[HostId, HostExit], None] = lambda _, __: None
        self.on_request: Callable[[bytes, Callable[[bytes], None]], None] = lambda _, __: None
        self.on_terminate: Callable[[], None] = self.stop
        self.on_killed: Callable[[], None] = lambda: None
        self.on_examined: Callable[[FrameType | None], str] = lambda _: ""
        self._hub = node

    @property
    def directory(self) -> str:
        """The directory that the node was given."""
        return self._hub.directory

    def send(self, to: HostId, frame: bytes) -> None:
        """Queue a frame for another host."""
        self._hub.carry(self.host, to, frame)

    def start_host(self, role: str, args: bytes) -> HostId:
        """Start a host of a known role."""
        return self._hub.start_host(role, args)

    def kill_host(self, host: HostId) -> None:
        """Kill a host as SIGKILL does."""
        self._hub.kill_host(host)

    def role_of(self, host: HostId) -> str | None:
        """Return the role of a live host."""
        endpoint = self._hub.hosts.get(host)
        return None if endpoint is None else endpoint.role

    def os_pid(self, host: HostId) -> int | None:
        """Return None: there is no OS process."""
        return None

    def vitals(self, host: HostId) -> HostVitals | None:
        """Return None: there is no OS process."""
        return None

    def examine(self, host: HostId, then: Callable[[str], None]) -> None:
        """Say nothing: hosts that share a thread stand still together."""
        self.loop.call_soon(then, "")

    def stop(self, status: int = 0, why: str = "") -> None:
        """End this host after what was queued has been sent."""
        self.loop.call_soon(self._hub.end_host, self.host, HostExit(status=status))


class MemoryNode:
    """A node whose hosts are objects; see `transport.base.Node`.

    Args:
        roles: What each kind of host runs; `root` is started at once.
        loop: On which everything runs.
        name: The node's name.
        args: For the root role's main.
        directory: For files of its hosts, empty for none.
    """

    def __init__(
        self,
        roles: Roles,
        loop: asyncio.AbstractEventLoop,
        *,
        name: str = "memory",
        args: bytes = b"",
        directory: str = "",
    ) -> None:
        self.name = name
        self.directory = directory
        self.loop = loop
        self.hosts: dict[HostId, MemoryEndpoint] = {}
        self.exits: dict[HostId, HostExit] = {}
        self._roles = roles
        self._ids = itertools.count(ROOT)
        self.root = self._add("root")
        self._begin(self.root, roles["root"], args)

    def _add(self, role: str) -> MemoryEndpoint:
        host = HostId(next(self._ids))
        endpoint = self.hosts[host] = MemoryEndpoint(self, host, role)
        return endpoint

    def _begin(self, endpoint: MemoryEndpoint, role: Role, args: bytes) -> None:
        if endpoint.host not in self.hosts:
            return
        try:
            role.main(endpoint, args)
        except Exception:  # noqa: BLE001 - as the contract says: whatever main raises ends the host with status 70
            _log.exception("main of role %s failed", role.name)
            self.end_host(endpoint.host, HostExit(status=_START_FAILED))

    def start_host(self, role: str, args: bytes) -> HostId:
        """Start a host of a known role; its main runs in the next turn of the loop."""
        known = self._roles[role]
        endpoint = self._add(role)
        self.loop.call_soon(self._begin, endpoint, known, args)
        return endpoint.host

    def carry(self, sender: HostId, to: HostId, frame: bytes) -> None:
        """Deliver a frame in the next turn of the loop."""
        if sender in self.hosts:
            self.loop.call_soon(self._deliver, sender, to, frame)

    def _deliver(self, sender: HostId, to: HostId, frame: bytes) -> None:
        endpoint = self.hosts.get(to)
        if endpoint is not None:
            endpoint.on_frame(sender, frame)

    def kill_host(self, host: HostId, signal: int = _SIGKILL) -> None:
        """End a host as a signal does: at once, and others are told after the frames it had sent."""
        self.end_host(host, HostExit(signal=signal))

    def end_host(self, host: HostId, ended: HostExit) -> None:
        """End a host; the root host's end is the end of all."""
        endpoint = self.hosts.pop(host, None)
        if endpoint is None:
            return
        self.exits[host] = ended
        endpoint.on_killed()
        if host == ROOT:
            for other in list(self.hosts):
                self.end_host(other, HostExit(signal=_SIGKILL))
        self.loop.call_soon(self._tell_down, host, ended)

    def _tell_down(self, host: HostId, ended: HostExit) -> None:
        for endpoint in list(self.hosts.values()):
            endpoint.on_host_down(host, ended)

    def request(self, frame: bytes, timeout: float) -> bytes:
        """Ask the root host; with a `VirtualLoop`, runs it until the answer is there.

        Raises:
            CallTimeout: No answer in time.
            TransportDown: The node has ended.
        """
        if ROOT not in self.hosts:
            raise TransportDown(node=self.name, detail="it has ended")
        loop = self.loop
        if not isinstance(loop, VirtualLoop):
            raise TransportDown(
                node=self.name, detail="only a node on a VirtualLoop can be asked from outside"
            )
        answer: asyncio.Future[bytes] = loop.create_future()

        def reply(data: bytes) -> None:
            if not answer.done():
                answer.set_result(data)

        self.root.on_request(frame, reply)
        try:
            result: bytes = loop.run_until(answer, limit=timeout)
        except NothingCanMove as error:
            raise CallTimeout(process=self.name, seconds=timeout) from error
        return result

    def stop(self, timeout: float = 5.0) -> None:
        """End every host at once."""
        self.end_host(ROOT, HostExit(status=0))
