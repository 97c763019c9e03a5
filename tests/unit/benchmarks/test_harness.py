"""Repetitions are interleaved, failures are kept apart, ratios are taken within a repetition."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import attrs

from benchmarks.harness import (
    Benchmark,
    BenchmarkFailed,
    Bound,
    Contender,
    Figure,
    Goal,
    Plan,
    Sample,
    run,
)
from benchmarks.summary import format_spread, result_document

RATE = Figure("rate", "Rate", "1/s")
DELAY = Figure("delay", "Delay", "ms", higher_is_better=False)


def contender(name: str, figure: Figure, values: list[float | None], seen: list[str]) -> Contender:
    remaining: Iterator[float | None] = iter(values)

    def measure() -> Sample:
        seen.append(name)
        value = next(remaining)
        if value is None:
            raise BenchmarkFailed("one job is missing")
        return Sample({figure.key: value})

    return Contender(name, {"queue": "quorum"}, measure, is_ours=name == "ours")


def benchmark(
    figure: Figure, ours: list[float | None], other: list[float | None], seen: list[str]
) -> Benchmark:
    return Benchmark(
        name="example",
        title="Example",
        description="An example.",
        figures=[figure],
        contenders=[contender("ours", figure, ours, seen), contender("other", figure, other, seen)],
        goals=[Goal(figure.key, "ours", "other", 1.3)],
        repetitions=3,
    )


def nothing() -> Callable[[str, int, Sample | BenchmarkFailed], None]:
    return lambda _name, _repetition, _sample: None


def test_each_repetition_measures_every_contender_before_the_next_begins() -> None:
    seen: list[str] = []

    run(benchmark(RATE, [1, 1, 1], [1, 1, 1], seen), Plan(), nothing())

    assert [sorted(seen[at : at + 2]) for at in (0, 2, 4)] == [["other", "ours"]] * 3


def test_a_quick_run_is_one_repetition_and_only_chooses_contenders() -> None:
    seen: list[str] = []

    run(benchmark(RATE, [1], [1], seen), Plan(quick=True, only=("our",)), nothing())

    assert seen == ["ours"]


def test_a_ratio_is_taken_within_a_repetition_so_a_drifting_machine_does_not_change_it() -> None:
    example = benchmark(RATE, [20, 10, 5], [10, 5, 2.5], [])

    document = result_document(example, run(example, Plan(), nothing()), quick=False)

    (goal,) = document["goals"]
    assert goal["ratio"]["values"] == (2.0, 2.0, 2.0)
    assert goal["reached"]


def test_where_less_is_better_the_ratio_says_how_many_times_less() -> None:
    example = benchmark(DELAY, [2.0, 2.0, 2.0], [4.0, 4.0, 4.0], [])

    document = result_document(example, run(example, Plan(), nothing()), quick=False)

    assert document["goals"][0]["ratio"]["median"] == 2.0


def test_a_failed_repetition_is_counted_and_leaves_the_others_standing() -> None:
    example = benchmark(RATE, [20, None, 10], [10, 5, 10], [])

    series = run(example, Plan(), nothing())
    document = result_document(example, series, quick=False)

    assert series.has_failures
    assert document["contenders"][0]["failed_repetitions"] == 1
    assert document["contenders"][0]["figures"]["rate"]["values"] == (20, 10)
    assert document["goals"][0]["ratio"]["values"] == (2.0, 1.0)


def test_a_bound_is_reached_when_the_median_is_within_it() -> None:
    example = attrs.evolve(
        benchmark(DELAY, [9.0, 10.0, 90.0], [1.0, 1.0, 1.0], []),
        bounds=[Bound("delay", "ours", 10.0), Bound("delay", "other", 0.5), Bound("delay", "absent", 1.0)],
    )

    document = result_document(example, run(example, Plan(), nothing()), quick=False)

    assert [(bound["ours"], bound["reached"]) for bound in document["bounds"]] == [
        ("ours", True),
        ("other", False),
    ]


def test_a_spread_is_shown_with_its_extremes_only_where_there_are_several_values() -> None:
    several = {"minimum": 1000.4, "median": 1200.0, "maximum": 1300.0, "values": [1, 2, 3]}

    assert format_spread(several) == "1,200 (1,000–1,300)"
    assert format_spread({**several, "values": [1]}) == "1,200"
    assert format_spread(None) == "–"
