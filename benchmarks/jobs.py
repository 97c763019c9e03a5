"""Executed jobs per second on RabbitMQ.

The jobs are in the queue before the workers start, and the rate comes from the log that the jobs
themselves write. Afterwards the log is checked: every job there, and how many twice.
"""

from __future__ import annotations

import itertools
import os
import signal
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import attrs

from benchmarks import contenders
from benchmarks.contenders import Participant
from benchmarks.digest_log import (
    LOG_VARIABLE,
    Entry,
    arguments,
    count_distinct,
    count_entries,
    doubled_jobs,
    foreign_jobs,
    last_entry,
    missing_jobs,
    read_entries,
    steady_rate,
)
from benchmarks.harness import Benchmark, BenchmarkFailed, Contender, Figure, Goal, Plan, Sample
from benchmarks.marked import cpu_seconds, end_marked, marked_processes
from benchmarks.rabbitmq import broker, queue, require_messages
from benchmarks.subprocesses import ask, running, wait_until
from roger_actors.roger.worker_pool.ledger import AHEAD

RATE = Figure("jobs_per_second", "Executed jobs", "jobs/s")
CPU = Figure("cpu_us_per_job", "CPU time of its processes per job", "µs", higher_is_better=False)
MEASURED_SECONDS, QUICK_SECONDS = 5.0, 1.0
SEEDS = itertools.count(1)

DESCRIPTION = """\
Each job appends the SHA-256 of its random argument to a log, one `write` per job.
All jobs are in the queue before the workers are started; the rate is taken from the moments in the
log, without its first and last twentieth, so starting up does not count.
Every contender acknowledges a job after it has run, and afterwards the log is checked: every job must
be there; `twice` says how many ran more than once.
CPU time is what all processes of the contender used between a tenth and nine tenths of the jobs,
RabbitMQ's not included."""


@attrs.define
class Worked:
    """What was seen of the workers.

    Attributes:
        victim: Process id of the worker that was killed, if one was.
        left_behind: Processes that were still there after the workers had been ended.
        cpu_per_job: User and system time of all their processes per job, in microseconds; None if it
            could not be measured.
    """

    victim: int | None = None
    left_behind: int = 0
    cpu_per_job: float | None = None


@attrs.define
class ExecutedRate:
    """One contender's repetitions; adapts the number of jobs to its speed.

    Attributes:
        participant: Who runs the jobs.
        url: Where the broker is.
        seconds: How long the measured phase should last.
        expected_rate: Jobs per second, guessed for the first repetition.
        kills: Whether a worker process is killed by SIGKILL when half of the jobs have run.
    """

    participant: Participant
    url: str
    seconds: float
    expected_rate: float
    kills: bool = False

    def measure(self) -> Sample:
        """Enqueue jobs, run them all, check the log, and return the rate."""
        who, jobs, seed = self.participant, max(500, int(self.expected_rate * self.seconds)), next(SEEDS)
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            log = Path(folder, "log")
            variables = who.variables(self.url, str(log))
            with queue(self.url, who.queue, kind=who.declare):
                who.make_queue(variables)
                ask([*who.enqueue, "enqueue", str(jobs), str(seed)], variables, seconds=90)
                require_messages(self.url, who.queue, jobs)
                worked = self._work(log, jobs, variables)
                require_messages(self.url, who.queue, 0)
            return self._sample(read_entries(log), arguments(jobs, seed), worked)

    def _work(self, log: Path, jobs: int, variables: Mapping[str, str]) -> Worked:
        who, limit, worked = self.participant, 30 + 6 * self.seconds, Worked()
        marker = f"{LOG_VARIABLE}={log}"
        with running(who.work, variables, patience=who.patience) as workers:
            wait_until(lambda: count_entries(log) >= jobs // 10, limit, who.name, workers)
            before = cpu_seconds(marked_processes(marker)), count_entries(log)
            if self.kills:
                wait_until(lambda: count_entries(log) >= jobs // 2, limit, who.name, workers)
                worked.victim = last_entry(log).process
                os.kill(worked.victim, signal.SIGKILL)
            wait_until(lambda: count_entries(log) >= jobs * 9 // 10, limit, who.name, workers)
            after = cpu_seconds(marked_processes(marker)), count_entries(log)
            wait_until(lambda: count_distinct(log, jobs) >= jobs, limit, who.name, workers)
        worked.left_behind = end_marked(marker)
        if after[1] - before[1] > jobs // 2:  # else the looks came too late to say anything
            worked.cpu_per_job = (after[0] - before[0]) / (after[1] - before[1]) * 1e6
        return worked

    def _sample(self, entries: Sequence[Entry], expected: Sequence[dict[str, str]], worked: Worked) -> Sample:
        doubled = doubled_jobs(entries)
        checks = {
            "jobs": len(expected),
            "missing": missing_jobs(entries, expected),
            "foreign": foreign_jobs(entries, expected),
            "twice": len(doubled),
            "processes left": worked.left_behind,
        }
        figures = {RATE.key: steady_rate(entries)}
        if worked.victim is not None:
            held = {entry.digest for entry in entries if entry.process == worked.victim}
            checks["twice, not held by the killed"] = len(doubled.keys() - held)
        elif worked.cpu_per_job is not None:  # a killed worker takes its clock with it
            figures[CPU.key] = worked.cpu_per_job
        if any(checks[name] for name in checks.keys() - {"jobs", "twice"}) or len(doubled) > self._may_double:
            raise BenchmarkFailed(f"{self.participant.name}: {checks}")
        self.expected_rate = figures[RATE.key]
        return Sample(figures, checks)

    @property
    def _may_double(self) -> int:
        """Others promise at least once and no number; ours promises what a killed host held."""
        if not self.participant.is_ours:
            return sys.maxsize
        return AHEAD if self.kills else 0


@contextmanager
def prepare(plan: Plan) -> Iterator[Benchmark]:
    """Prepare the benchmark on the plan's broker or a private one."""
    with broker(plan) as url:
        seconds = QUICK_SECONDS if plan.quick else MEASURED_SECONDS
        dramatiq, ours, killed = contenders.dramatiq(2, 8), contenders.ours(), contenders.ours(killed=True)
        field = [
            ExecutedRate(ours, url, seconds, 4500),
            ExecutedRate(killed, url, seconds, 4500, kills=True),
            ExecutedRate(dramatiq, url, seconds, 4000),
            ExecutedRate(contenders.celery(2), url, seconds, 1500),
            ExecutedRate(contenders.bare_pika("quorum"), url, seconds, 9000),
        ]
        if not plan.quick:
            field += [
                ExecutedRate(contenders.dramatiq(2, 1), url, seconds, 3500),
                ExecutedRate(contenders.bare_pika("classic"), url, seconds, 12000),
            ]
        yield Benchmark(
            name="jobs",
            title="Executed jobs per second on RabbitMQ",
            description=DESCRIPTION,
            figures=[RATE, CPU],
            contenders=[
                Contender(who.name, who.working, rate.measure, is_ours=who.is_ours)
                for rate in field
                for who in [rate.participant]
            ],
            goals=[Goal(RATE.key, ours.name, dramatiq.name, 1.3)],
        )
