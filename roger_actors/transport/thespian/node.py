"""Starting a node, finding a running one, and talking to it from any thread of any process.

A handle opens no thread and runs no loop: each request borrows a connection to the root host,
which a forked child of the service does not share.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import select
import signal
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from roger_actors.errors import CallTimeout, NodeStartFailed, TransportDown
from roger_actors.transport.base import ROOT
from roger_actors.transport.thespian import run_directory
from roger_actors.transport.thespian.birth import ADMIN
from roger_actors.transport.thespian.endpoint import encode, socket_name
from roger_actors.transport.thespian.execute import execute
from roger_actors.transport.thespian.launch import NodeOrder
from roger_actors.transport.thespian.link import CONTROL, HELLO, REQUEST, SIZE, pack

START_LIMIT = 30.0
"""Seconds that a node may take until its root's `main` has returned."""

ROOT_HEARTBEAT = 15.0
"""Seconds that a root host may stand still, unless the starter says otherwise."""

EXIT_LIMIT = 5.0
"""Seconds that a node has to end by itself when the process that started it exits."""

FORCE = 1.0
"""Seconds that each stronger way of ending a node is given."""

LAST_WORDS = 0.5
"""Seconds within which the admin of a node that does not answer says why the node has ended."""

_number = struct.Struct("<I")


def start_node(
    name: str,
    roles: str,
    root_args: bytes = b"",
    *,
    runtime_dir: str | None = None,
    die_with_starter: bool = True,
    heartbeat: float | None = ROOT_HEARTBEAT,
    limit: float = START_LIMIT,
) -> UnixNode:
    """Start a node and wait until its root host's `main` has returned.

    Args:
        name: The node's name, by which `attach` finds it.
        roles: `module:attribute` of a table of roles with a role `root` in it; imported in the
            node, never sent by a message.
        root_args: Given to the root role's `main`.
        runtime_dir: Where run directories go instead of the environment's choice.
        die_with_starter: Whether the node ends when this process does, however it ends.
        heartbeat: Seconds that the root host's loop may stand still before the node is ended.
        limit: Seconds to wait.

    Raises:
        NodeStartFailed: The node did not come up; says why.
        TransportDown: There is no place for its run directory.
    """
    parent = run_directory.parent_directory(runtime_dir, room=len(run_directory.slug(name)) + 9)
    run = run_directory.create(name, parent)
    reports, status = os.pipe()
    order = NodeOrder(
        node=name,
        directory=str(run.path),
        roles=roles,
        root_args=root_args,
        starter=os.getpid(),
        die_with_starter=die_with_starter,
        status=status,
        lock=run.lock,
        heartbeat=heartbeat,
    )
    words = _Reports(reports)
    try:
        process, first = _execute(order, words, limit)
    except BaseException:
        words.close()
        raise
    about = {"admin": process.pid, **run_directory.about(run.path)}
    node = UnixNode(name, run.path, about, process, words)
    error = _failure(first, limit)
    if error is not None:
        node.stop(0)
        raise NodeStartFailed(node=name, detail=error)
    return node


def _execute(
    order: NodeOrder, words: _Reports, limit: float
) -> tuple[subprocess.Popen[bytes], Mapping[str, Any] | None]:
    """Start an admin and return it with its first report; see `_Reports.next`."""
    try:
        process = execute(order, f"node={order.node}", order.status, order.lock)
    finally:
        os.close(order.status)
        os.close(order.lock)
    try:
        return process, words.next(limit)
    except BaseException:
        process.kill()  # whoever was interrupted here has no handle to stop the node with
        process.wait()
        raise


def _failure(report: Mapping[str, Any] | None, limit: float) -> str | None:
    """Return why a node did not come up, by what its admin reported first; None if it did."""
    if report is None:
        return f"it was not ready after {limit} s"
    if not report:
        return "it ended before it was ready; its standard error says why"
    return None if report.get("ready") else str(report.get("error"))


class _Reports:
    """What a node's admin tells the process that started the node, a line each.

    Args:
        fd: The reading end of the admin's pipe.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._said = b""

    def next(self, seconds: float) -> Mapping[str, Any] | None:
        """Wait for the next report: empty when there will be none, None when the time is over."""
        deadline = time.monotonic() + seconds
        while b"\n" not in self._said:
            if self._fd < 0:
                return {}
            ready, _, _ = select.select([self._fd], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                return None
            data = os.read(self._fd, 65536)
            if not data:
                self.close()
            self._said += data
        line, _, self._said = self._said.partition(b"\n")
        report: Mapping[str, Any] = json.loads(line)
        return report

    def close(self) -> None:
        """Hear no more."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def attach(name: str, *, runtime_dir: str | None = None) -> UnixNode:
    """Return a handle on a running node of this user.

    Args:
        name: The node's name, or its run directory.
        runtime_dir: What the node was started with.

    Raises:
        TransportDown: No such node is running.
    """
    path, about = run_directory.find(name, runtime_dir)
    return UnixNode(str(about.get("node", name)), path, about)


class UnixNode:
    """A running node as a process outside it sees it; safe to use from any thread.

    Args:
        name: The node's name.
        directory: Its run directory.
        about: The process ids of its admin and root.
        process: The admin, when this process started it.
        reports: What that admin tells.
    """

    def __init__(
        self,
        name: str,
        directory: Path,
        about: dict[str, int],
        process: subprocess.Popen[bytes] | None = None,
        reports: _Reports | None = None,
    ) -> None:
        self.name = name
        self.directory = directory
        self._process = process
        self._reports = reports
        self._why_ended = ""
        self._admin, self._root = _Watched(about.get("admin")), _Watched(about.get("root"))
        self._made_in = self._pool_of = os.getpid()
        self._idle: list[_Connection] = []
        self._lock = threading.Lock()
        self._ending = threading.Lock()
        if process is not None:
            atexit.register(self._at_exit)

    def request(self, frame: bytes, timeout: float) -> bytes:
        """Ask the root host and wait for its answer; see `Node.request`."""
        deadline = time.monotonic() + timeout
        connection = self._borrow()
        try:
            answer = connection.ask(frame, deadline)
        except TimeoutError:
            connection.close()
            raise CallTimeout(process=f"root host of node {self.name!r}", seconds=timeout) from None
        except OSError as error:
            connection.close()
            raise self._down(f"its root host is gone ({error})") from error
        with self._lock:
            self._idle.append(connection)
        return answer

    def _borrow(self) -> _Connection:
        with self._lock:
            if self._pool_of != os.getpid():
                self._pool_of = os.getpid()
                self._idle.clear()
            while self._idle:
                connection = self._idle.pop()
                if connection.is_fresh():
                    return connection
                connection.close()
        try:
            return _Connection(self.directory / socket_name(ROOT))
        except OSError as error:
            raise self._down(f"its root host does not answer ({error})") from error

    def _down(self, seen: str) -> TransportDown:
        return TransportDown(node=self.name, detail=self.why_ended or seen)

    @property
    def why_ended(self) -> str:
        """Why the node has ended, as its admin told the process that started it; empty for all others."""
        with self._lock:
            if self._reports is not None and self._made_in == os.getpid():
                said = self._reports.next(LAST_WORDS)
                self._why_ended = str(said["error"]) if said else self._why_ended
            return self._why_ended

    @property
    def is_alive(self) -> bool:
        """Whether the node runs."""
        return run_directory.is_alive(self.directory)

    def stop(self, timeout: float) -> None:
        """End every process of the node; see `Node.stop`.

        Raises:
            TransportDown: Some process could not be ended.
        """
        if self._process is not None:
            atexit.unregister(self._at_exit)
        self._ask_to_stop(timeout)
        with self._ending:  # another thread may wait for a slower stop, which this one has made quick
            # The admin has the same limit and does by force what the root has not done by then.
            if not self._wait_gone(timeout + FORCE) and not self._kill():
                raise TransportDown(node=self.name, detail=f"could not be stopped; see {self.directory}")
            self.close()
            run_directory.remove(self.directory)

    def _ask_to_stop(self, timeout: float) -> None:
        with contextlib.suppress(OSError), contextlib.closing(_Connection(self.directory / ADMIN)) as admin:
            admin.tell(CONTROL, encode(("stop", timeout)))

    def _kill(self) -> bool:
        # First the root: its hosts die with it, and an admin that still answers sweeps the rest.
        for process in (self._root, self._admin):
            process.kill()
            if self._wait_gone(FORCE):
                return True
        return False

    def _wait_gone(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        gone = all(process.wait(deadline - time.monotonic()) for process in (self._admin, self._root))
        if self._process is not None:
            self._process.poll()
        return gone

    def close(self) -> None:
        """Close this handle; the node goes on."""
        self._admin.close()
        self._root.close()
        with self._lock:
            if self._reports is not None:
                self._reports.close()
            for connection in self._idle:
                connection.close()
            self._idle.clear()

    def _at_exit(self) -> None:
        if os.getpid() == self._made_in:
            self.stop(EXIT_LIMIT)


class _Watched:
    """A process that can be waited for and killed, and is never mistaken for another.

    Args:
        pid: Its process id, None when it never was.
    """

    def __init__(self, pid: int | None) -> None:
        self._fd = -1
        with contextlib.suppress(ProcessLookupError):
            self._fd = os.pidfd_open(pid) if pid else -1

    def wait(self, seconds: float) -> bool:
        """Wait for its end, `seconds` at most; return whether it has ended."""
        if self._fd < 0:
            return True
        return bool(select.select([self._fd], [], [], max(0.0, seconds))[0])

    def kill(self) -> None:
        """SIGKILL it."""
        with contextlib.suppress(ProcessLookupError):
            if self._fd >= 0:
                signal.pidfd_send_signal(self._fd, signal.SIGKILL)

    def close(self) -> None:
        """Watch it no longer."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class _Connection:
    """A blocking connection for one request at a time."""

    def __init__(self, path: Path) -> None:
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._sock.settimeout(2.0)
        try:
            self._sock.connect(str(path))
            self._sock.sendall(pack(HELLO))
        except OSError:
            self._sock.close()
            raise
        self._asked = 0

    def is_fresh(self) -> bool:
        """Whether nothing has come, not even the end."""
        readable, _, _ = select.select([self._sock], [], [], 0)
        return not readable

    def ask(self, frame: bytes, deadline: float) -> bytes:
        self._asked += 1
        number = _number.pack(self._asked & 0xFFFFFFFF)
        self._limit(deadline)
        self._sock.sendall(pack(REQUEST | (len(frame) + 4)) + number + frame)
        (head,) = _number.unpack(self._receive(4, deadline))
        return self._receive(head & SIZE, deadline)[4:]

    def tell(self, kind: int, data: bytes) -> None:
        self._sock.sendall(pack(kind | len(data)) + data)

    def _receive(self, size: int, deadline: float) -> bytes:
        received = bytearray()
        while len(received) < size:
            self._limit(deadline)
            data = self._sock.recv(size - len(received))
            if not data:
                raise ConnectionResetError("connection closed")
            received += data
        return bytes(received)

    def _limit(self, deadline: float) -> None:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._sock.settimeout(left)

    def close(self) -> None:
        self._sock.close()
