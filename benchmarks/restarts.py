"""From a crash until the restarted child has answered: a process and a host, beside Erlang and Thespian."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from benchmarks.erlang import ABSENT, Erlang, erlang
from benchmarks.harness import Benchmark, BenchmarkFailed, Bound, Contender, Figure, Plan, Sample
from benchmarks.subprocesses import ask, python

PROCESS = Figure(
    "process_us", "Crash of a process until its successor has answered", "µs", higher_is_better=False
)
PROCESS_P99 = Figure("process_p99_us", "The same, 99th percentile", "µs", higher_is_better=False)
PER_SECOND = Figure("per_second", "Restarts sustained by one supervisor", "restarts/s")
HOST = Figure(
    "host_ms", "SIGKILL of an OS process until its successor has answered", "ms", higher_is_better=False
)
HOST_P99 = Figure("host_p99_ms", "The same, 99th percentile", "ms", higher_is_better=False)
FIGURES = (PROCESS, PROCESS_P99, PER_SECOND, HOST, HOST_P99)

CRASHES, QUICK_CRASHES = 2_000, 500
AMONG_MANY = 500
"""Restarts among many siblings, where Erlang needs milliseconds for one."""
KILLS, QUICK_KILLS = 40, 10
MANY, QUICK_MANY = 100_000, 10_000
THESPIAN_SECONDS = 15

DESCRIPTION = """\
A process crashes in a callback, its supervisor is told, starts it anew, and the new process answers a call.
The clock runs from the message that makes it crash until the answer.
Restarts are sustained by one `one_for_one` supervisor of which 100 children crash as soon as they are back;
its window is one second wide and tolerates any number.
Every crash makes two reports, the process's own and the supervisor's.
*Reports off*: no record is made of them (ours still renders the traceback, which is part of the exit reason).
*Reports formatted*: both are formatted to text in the process that makes them, and dropped.
*Among*: beside that many idle siblings, reports off.
A host is an OS process, killed by SIGKILL: ours is forked anew by a supervisor in the root host; an Erlang
node under `peer` boots an emulator (Erlang has nothing that is nearer to a host); a Thespian actor is made
anew by its parent when that is told `ChildActorExited`.
A Thespian repetition may take 15 s; `hung` counts kills that were not answered in it."""


def _sample(answer: Callable[[], Any]) -> Sample:
    figures = dict(answer())
    checks = {key: int(figures.pop(key)) for key in ("restarts", "kills", "hung") if key in figures}
    if not figures:
        raise BenchmarkFailed(f"no figures: {checks}")
    return Sample(figures, checks)


def _contender(name: str, settings: Any, answer: Callable[[], Any], *, is_ours: bool = False) -> Contender:
    return Contender(name, settings, partial(_sample, answer), is_ours)


def _peer(module: str, *arguments: int) -> Callable[[], Any]:
    return partial(ask, python("-m", f"benchmarks.peers.{module}", *map(str, arguments)), {}, seconds=120)


def _variants(plan: Plan) -> list[tuple[str, tuple[int, int, int]]]:
    """Return (name, (restarts, siblings, whether reports are formatted))."""
    crashes, many = (QUICK_CRASHES, QUICK_MANY) if plan.quick else (CRASHES, MANY)
    return [
        ("reports off", (crashes, 0, 0)),
        ("reports formatted", (crashes, 0, 1)),
        (f"among {many:,}", (AMONG_MANY, many, 0)),
    ]


def _ours(plan: Plan, kills: int) -> Iterator[Contender]:
    for name, given in _variants(plan):
        settings = {"loop": "asyncio", "restarts": given[0]}
        yield _contender(f"roger_actors, {name}", settings, _peer("restarting", *given), is_ours=True)
    settings = {"host": "forked OS process", "kills": kills}
    yield _contender("roger_actors host", settings, _peer("restarted_hosts", kills), is_ours=True)


def _others(plan: Plan, kills: int, peer: Erlang | None) -> Iterator[Contender]:
    if peer is not None:
        for name, given in _variants(plan):
            settings = {**peer.settings, "restarts": given[0]}
            yield _contender(f"{peer.name}, {name}", settings, partial(peer.ask, "restarts", *given))
        boots = max(3, kills // 8)
        yield _contender(
            f"{peer.name} node", {"started by": "peer", "kills": boots}, partial(peer.ask, "hosts", boots)
        )
    thespian = f"Thespian {importlib.metadata.version('thespian')} actor"
    settings = {"base": "TCP", "kills": kills}
    yield _contender(thespian, settings, _peer("thespian_restarts", kills, THESPIAN_SECONDS))


@contextmanager
def prepare(plan: Plan) -> Iterator[Benchmark]:
    """Prepare the benchmark; nothing runs yet."""
    kills = QUICK_KILLS if plan.quick else KILLS
    with erlang() as peer:
        ours = list(_ours(plan, kills))
        bounds = [Bound(PROCESS.key, contender.name, 200.0) for contender in ours[:-1]]
        yield Benchmark(
            name="restarts",
            title="Back in service after a crash",
            description=DESCRIPTION if peer is not None else f"{DESCRIPTION}\n{ABSENT}",
            figures=FIGURES,
            contenders=[*ours, *_others(plan, kills, peer)],
            bounds=[*bounds, Bound(HOST.key, ours[-1].name, 50.0)],
            repetitions=5,
        )
