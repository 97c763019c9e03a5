"""Executed jobs per second on RabbitMQ.

The jobs are in the queue before the workers start, and the rate comes from the log that the jobs
themselves write. Afterwards the log is checked: every job there, and how many twice.
"""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs

from benchmarks import contenders
from benchmarks.contenders import Participant
from benchmarks.digest_log import (
    arguments,
    count_entries,
    doubled_jobs,
    foreign_jobs,
    missing_jobs,
    read_entries,
    steady_rate,
)
from benchmarks.harness import Benchmark, BenchmarkFailed, Contender, Figure, Plan, Sample
from benchmarks.rabbitmq import broker, queue, require_messages
from benchmarks.subprocesses import ask, running, wait_until

RATE = Figure("jobs_per_second", "Executed jobs", "jobs/s")
MEASURED_SECONDS, QUICK_SECONDS = 5.0, 1.0
SEEDS = itertools.count(1)

DESCRIPTION = """\
Each job appends the SHA-256 of its random argument to a log, one `write` per job.
All jobs are in the queue before the workers are started; the rate is taken from the moments in the
log, without its first and last twentieth, so starting up does not count.
Every contender acknowledges a job after it has run, and afterwards the log is checked: every job must
be there; `twice` says how many ran more than once."""


@attrs.define
class ExecutedRate:
    """One contender's repetitions; adapts the number of jobs to its speed."""

    participant: Participant
    url: str
    seconds: float
    expected_rate: float

    def measure(self) -> Sample:
        """Enqueue jobs, run them all, check the log, and return the rate."""
        jobs, seed = max(500, int(self.expected_rate * self.seconds)), next(SEEDS)
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            log = Path(folder, "log")
            variables = self.participant.variables(self.url, str(log))
            with queue(self.url, self.participant.queue, kind=self.participant.declare):
                ask([*self.participant.enqueue, "enqueue", str(jobs), str(seed)], variables, seconds=90)
                require_messages(self.url, self.participant.queue, jobs)
                with running(self.participant.work, variables) as workers:
                    name = self.participant.name
                    wait_until(lambda: count_entries(log) >= jobs, 30 + 6 * self.seconds, name, workers)
                require_messages(self.url, self.participant.queue, 0)
            return self._sample(log, jobs, seed)

    def _sample(self, log: Path, jobs: int, seed: int) -> Sample:
        entries, expected = read_entries(log), arguments(jobs, seed)
        checks = {
            "jobs": jobs,
            "missing": missing_jobs(entries, expected),
            "twice": len(doubled_jobs(entries)),
            "foreign": foreign_jobs(entries, expected),
        }
        if checks["missing"] or checks["foreign"]:
            raise BenchmarkFailed(f"{self.participant.name}: {checks}")
        self.expected_rate = steady_rate(entries)
        return Sample({RATE.key: self.expected_rate}, checks)


@contextmanager
def prepare(plan: Plan) -> Iterator[Benchmark]:
    """Prepare the benchmark on the plan's broker or a private one."""
    with broker(plan) as url:
        seconds = QUICK_SECONDS if plan.quick else MEASURED_SECONDS
        field = [
            (contenders.dramatiq(2, 8), 4000),
            (contenders.dramatiq(2, 1), 3500),
            (contenders.celery(2), 1500),
            (contenders.bare_pika("quorum"), 9000),
            (contenders.bare_pika("classic"), 12000),
        ]
        yield Benchmark(
            name="jobs",
            title="Executed jobs per second on RabbitMQ",
            description=DESCRIPTION,
            figures=[RATE],
            contenders=[
                Contender(
                    who.name, who.working, ExecutedRate(who, url, seconds, rate).measure, is_ours=who.is_ours
                )
                for who, rate in field
            ],
            goals=[],
        )
