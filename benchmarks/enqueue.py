"""Enqueue rate on RabbitMQ, from one process with one connection.

Nobody consumes meanwhile, and afterwards every message must be in the queue.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs

from benchmarks import contenders
from benchmarks.contenders import Participant
from benchmarks.harness import Benchmark, BenchmarkFailed, Contender, Figure, Goal, Plan, Sample
from benchmarks.rabbitmq import broker, queue, settled_messages
from benchmarks.subprocesses import ask

RATE = Figure("jobs_per_second", "Enqueued jobs", "jobs/s")
MEASURED_SECONDS, QUICK_SECONDS = 2.0, 0.7

DESCRIPTION = """\
One process enqueues jobs with random arguments as fast as its library can; nobody consumes.
The clock runs from after the first fiftieth (connecting, declaring, warming up) until the last call
has returned: for whoever publishes without confirms that is when the bytes were handed to the socket,
for whoever publishes with confirms it is when the broker has stored every message.
Afterwards the messages in the queue are counted: of those confirmed, every one must be there; `lost`
says how many of the others are not."""


@attrs.define
class EnqueueRate:
    """One contender's repetitions; adapts the number of jobs to its speed."""

    participant: Participant
    url: str
    seconds: float
    expected_rate: float

    def measure(self) -> Sample:
        """Enqueue jobs, count them in the queue, and return the rate."""
        jobs = max(300, int(self.expected_rate * self.seconds))
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            variables = self.participant.variables(self.url, str(Path(folder, "log")))
            with queue(self.url, self.participant.queue, kind=self.participant.declare):
                self.participant.make_queue(variables)
                command = [*self.participant.enqueue, "enqueue", str(jobs), "1"]
                answer = ask(command, variables, seconds=20 + 5 * self.seconds)
                lost = jobs - settled_messages(self.url, self.participant.queue, jobs, 5.0)
        # Without confirms nothing is promised, and a quorum queue under load does lose some.
        if lost and self.participant.confirms:
            raise BenchmarkFailed(f"{self.participant.library}: {lost} confirmed jobs are not in the queue")
        self.expected_rate = answer[RATE.key]
        return Sample({RATE.key: self.expected_rate}, {"jobs": jobs, "lost": lost})


@contextmanager
def prepare(plan: Plan) -> Iterator[Benchmark]:
    """Prepare the benchmark on the plan's broker or a private one."""
    with broker(plan) as url:
        seconds = QUICK_SECONDS if plan.quick else MEASURED_SECONDS
        many, single, dramatiq = contenders.ours(), contenders.ours(mode="single"), contenders.dramatiq(2, 8)
        field = [
            (many, 10000),
            (single, 700),
            (dramatiq, 8000),
            (contenders.celery(2), 2000),
            (contenders.bare_pika("quorum", confirms="pipelined"), 15000),
            (contenders.bare_pika("classic", confirms="pipelined"), 10000),
            (contenders.bare_pika("quorum"), 20000),
            (contenders.bare_pika("classic"), 20000),
        ]
        yield Benchmark(
            name="enqueue",
            title="Enqueued jobs per second on RabbitMQ",
            description=DESCRIPTION,
            figures=[RATE],
            contenders=[
                Contender(
                    who.library,
                    who.enqueuing,
                    EnqueueRate(who, url, seconds, rate).measure,
                    is_ours=who.is_ours,
                )
                for who, rate in field
            ],
            goals=[Goal(RATE.key, many.library, dramatiq.library, 1.3)],
        )
