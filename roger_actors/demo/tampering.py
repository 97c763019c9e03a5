"""The checker's own test: with one line removed or doubled, a clean verdict must not stay clean.

A checker that says "nothing lost" is worth what it would have said had something been lost. So every
run of the demo tampers with copies of its own logs, a line of each sort, and looks whether it is told.

Everything here is pure.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Iterator, Mapping, Sequence

import attrs

from roger_actors.demo.checker import check
from roger_actors.demo.log import Entry


@attrs.frozen
class Tampering:
    """One line, removed or doubled.

    Attributes:
        how: `removed` or `doubled`.
        what: Which sort of line.
        noticed: The first fault that the checker named, empty when it noticed nothing.
    """

    how: str
    what: str
    noticed: str


def tamper(
    enqueued: Sequence[Entry], jobs: Sequence[Entry], buried: Mapping[str, Collection[str]], seed: int
) -> list[Tampering]:
    """Remove and double a line of every sort, one at a time, and check each result.

    Args:
        enqueued: The enqueuer's log of a run whose verdict is clean.
        jobs: The jobs' log of that run.
        buried: What was on its shelves.
        seed: Chooses the lines.
    """
    chosen = random.Random(seed)  # noqa: S311 - no secret
    found = []
    again = check(enqueued, jobs, buried).again
    for what, index, is_job in _one_of_each(enqueued, jobs, again, chosen):
        for how, times in (("removed", 0), ("doubled", 2)):
            changed = _with(jobs if is_job else enqueued, index, times)
            verdict = check(enqueued if is_job else changed, changed if is_job else jobs, buried)
            found.append(Tampering(how, what, verdict.faults[0].what if verdict.faults else ""))
    return found


def _one_of_each(
    enqueued: Sequence[Entry], jobs: Sequence[Entry], again: Collection[str], chosen: random.Random
) -> Iterator[tuple[str, int, bool]]:
    """Give a line of every sort; of a job that rightly ran twice, more may be true than was written."""
    for log, is_job in ((enqueued, False), (jobs, True)):
        sorts: dict[str, list[int]] = {}
        for index, entry in enumerate(log):
            if entry.job not in again:
                sorts.setdefault(entry.what, []).append(index)
        for what, places in sorts.items():
            yield what, chosen.choice(places), is_job


def _with(log: Sequence[Entry], index: int, times: int) -> list[Entry]:
    return [*log[:index], *[log[index]] * times, *log[index + 1 :]]
