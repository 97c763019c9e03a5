"""From the call that enqueues to the job's first line, at low load: one job every 20 ms."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import attrs

from benchmarks import contenders
from benchmarks.contenders import Participant
from benchmarks.digest_log import count_entries, doubled_jobs, read_entries
from benchmarks.harness import Benchmark, BenchmarkFailed, Contender, Figure, Plan, Sample
from benchmarks.rabbitmq import broker, queue, require_messages
from benchmarks.subprocesses import ask, running, wait_until

P50 = Figure("p50_ms", "Enqueue to start, p50", "ms", higher_is_better=False)
P99 = Figure("p99_ms", "Enqueue to start, p99", "ms", higher_is_better=False)
INTERVAL = 0.02
JOBS, QUICK_JOBS, WARM_UP = 250, 50, 20

DESCRIPTION = """\
Idle workers wait; one process enqueues a job every 20 ms.
The latency runs from just before the enqueuing call to the moment the job writes in its log, on the
machine's monotonic clock; twenty jobs before that warm everything up and are not counted."""


@attrs.frozen
class Latency:
    """One contender's repetitions."""

    participant: Participant
    url: str
    jobs: int

    def measure(self) -> Sample:
        """Start the workers, let jobs trickle in, and return the percentiles."""
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            log = Path(folder, "log")
            variables = self.participant.variables(self.url, str(log))
            with queue(self.url, self.participant.queue, kind=self.participant.declare):
                handed_over = self._trickle(log, variables)
            return self._sample(log, handed_over)

    def _trickle(self, log: Path, variables: Mapping[str, str]) -> dict[str, int]:
        who = self.participant
        who.make_queue(variables)
        # The first jobs wait for the workers to come up, which also declares the queue of those
        # that declare their own.
        ask([*who.enqueue, "enqueue", str(WARM_UP), "1"], variables, seconds=30)
        with running(who.work, variables, patience=who.patience) as workers:
            wait_until(lambda: count_entries(log) >= WARM_UP, 30, who.name, workers)
            command = [*who.enqueue, "trickle", str(self.jobs + WARM_UP), "2", str(INTERVAL)]
            handed_over: dict[str, int] = ask(command, variables, seconds=30 + 2 * INTERVAL * self.jobs)
            wait_until(lambda: count_entries(log) >= self.jobs + 2 * WARM_UP, 10, who.name, workers)
        require_messages(self.url, who.queue, 0)
        return dict(list(handed_over.items())[WARM_UP:])

    def _sample(self, log: Path, handed_over: Mapping[str, int]) -> Sample:
        entries = read_entries(log)
        started = {entry.digest: entry.moment for entry in reversed(entries)}
        if missing := handed_over.keys() - started.keys():
            raise BenchmarkFailed(f"{self.participant.name}: {len(missing)} jobs never ran")
        latencies = sorted((started[digest] - moment) / 1e6 for digest, moment in handed_over.items())
        figures = {P50.key: statistics.median(latencies), P99.key: statistics.quantiles(latencies, n=100)[98]}
        return Sample(figures, {"jobs": len(latencies), "twice": len(doubled_jobs(entries))})


@contextmanager
def prepare(plan: Plan) -> Iterator[Benchmark]:
    """Prepare the benchmark on the plan's broker or a private one."""
    with broker(plan) as url:
        jobs = QUICK_JOBS if plan.quick else JOBS
        ours, limit = contenders.ours(mode="single"), contenders.bare_pika("quorum")
        field = [ours, contenders.dramatiq(2, 8), contenders.celery(2), limit]
        if not plan.quick:
            field.append(contenders.bare_pika("classic"))
        yield Benchmark(
            name="latency",
            title="From enqueue to start at low load on RabbitMQ",
            description=DESCRIPTION,
            figures=[P50, P99],
            contenders=[
                Contender(
                    who.name,
                    {**who.enqueuing, **who.working},
                    Latency(who, url, jobs).measure,
                    is_ours=who.is_ours,
                )
                for who in field
            ],
        )
