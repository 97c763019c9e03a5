"""Moving what is kept aside, and emptying queues: many at a time, and nothing lost on the way.

What goes somewhere is published and confirmed before it is taken from where it lay; what leaves for
good frees its queue key first. A crash in between leaves it in both places, or leaves a job without
its key, which the nodes drop.

Source:
    `Roger.Queue.purge`; the shelves are new.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence

import attrs

from roger_actors.broker import Broker, Change
from roger_actors.errors import JobNotFound, RogerActorsError, UndecodableJob, UnknownJobClass
from roger_actors.roger import queue
from roger_actors.roger.client.enqueuing import Enqueued
from roger_actors.roger.global_state import queue_key
from roger_actors.roger.jobs import arguments
from roger_actors.roger.jobs.codec import decode, decode_header
from roger_actors.roger.jobs.job import JobRecord
from roger_actors.roger.jobs.registry import Registry
from roger_actors.roger.shelf import shelf
from roger_actors.roger.shelf.shelf import Lifted, Shelved

BATCH = 200
"""Messages that are moved together."""

Chosen = str | Collection[str] | None
"""Ids of messages: one, several, or None for all."""
Enqueue = Callable[[Sequence[JobRecord], str], Awaitable[list[Enqueued]]]
"""Puts records into a partition and says what became of each."""


async def requeue(broker: Broker, partition: str, chosen: Chosen, enqueue: Enqueue) -> list[Shelved]:
    """Enqueue buried jobs again, each from its first attempt.

    Returns:
        What was enqueued; a job whose queue key is taken, or whose queue is gone, stays buried.
    """
    moved = []
    async with shelf.everything_on(broker, queue.buried_name(partition)) as buried:
        async for batch in _batches(buried, chosen):
            records = {index: afresh for index, each in enumerate(batch) if (afresh := _afresh(each[0]))}
            outcomes = await enqueue(list(records.values()), partition)
            for index, outcome in zip(records, outcomes, strict=True):
                if isinstance(outcome, JobRecord):
                    shelved, ack = batch[index]
                    ack()
                    moved.append(shelved)
    return moved


async def edit(
    broker: Broker, partition: str, job_id: str, change: Callable[[JobRecord], JobRecord], enqueue: Enqueue
) -> JobRecord:
    """Enqueue one buried job again, changed.

    Raises:
        JobNotFound: It is not buried.
        RogerActorsError: It cannot be changed so, or was refused; it stays buried.
    """
    async with shelf.everything_on(broker, queue.buried_name(partition)) as buried:
        async for shelved, ack in buried:
            if shelved.message_id == job_id:
                (outcome,) = await enqueue([change(decode(shelved.body))], partition)
                if isinstance(outcome, RogerActorsError):
                    raise outcome
                ack()
                return outcome
    raise JobNotFound(job=job_id, where=f"{partition}'s buried jobs")


def with_args(record: JobRecord, args: object, registry: Registry) -> JobRecord:
    """Return a job with other arguments, before its first attempt.

    Its keys are computed anew where the registry has its class, and else stay as they are.

    Raises:
        InvalidJob: The arguments cannot travel, or the class refuses them.
    """
    record = attrs.evolve(record, retry_count=0, started_at=0)
    try:
        made = registry.find(record.module).create(args, id=record.id)
    except UnknownJobClass:
        return attrs.evolve(record, args=arguments.travelling(record.module, args))
    return attrs.evolve(
        record,
        args=made.args,
        queue_key=made.queue_key,
        execution_key=made.execution_key,
        version=made.version,
    )


async def discard(broker: Broker, name: str, chosen: Chosen, timeout: float) -> list[Shelved]:
    """Delete messages of a shelf for good, and free the queue keys that their jobs hold."""
    gone = []
    async with shelf.everything_on(broker, name) as messages:
        async for batch in _batches(messages, chosen):
            await _let_go(broker, batch, timeout)
            gone += [shelved for shelved, _ in batch]
    return gone


async def empty(broker: Broker, name: str, timeout: float) -> int:
    """Delete as many messages as a queue has now, free the queue keys of their jobs, and return how many."""
    count = 0
    async with shelf.everything_on(broker, name, prefetch=2 * BATCH, as_counted=True) as messages:
        async for batch in _batches(messages, None):
            await _let_go(broker, batch, timeout)
            count += len(batch)
    return count


async def _let_go(broker: Broker, batch: Sequence[Lifted], timeout: float) -> None:
    """Free keys, then delete: a job that comes again without its key is dropped."""
    releases = [change for shelved, _ in batch if (change := _releasing(shelved)) is not None]
    if releases:
        await broker.tables.change(releases, timeout)
    for _, ack in batch:
        ack()


def _releasing(shelved: Shelved) -> Change | None:
    """Return the change that frees the queue key of a job; None for what holds none."""
    try:
        header = decode_header(shelved.body)
    except UndecodableJob:
        return None
    if header.queue_key is None:
        return None
    return queue_key.releasing(shelved.partition, header.queue_key, header.id)


def is_chosen(chosen: Chosen) -> Callable[[Shelved], bool]:
    """Return what tells whether a message is meant."""
    if chosen is None:
        return lambda _: True
    ids = {chosen} if isinstance(chosen, str) else set(chosen)
    return lambda shelved: shelved.message_id in ids


async def _batches(messages: AsyncIterator[Lifted], chosen: Chosen) -> AsyncIterator[list[Lifted]]:
    """Give the messages that are meant, many at a time."""
    is_meant = is_chosen(chosen)
    batch: list[Lifted] = []
    async for lifted in messages:
        if is_meant(lifted[0]):
            batch.append(lifted)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _afresh(shelved: Shelved) -> JobRecord | None:
    """Return a job as before its first attempt; None for one that this release cannot read."""
    try:
        return attrs.evolve(decode(shelved.body), retry_count=0, started_at=0)
    except UndecodableJob:
        return None
