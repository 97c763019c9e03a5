"""Processes within one host beside Pykka's threads: calls, casts, starts, a whole life, memory."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterator
from contextlib import contextmanager

import attrs

from benchmarks.harness import Benchmark, BenchmarkFailed, Contender, Figure, Goal, Plan, Sample
from benchmarks.subprocesses import ask, python

CALL = Figure("call_us", "Call and reply", "µs", higher_is_better=False)
START = Figure("start_us", "Start and wait for init", "µs", higher_is_better=False)
CYCLE = Figure("cycle_us", "Start, watch, one message, end seen", "µs", higher_is_better=False)
CAST = Figure("cast_us", "One-way message", "µs", higher_is_better=False)
BYTES = Figure("bytes", "Memory of a live process", "bytes", higher_is_better=False)
FIGURES = (CALL, START, CYCLE, CAST, BYTES)

OURS, OURS_QUICK = 20_000, 5_000
PYKKA, PYKKA_QUICK = 2_000, 500

DESCRIPTION = """\
Each contender runs in an interpreter of its own, one at a time, and measures itself with a monotonic clock.
A call has a monitor and a time limit of 5 s (ours) and waits for its answer.
A life is: start, monitor, one message that ends it, the end seen.
Memory is the growth of the resident set per live idle process: over five times as many processes as calls
were made (ours), over 500 threads (Pykka)."""


@attrs.frozen
class Interpreter:
    """One contender's repetitions."""

    module: str
    count: int

    def measure(self) -> Sample:
        """Run it and return its figures."""
        figures: dict[str, float] = ask(python("-m", self.module, str(self.count)), {}, seconds=60)
        live = int(figures.pop("live"))
        if set(figures) != {figure.key for figure in FIGURES}:
            raise BenchmarkFailed(f"{self.module} gave {sorted(figures)}")
        return Sample(figures, {"calls": self.count, "live": live})


@contextmanager
def prepare(plan: Plan) -> Iterator[Benchmark]:
    """Prepare the benchmark; nothing runs yet."""
    ours, theirs = (OURS_QUICK, PYKKA_QUICK) if plan.quick else (OURS, PYKKA)
    version = importlib.metadata.version("pykka")
    names = ("roger_actors processes", f"Pykka {version} threads")
    yield Benchmark(
        name="processes",
        title="Processes within one host",
        description=DESCRIPTION,
        figures=FIGURES,
        contenders=[
            Contender(
                names[0],
                {"loop": "asyncio", "callbacks": "plain functions", "count": ours},
                Interpreter("benchmarks.peers.light_processes", ours).measure,
                is_ours=True,
            ),
            Contender(
                names[1],
                {"actor": "ThreadingActor", "count": theirs},
                Interpreter("benchmarks.peers.pykka_actors", theirs).measure,
            ),
        ],
        goals=[
            Goal(CALL.key, *names, factor=3.0),
            *(Goal(figure.key, *names, factor=10.0) for figure in (START, CYCLE)),
        ],
    )
