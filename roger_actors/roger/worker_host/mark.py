"""What a worker host is doing, told so that its death does not take the answer along.

Sixteen bytes of a file in the run's directory, mapped into memory: written before each job and after it,
read by the kernel once the host is dead. A store into memory costs no system call, outlives SIGKILL, and
works still when a job has closed every descriptor. So a death is blamed on the job that ran, and on no
other: not on those that were sent to the host and had not begun, nor on one that had ended a moment
before.

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
_BOTH: Final = struct.Struct("@QQ")


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
    """

    def __init__(self, directory: str, host: int) -> None:
        try:
            self._mark = _mapped(directory, host) if directory else mmap.mmap(-1, _BOTH.size)
        except OSError as error:  # a full disk: the first job that was not answered will be blamed
            logger.warning("cannot note which job runs: %s", error)
            self._mark = mmap.mmap(-1, _BOTH.size)

    def begin(self, ticket: int) -> None:
        """Note that a job or hook begins."""
        _NUMBER.pack_into(self._mark, 0, ticket)

    def end(self, ticket: int) -> None:
        """Note that it has ended: what happens to the host from now on is not its doing."""
        _NUMBER.pack_into(self._mark, _NUMBER.size, ticket)
        _NUMBER.pack_into(self._mark, 0, 0)


def take_mark(directory: str, host: int) -> Mark | None:
    """Read and remove the mark of a dead host; None if it left none."""
    path = Path(directory, f"{_NAME}{host}")
    try:
        running, ended = _BOTH.unpack(path.read_bytes())
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
        os.write(descriptor, bytes(_BOTH.size))  # written, not only made longer: the room is there
        return mmap.mmap(descriptor, _BOTH.size)
    finally:
        os.close(descriptor)
