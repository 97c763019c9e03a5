"""What the transport asks of Linux beyond Python's standard library: prctl, pidfds, descendants.

Every function here is one fact about the kernel with a name.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import socket
import struct
import time
from collections import defaultdict
from collections.abc import Collection, Iterator

from roger_actors.transport.base import HostExit

_PR_SET_PDEATHSIG, _PR_SET_NAME, _PR_SET_CHILD_SUBREAPER = 1, 15, 36
_PAGE, _TICKS = os.sysconf("SC_PAGESIZE"), os.sysconf("SC_CLK_TCK")
_libc = ctypes.CDLL(None, use_errno=True)
_ucred = struct.Struct("3i")


def peer_of(sock: socket.socket) -> tuple[int, int]:
    """Return the OS process id and the user id at the other end of a Unix socket."""
    pid, uid, _ = _ucred.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _ucred.size))
    return pid, uid


def die_with_parent(parent: int) -> None:
    """Let the kernel SIGKILL this process when the thread that forked it ends.

    Args:
        parent: The parent's process id; if it is gone already, this process ends at once.
    """
    _libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != parent:
        os._exit(0)


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent ends."""
    _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def set_title(title: str) -> None:
    """Name this process in `ps` and `top`; fifteen characters are kept."""
    _libc.prctl(_PR_SET_NAME, title.encode()[:15], 0, 0, 0)


def raise_file_limit(wanted: int = 65536) -> None:
    """Raise the soft limit of open files to what this user may have, `wanted` at most."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def open_descriptors() -> set[int]:
    """Return the numbers of this process's open descriptors."""
    return {int(entry) for entry in os.listdir("/proc/self/fd") if _is_open(int(entry))}


def _is_open(fd: int) -> bool:
    # The one that listed the directory is in the list and closed by now.
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


def blank(descriptors: Collection[int]) -> None:
    """Point descriptors at /dev/null.

    Their numbers stay taken: a forked child still has the parent's objects in its memory, and one of
    those that closes its descriptor later must not close what has got the same number since.
    """
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for fd in descriptors:
        os.dup2(null, fd, inheritable=False)
    os.close(null)


def reap(pid: int) -> HostExit | None:
    """Collect a child that has ended; None while it lives.

    Raises:
        ChildProcessError: It is no child of this process, or has been collected already.
    """
    found = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG)
    if found is None:
        return None
    if found.si_code == os.CLD_EXITED:
        return HostExit(status=found.si_status)
    return HostExit(signal=found.si_status)


def kill(pid: int, number: int = signal.SIGKILL) -> None:
    """Send a signal to a process that may be gone."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def kill_group(leader: int) -> None:
    """SIGKILL every process of a group that may be gone."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def _parents() -> Iterator[tuple[int, int]]:
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/stat", "rb") as stat:
                fields = stat.read().rpartition(b")")[2].split()
        except OSError:
            continue
        yield int(entry), int(fields[1])


def descendants(of: int, spare: Collection[int] = ()) -> list[int]:
    """Return the processes below `of`, parents before children.

    Args:
        of: A process id.
        spare: Process ids that are left out together with everything below them.
    """
    children: dict[int, list[int]] = defaultdict(list)
    for pid, parent in _parents():
        children[parent].append(pid)
    found: list[int] = []
    queue = [of]
    while queue:
        below = [pid for pid in children[queue.pop()] if pid not in spare]
        found += below
        queue += below
    return found


def sweep(spare: Collection[int] = ()) -> bool:
    """SIGKILL and collect everything below this process but `spare` and what is below them.

    Returns:
        Whether nothing was left to kill. Call again until it is so: a killed process's children
        become children of this process a moment later.
    """
    below = descendants(os.getpid(), spare)
    for pid in below:
        kill(pid)
    for pid in below:
        with contextlib.suppress(ChildProcessError):
            reap(pid)
    return not below


def sweep_all(limit: float = 2.0) -> bool:
    """Sweep until nothing is left below this process, for `limit` seconds at most; say whether nothing is."""
    deadline = time.monotonic() + limit
    while not sweep():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.002)  # noqa: TID251 - the kernel tells nobody that an orphan has got a new parent
    return True


def catches(pid: int, number: int) -> bool:
    """Return whether a process has a handler for a signal, which would else end it."""
    try:
        with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as status:
            masks = [line.split()[1] for line in status if line.startswith("SigCgt:")]
    except OSError:
        return False
    return bool(masks) and bool(int(masks[0], 16) >> (number - 1) & 1)


def usage_of(pid: int) -> tuple[str, int, float]:
    """Return a process's state letter, its resident memory in bytes and its processor time in seconds."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:
            fields = stat.read().rpartition(b")")[2].split()
    except OSError:
        return "", 0, 0.0
    return fields[0].decode(), int(fields[21]) * _PAGE, (int(fields[11]) + int(fields[12])) / _TICKS


def state_of(pid: int) -> str:
    """Return the letter that `ps` shows for a process: `T` stopped, `Z` ended; empty when it is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:
            return stat.read().rpartition(b")")[2].split()[0].decode()
    except OSError:
        return ""
