"""The job that every contender runs, and the checker of what it left behind.

The job appends one line to a log: the SHA-256 of its argument, the moment on the system-wide
monotonic clock, the process that ran it. All lines are equally long, each is one `write` to a file
opened with `O_APPEND`, so that lines of several processes never mix. Rates and latencies are
computed from these lines, and whether every job ran, for all contenders by the same code.
"""

from __future__ import annotations

import functools
import hashlib
import os
import random
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

LOG_VARIABLE = "BENCH_DIGEST_LOG"
LINE_LENGTH = 64 + 1 + 20 + 1 + 10 + 1


class Entry(NamedTuple):
    """One line of the log.

    Attributes:
        digest: SHA-256 of the job's argument, in hex.
        moment: Nanoseconds on the monotonic clock, the same for all processes of the machine.
        process: Process id of the one that ran it.
    """

    digest: str
    moment: int
    process: int


def arguments(count: int, seed: int) -> list[dict[str, str]]:
    """Return the random arguments of `count` jobs; the same seed gives the same ones."""
    source = random.Random(seed)
    return [{"data": source.randbytes(32).hex()} for _ in range(count)]


def run_job(argument: Mapping[str, str]) -> None:
    """Do the work: this is what is executed, by whoever executes it."""
    process = os.getpid()
    line = f"{digest_of(argument)} {time.monotonic_ns():020d} {process:010d}\n"
    os.write(_log_of(process), line.encode())


@functools.cache
def _log_of(process: int) -> int:
    # By process: a descriptor opened before a fork would do, but each shall open its own.
    del process
    return os.open(os.environ[LOG_VARIABLE], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)


def digest_of(argument: Mapping[str, str]) -> str:
    """Return what the job with this argument writes first."""
    return hashlib.sha256(argument["data"].encode()).hexdigest()


def count_entries(log: Path) -> int:
    """Return how many lines are in the log now."""
    return log.stat().st_size // LINE_LENGTH if log.exists() else 0


def count_distinct(log: Path, at_least: int) -> int:
    """Return how many jobs have run, not looking closely before there are `at_least` lines."""
    lines = count_entries(log)
    return lines if lines < at_least else len({entry.digest for entry in read_entries(log)})


def read_entries(log: Path) -> list[Entry]:
    """Return the log's lines in the order they were written."""
    return list(_parsed(log))


def last_entry(log: Path) -> Entry:
    """Return the newest line of a log that has one."""
    with log.open("rb") as file:
        file.seek(-LINE_LENGTH, os.SEEK_END)
        digest, moment, process = file.read(LINE_LENGTH).decode().split()
    return Entry(digest, int(moment), int(process))


def _parsed(log: Path) -> Iterator[Entry]:
    with log.open("rb") as file:
        while len(line := file.read(LINE_LENGTH)) == LINE_LENGTH:
            digest, moment, process = line.decode().split()
            yield Entry(digest, int(moment), int(process))


def missing_jobs(entries: Sequence[Entry], expected: Sequence[Mapping[str, str]]) -> int:
    """Return how many of the expected jobs have no line."""
    seen = {entry.digest for entry in entries}
    return sum(digest_of(argument) not in seen for argument in expected)


def foreign_jobs(entries: Sequence[Entry], expected: Sequence[Mapping[str, str]]) -> int:
    """Return how many lines belong to none of the expected jobs."""
    wanted = {digest_of(argument) for argument in expected}
    return sum(entry.digest not in wanted for entry in entries)


def doubled_jobs(entries: Sequence[Entry]) -> dict[str, int]:
    """Return the digests that occur more than once, with how often."""
    return {digest: n for digest, n in Counter(entry.digest for entry in entries).items() if n > 1}


def steady_rate(entries: Sequence[Entry]) -> float:
    """Return jobs per second, without the start and the end.

    The first and the last twentieth of the lines are left out: workers start one after another, and
    at the end some are idle already.
    """
    moments = sorted(entry.moment for entry in entries)
    first, last = len(moments) // 20, len(moments) - 1 - len(moments) // 20
    return (last - first) / ((moments[last] - moments[first]) / 1e9)
