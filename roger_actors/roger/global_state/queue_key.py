"""Unique jobs: who holds a queue key, as values and as changes of one durable table.

A key is claimed before its job is published and released when the job has left for good. The
claim is *two-phase*: `claimed` → job published and confirmed → `published`. A claim that never got
to the second phase (its enqueuer was killed) lapses after `LAPSE` seconds and may be taken over; they
are counted by the owner of the tables, so that no client's clock can end another's claim too early.
Should its job be in the queue after all, the record decides at the job's start and the job is
dropped as the duplicate it is (its enqueue never returned).

The record also carries the attempt that is allowed to run. A failed attempt is recorded *before*
its retry is published, so an attempt that comes again after a crash is not run a second time: only
its retry is published once more.

Source:
    `Roger.Partition.Global` (`queued?`, `remove_queued`), made crash-safe.
"""

from __future__ import annotations

from enum import Enum

import msgspec

from roger_actors.broker import Change

TABLE = "queue_keys"
LAPSE = 60.0
"""Seconds after which a claim whose job was never published may be taken over."""


class Claim(msgspec.Struct, frozen=True, array_like=True):
    """What the table says of one key.

    Attributes:
        job_id: The job that holds it.
        attempt: The attempt (`retry_count`) that may run now.
        published: Whether the job's publishing was confirmed.
        at: When it was claimed, by the claimer's clock in seconds since the epoch; for people only.
    """

    job_id: str
    attempt: int
    published: bool
    at: float


class Verdict(Enum):
    """What to do with a keyed job that is about to start."""

    RUN = "run"
    REPUBLISH_RETRY = "republish the retry"
    DROP = "drop"


_decoder = msgspec.msgpack.Decoder(Claim)
_encode = msgspec.msgpack.Encoder().encode


def table_key(partition: str, key: str) -> str:
    """Return the table's key for a queue key of a partition."""
    return f"{partition}/{key}"


def encode(claim: Claim) -> bytes:
    """Return a claim as it stands in the table."""
    return _encode(claim)


def decode(value: bytes | None) -> Claim | None:
    """Return the claim that a table value means, None for no value."""
    return None if value is None else _decoder.decode(value)


def claiming(partition: str, key: str, job_id: str, now: float) -> Change:
    """Return the change that takes a free key."""
    claim = Claim(job_id, 0, published=False, at=now)
    return Change(TABLE, table_key(partition, key), None, _encode(claim), lease=LAPSE, kept=True)


def taking_over(change: Change, current: bytes | None) -> Change | None:
    """Return the change to try after a claim failed, None if the key is rightly held.

    Args:
        change: The claim that failed.
        current: What stands in the table; a claim that has lapsed would not have been in the way.
    """
    held = decode(current)
    if held is None:
        return change
    mine = decode(change.new)
    if mine is not None and held.job_id == mine.job_id and not held.published:
        return change._replace(expected=current)
    return None


def publishing(change: Change) -> Change:
    """Return the change that turns a won claim into a published one."""
    claim = decode(change.new)
    if claim is None:
        raise ValueError("a claim's change has a new value")
    published = msgspec.structs.replace(claim, published=True)
    return Change(TABLE, change.key, change.new, _encode(published))


def releasing(partition: str, key: str, job_id: str) -> Change:
    """Return the change that frees a key if a job holds it, whatever else its claim says by now."""
    # A packed claim is an array of four that begins with the job's id.
    return Change(TABLE, table_key(partition, key), b"\x94" + _encode(job_id), None, begins=True)


def is_held_by(value: bytes, job_id: str) -> bool:
    """Whether a table value says that a job holds the key."""
    claim = decode(value)
    return claim is not None and claim.job_id == job_id


def failing(partition: str, key: str, current: bytes, attempt: int) -> Change:
    """Return the change that records that `attempt` has failed and its retry comes next."""
    claim = decode(current)
    if claim is None:
        raise ValueError("a held key has a value")
    following = msgspec.structs.replace(claim, attempt=attempt + 1, published=True)
    return Change(TABLE, table_key(partition, key), current, _encode(following))


def verdict(current: bytes | None, job_id: str, attempt: int) -> Verdict:
    """Decide what happens to a keyed job that is about to start.

    Args:
        current: What the table says of its key.
        job_id: The job.
        attempt: Its `retry_count`.

    Returns:
        RUN when the record names this job and attempt; REPUBLISH_RETRY when this attempt has failed
        already but a crash came before the ack; DROP when the job has left for good or lost its key.
    """
    claim = decode(current)
    if claim is None or claim.job_id != job_id:
        return Verdict.DROP
    if attempt == claim.attempt:
        return Verdict.RUN
    if attempt == claim.attempt - 1:
        return Verdict.REPUBLISH_RETRY
    return Verdict.DROP
