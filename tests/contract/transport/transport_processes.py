"""Looking at a node's processes from outside."""

from __future__ import annotations

import json
import os
import select
import time
from pathlib import Path

from roger_actors.transport.thespian import UnixNode


def about(node: UnixNode) -> dict[str, int]:
    """Return the process ids of a node's admin and root."""
    found: dict[str, int] = json.loads((node.directory / "node.json").read_text())
    return found


def wait_gone(pids: list[int], limit: float) -> list[int]:
    """Wait until processes have ended and return those that have not, after `limit` seconds."""
    deadline = time.monotonic() + limit
    for pid in pids:
        try:
            watch = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        try:
            select.select([watch], [], [], max(0.0, deadline - time.monotonic()))
        finally:
            os.close(watch)
    return [pid for pid in pids if is_running(pid)]


def is_running(pid: int) -> bool:
    """Whether a process lives; a zombie does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return False
    return stat.rpartition(b")")[2].split()[0] != b"Z"
