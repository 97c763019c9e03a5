"""A host's view of its node: frames out and in, and the deaths of other hosts.

The root tells every host, on the connection that carries its frames too, which hosts there are
(with their process ids, so that a connection's sender is known from the kernel and not from what
it says) and which have ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import os
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import attrs
import msgspec

from roger_actors.errors import TransportDown, Undeliverable
from roger_actors.transport.base import ROOT, HostExit, HostId, HostVitals, Role
from roger_actors.transport.thespian.birth import ADMIN
from roger_actors.transport.thespian.hub import Hub
from roger_actors.transport.thespian.link import CONTROL, FRAME, SIZE, Link
from roger_actors.transport.thespian.linux import adopt_orphans, set_title, usage_of
from roger_actors.transport.thespian.transport import Transport

TERMINATED = 128 + signal.SIGTERM
"""Exit status of a host that was asked by SIGTERM to end and whose role did not decide otherwise."""

EXAMINE = signal.SIGRTMIN + 7
"""Asks a host that does not answer where it stands."""

encode = msgspec.msgpack.encode
decode: Callable[[bytes], Any] = msgspec.msgpack.decode


@attrs.define
class Entry:
    """What is known of a live host."""

    role: str
    pid: int


def stack_name(host: int) -> str:
    """Return the file name that a host writes its stacks to when it is examined."""
    return f"h{host}.stack"


def socket_name(host: int) -> str:
    """Return the file name of a host's socket."""
    return f"h{host}"


class HostEndpoint:
    """The `Endpoint` of a host, made in the root and entered in the forked child.

    Args:
        node: The node's name.
        host: This host.
        role: What it runs.
        args: Given to the role's `main`.
        table: The hosts alive when this one was forked, itself not among them.
    """

    def __init__(self, node: str, host: HostId, role: Role, args: bytes, table: dict[int, Entry]) -> None:
        self.node = node
        self.host = host
        self.role = role.name
        self.status = 0
        self.on_host_down: Callable[[HostId, HostExit], None] = _ignore_down
        self.on_request: Callable[[bytes, Callable[[bytes], None]], None] = _refuse
        self.on_terminate: Callable[[], None] = self._terminate
        self.on_examined: Callable[[FrameType | None], str] = lambda _: ""
        self.socket_name = socket_name(host)
        self._role = role
        self._args = args
        self._table = table
        self._newest = max([host, *table])
        self._links: dict[int, Link] = {}

    # --- entering -------------------------------------------------------------------------------

    def enter(self, manager: Any) -> None:
        """In the new process: take its loop and connections, and run the role's `main`."""
        self._take(manager)
        self._start_process()
        self._role.main(self, self._args)

    def _take(self, manager: Any) -> None:
        self._transport: Transport = manager.transport
        self.loop: asyncio.AbstractEventLoop = self._transport.loop
        self._hub: Hub = self._transport.hub
        self._directory = os.path.dirname(self._hub.path)
        self._self = _OwnLink(self.host)

    def _start_process(self) -> None:
        # At least a process group of its own: a job that kills its own group must not reach others.
        if self._role.own_session:
            os.setsid()
        else:
            os.setpgid(0, 0)
        adopt_orphans()
        set_title(f"{self.role}.{self.host}")
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(AttributeError, ValueError):
                stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]
        with contextlib.suppress(AttributeError, OSError, ValueError):
            faulthandler.enable()
        if self.host != ROOT:
            self._let_examine()
        # Not SIG_IGN: that would be inherited by every program a job starts.
        signal.signal(signal.SIGINT, lambda *_: None)
        self.loop.add_signal_handler(signal.SIGTERM, self._asked_to_end)

    def _let_examine(self) -> None:
        # Two handlers for one signal: faulthandler writes the stacks even where the interpreter is stuck in
        # foreign code; the other says more, as soon as there is a next line of Python.
        self._stacks = os.open(
            f"{self._directory}/{stack_name(self.host)}", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600
        )
        signal.signal(EXAMINE, self._examined)
        faulthandler.register(EXAMINE, file=self._stacks, all_threads=True, chain=True)

    def _examined(self, _: int, frame: FrameType | None) -> None:
        try:
            said = self.on_examined(frame)
        except Exception as error:  # noqa: BLE001 - what is interrupted here must go on
            said = f"{type(error).__qualname__}: {error}"
        with contextlib.suppress(OSError):
            os.write(self._stacks, f"\n== {said}\n".encode())

    def _asked_to_end(self) -> None:
        self.on_terminate()

    @property
    def on_frame(self) -> Callable[[HostId, bytes], None]:
        """Called on the loop with (sender, frame)."""
        return self._hub.on_frame

    @on_frame.setter
    def on_frame(self, callback: Callable[[HostId, bytes], None]) -> None:
        self._hub.on_frame = callback

    # --- the contract ---------------------------------------------------------------------------

    @property
    def directory(self) -> str:
        """The node's run directory."""
        return self._directory

    def send(self, to: HostId, frame: bytes) -> None:
        """Queue a frame for another host; see `Endpoint.send`.

        Raises:
            Undeliverable: The frame is larger than half a gigabyte.
        """
        link = self._links.get(to)
        if link is None or link.fd < 0:
            if to == self.host:
                self._send_to_self(frame)
                return
            link = self._link(to)
            if link is None:
                return
        if len(frame) > SIZE:
            raise Undeliverable(type="bytes", detail=f"{len(frame)} bytes; a frame may have {SIZE}")
        self._hub.send(link, FRAME, frame)

    def _send_to_self(self, frame: bytes) -> None:
        self._hub.inbox.append((self._self, FRAME, frame))
        self._hub.deliver_soon()

    def _link(self, to: int) -> Link | None:
        link = self._links.get(to)
        if link is not None and link.fd >= 0:
            return link
        # A host newer than the newest known has a socket already: it is made before the fork.
        link = self._hub.link_to(f"{self._directory}/{socket_name(to)}") if self._may_live(to) else None
        if link is not None:
            link.host = to
            link.trusted = to == ROOT
            self._links[to] = link
        return link

    def _may_live(self, host: int) -> bool:
        return host in self._table or host > self._newest

    def role_of(self, host: HostId) -> str | None:
        """Return the role of a live host, None for one that is unknown or dead."""
        if host == self.host:
            return self.role
        entry = self._table.get(host)
        return entry.role if entry is not None else None

    def start_host(self, role: str, args: bytes) -> HostId:
        """Refuse: only the root host starts hosts."""
        raise TransportDown(
            node=self.node, detail=f"host {self.host} is not the root host and cannot start hosts"
        )

    def kill_host(self, host: HostId) -> None:
        """Refuse: only the root host kills hosts."""
        raise TransportDown(
            node=self.node, detail=f"host {self.host} is not the root host and cannot kill hosts"
        )

    def os_pid(self, host: HostId) -> int | None:
        """Return a live host's OS process id."""
        if host == self.host:
            return os.getpid()
        entry = self._table.get(host)
        return entry.pid if entry is not None else None

    def vitals(self, host: HostId) -> HostVitals | None:
        """Return what the system shows of a host; only the root host knows how long one is silent."""
        pid = self.os_pid(host)
        if pid is None:
            return None
        return HostVitals(*usage_of(pid), silent=0.0)

    def examine(self, host: HostId, then: Callable[[str], None]) -> None:
        """Refuse: only the root host examines hosts."""
        raise TransportDown(
            node=self.node, detail=f"host {self.host} is not the root host and cannot examine hosts"
        )

    def stop(self, status: int = 0, why: str = "") -> None:
        """End this host after what was queued has been sent; see `Endpoint.stop`."""
        self.status = status
        self._transport.abort_run(drain=True)

    def _terminate(self) -> None:
        self.stop(TERMINATED)

    # --- what the hub sees ----------------------------------------------------------------------

    def on_hello(self, link: Link) -> bool | None:
        """Compare what a connection says with what the kernel and the root say of its process."""
        directory, name = os.path.split(link.path or "")
        if directory != self._directory:
            return False
        if name == ADMIN:
            link.trusted = self._is_admin(link)
            return link.trusted
        if not name.startswith("h") or not name[1:].isdigit():
            return False
        return self._is_host(link, int(name[1:]))

    def _is_admin(self, link: Link) -> bool:
        return False

    def _is_host(self, link: Link, host: int) -> bool | None:
        entry = self._table.get(host)
        if entry is None:
            return None if host > self._newest else False
        if entry.pid != link.pid:
            return False
        link.host = host
        link.trusted = host == ROOT
        self._links.setdefault(host, link)
        return True

    def on_message(self, link: Link, kind: int, data: bytes) -> None:
        """Obey the root."""
        if kind != CONTROL or not link.trusted:
            return
        word, *rest = decode(data)
        if word == "up":
            host, role, pid = rest
            self._host_up(host, Entry(role, pid))
        elif word == "down":
            host, number, status = rest
            self._host_down(host, HostExit(number, status))
        elif word == "ping":
            self.tell(link, "pong")

    def tell(self, link: Link, *word: Any) -> None:
        """Send the transport's own word."""
        self._hub.send(link, CONTROL, encode(word))

    def _host_up(self, host: int, entry: Entry) -> None:
        self._table[host] = entry
        self._newest = max(self._newest, host)
        self._hub.recognise()

    def _host_down(self, host: int, how: HostExit) -> None:
        entry = self._table.get(host)
        if entry is None:
            return
        # While it is still known: its first connection may not have been greeted yet.
        self._hub.drain(f"{self._directory}/{socket_name(host)}", entry.pid)
        del self._table[host]
        self._links.pop(host, None)
        # Behind the frames that were just read.
        self._hub.post(lambda: self.on_host_down(HostId(host), how))

    def on_closed(self, link: Link) -> None:
        """Tell the root that a host has closed its connection, unless it is dead anyway."""
        if link.host is None:
            return
        self._links.pop(link.host, None)
        if link.host == ROOT:
            return
        root = self._link(ROOT)
        if root is not None:
            self.tell(root, "lost", link.host)


class _OwnLink:
    """Stands for the sender of what a host sends to itself."""

    def __init__(self, host: int) -> None:
        self.host = host


def _ignore_down(host: HostId, how: HostExit) -> None:
    """Take no notice: what a role that sets no `on_host_down` does."""


def _refuse(frame: bytes, answer: Callable[[bytes], None]) -> None:
    """Answer nothing: what a role that sets no `on_request` does."""
