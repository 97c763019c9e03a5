"""A supervisor with 10, 1,000 and 100,000 children beside Erlang's: start, stop, memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from benchmarks.erlang import ABSENT, Erlang, erlang
from benchmarks.harness import Benchmark, BenchmarkFailed, Bound, Contender, Curve, Figure, Plan, Sample
from benchmarks.subprocesses import ask, python

SIZES, QUICK_SIZES = (10, 1_000, 100_000), (10, 1_000, 10_000)

DESCRIPTION = """\
Each repetition starts a fresh interpreter or emulator for each size; there, 10 and 1,000 children are started
and stopped several times, and the median is the repetition's.
`specs` are all given when the supervisor is started; `start_child` adds them one by one; on demand is our
`DynamicSupervisor` and Erlang's `simple_one_for_one`.
A start ends when the last child's `init` has returned, a stop when the supervisor is gone.
Children are stopped one after the other, each gone before the next is asked; on demand all at the same time.
Memory is the growth of the resident set per child (Erlang: of what the emulator has allocated).
Nothing is logged in any of them; none of the stops is worth a report."""

Ask = Callable[[str, int], Any]


def _figures(sizes: tuple[int, ...]) -> list[Figure]:
    times = [
        Figure(f"{key}_{size}", f"{label} {size:,}", "ms", higher_is_better=False)
        for key, label in (("start", "Start"), ("stop", "Stop"))
        for size in sizes
    ]
    return [*times, Figure("bytes", f"Memory per child of {sizes[-1]:,}", "bytes", higher_is_better=False)]


def _curves(sizes: tuple[int, ...]) -> list[Curve]:
    return [
        Curve(label, "ms", "children", [(size, f"{key}_{size}") for size in sizes])
        for key, label in (("start", "Start"), ("stop", "Stop"))
    ]


def _measure(answers: Ask, kind: str, sizes: tuple[int, ...]) -> Sample:
    figures: dict[str, float] = {}
    for size in sizes:
        answer = answers(kind, size)
        if answer["children"] != size:
            raise BenchmarkFailed(f"{answer['children']} of {size} children ran")
        figures |= {f"start_{size}": answer["start_ms"], f"stop_{size}": answer["stop_ms"]}
        figures["bytes"] = answer["bytes"]
    return Sample(figures, {"children": sizes[-1]})


def _ours(kind: str, size: int) -> Any:
    return ask(python("-m", "benchmarks.peers.supervising", kind, str(size)), {}, seconds=120)


def _contenders(peer: Erlang | None, sizes: tuple[int, ...]) -> Iterator[Contender]:
    names = {"static": "specs", "added": "start_child", "on_demand": "on demand"}
    for kind, name in names.items():
        measure = partial(_measure, _ours, kind, sizes)
        yield Contender(f"roger_actors, {name}", {"loop": "asyncio"}, measure, is_ours=True)
    if peer is not None:
        for kind, name in names.items():
            measure = partial(_measure, partial(peer.ask, "supervisors"), kind, sizes)
            yield Contender(f"{peer.name}, {name}", peer.settings, measure)


@contextmanager
def prepare(plan: Plan) -> Iterator[Benchmark]:
    """Prepare the benchmark; nothing runs yet."""
    sizes = QUICK_SIZES if plan.quick else SIZES
    with erlang() as peer:
        contenders = list(_contenders(peer, sizes))
        ours = [contender.name for contender in contenders if contender.is_ours]
        wanted = {} if plan.quick else {f"start_{sizes[-1]}": 5000.0, f"stop_{sizes[-1]}": 5000.0}
        wanted["bytes"] = 2000.0
        yield Benchmark(
            name="supervisors",
            title="Many children under one supervisor",
            description=DESCRIPTION if peer is not None else f"{DESCRIPTION}\n{ABSENT}",
            figures=_figures(sizes),
            contenders=contenders,
            bounds=[Bound(key, name, at_most) for key, at_most in wanted.items() for name in ours],
            curves=_curves(sizes),
            repetitions=5,
        )
