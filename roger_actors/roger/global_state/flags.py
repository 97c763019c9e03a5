"""Cancelled jobs and paused queues, as entries of durable tables.

A cancel is remembered until its job is met or `FORGET_AFTER` has passed, so that ids that never
come do not pile up. A pause stands until it is undone.

Source:
    `Roger.Partition.Global` (`cancel_job`, `queue_pause`, `queue_resume`).
"""

from __future__ import annotations

from roger_actors.broker import Change

CANCELLED = "cancelled"
PAUSED = "paused"
FORGET_AFTER = 7 * 24 * 3600.0
"""Seconds after which the cancel of a job that never came is forgotten."""


def table_key(partition: str, name: str) -> str:
    """Return the key of a job id or queue type of a partition; with `""` the prefix of all."""
    return f"{partition}/{name}"


def name_of(key: str) -> str:
    """Return the job id or queue type of a key."""
    return key.partition("/")[2]


def cancelling(partition: str, job_id: str, now: float) -> Change:
    """Return the change that remembers a cancel."""
    return Change(CANCELLED, table_key(partition, job_id), None, str(int(now)).encode())


def pausing(partition: str, queue_type: str, now: float) -> Change:
    """Return the change that pauses a queue."""
    return Change(PAUSED, table_key(partition, queue_type), None, str(int(now)).encode())


def is_forgotten(value: bytes, now: float) -> bool:
    """Whether a remembered cancel is too old to keep."""
    return now - int(value) > FORGET_AFTER
