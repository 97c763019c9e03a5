"""What of a run still lives: looked up in `/proc`, never asked of the node.

Every process that a run starts inherits a variable in its environment, wherever it is reparented to
and whatever session it makes. A process is the same one as before only if it began at the same time.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from pathlib import Path

MARK = "ROGER_DEMO_RUN"
"""The variable that every process of a run carries."""


def marked(token: str) -> dict[int, str]:
    """Return the living processes that carry a run's mark, with their command lines, this one not."""
    wanted = f"{MARK}={token}".encode()
    found = {}
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            if wanted in Path(entry.path, "environ").read_bytes().split(b"\0"):
                words = Path(entry.path, "cmdline").read_bytes().split(b"\0")
                found[int(entry.name)] = b" ".join(words).decode(errors="replace")[:120].strip()
        except OSError:
            continue  # gone meanwhile, or another user's
    return found


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and was not waited for does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def wait_until_gone(pids: Iterable[int], limit: float) -> list[int]:
    """Wait until processes have ended, `limit` seconds at most, and return those that have not."""
    deadline = time.monotonic() + limit
    left = [pid for pid in pids if is_alive(pid)]
    while left and time.monotonic() < deadline:
        time.sleep(0.002)  # noqa: TID251 - they are no children of ours, and may be hundreds
        left = [pid for pid in left if is_alive(pid)]
    return left
