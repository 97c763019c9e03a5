"""Median, spread and ratios of what was measured.

Quote the median and the ratio: on a shared machine the absolute figures drift, and a ratio taken
within one repetition drifts much less.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

import attrs

from benchmarks.harness import Benchmark, Bound, Contender, Figure, Goal, Sample, Series
from benchmarks.machine import describe_machine


@attrs.frozen
class Spread:
    """A handful of measurements of one quantity.

    Attributes:
        minimum: The smallest.
        median: The middle one.
        maximum: The largest.
        values: All, in the order they were taken.
    """

    minimum: float
    median: float
    maximum: float
    values: tuple[float, ...]


def spread(values: Sequence[float]) -> Spread:
    """Return the median and the extremes of at least one value."""
    return Spread(min(values), statistics.median(values), max(values), tuple(values))


def figure_values(samples: Sequence[Sample | None], key: str) -> list[float]:
    """Return a figure of those repetitions that have it."""
    return [sample.figures[key] for sample in samples if sample and key in sample.figures]


def result_document(benchmark: Benchmark, series: Series, *, quick: bool) -> dict[str, Any]:
    """Return everything about a run as one JSON document: the source of plot, table and page."""
    return {
        "benchmark": benchmark.name,
        "title": benchmark.title,
        "description": benchmark.description,
        "quick": quick,
        "machine": describe_machine(),
        "figures": [attrs.asdict(figure) for figure in benchmark.figures],
        "contenders": [
            _contender_document(contender, benchmark.figures, series.samples[contender.name])
            for contender in benchmark.contenders
            if any(series.samples.get(contender.name, ()))
        ],
        "goals": [doc for goal in benchmark.goals if (doc := _goal_document(goal, benchmark, series))],
        "bounds": [doc for bound in benchmark.bounds if (doc := _bound_document(bound, series))],
        "curves": [attrs.asdict(curve) for curve in benchmark.curves],
    }


def _contender_document(
    contender: Contender, figures: Sequence[Figure], samples: Sequence[Sample | None]
) -> dict[str, Any]:
    return {
        "name": contender.name,
        "is_ours": contender.is_ours,
        "settings": dict(contender.settings),
        "figures": {
            figure.key: attrs.asdict(spread(values))
            for figure in figures
            if (values := figure_values(samples, figure.key))
        },
        "checks": [dict(sample.checks) for sample in samples if sample],
        "failed_repetitions": samples.count(None),
    }


def _goal_document(goal: Goal, benchmark: Benchmark, series: Series) -> dict[str, Any] | None:
    pairs = _pairs(goal, series)
    if not pairs:
        return None
    figure = next(figure for figure in benchmark.figures if figure.key == goal.figure)
    ratios = spread([a / b if figure.higher_is_better else b / a for a, b in pairs])
    return {
        **attrs.asdict(goal),
        "ratio": attrs.asdict(ratios),
        "reached": ratios.median >= goal.factor,
    }


def _bound_document(bound: Bound, series: Series) -> dict[str, Any] | None:
    values = figure_values(series.samples.get(bound.ours, []), bound.figure)
    if not values:
        return None
    measured = spread(values)
    return {
        **attrs.asdict(bound),
        "measured": attrs.asdict(measured),
        "reached": measured.median <= bound.at_most,
    }


def _pairs(goal: Goal, series: Series) -> list[tuple[float, float]]:
    # Repetition by repetition: a pair was measured within seconds of one another.
    both = zip(series.samples.get(goal.ours, []), series.samples.get(goal.other, []), strict=False)
    return [
        (ours.figures[goal.figure], other.figures[goal.figure])
        for ours, other in both
        if ours and other and goal.figure in ours.figures and goal.figure in other.figures
    ]


def format_spread(measured: dict[str, Any] | None) -> str:
    """Return `median (min–max)` of a figure, a dash where there is none."""
    if measured is None:
        return "–"
    low, median, high = (format_number(measured[key]) for key in ("minimum", "median", "maximum"))
    return f"{median} ({low}–{high})" if len(measured["values"]) > 1 else median


def format_number(value: float) -> str:
    """Return a number with as many digits as are worth reading."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
