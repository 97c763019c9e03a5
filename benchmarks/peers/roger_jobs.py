"""The job of `digest_log` as a job class of ours."""

from __future__ import annotations

import functools
import os
import time
from pathlib import Path

from benchmarks.digest_log import run_job
from roger_actors import Job

GATE_VARIABLE = "BENCH_GATE"
"""Variable with the path of a file for which the jobs of `Gated` wait."""


class Digest(Job):
    """Appends the digest of its argument."""

    queue_type = "digest"

    def perform(self, args: dict[str, str]) -> None:
        """Run the job."""
        run_job(args)


class Gated(Digest):
    """The same, after a file has been made: each worker process waits in its first job."""

    def perform(self, args: dict[str, str]) -> None:
        """Run the job."""
        _wait_for_gate()
        run_job(args)


@functools.cache
def _wait_for_gate() -> None:
    gate = Path(os.environ[GATE_VARIABLE])
    while not gate.exists():
        time.sleep(0.01)
