"""Processes within one host beside Pykka's threads, a bare asyncio queue and Erlang."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from benchmarks.erlang import ABSENT, erlang
from benchmarks.harness import Benchmark, Bound, Contender, Figure, Goal, Plan, Sample
from benchmarks.subprocesses import ask, python

CALL = Figure("call_us", "Call and reply", "µs", higher_is_better=False)
START = Figure("start_us", "Start and wait for init", "µs", higher_is_better=False)
CYCLE = Figure("cycle_us", "Start, watch, one message, end seen", "µs", higher_is_better=False)
CAST = Figure("cast_us", "One-way message", "µs", higher_is_better=False)
LINK = Figure("link_us", "Link and monitor, both taken back", "µs", higher_is_better=False)
BYTES = Figure("bytes", "Memory of a live process", "bytes", higher_is_better=False)
FIGURES = (CALL, START, CYCLE, CAST, LINK, BYTES)

OURS, OURS_QUICK = 20_000, 5_000
PYKKA, PYKKA_QUICK = 2_000, 500

DESCRIPTION = """\
Each contender runs in an interpreter or emulator of its own, one at a time, and measures itself with a
monotonic clock.
A call has a monitor and a time limit of 5 s (ours, Erlang) and waits for its answer; so does a start.
When nothing else waits to run, our call is answered within the same turn of the loop, as here; beside other
work it costs a turn.
A life is: start, monitor, one message that ends it, the end seen.
A figure that is missing is something the contender does not have: neither links nor monitors in Pykka and in
a bare queue, where a call has no time limit either.
Memory is the growth of the resident set per live idle process (Erlang: of what the emulator has allocated):
over five times as many processes as calls were made, over 500 threads for Pykka.
Nothing is logged in any of them."""


def _measure(count: int, answer: Any) -> Sample:
    figures: dict[str, float] = answer()
    live = int(figures.pop("live"))
    return Sample(figures, {"calls": count, "live": live})


def _in_python(module: str, count: int) -> Any:
    return partial(ask, python("-m", module, str(count)), {}, seconds=60)


@contextmanager
def prepare(plan: Plan) -> Iterator[Benchmark]:
    """Prepare the benchmark; nothing runs yet."""
    count, threads = (OURS_QUICK, PYKKA_QUICK) if plan.quick else (OURS, PYKKA)
    ours, pykka = "roger_actors processes", f"Pykka {importlib.metadata.version('pykka')} threads"
    field = [
        (ours, {"loop": "asyncio", "callbacks": "plain functions"}, "light_processes", count),
        ("bare asyncio.Queue", {"loop": "asyncio"}, "asyncio_queue", count),
        (pykka, {"actor": "ThreadingActor"}, "pykka_actors", threads),
    ]
    contenders = [
        Contender(
            name,
            {**settings, "count": many},
            partial(_measure, many, _in_python(f"benchmarks.peers.{module}", many)),
            is_ours=name == ours,
        )
        for name, settings, module, many in field
    ]
    with erlang() as peer:
        if peer is not None:
            answer = partial(peer.ask, "processes", count)
            settings = {**peer.settings, "count": count}
            contenders.append(Contender(peer.name, settings, partial(_measure, count, answer)))
        yield Benchmark(
            name="processes",
            title="Processes within one host",
            description=DESCRIPTION if peer is not None else f"{DESCRIPTION}\n{ABSENT}",
            figures=FIGURES,
            contenders=contenders,
            goals=[
                Goal(CALL.key, ours, pykka, factor=3.0),
                *(Goal(figure.key, ours, pykka, factor=10.0) for figure in (START, CYCLE)),
            ],
            bounds=[Bound(CALL.key, ours, 15.0), Bound(START.key, ours, 10.0)],
        )
