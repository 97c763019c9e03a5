"""The two logs of a run: lines that are appended whole, and read back as values.

A line is one JSON object, written by one `write` to a file opened with `O_APPEND`: lines of several
processes never mix, and what was written before a kill stays written. The moment is taken from the
monotonic clock, which is the same for all processes of a machine.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final, Literal, TypeAlias

import msgspec

Step: TypeAlias = Literal["intent", "accepted", "refused", "unknown", "cancel", "killed", "cut", "outage"]
"""What the enqueuer writes; `cancel` before it cancels a job that runs. Fault tests write `killed` when
their victims are gone, `cut` when a node has been without the broker while others were not, and
`outage` when the broker has served nobody."""
Event: TypeAlias = Literal["begun", "working", "done", "failed", "cancelled", "buried"]
"""What jobs and hooks write; `working` is a sign of life of a job that runs for long."""
NODE: Final = "ROGER_DEMO_NODE"
"""The variable that says which start of which node a process belongs to, where there are several."""


class Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of either log.

    Attributes:
        at: Nanoseconds on the monotonic clock.
        what: What happened.
        job: Id of the job.
        partition: Its tenant.
        name: Short name of its class.
        queue_key: Its queue key.
        execution_key: Its execution key.
        retryable: Whether it is retried.
        attempt: Its `retry_count`.
        pid: The process that wrote the line; of `killed` the process that was killed, 0 for all of a node.
        kind: How it failed: `error`, `exit`, `timeout`, `signal`, `status`.
        detail: For people.
        grace: Of `killed`: seconds before it in which an end may not have been acknowledged. Of `cut` and
            `outage`: how many seconds it lasted, until this line.
        since: Of `killed`: when it was killed; `at` is when it was seen dead. 0 where that is the same.
        node: Which start of which node wrote the line, or was killed or cut; empty where there is only one,
            and for all of them.
    """

    at: int
    what: Step | Event
    job: str = ""
    partition: str = ""
    name: str = ""
    queue_key: str | None = None
    execution_key: str | None = None
    retryable: bool = False
    attempt: int = 0
    pid: int = 0
    kind: str = ""
    detail: str = ""
    grace: float = 0.0
    since: int = 0
    node: str = ""


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Entry).decode


def now() -> int:
    """Return nanoseconds on the clock that all processes of the machine share."""
    return time.monotonic_ns()


class Log:
    """A log to append to; each process opens its own.

    Args:
        path: The file, made if it is missing.
        durable: Whether every append is on disk before it returns.
    """

    def __init__(self, path: str | os.PathLike[str], *, durable: bool = False) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._durable = durable

    def append(self, *entries: Entry) -> None:
        """Append entries by one `write`."""
        os.write(self._fd, b"".join(_encode(entry) + b"\n" for entry in entries))
        if self._durable:
            os.fsync(self._fd)

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)


class Tail:
    """Reads what has been appended to a log since the last look."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def read(self) -> list[Entry]:
        """Return the new entries; a line that is being written is left for the next look."""
        if not self._path.exists():
            return []
        with self._path.open("rb") as file:
            file.seek(self._offset)
            data = file.read()
        whole = data.rfind(b"\n") + 1
        self._offset += whole
        return parse(data[:whole].splitlines())


def parse(lines: Iterable[bytes]) -> list[Entry]:
    """Return the entries that lines mean.

    Raises:
        msgspec.ValidationError: A line is none of ours.
    """
    return [_decode(line) for line in lines]


def read(path: Path) -> list[Entry]:
    """Return every entry of a log, in the order of writing."""
    return Tail(path).read()
