"""All connections of one process: listening, connecting, coalescing, back-pressure, delivery.

The hub knows sockets by their paths and nothing of hosts or Thespian. It runs on any loop with
asyncio's `add_reader`, `add_writer`, `call_soon` and `call_later`: asyncio's own in the processes
of a node, `PollLoop` in a process that is not ours.

Sending never delivers. Frames wait until the end of the loop's turn, so that one write carries
them all. A sender that has queued more than `HIGH` bytes for one peer waits for it, reading (not
delivering) meanwhile so that two such senders cannot block each other; a peer that takes too long
is not waited for again until it has caught up.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import socket
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from roger_actors.transport.thespian.link import HELLO, LOCAL, Inbox, Link
from roger_actors.transport.thespian.linux import peer_of

PRESS = 1 << 18
"""Bytes queued for one peer above which they are written without waiting for the turn's end."""

HIGH, LOW = 4 << 20, 1 << 20
"""Bytes queued for one peer above which a sender waits, and below which it goes on."""

PATIENCE, LIMIT = 1.0, 5.0
"""Seconds that a sender waits for a peer that takes nothing, and for one that takes too little."""

RETRY = 0.01
"""Seconds between attempts to connect to a peer whose backlog is full."""

FULL = 1.0
"""Seconds without accepting after this process has run out of descriptors."""


def ignore(sender: Any, frame: bytes) -> None:
    """Drop a frame: what a process without an endpoint does."""


class Loop(Protocol):
    """What the hub needs of an event loop; asyncio's loops have it."""

    def add_reader(self, fd: int, callback: Callable[..., Any], *args: Any) -> Any:
        """Call back whenever the descriptor is readable."""

    def remove_reader(self, fd: int) -> Any:
        """Stop watching for reading."""

    def add_writer(self, fd: int, callback: Callable[..., Any], *args: Any) -> Any:
        """Call back whenever the descriptor is writable."""

    def remove_writer(self, fd: int) -> Any:
        """Stop watching for writing."""

    def call_soon(self, callback: Callable[..., Any], *args: Any) -> Any:
        """Call back in the next turn."""

    def call_later(self, delay: float, callback: Callable[..., Any], *args: Any) -> Any:
        """Call back after `delay` seconds."""


class Owner(Protocol):
    """Who is told what a hub sees. Only `on_message` may run code that is not the transport's."""

    def on_message(self, link: Link | None, kind: int, data: Any) -> None:
        """Take one frame, or, without a link, what this process has sent to itself."""

    def on_hello(self, link: Link) -> bool | None:
        """Say whether a connection is who it says it is; None when that is not known yet."""

    def on_written(self, tokens: list[Any], delivered: bool) -> None:
        """Learn that marked frames have left, or never will."""

    def on_closed(self, link: Link) -> None:
        """Learn that a peer has closed its connection."""

    def on_crash(self, error: Exception) -> None:
        """Learn that the code that took a frame has raised."""


class Hub:
    """The connections of this process.

    Args:
        loop: Where callbacks run.
        listener: Bound, listening socket of this process; the hub owns it.
        owner: Who is told.
    """

    def __init__(self, loop: Loop, listener: socket.socket, owner: Owner) -> None:
        self.loop = loop
        self.path: str = listener.getsockname()
        self.inbox: Inbox = deque()
        self.paused = False
        self.trusting = False
        self.on_frame: Callable[[Any, bytes], None] = ignore
        self._owner = owner
        self._listener = listener
        self._peers: dict[str, Link] = {}
        self._links: set[Link] = set()
        self._dirty: list[Link] = []
        self._flush_due = self._deliver_due = self._delivering = False
        listener.setblocking(False)
        loop.add_reader(listener.fileno(), self.accept)

    # --- sending --------------------------------------------------------------------------------

    def link_to(self, path: str) -> Link | None:
        """Return the connection to the process that listens at `path`; None if there is none."""
        link = self._peers.get(path)
        return link if link is not None else self._connect(path)

    def send(self, link: Link, kind: int, data: bytes) -> None:
        """Queue a frame; it leaves at the end of this turn at the latest.

        Process:
            Loop thread only. Waits (bounded) when more than `HIGH` bytes are queued for this peer.
        """
        link.push(kind, data)
        if not link.dirty:
            link.dirty = True
            self._dirty.append(link)
            if not self._delivering and not self._flush_due:
                self._flush_due = True
                self.loop.call_soon(self.flush)
        if link.queued > PRESS:
            self._press(link)

    def post(self, message: object) -> None:
        """Queue something for this process itself, behind what has arrived."""
        self.inbox.append((None, LOCAL, message))
        self.deliver_soon()

    def flush(self) -> None:
        """Write what the kernel takes of everything queued."""
        self._flush_due = False
        dirty, self._dirty = self._dirty, []
        for link in dirty:
            link.dirty = False
            if not link.waiting and link.queued:
                self._write(link)

    def pending(self) -> int:
        """Return the number of bytes queued for living peers."""
        return sum(link.queued for link in self._links)

    def finish(self, seconds: float) -> bool:
        """Block until everything queued has left, for `seconds` at most; say whether it has."""
        deadline = time.monotonic() + seconds
        self.flush()
        while self.pending() and time.monotonic() < deadline:
            self._poll(0.05)
        return not self.pending()

    def _press(self, link: Link) -> None:
        if not link.waiting:
            self._write(link)
        if link.queued > HIGH and not link.stalled:
            self._wait_for(link)

    def _wait_for(self, link: Link) -> None:
        now = time.monotonic()
        end, patience, sent = now + LIMIT, now + PATIENCE, link.sent
        while link.fd >= 0 and link.queued > LOW:
            self._poll(0.1)
            now = time.monotonic()
            if link.sent != sent:
                sent, patience = link.sent, now + PATIENCE
            if now > patience or now > end:
                link.stalled = True
                return

    def _poll(self, seconds: float) -> None:
        # Input and output for everybody, by hand: the loop is blocked in our caller.
        poll = select.poll()
        by_fd = {link.fd: link for link in self._links if link.held is None and link.fd >= 0}
        for fd, link in by_fd.items():
            poll.register(fd, select.POLLIN | (select.POLLOUT if link.queued else 0))
        for fd, event in poll.poll(seconds * 1000):
            link = by_fd[fd]
            if event & select.POLLOUT and link.fd >= 0:
                self._write(link)
            if event & ~select.POLLOUT and link.fd >= 0:
                self._read(link)
        if self.inbox:
            self.deliver_soon()

    def _write(self, link: Link) -> None:
        try:
            done = link.write()
        except OSError:
            self._read_out(link)
            return
        if done:
            link.stalled = False
        if done == link.waiting:
            self._watch_writing(link, not done)
        tokens = link.written()
        if tokens:
            self._owner.on_written(tokens, True)

    def _watch_writing(self, link: Link, on: bool) -> None:
        link.waiting = on
        if on:
            self.loop.add_writer(link.fd, self._write, link)
        else:
            self.loop.remove_writer(link.fd)

    # --- connecting -----------------------------------------------------------------------------

    def _connect(self, path: str) -> Link | None:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.setblocking(False)
        link = Link(sock, path)
        link.trusted = self.trusting
        link.push(HELLO, self.path.encode())
        try:
            sock.connect(path)
        except BlockingIOError:
            link.waiting = True
            self.loop.call_later(RETRY, self._connect_again, link)
        except OSError:
            sock.close()
            return None
        else:
            self.loop.add_reader(link.fd, self._on_readable, link)
        self._peers[path] = link
        self._links.add(link)
        return link

    def _connect_again(self, link: Link) -> None:
        if link.fd < 0 or link.path is None:
            return
        try:
            link.sock.connect(link.path)
        except BlockingIOError:
            self.loop.call_later(RETRY, self._connect_again, link)
        except OSError:
            self.drop(link)
        else:
            link.waiting = False
            self.loop.add_reader(link.fd, self._on_readable, link)
            self._write(link)

    def accept(self) -> None:
        """Accept every connection that waits; another user's is closed unread."""
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError as error:
                if error.errno in (errno.EMFILE, errno.ENFILE):
                    self._rest()
                return
            pid, uid = peer_of(sock)
            if uid != os.geteuid():
                sock.close()
                continue
            sock.setblocking(False)
            link = Link(sock, None, pid)
            self._links.add(link)
            self.loop.add_reader(link.fd, self._on_readable, link)

    def _rest(self) -> None:
        # Out of descriptors: a listener that stays readable would spin the loop.
        fd = self._listener.fileno()
        self.loop.remove_reader(fd)
        self.loop.call_later(FULL, self.loop.add_reader, fd, self.accept)

    def recognise(self) -> None:
        """Ask again about the connections whose other end was not known yet."""
        for link in [link for link in self._links if link.held is not None]:
            self._admit(link, self._owner.on_hello(link))

    def _greet(self, link: Link) -> bool:
        first: Inbox = deque()
        alive = link.read(first)
        if not first:
            return alive
        _, kind, data = first.popleft()
        if kind != HELLO:
            self.drop(link)
            return True
        link.path = bytes(data).decode(errors="replace")
        link.held = first
        self._admit(link, self._owner.on_hello(link))
        return alive

    def _admit(self, link: Link, known: bool | None) -> None:
        if known is None:
            self.loop.remove_reader(link.fd)
        elif known and link.held is not None:
            if link.path:
                self._peers.setdefault(link.path, link)
            self.inbox.extend(link.held)
            link.held = None
            self.loop.add_reader(link.fd, self._on_readable, link)
            self.deliver_soon()
        else:
            self.drop(link)

    # --- receiving ------------------------------------------------------------------------------

    def _on_readable(self, link: Link) -> None:
        self._read(link)
        if self.inbox and not self.paused:
            self.deliver()

    def _read(self, link: Link) -> None:
        alive = link.read(self.inbox) if link.path is not None else self._greet(link)
        if not alive and link.fd >= 0:
            self.drop(link)
            self._owner.on_closed(link)

    def _read_out(self, link: Link) -> None:
        # The peer takes nothing more, but what it wrote before is still there.
        link.read_all(self.inbox)
        self.drop(link)
        self._owner.on_closed(link)
        self.deliver_soon()

    def drain(self, path: str, pid: int | None) -> None:
        """Read what a process that has ended had written to this one, and close its connections."""
        self.accept()
        for link in [x for x in self._links if x.path == path or (x.path is None and x.pid == pid)]:
            if link.path is None:
                self._greet(link)
            if link.fd >= 0:
                link.read_all(self.inbox)
                self.drop(link)

    def deliver_soon(self) -> None:
        """Deliver in the next turn."""
        if not self._deliver_due and not self._delivering:
            self._deliver_due = True
            self.loop.call_soon(self._deliver_now)

    def _deliver_now(self) -> None:
        self._deliver_due = False
        if self.inbox and not self.paused:
            self.deliver()

    def deliver(self) -> None:
        """Hand on what has arrived, in order, then write what that has queued."""
        if self._delivering:
            return
        inbox, on_message, on_frame = self.inbox, self._owner.on_message, self.on_frame
        self._delivering = True
        try:
            while inbox and not self.paused:
                link, kind, data = inbox.popleft()
                if kind:
                    on_message(link, kind, data)
                elif link.host is not None:
                    on_frame(link.host, data)
        except Exception as error:  # noqa: BLE001 - asyncio would only log it; a process that raises here must end
            self.paused = True
            self._owner.on_crash(error)
        finally:
            self._delivering = False
            if self._dirty:
                self.flush()

    # --- the end --------------------------------------------------------------------------------

    def drop(self, link: Link) -> None:
        """Close a connection; what was queued for it is lost."""
        if link.fd < 0:
            return
        self.loop.remove_reader(link.fd)
        if link.waiting:
            self.loop.remove_writer(link.fd)
        self._links.discard(link)
        if link.path is not None and self._peers.get(link.path) is link:
            del self._peers[link.path]
        link.close()
        lost = link.unwritten()
        if lost:
            self._owner.on_written(lost, False)

    def close(self) -> None:
        """Close everything and remove the socket's file."""
        self.loop.remove_reader(self._listener.fileno())
        for link in list(self._links):
            self.drop(link)
        self._listener.close()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)

    def drop_where(self, match: Callable[[str], bool]) -> None:
        """Close the connections to the paths that match."""
        for link in [link for link in self._links if link.path and match(link.path)]:
            self.drop(link)

    def abandon(self) -> None:
        """In a forked child: let go of the parent's sockets without a word to anybody."""
        self._listener.close()
        for link in self._links:
            link.sock.close()
            link.fd = -1
        self._links.clear()
        self._peers.clear()
