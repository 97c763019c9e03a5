"""What to open, close and change when a partition's queues are reconfigured. Pure.

The list of queues is complete: those left out are closed. `max_workers` 0 means declared and not
consumed.

Source:
    `Roger.Partition.Consumer` (`do_reconfigure`, 74 lines there).
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs


@attrs.frozen(kw_only=True)
class Plan:
    """The difference between two sets of queues.

    Attributes:
        open: Queue types to subscribe to, with their `max_workers`.
        close: Queue types to unsubscribe from, once their running jobs have finished.
        change: Queue types that stay, with a new `max_workers`.
        declare: Queue types that must exist but are not consumed.
    """

    open: Mapping[str, int]
    close: frozenset[str]
    change: Mapping[str, int]
    declare: frozenset[str]


def plan(current: Mapping[str, int], wanted: Mapping[str, int]) -> Plan:
    """Return how to get from one set of queues to another.

    Args:
        current: Queue types consumed now, with their `max_workers` (above 0).
        wanted: Queue types wanted, with their `max_workers` (0 or more).
    """
    consumed = {name: workers for name, workers in wanted.items() if workers > 0}
    return Plan(
        open={name: workers for name, workers in consumed.items() if name not in current},
        close=frozenset(name for name in current if name not in consumed),
        change={
            name: workers
            for name, workers in consumed.items()
            if name in current and current[name] != workers
        },
        declare=frozenset(name for name, workers in wanted.items() if workers == 0),
    )


MOST_AHEAD = 100
"""Deliveries of one queue that a node holds at the most, beside its running jobs."""

SHORT = 0.02
"""Seconds of a mean job at and above which nothing is held beyond `max_workers`."""


def prefetch(max_workers: int, mean_seconds: float | None) -> int:
    """Return how many deliveries to hold for a queue: enough to keep its workers busy, no more.

    What a node holds, no other node can run; so long jobs are taken one for one, and only short
    ones ahead of time.

    Args:
        max_workers: Jobs of the queue that run at once, above 0.
        mean_seconds: How long its jobs took lately, None where that is not known yet.

    Returns:
        `max_workers` for long or unknown jobs, up to `max_workers + MOST_AHEAD` for very short ones,
        in few steps, since each change costs a round trip to the broker.
    """
    if mean_seconds is None or mean_seconds >= SHORT:
        return max_workers
    if mean_seconds >= SHORT / 5:
        return min(65_535, max_workers * 2)
    return min(65_535, max_workers + MOST_AHEAD)
