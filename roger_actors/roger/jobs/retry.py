"""When a failed job runs again, or that it is buried.

The kernel host decides by this what to publish, the worker host which hook to call; both come to the
same answer because both ask these functions.

Source:
    `Roger.Partition.Retry`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from roger_actors.roger.jobs.job_class import MAX_SECONDS

LEVELS: Final = (1.0, 3.0, 5.0, 10.0, 20.0, 35.0, 60.0, 100.0, 200.0, 400.0, 1000.0, 1800.0)
"""Seconds before the 1st, 2nd … retry of a job whose class and node say nothing else."""


def next_delay(levels: Sequence[float], retry_count: int) -> float | None:
    """Return how long a failed job waits for its next attempt.

    Args:
        levels: Seconds before the 1st, 2nd … retry.
        retry_count: Retries that the job has had, 0 after its first attempt.

    Returns:
        Seconds, 0 or more; None when it has used up its levels and is buried.
    """
    return levels[retry_count] if retry_count < len(levels) else None


def with_jitter(delay: float, jitter: float, chance: float) -> float:
    """Return a retry's delay with its random part, so that jobs that failed together come apart.

    The part is only ever added: no retry comes before its level.

    Args:
        delay: Seconds of its level, 0 or more.
        jitter: Largest part of the delay that may be added, 0 to 1.
        chance: From 0 up to 1, drawn evenly: how much of that is added.

    Returns:
        Seconds, from `delay` to `delay * (1 + jitter)`, and no more than a broker can delay.
    """
    return min(delay * (1.0 + jitter * chance), MAX_SECONDS)


def is_buried(*, retryable: bool, levels: Sequence[float], retry_count: int) -> bool:
    """Whether a failure of this attempt buries the job; one that is not retryable just ends."""
    return retryable and next_delay(levels, retry_count) is None
