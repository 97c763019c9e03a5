"""The command line that every peer's enqueuing side has.

`enqueue COUNT SEED` sends jobs as fast as the peer can and prints what that took; `trickle COUNT
SEED SECONDS` sends one every so many seconds and prints when each was handed over.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Sequence
from typing import Protocol

from benchmarks.digest_log import arguments, digest_of

URL_VARIABLE = "BENCH_AMQP_URL"
QUEUE_VARIABLE = "BENCH_QUEUE"
MODE_VARIABLE = "BENCH_ENQUEUE_MODE"
Arguments = Sequence[dict[str, str]]


class Enqueuer(Protocol):
    """How a peer enqueues."""

    def enqueue(self, jobs: Arguments) -> None:
        """Enqueue jobs; return when the peer's own promise about them holds."""
        ...


def amqp_url() -> str:
    """Return where the broker is."""
    return os.environ[URL_VARIABLE]


def queue_name() -> str:
    """Return the queue that this run uses."""
    return os.environ[QUEUE_VARIABLE]


def drive(peer: Enqueuer) -> None:
    """Do what the command line says and print a JSON object."""
    match sys.argv[1:]:
        case ["enqueue", count, seed]:
            print(json.dumps(_enqueue(peer, arguments(int(count), int(seed)))))
        case ["trickle", count, seed, seconds]:
            print(json.dumps(_trickle(peer, arguments(int(count), int(seed)), float(seconds))))
        case other:
            sys.exit(f"unknown command {other}")


def _enqueue(peer: Enqueuer, jobs: Arguments) -> dict[str, float]:
    # The first few connect, declare and warm up, for every peer alike.
    warm = len(jobs) // 50
    peer.enqueue(jobs[:warm])
    started = time.perf_counter()
    peer.enqueue(jobs[warm:])
    seconds = time.perf_counter() - started
    return {"jobs_per_second": (len(jobs) - warm) / seconds, "seconds": seconds}


def _trickle(peer: Enqueuer, jobs: Arguments, seconds: float) -> dict[str, int]:
    handed_over = {}
    due = time.monotonic()
    for job in jobs:
        due += seconds
        time.sleep(max(0.0, due - time.monotonic()))
        moment = time.monotonic_ns()
        peer.enqueue([job])
        handed_over[digest_of(job)] = moment
    return handed_over
