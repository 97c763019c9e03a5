"""What a worker host is doing, told so that its death does not take the answer along.

A few bytes of a file in the run's directory, mapped into memory: written before each job and after it,
read by the kernel host once this host is dead. A store into memory costs no system call, outlives SIGKILL,
and works still when a job has closed every descriptor. So a death is blamed on the job that ran, and on no
other: not on those that were sent to the host and had not begun, nor on one that had ended a moment
before.

The same bytes are the fence of jobs that came through a lane: the host writes until when it may run one,
the kernel host puts that off while it may, and the root host, which works when the kernel host is frozen,
kills who is late. See `roger_actors.roger.worker_host.fence`.

Source:
    New here.
"""

from __future__ import annotations

import contextlib
import logging
import mmap
import os
import struct
from pathlib import Path
from typing import Final, NamedTuple

logger = logging.getLogger(__name__)

_NAME: Final = "mark."
_NUMBER: Final = struct.Struct("@Q")
_TIME: Final = struct.Struct("@d")
_ALL: Final = struct.Struct("@QQQdQd")
_RUNNING, _ENDED, _FENCED, _UNTIL, _RENEWED, _RENEWED_UNTIL = range(0, _ALL.size, 8)


class Mark(NamedTuple):
    """What a host was doing when it died, by its own account. Ticket numbers, 0 for none.

    Attributes:
        running: The job or hook that ran.
        ended: The one that had ended last.
    """

    running: int
    ended: int


class Marker:
    """Writes a host's mark; for its job thread.

    Args:
        directory: The run's; empty where hosts are objects: then nobody will read it.
        host: The host's number.

    Attributes:
        can_fence: Whether others can read it: without that, no job of a lane may run here.
    """

    def __init__(self, directory: str, host: int) -> None:
        self.can_fence = True
        try:
            self._mark = _mapped(directory, host) if directory else mmap.mmap(-1, _ALL.size)
        except OSError as error:  # a full disk: the first job that was not answered will be blamed
            logger.warning("cannot note which job runs: %s", error)
            self._mark = mmap.mmap(-1, _ALL.size)
            self.can_fence = False

    def begin(self, ticket: int, until: float | None = None) -> None:
        """Note that a job or hook begins.

        Args:
            ticket: Which.
            until: When it must have been killed if nobody puts that off, on the monotonic clock; None if
                it came through no lane.
        """
        if until is not None:
            _TIME.pack_into(self._mark, _UNTIL, until)
            _NUMBER.pack_into(self._mark, _FENCED, ticket)
        _NUMBER.pack_into(self._mark, _RUNNING, ticket)

    def end(self, ticket: int) -> None:
        """Note that it has ended: what happens to the host from now on is not its doing."""
        _NUMBER.pack_into(self._mark, _FENCED, 0)
        _NUMBER.pack_into(self._mark, _ENDED, ticket)
        _NUMBER.pack_into(self._mark, _RUNNING, 0)


class FenceMark:
    """The mark of a living host, seen from the kernel host, which puts its end off, or the root host.

    Args:
        directory: The run's.
        host: The host's number.

    Raises:
        OSError: There is no such mark (yet, or any more).
    """

    def __init__(self, directory: str, host: int) -> None:
        self._descriptor = os.open(Path(directory, f"{_NAME}{host}"), os.O_RDWR | os.O_CLOEXEC)

    def put_off(self, ticket: int, until: float) -> None:
        """Let the job with this ticket, and no other, go on until then."""
        os.pwrite(self._descriptor, _NUMBER.pack(0), _RENEWED)
        os.pwrite(self._descriptor, _TIME.pack(until), _RENEWED_UNTIL)
        os.pwrite(self._descriptor, _NUMBER.pack(ticket), _RENEWED)

    def until(self) -> float | None:
        """Return when the host must be killed, None while it runs no job of a lane."""
        written = os.pread(self._descriptor, _ALL.size, 0)
        if len(written) < _ALL.size:
            return None  # it is being made just now
        until: float
        _, _, fenced, until, renewed, later = _ALL.unpack(written)
        if not fenced:
            return None
        return max(until, later) if renewed == fenced else until

    def close(self) -> None:
        """Let go of it."""
        os.close(self._descriptor)


def marked_hosts(directory: str) -> set[int]:
    """Return the numbers of the hosts that have a mark."""
    return {int(path.suffix[1:]) for path in Path(directory).glob(f"{_NAME}*")}


def take_mark(directory: str, host: int) -> Mark | None:
    """Read and remove the mark of a dead host; None if it left none."""
    path = Path(directory, f"{_NAME}{host}")
    try:
        running, ended, *_ = _ALL.unpack(path.read_bytes())
    except (OSError, struct.error):
        return None
    finally:
        with contextlib.suppress(OSError):
            path.unlink()
    return Mark(0 if running == ended else running, ended)


def drop_marks(directory: str) -> None:
    """Remove the marks of all hosts: they are dead, and nobody will ask."""
    for path in Path(directory).glob(f"{_NAME}*") if directory else ():
        path.unlink(missing_ok=True)


def _mapped(directory: str, host: int) -> mmap.mmap:
    path = Path(directory, f"{_NAME}{host}")
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, bytes(_ALL.size))  # written, not only made longer: the room is there
        return mmap.mmap(descriptor, _ALL.size)
    finally:
        os.close(descriptor)
