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
from pathlib import Path

from roger_actors.errors import CallTimeout, TransportDown
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
        TransportDown: The node did not come up; says why.
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
    with open(reports, "rb") as stream:
        try:
            process = execute(order, f"node={name}", status, run.lock)
        finally:
            os.close(status)
            os.close(run.lock)
        try:
            error = _wait_ready(stream.fileno(), limit)
        except BaseException:
            process.kill()  # whoever was interrupted here has no handle to stop the node with
            process.wait()
            raise
    about = {"admin": process.pid, **run_directory.about(run.path)}
    node = UnixNode(name, run.path, about, process)
    if error is not None:
        node.stop(0)
        raise TransportDown(node=name, detail=error)
    return node


def _wait_ready(fd: int, limit: float) -> str | None:
    said = b""
    deadline = time.monotonic() + limit
    while not said.endswith(b"\n"):
        ready, _, _ = select.select([fd], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            return f"it was not ready after {limit} s"
        data = os.read(fd, 65536)
        if not data:
            break
        said += data
    if not said:
        return "it ended before it was ready; its standard error says why"
    about = json.loads(said)
    return None if about.get("ready") else str(about.get("error"))


def attach(name: str, *, runtime_dir: str | None = None) -> UnixNode:
    """Return a handle on a running node of this user.

    Args:
        name: The node's name, or its run directory.
        runtime_dir: What the node was started with.

    Raises:
        TransportDown: No such node is running.
    """
    path, about = run_directory.find(name, runtime_dir)
    return UnixNode(str(about.get("node", name)), path, about, None)


class UnixNode:
    """A running node as a process outside it sees it; safe to use from any thread.

    Args:
        name: The node's name.
        directory: Its run directory.
        about: The process ids of its admin and root.
        process: The admin, when this process started it.
    """

    def __init__(
        self, name: str, directory: Path, about: dict[str, int], process: subprocess.Popen[bytes] | None
    ) -> None:
        self.name = name
        self.directory = directory
        self._process = process
        self._admin, self._root = _Watched(about.get("admin")), _Watched(about.get("root"))
        self._made_in = self._pool_of = os.getpid()
        self._idle: list[_Connection] = []
        self._lock = threading.Lock()
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
            raise TransportDown(node=self.name, detail=f"its root host is gone ({error})") from error
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
            raise TransportDown(node=self.name, detail=f"its root host does not answer ({error})") from error

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
