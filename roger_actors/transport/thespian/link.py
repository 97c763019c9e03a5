"""One connection to another process: frames queued, joined, written; bytes read, cut, handed on.

A link knows no loop and no meaning: it owns a non-blocking socket and says what it could not do
yet. On the wire each frame is a little-endian 32-bit word, whose upper three bits are the frame's
kind and whose lower 29 its length, followed by the payload.
"""

from __future__ import annotations

import socket
import struct
from collections import deque
from collections.abc import Callable
from typing import Any

FRAME, PICKLE, CONTROL, HELLO, REQUEST, RESPONSE, LOCAL = (kind << 29 for kind in range(7))
"""What a frame is: a host's own bytes, a Thespian message, the transport's own word, the sender's
name, a question from outside and its answer, or what a process has sent to itself. Only `PICKLE` is
ever unpickled, in a node only from a parent."""

KIND = 7 << 29
SIZE = (1 << 29) - 1
"""Largest payload, in bytes; also the mask of the length."""

RECEIVE = 1 << 16
"""Bytes asked for in one read: more costs a page-faulting allocation each time."""

BATCH = 1 << 18
"""Bytes joined into one write at most, so that a long queue is not copied again and again."""

_head = struct.Struct("<I")
pack = _head.pack
_unpack_from = _head.unpack_from

Inbox = deque[tuple[Any, int, Any]]
"""What was read and not yet delivered: link, kind, payload, over all links in order of arrival."""


class Link:
    """A connected, non-blocking stream socket with a queue in front and a frame cutter behind it.

    Args:
        sock: Connected socket; the link owns it.
        path: Address of the other end's own socket, None until its hello has been read.
        pid: OS process at the other end as the kernel tells it, None on a connection of our own.
    """

    __slots__ = (
        "_marks",
        "_need",
        "_rest",
        "address",
        "dirty",
        "fd",
        "held",
        "host",
        "incoming",
        "out",
        "path",
        "pid",
        "queued",
        "sent",
        "sock",
        "stalled",
        "trusted",
        "waiting",
    )

    def __init__(self, sock: socket.socket, path: str | None, pid: int | None = None) -> None:
        self.sock = sock
        self.fd = sock.fileno()
        self.path = path
        self.pid = pid
        self.host: int | None = None
        self.address: Any = None
        self.trusted = False
        self.held: Inbox | None = None
        self.out: list[bytes] = []
        self.queued = 0
        self.sent = 0
        self.dirty = False
        self.waiting = False
        self.stalled = False
        self.incoming: bytes | bytearray = b""
        self._need = 0
        self._rest: memoryview | None = None
        self._marks: deque[tuple[int, Any]] = deque()

    # --- sending --------------------------------------------------------------------------------

    def push(self, kind: int, data: bytes) -> None:
        """Queue one frame; nothing is written before `write`."""
        size = len(data)
        self.out.append(pack(size | kind))
        self.out.append(data)
        self.queued += size + 4

    def mark(self, token: object) -> None:
        """Remember `token` until everything queued so far has been handed to the kernel."""
        self._marks.append((self.sent + self.queued, token))

    def write(self) -> bool:
        """Write what the kernel takes.

        Returns:
            Whether the queue is empty; False means: call again when the socket is writable.

        Raises:
            OSError: The other end is gone.
        """
        while self.queued:
            data = self._rest if self._rest is not None else self._join()
            try:
                count = self.sock.send(data)
            except BlockingIOError:
                self._rest = memoryview(data)
                return False
            self.queued -= count
            self.sent += count
            self._rest = memoryview(data)[count:] if count < len(data) else None
        return True

    def _join(self) -> bytes:
        out = self.out
        if self.queued <= BATCH:
            data = b"".join(out)
            out.clear()
            return data
        size = count = 0
        while count < len(out) and size < BATCH:
            size += len(out[count])
            count += 1
        data = b"".join(out[:count])
        del out[:count]
        return data

    def written(self) -> list[Any]:
        """Return the tokens whose frames have left, oldest first, and forget them."""
        marks, done = self._marks, []
        while marks and marks[0][0] <= self.sent:
            done.append(marks.popleft()[1])
        return done

    def unwritten(self) -> list[Any]:
        """Return the tokens whose frames will never leave, and forget them."""
        lost = [token for _, token in self._marks]
        self._marks.clear()
        return lost

    # --- receiving ------------------------------------------------------------------------------

    def read(self, inbox: Inbox) -> bool:
        """Read once and append the whole frames to `inbox`.

        Returns:
            False when the other end has closed; what it wrote before has been appended.
        """
        try:
            data = self.sock.recv(RECEIVE)
        except BlockingIOError:
            return True
        except OSError:
            return False
        if not data:
            return False
        self.cut(data, inbox)
        return True

    def read_all(self, inbox: Inbox) -> bool:
        """Read until nothing is left; the same result as `read`."""
        while True:
            try:
                data = self.sock.recv(RECEIVE)
            except BlockingIOError:
                return True
            except OSError:
                return False
            if not data:
                return False
            self.cut(data, inbox)

    def cut(self, data: bytes, inbox: Inbox) -> None:
        """Cut bytes, with what was left over before them, into frames."""
        if self.incoming:
            data = self._with_leftover(data)
            if not data:
                return
        position, end = 0, len(data)
        append, unpack = inbox.append, _unpack_from
        self._need = 4
        while end - position >= 4:
            (head,) = unpack(data, position)
            stop = position + 4 + (head & SIZE)
            if stop > end:
                self._need = stop - position
                break
            append((self, head & KIND, data[position + 4 : stop]))
            position = stop
        self.incoming = data[position:] if position else data

    def _with_leftover(self, data: bytes) -> bytes:
        # A frame of many reads grows in a bytearray: adding bytes to bytes would be quadratic.
        if not isinstance(self.incoming, bytearray):
            self.incoming = bytearray(self.incoming)
        self.incoming += data
        if len(self.incoming) < self._need:
            return b""
        whole = bytes(self.incoming)
        self.incoming = b""
        return whole

    # --- the end --------------------------------------------------------------------------------

    def close(self) -> None:
        """Close the socket; safe to call twice."""
        self.sock.close()
        self.fd = -1
        self.out.clear()
        self.queued = 0


Deliver = Callable[[Link, int, bytes], None]
"""What a process does with one frame: (link, kind, payload)."""
