"""Enqueues a plan and writes, durably, before and after each enqueue.

What is written before says what is meant; what is written after, what the call did: `accepted` when it
returned, `refused` when the job was a duplicate, `unknown` when it raised anything else. A job whose
fate is unknown is enqueued again under the same id, as a user would.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Protocol

from roger_actors.demo.log import Entry, Log, Step, now
from roger_actors.demo.plan import Planned
from roger_actors.errors import DuplicateJob, RogerActorsError
from roger_actors.roger import JobRecord

TOGETHER = 20
"""Jobs of one `enqueue_many`."""


class Enqueues(Protocol):
    """What is asked of a `Client` or a `Node`."""

    def enqueue(self, record: JobRecord, partition: str) -> JobRecord:
        """Put a job into its partition's queue."""

    def enqueue_many(
        self, records: Sequence[JobRecord], partition: str
    ) -> list[JobRecord | RogerActorsError]:
        """Put many jobs into one partition."""


class Enqueuer:
    """Enqueues what is planned.

    Args:
        client: A `Client`, or a `Node`.
        log: The enqueuer's log.
    """

    def __init__(self, client: Enqueues, log: Log) -> None:
        self._client = client
        self._log = log

    def enqueue(self, planned: Planned) -> bool:
        """Enqueue one job and return whether its fate is known."""
        self._log.append(_intent(planned))
        try:
            self._client.enqueue(planned.record, planned.partition)
        except RogerActorsError as error:
            entry = _outcome(planned, error)
        else:
            entry = _outcome(planned, None)
        self._log.append(entry)
        return entry.what != "unknown"

    def enqueue_many(self, planned: Sequence[Planned]) -> list[str]:
        """Enqueue jobs of one partition together and return the fate of each, as it stands in the log."""
        self._log.append(*map(_intent, planned))
        try:
            outcomes = self._client.enqueue_many([each.record for each in planned], planned[0].partition)
        except RogerActorsError as error:
            outcomes = [error] * len(planned)
        entries = [
            _outcome(each, outcome if isinstance(outcome, RogerActorsError) else None)
            for each, outcome in zip(planned, outcomes, strict=True)
        ]
        self._log.append(*entries)
        return [entry.what for entry in entries]


def in_batches(planned: Sequence[Planned], size: int = TOGETHER) -> list[list[Planned]]:
    """Return plans in batches of one partition each, their order kept within a partition."""
    batches: list[list[Planned]] = []
    open_batches: dict[str, list[Planned]] = {}
    for each in planned:
        batch = open_batches.get(each.partition)
        if batch is None or len(batch) == size:
            batch = open_batches[each.partition] = []
            batches.append(batch)
        batch.append(each)
    return batches


def _intent(planned: Planned) -> Entry:
    record = planned.record
    return Entry(
        at=now(),
        what="intent",
        job=record.id,
        partition=planned.partition,
        name=record.module.rpartition(".")[2],
        queue_key=record.queue_key,
        execution_key=record.execution_key,
        retryable=record.retryable,
        pid=os.getpid(),
    )


def _outcome(planned: Planned, error: RogerActorsError | None) -> Entry:
    what: Step = "accepted"
    if isinstance(error, DuplicateJob):
        # a second try finds its own first one when that had arrived after all
        what = "accepted" if error.holder == planned.record.id else "refused"
    elif error is not None:
        what = "unknown"
    return Entry(
        at=now(),
        what=what,
        job=planned.record.id,
        partition=planned.partition,
        pid=os.getpid(),
        detail="" if error is None else str(error)[:200],
    )
