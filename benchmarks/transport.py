"""Messages between OS processes: this project's transport beside Thespian's and bare asyncio."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import attrs

from benchmarks.harness import Benchmark, BenchmarkFailed, Contender, Figure, Goal, Plan, Sample
from benchmarks.subprocesses import ask, python

WINDOWS = (1, 16, 128, 1000)
FIGURES = (
    Figure("echo_128", "Echo, window 128", "round trips/s"),
    *(Figure(f"echo_{window}", f"Echo, window {window}", "round trips/s") for window in (1, 16, 1000)),
    Figure("flood", "One-way flood from one handler", "messages/s"),
    Figure("start_ms", "Start a process and hear from it", "ms", higher_is_better=False),
    Figure("death_1_ms", "One SIGKILL until it is told", "ms", higher_is_better=False),
    Figure("death_50_ms", "50 SIGKILLs at once until the last is told", "ms", higher_is_better=False),
)
SECONDS, QUICK_SECONDS = 0.6, 0.25
TOTAL, QUICK_TOTAL = 10, 5
"""Seconds that one repetition of a Thespian base may take."""

LIMIT = 30.0

DESCRIPTION = """\
Two OS processes on one machine, one message of 200 bytes per round trip, checked for order.
A window is the number of messages under way at the same time.
The flood sends, from within one handler, as many messages as the echo at window 128 does in the measured
time; its clock stops when the last has been counted.
A start ends with the new process's first answer; a death's clock runs from the first SIGKILL to the last
report, and a death of 50 is given only when all 50 were told.
A repetition of a Thespian base may take 10 s (quick: 5 s); a figure that is missing was not reached in that
time, mostly because the base hung at a window or lost deaths.
The bare asyncio echo answers each message with one `transport.write`."""


@attrs.frozen
class Peer:
    """One contender's repetitions, each in a fresh interpreter."""

    module: str
    arguments: Sequence[str]

    def measure(self) -> Sample:
        """Run it and return its figures."""
        answer = ask(python("-m", self.module, *self.arguments), {}, seconds=LIMIT)
        if not answer["figures"]:
            raise BenchmarkFailed(f"{self.module} gave nothing: {answer['hung']}")
        return Sample(answer["figures"], {**answer["checks"], "hung": len(answer["hung"])})


@contextmanager
def prepare(plan: Plan) -> Iterator[Benchmark]:
    """Prepare the benchmark; nothing runs yet."""
    seconds, total = (QUICK_SECONDS, QUICK_TOTAL) if plan.quick else (SECONDS, TOTAL)
    thespian = f"Thespian {importlib.metadata.version('thespian')}"
    frames, actors, bare = "roger_actors frames", "roger_actors actors", "bare asyncio"
    actor = "benchmarks.peers.transport_actors"
    unix, tcp, pipe = {"socket": "Unix stream"}, {"socket": "TCP"}, {"socket": "pipe"}
    field = [
        (frames, "benchmarks.peers.transport_frames", [], {**unix, "codec": "none"}),
        (actors, actor, ["multiprocUnixBase", str(total)], {**unix, "codec": "pickle"}),
        (bare, "benchmarks.peers.transport_bare", [], {**unix, "codec": "none"}),
        (f"{thespian} TCP base", actor, ["multiprocTCPBase", str(total)], {**tcp, "codec": "pickle"}),
        (f"{thespian} queue base", actor, ["multiprocQueueBase", str(total)], {**pipe, "codec": "pickle"}),
    ]
    yield Benchmark(
        name="transport",
        title="Messages between OS processes",
        description=DESCRIPTION,
        figures=FIGURES,
        contenders=[
            Contender(name, settings, Peer(module, [*given, str(seconds)]).measure, name in (frames, actors))
            for name, module, given, settings in field
        ],
        goals=[Goal("echo_128", frames, bare, 0.5)],
        repetitions=3,
    )
