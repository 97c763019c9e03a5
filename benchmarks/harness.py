"""What a benchmark is, and running one: repetitions interleaved between contenders.

A benchmark names its figures (what one repetition yields) and its contenders (who is measured, with
the settings that were pinned). `run` goes round the contenders once per repetition and never
measures two at a time.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import attrs


@attrs.frozen
class Plan:
    """What the person at the keyboard asked for.

    Attributes:
        quick: Aim at less than 30 s for the whole benchmark: small counts, one repetition.
        repetitions: How often each contender is measured; None for the benchmark's own choice.
        broker_url: An `amqp://` URL of a RabbitMQ to use instead of a private one, or None.
        only: Contenders to run (a part of the name is enough); empty for all.
        order_seed: Seeds the order of the contenders within each repetition.
    """

    quick: bool = False
    repetitions: int | None = None
    broker_url: str | None = None
    only: tuple[str, ...] = ()
    order_seed: int = 1


@attrs.frozen
class Figure:
    """One quantity that every repetition yields.

    Attributes:
        key: Its name in the JSON file, e.g. `jobs_per_second`.
        label: Its name for people.
        unit: E.g. `jobs/s`, `ms`, `µs`.
        higher_is_better: Which way is good.
    """

    key: str
    label: str
    unit: str
    higher_is_better: bool = True


@attrs.frozen
class Sample:
    """What one repetition of one contender gave.

    Attributes:
        figures: Figure key to value; a figure that this contender does not have is left out.
        checks: What was counted to show that the work was really done, e.g. `{"missing": 0}`.
    """

    figures: Mapping[str, float]
    checks: Mapping[str, int] = attrs.Factory(dict)


@attrs.frozen
class Contender:
    """Someone who is measured.

    Attributes:
        name: Its name for people, e.g. `dramatiq 2.2 (2×8)`.
        settings: Everything that a reader needs to judge the figure: queue type, max_workers,
            prefetch, processes, threads, confirms, versions.
        measure: Runs one repetition. It raises when the work was not done correctly.
        is_ours: Whether it is this project.
    """

    name: str
    settings: Mapping[str, str | int | float | bool]
    measure: Callable[[], Sample]
    is_ours: bool = False


@attrs.frozen
class Goal:
    """A ratio that the project wants to reach.

    Attributes:
        figure: Key of the figure compared.
        ours: Name of the contender that should be better.
        other: Name of the contender it is compared with.
        factor: How many times better it should be (for a figure where lower is better: how many
            times lower).
    """

    figure: str
    ours: str
    other: str
    factor: float


@attrs.frozen
class Bound:
    """A figure that the project wants to stay within.

    Attributes:
        figure: Key of the figure; less is better.
        ours: Name of the contender.
        at_most: The largest median that is wanted, in the figure's unit.
    """

    figure: str
    ours: str
    at_most: float


@attrs.frozen
class Curve:
    """Figures that are one quantity at growing sizes, drawn as a line on two logarithmic axes.

    Attributes:
        label: The quantity, for people.
        unit: Its unit.
        along: What grows.
        points: Sizes with the key of the figure there.
    """

    label: str
    unit: str
    along: str
    points: Sequence[tuple[int, str]]


@attrs.frozen
class Benchmark:
    """A benchmark, ready to run.

    Attributes:
        name: The module's name.
        title: One line for the plot and the page.
        description: What a repetition does and how it is timed; a paragraph of Markdown.
        figures: What each repetition yields; the first one is the one that is drawn largest.
        contenders: Who is measured.
        goals: Ratios that are wanted.
        bounds: Largest figures that are wanted.
        curves: Figures that are drawn together as lines instead of each as bars.
        repetitions: Repetitions of a full run; a quick one does one.
    """

    name: str
    title: str
    description: str
    figures: Sequence[Figure]
    contenders: Sequence[Contender]
    goals: Sequence[Goal] = ()
    bounds: Sequence[Bound] = ()
    curves: Sequence[Curve] = ()
    repetitions: int = 5


class BenchmarkFailed(Exception):
    """A repetition did not do the work it was to do; its figure would mean nothing."""


Prepare = Callable[[Plan], AbstractContextManager[Benchmark]]
Progress = Callable[[str, int, Sample | BenchmarkFailed], None]


@attrs.frozen
class Series:
    """What a run gave.

    Attributes:
        samples: Contender name to its samples, in the order of the repetitions; None where the
            repetition failed.
    """

    samples: Mapping[str, list[Sample | None]]

    @property
    def has_failures(self) -> bool:
        """Whether any repetition failed."""
        return any(sample is None for samples in self.samples.values() for sample in samples)


def run(benchmark: Benchmark, plan: Plan, progress: Progress) -> Series:
    """Measure every contender of a benchmark, one repetition of each at a time.

    Args:
        benchmark: What to run.
        plan: How often, and which contenders.
        progress: Called after each repetition with the contender's name, the repetition's number
            (from 1) and its sample, or why there is none.

    Returns:
        The samples of each contender, in the order of the repetitions.
    """
    contenders = chosen(benchmark.contenders, plan.only)
    series = Series({contender.name: [] for contender in contenders})
    order = random.Random(plan.order_seed)
    for repetition in range(1, repetitions_of(benchmark, plan) + 1):
        # A fixed order would always give the same contender the warm or the throttled machine.
        for contender in order.sample(contenders, len(contenders)):
            sample = _measured(contender)
            series.samples[contender.name].append(sample if isinstance(sample, Sample) else None)
            progress(contender.name, repetition, sample)
    return series


def _measured(contender: Contender) -> Sample | BenchmarkFailed:
    try:
        return contender.measure()
    except BenchmarkFailed as error:
        return error  # the others are still worth measuring; the run as a whole counts as failed


def repetitions_of(benchmark: Benchmark, plan: Plan) -> int:
    """Return how often each contender is measured."""
    if plan.repetitions is not None:
        return plan.repetitions
    return 1 if plan.quick else benchmark.repetitions


def chosen(contenders: Sequence[Contender], only: Sequence[str]) -> list[Contender]:
    """Return the contenders whose name contains one of `only`, all of them if that is empty."""
    if not only:
        return list(contenders)
    return [c for c in contenders if any(part.lower() in c.name.lower() for part in only)]


def settings_line(settings: Mapping[str, Any]) -> str:
    """Return settings on one line, for tables."""
    return ", ".join(f"{key} {value}" for key, value in settings.items())
