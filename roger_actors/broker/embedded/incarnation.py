"""Who lives, and the bell that wakes the others: one small file beside the database.

Every open broker has a number and holds the lock of that byte of the file; the kernel lets go of it
however the process ends, so a byte without a lock is a dead one. The locks belong to the open file
(OFD locks), not to the process: two brokers in one process see each other too. After a commit that
matters to others byte 0 is written, which inotify tells to everyone who watches the file.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import struct
from pathlib import Path

IN_MODIFY = 0x2
IN_NONBLOCK = 0o4000
IN_CLOEXEC = 0o2000000
FLOCK = "hhqqi0q"  # struct flock: type, whence, start, length, pid


class Lifeline:
    """This broker's lock and bell.

    Args:
        path: The file beside the database; made if missing.
    """

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self.bell = _watch(path)

    def hold(self, number: int) -> None:
        """Take the lock of `number`, 1 or more."""
        fcntl.fcntl(
            self._file, fcntl.F_OFD_SETLK, struct.pack(FLOCK, fcntl.F_WRLCK, os.SEEK_SET, number, 1, 0)
        )

    def is_held(self, number: int) -> bool:
        """Whether another open broker holds the lock of `number`."""
        asked = struct.pack(FLOCK, fcntl.F_WRLCK, os.SEEK_SET, number, 1, 0)
        answer = fcntl.fcntl(self._file, fcntl.F_OFD_GETLK, asked)
        return bool(struct.unpack(FLOCK, answer)[0] != fcntl.F_UNLCK)

    def ring(self) -> None:
        """Tell everyone who watches that something has changed."""
        os.pwrite(self._file, b"!", 0)

    def silence(self) -> None:
        """Read away the rings so far."""
        if self.bell >= 0:
            try:
                os.read(self.bell, 65536)
            except BlockingIOError:
                pass

    def close(self) -> None:
        """Let go of the lock, or, in a forked child, of the child's copy of it."""
        os.close(self._file)
        if self.bell >= 0:
            os.close(self.bell)


def _watch(path: Path) -> int:
    """Return a descriptor that becomes readable when the file is written, -1 if there is none to be had."""
    libc = ctypes.CDLL(None, use_errno=True)
    bell = int(libc.inotify_init1(IN_NONBLOCK | IN_CLOEXEC))
    if bell >= 0 and libc.inotify_add_watch(bell, os.fsencode(path), IN_MODIFY) < 0:
        os.close(bell)
        return -1
    return bell
