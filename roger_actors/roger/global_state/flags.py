"""Cancelled jobs and paused queues, as entries of durable tables.

The cancels of a partition are a log: each has a number, one more than the one before, so that who has
missed one can see it; and at most `MOST_CANCELS` are kept. A cancel is deleted when its job is met, or
when the job cannot come any more: `FORGET_AFTER` after the cancel, and for a job that is delayed for long
that much after its delay. A pause stands until it is undone.

Source:
    `Roger.Partition.Global` (`cancel_job`, `queue_pause`, `queue_resume`).
"""

from __future__ import annotations

from roger_actors.broker import Change

CANCELLED = "cancelled"
PAUSED = "paused"
DELAYED = "delayed"
FORGET_AFTER = 7 * 24 * 3600.0
"""Seconds after which the cancel of a job that never came is forgotten."""
LONG_DELAY = 24 * 3600.0
"""Seconds from which on a delay is written down, so that a cancel can be kept as long."""
MOST_CANCELS = 100_000
"""Cancels of one partition that are kept; the oldest are forgotten over that."""


def table_key(partition: str, name: str) -> str:
    """Return the key of a job id or queue type of a partition; with `""` the prefix of all."""
    return f"{partition}/{name}"


def name_of(key: str) -> str:
    """Return the job id or queue type of a key."""
    return key.partition("/")[2]


def delaying(partition: str, job_id: str, delay: float) -> Change | None:
    """Return the change that writes down a long delay, None for one that is not worth it.

    Args:
        partition: The job's tenant.
        job_id: The job, about to be published.
        delay: Seconds.
    """
    if delay < LONG_DELAY:
        return None
    seconds = b"%d" % int(delay)
    return Change(DELAYED, table_key(partition, job_id), None, seconds, lease=delay + FORGET_AFTER)


def cancelling(partition: str, job_id: str, now: float, delay: bytes | None = None) -> Change:
    """Return the change that remembers a cancel.

    Args:
        partition: The job's tenant.
        job_id: The job.
        now: Seconds since the epoch, for people.
        delay: What the table of delays says of the job.
    """
    lease = FORGET_AFTER + (int(delay) if delay is not None else 0.0)
    value = str(int(now)).encode()
    return Change(CANCELLED, table_key(partition, job_id), None, value, lease=lease, log=MOST_CANCELS)


def number_of(value: bytes) -> int:
    """Return the number of a cancel from its value in the table."""
    return int(value.partition(b" ")[0])


def pausing(partition: str, queue_type: str, now: float) -> Change:
    """Return the change that pauses a queue."""
    return Change(PAUSED, table_key(partition, queue_type), None, str(int(now)).encode())
