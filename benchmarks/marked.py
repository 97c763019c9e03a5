"""Finding every process of a contender, wherever it has moved to, by a variable in its environment.

Process groups and parents do not do: a node that daemonises leaves both. The environment that a
process was started with stays in `/proc`.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")
GONE_SECONDS = 2.0


def marked_processes(marker: str) -> list[int]:
    """Return the ids of the living processes whose environment contains a text, this one left out."""
    wanted = marker.encode()
    found = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return [pid for pid in found if pid != os.getpid() and _is_alive(pid) and wanted in _environment(pid)]


def cpu_seconds(pids: list[int]) -> float:
    """Return the user and system time that processes have used so far, their reaped children included."""
    return sum(sum(map(int, fields[11:15])) for pid in pids if (fields := _stat(pid))) / TICK


def end_marked(marker: str) -> int:
    """Wait a moment for marked processes to go, end those that stay, and return how many those were."""
    deadline = time.monotonic() + GONE_SECONDS
    while (left := marked_processes(marker)) and time.monotonic() < deadline:
        time.sleep(0.02)
    for pid in left:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    return len(left)


def _stat(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _is_alive(pid: int) -> bool:
    fields = _stat(pid)
    return bool(fields) and fields[0] not in "ZX"


def _environment(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return b""
