"""Many tenants on one node: starting 1,000 partitions, keeping them, and running jobs in all of them."""

from __future__ import annotations

import itertools
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import attrs

from benchmarks.digest_log import (
    LOG_VARIABLE,
    arguments,
    count_distinct,
    missing_jobs,
    read_entries,
    steady_rate,
)
from benchmarks.harness import Benchmark, BenchmarkFailed, Bound, Contender, Figure, Goal, Plan, Sample
from benchmarks.marked import cpu_seconds, end_marked, marked_processes
from benchmarks.peers.roger_jobs import GATE_VARIABLE, Gated
from benchmarks.rabbitmq import broker, channel
from roger_actors import Client, Config, Node, RogerActorsError

NEW = Figure("new_seconds", "Start, new queues", "s", higher_is_better=False)
EXISTING = Figure("existing_seconds", "Start, existing queues", "s", higher_is_better=False)
NEW_CPU = Figure("new_cpu_seconds", "CPU time for it, new queues", "s", higher_is_better=False)
EXISTING_CPU = Figure("existing_cpu_seconds", "CPU time for it, existing queues", "s", higher_is_better=False)
MEMORY = Figure("kernel_mib", "Kernel host", "MiB", higher_is_better=False)
IDLE = Figure("idle_percent", "CPU when idle", "% of a core", higher_is_better=False)
SHARE = Figure("share", "Over all, of one", "%")
PARTITIONS, QUICK_PARTITIONS = 1000, 200
JOBS, QUICK_JOBS = 20_000, 3_000
IDLE_SECONDS, QUICK_IDLE_SECONDS = 10.0, 3.0
LIMIT = 120.0
TYPES = ("digest", "other")
SEEDS = itertools.count(1)

DESCRIPTION = """\
A node is started with many partitions of two queues each, once on a broker without its queues and once
where they are; the clock runs from the call until every queue is consumed.
The bare pika loop declares and consumes as many queues one after another, on one channel.
Then jobs (those of the first benchmark) are put into one partition, a tenth and all of them; two worker
processes hold the first until every partition is open, and the rate is taken from the jobs' log.
Roger on Elixir, measured in a run of its own with 1,000 partitions of two queues: 13–16 s
with new queues, 4.7 s with existing ones, 125 MB; 4,000 / 3,200 / 2,700–3,300 jobs/s over 1 / 100 / 1,000."""


def rate_over(count: int) -> Figure:
    """Return the figure for jobs spread over so many partitions."""
    return Figure(f"jobs_per_second_{count}", f"Jobs over {count:,}", "jobs/s")


def sizes(partitions: int) -> tuple[int, ...]:
    """Return over how many partitions jobs are spread, one after the other."""
    return (1, partitions // 10, partitions)


@attrs.frozen
class Tenants:
    """Our repetitions."""

    url: str
    partitions: int
    jobs: int
    idle_seconds: float

    def measure(self) -> Sample:
        """Start, look, stop, start again, and run jobs."""
        figures: dict[str, float] = {}
        with tempfile.TemporaryDirectory(prefix="bench-") as folder, _queues(self.url, self._names()):
            with self._node(Path(folder, "new"), self.partitions) as (node, marker, seconds):
                figures |= {NEW.key: seconds, NEW_CPU.key: cpu_seconds(marked_processes(marker))}
                kernel = next(host["os_pid"] for host in node.hosts().values() if host["role"] == "kernel")
                figures[MEMORY.key] = _resident(kernel)
                before = cpu_seconds(marked_processes(marker))
                time.sleep(self.idle_seconds)
                figures[IDLE.key] = (cpu_seconds(marked_processes(marker)) - before) / self.idle_seconds * 100
            with self._node(Path(folder, "existing"), self.partitions) as (_, marker, seconds):
                figures |= {EXISTING.key: seconds, EXISTING_CPU.key: cpu_seconds(marked_processes(marker))}
            for count in sizes(self.partitions):
                figures[rate_over(count).key] = self._run(Path(folder, f"over-{count}"), count)
        one, *_, all_of_them = (figures[rate_over(count).key] for count in sizes(self.partitions))
        figures[SHARE.key] = all_of_them / one * 100
        return Sample(figures, {"partitions": self.partitions, "jobs": self.jobs})

    def _run(self, log: Path, count: int) -> float:
        jobs = arguments(self.jobs, next(SEEDS))
        with Client(self._config(count)) as client:
            for number in range(count):
                own = [Gated.create(job) for job in jobs[number::count]]
                for outcome in client.enqueue_many(own, f"t{number}"):
                    if isinstance(outcome, RogerActorsError):
                        raise BenchmarkFailed(f"not enqueued: {outcome}")
        with self._node(log, count):
            Path(f"{log}.gate").touch()
            deadline = time.monotonic() + LIMIT
            while count_distinct(log, len(jobs)) < len(jobs):
                if time.monotonic() > deadline:
                    raise BenchmarkFailed(f"{missing_jobs(read_entries(log), jobs)} jobs are missing")
                time.sleep(0.05)
        return steady_rate(read_entries(log))

    @contextmanager
    def _node(self, log: Path, count: int) -> Iterator[tuple[Node, str, float]]:
        """Run a node whose partitions are all open; yields it, its processes' mark and how long it took."""
        variables = {LOG_VARIABLE: str(log), GATE_VARIABLE: f"{log}.gate"}
        marker = f"{LOG_VARIABLE}={log}"
        os.environ.update(variables)
        try:
            begun = time.monotonic()
            with Node.start(self._config(count)) as node:
                while not node.health()["ready"]:
                    if time.monotonic() - begun > LIMIT:
                        raise BenchmarkFailed(f"not open after {LIMIT:.0f} s: {node.health()}")
                    time.sleep(0.5)
                yield node, marker, time.monotonic() - begun
        finally:
            for name in variables:
                del os.environ[name]
            end_marked(marker)

    def _config(self, count: int) -> Config:
        return Config.from_mapping(
            {
                "node": {
                    "name": "bench-partitions",
                    "broker": self.url,
                    "jobs": ["benchmarks.peers.roger_jobs"],
                    "max_worker_hosts": 2,
                },
                "logging": {"level": "ERROR"},
                "partitions": {f"t{number}": {"queues": dict.fromkeys(TYPES, 2)} for number in range(count)},
            }
        )

    def _names(self) -> list[str]:
        return [f"t{number}-{kind}" for number in range(self.partitions) for kind in TYPES]


@attrs.frozen
class BareLoop:
    """The repetitions of a loop that declares and consumes, and does nothing else."""

    url: str
    queues: int

    def measure(self) -> Sample:
        """Declare and consume new queues, and again where they are."""
        names = [f"bench-bare-{number}" for number in range(self.queues)]
        figures: dict[str, float] = {}
        with _queues(self.url, names):
            for wall, cpu in ((NEW, NEW_CPU), (EXISTING, EXISTING_CPU)):
                begun, used = time.monotonic(), time.process_time()
                with channel(self.url) as opened:
                    for name in names:
                        opened.queue_declare(name, durable=True, arguments={"x-queue-type": "quorum"})
                        opened.basic_consume(name, _ignore)
                    figures |= {wall.key: time.monotonic() - begun, cpu.key: time.process_time() - used}
        return Sample(figures, {"queues": self.queues})


def _ignore(*_: Any) -> None:
    """Take a delivery; there is none."""


def _resident(process: int) -> float:
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


@contextmanager
def _queues(url: str, names: Sequence[str]) -> Iterator[None]:
    """Delete queues before and afterwards."""
    with ExitStack() as stack:
        stack.callback(_delete, url, names)
        _delete(url, names)
        yield


def _delete(url: str, names: Sequence[str]) -> None:
    with channel(url) as opened:
        for name in names:
            opened.queue_delete(name)


@contextmanager
def prepare(plan: Plan) -> Iterator[Benchmark]:
    """Prepare the benchmark on the plan's broker or a private one."""
    partitions = QUICK_PARTITIONS if plan.quick else PARTITIONS
    jobs, idle = (QUICK_JOBS, QUICK_IDLE_SECONDS) if plan.quick else (JOBS, IDLE_SECONDS)
    queues = partitions * len(TYPES)
    ours, bare = f"roger_actors, {partitions:,} × 2", f"bare pika, {queues:,} queues"
    with broker(plan) as url:
        yield Benchmark(
            name="partitions",
            title="Many partitions on one node",
            description=DESCRIPTION,
            figures=[
                NEW,
                EXISTING,
                NEW_CPU,
                EXISTING_CPU,
                MEMORY,
                IDLE,
                *map(rate_over, sizes(partitions)),
                SHARE,
            ],
            contenders=[
                Contender(
                    ours,
                    {"queue": "quorum", "max_workers": 2, "max_worker_hosts": 2, "channels": "one per queue"},
                    Tenants(url, partitions, jobs, idle).measure,
                    is_ours=True,
                ),
                Contender(
                    bare, {"queue": "quorum", "channels": 1, "binding": "none"}, BareLoop(url, queues).measure
                ),
            ],
            goals=[Goal(NEW.key, ours, bare, 1.0)],
            bounds=[
                Bound(NEW.key, ours, 14.0),
                Bound(EXISTING.key, ours, 6.0),
                Bound(MEMORY.key, ours, 150.0),
                Bound(IDLE.key, ours, 5.0),
            ],
            repetitions=3,
        )
