"""Enqueue, cancel, pause, look and mend, on one asyncio loop: no node is needed for it.

For programs that have a loop and a broker object; `roger_actors.roger.client.client` wraps it for all others.

Source:
    `Roger.Job.enqueue`, `Roger.Partition.Global`, `Roger.Queue`, `Roger.Info`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import attrs

from roger_actors.broker import Broker, Change, Message
from roger_actors.clock import Clock, SystemClock
from roger_actors.errors import DuplicateJob, RogerActorsError, Unroutable
from roger_actors.roger import queue
from roger_actors.roger.global_state import flags, queue_key
from roger_actors.roger.jobs.codec import check_size, decode, encode
from roger_actors.roger.jobs.job import JobRecord
from roger_actors.roger.shelf import shelf
from roger_actors.roger.shelf.shelf import Shelved
from roger_actors.roger.system.call import Answers, SystemCaller

Enqueued = JobRecord | RogerActorsError
"""What became of one record of `enqueue_many`: the stamped record, or why it was refused."""


class AsyncClient:
    """The operations on one broker object, on its loop.

    Args:
        broker: Connected, or connecting.
        max_payload: Largest encoded job in bytes.
        enqueue_timeout: Seconds that an enqueue waits for the broker, also through an outage.
        clock: For stamps.
    """

    def __init__(
        self,
        broker: Broker,
        *,
        max_payload: int,
        enqueue_timeout: float,
        clock: Clock | None = None,
    ) -> None:
        self._broker = broker
        self._max_payload = max_payload
        self._timeout = enqueue_timeout
        self._clock = clock or SystemClock()
        self._system = SystemCaller(broker)
        self._known_queues: set[str] = set()

    # -- jobs ------------------------------------------------------------------------------------

    async def enqueue(
        self,
        record: JobRecord,
        partition: str,
        *,
        override_queue: str | None = None,
        delay: float = 0.0,
        timeout: float | None = None,
    ) -> JobRecord:
        """Put a job into its partition's queue; when this returns the broker has it on disk.

        Args:
            record: Made by `Job.create`.
            partition: The tenant.
            override_queue: Queue type instead of the record's own.
            delay: Seconds before it may start.
            timeout: Seconds to wait for the broker; default from the configuration.

        Returns:
            The record with `queued_at` set.

        Raises:
            DuplicateJob: Its queue key is held by a job that has not left yet.
            Unroutable: The partition or queue type was never started.
            JobTooLarge: The payload is over the limit.
            PublishUnconfirmed: The broker did not confirm in time; the job may or may not be queued.
        """
        (outcome,) = await self._enqueue([record], partition, override_queue, delay, timeout)
        if isinstance(outcome, RogerActorsError):
            raise outcome
        return outcome

    async def enqueue_many(
        self,
        records: Sequence[JobRecord],
        partition: str,
        *,
        delay: float = 0.0,
        timeout: float | None = None,
    ) -> list[Enqueued]:
        """Put many jobs into one partition, pipelined; each is confirmed when this returns.

        Args:
            records: Made by `Job.create`.
            partition: The tenant.
            delay: Seconds before they may start.
            timeout: Seconds for all of them; default from the configuration.

        Returns:
            In order, each record with `queued_at` set, or the error that refused it (not raised, so
            that one duplicate does not hide what became of the others).
        """
        return await self._enqueue(records, partition, None, delay, timeout)

    async def _enqueue(
        self,
        records: Sequence[JobRecord],
        partition: str,
        override_queue: str | None,
        delay: float,
        timeout: float | None,
    ) -> list[Enqueued]:
        limit = self._timeout if timeout is None else timeout
        now = self._clock.wall()
        outcomes: list[Enqueued] = []
        messages: dict[int, Message] = {}
        for index, record in enumerate(records):
            stamped = attrs.evolve(
                record, queued_at=int(now * 1000), queue_type=override_queue or record.queue_type
            )
            outcomes.append(stamped)
            try:
                messages[index] = self._message(stamped, partition, delay)
            except RogerActorsError as error:
                outcomes[index] = error
        await self._check_lanes(partition, outcomes, messages, limit)
        claims = await self._claim(partition, outcomes, messages, limit)
        failures = await self._broker.publish_many(list(messages.values()), limit)
        for index, failure in zip(messages, failures, strict=True):
            if failure is not None:
                outcomes[index] = failure
        await self._settle_claims(claims, outcomes, limit)
        return outcomes

    def _message(self, record: JobRecord, partition: str, delay: float) -> Message:
        payload = encode(record)
        check_size(record, payload, self._max_payload)
        name = queue.of_job(partition, record.queue_type, record.execution_key)
        return Message(name, payload, record.id, partition, delay=delay)

    async def _check_lanes(
        self, partition: str, outcomes: list[Enqueued], messages: dict[int, Message], limit: float
    ) -> None:
        """Refuse serial jobs whose queue type does not exist: the lane would take them all."""
        lane = queue.lane_name(partition)
        for index in [index for index, message in messages.items() if message.queue == lane]:
            record = outcomes[index]
            assert isinstance(record, JobRecord)
            name = queue.make_name(partition, record.queue_type)
            if name not in self._known_queues and await self._broker.counts(name) is None:
                outcomes[index] = Unroutable(queue=name)
                del messages[index]
            else:
                self._known_queues.add(name)

    async def _claim(
        self, partition: str, outcomes: list[Enqueued], messages: dict[int, Message], limit: float
    ) -> dict[int, Change]:
        """Claim the queue keys; those refused become outcomes and are taken out of `messages`."""
        now = self._clock.wall()
        won: dict[int, Change] = {}
        trying: dict[int, Change] = {}
        for index in messages:
            record = outcomes[index]
            if isinstance(record, JobRecord) and record.queue_key is not None:
                trying[index] = queue_key.claiming(partition, record.queue_key, record.id, now)
        while trying:
            answers = await self._broker.tables.change(list(trying.values()), limit)
            again: dict[int, Change] = {}
            for (index, change), answer in zip(trying.items(), answers, strict=True):
                if answer.done:
                    won[index] = change
                    continue
                following = queue_key.taking_over(change, answer.current, now)
                if following is not None:
                    again[index] = following
                    continue
                record = outcomes[index]
                holder = queue_key.decode(answer.current)
                assert isinstance(record, JobRecord)
                outcomes[index] = DuplicateJob(
                    partition=partition,
                    queue_key=record.queue_key,
                    holder=holder.job_id if holder else "",
                )
                del messages[index]
            trying = again
        return won

    async def _settle_claims(self, claims: dict[int, Change], outcomes: list[Enqueued], limit: float) -> None:
        """Second phase: mark what was published, free what certainly was not, let the rest lapse."""
        changes = []
        owners = []
        for index, claim in claims.items():
            outcome = outcomes[index]
            if isinstance(outcome, JobRecord):
                changes.append(queue_key.publishing(claim))
                owners.append(index)
            elif isinstance(outcome, Unroutable):
                changes.append(claim._replace(expected=claim.new, new=None))
                owners.append(index)
        if not changes:
            return
        for index, change, answer in zip(
            owners, changes, await self._broker.tables.change(changes, limit), strict=True
        ):
            if not answer.done and change.new is not None:
                outcomes[index] = _overtaken(change, answer.current, outcomes[index])

    async def cancel(self, job_id: str, partition: str) -> Answers:
        """Cancel a job: one that waits never starts, one that runs is killed.

        Args:
            job_id: The job's id.
            partition: Its tenant.

        Returns:
            Which live nodes have taken note; each answers once it has. Where no node runs, the
            nodes find the cancel when they start.
        """
        await self._set(flags.cancelling(partition, job_id, self._clock.wall()))
        return await self._system.call("cancel", {"partition": partition, "job_id": job_id}, self._timeout)

    async def purge(self, partition: str, queue_type: str) -> int:
        """Delete what waits in a queue and answer how many jobs that were."""
        return await self._broker.purge(queue.make_name(partition, queue_type))

    async def queued_jobs(self, partition: str, queue_type: str, count: int = 100) -> list[JobRecord]:
        """Return up to `count` jobs that wait in a queue, oldest first; they stay there, unharmed."""
        deliveries = await self._broker.peek(queue.make_name(partition, queue_type), count)
        records = []
        for delivery in deliveries:
            try:
                records.append(decode(delivery.body))
            except RogerActorsError:
                continue
        return records

    # -- queues ----------------------------------------------------------------------------------

    async def pause(self, queue_type: str, partition: str) -> Answers:
        """Stop starting jobs of a queue, on every node, until `resume`; also through restarts."""
        await self._set(flags.pausing(partition, queue_type, self._clock.wall()))
        return await self._system.call("flags", {"partition": partition}, self._timeout)

    async def resume(self, queue_type: str, partition: str) -> Answers:
        """Undo `pause`."""
        await self._unset(flags.PAUSED, flags.table_key(partition, queue_type))
        return await self._system.call("flags", {"partition": partition}, self._timeout)

    async def paused(self, partition: str) -> list[str]:
        """Return the queue types of a partition that are paused, sorted."""
        found = await self._broker.tables.scan(flags.PAUSED, flags.table_key(partition, ""), self._timeout)
        return sorted(flags.name_of(key) for key in found)

    # -- nodes -----------------------------------------------------------------------------------

    async def ask_nodes(self, op: str, timeout: float | None = None, **args: Any) -> Answers:
        """Ask every live node; see `roger_actors.roger.system.server.OPERATIONS`."""
        return await self._system.call(op, args, self._timeout if timeout is None else timeout)

    async def info(self) -> Answers:
        """Return what every live node says of its partitions, queues and running jobs."""
        return await self.ask_nodes("info")

    # -- what is kept aside ----------------------------------------------------------------------

    async def buried(self, partition: str, count: int = 100) -> list[Shelved]:
        """Return up to `count` jobs that failed for good, oldest first."""
        return await shelf.look(self._broker, queue.buried_name(partition), count)

    async def requeue_buried(self, partition: str, job_id: str | None = None) -> list[Shelved]:
        """Give one buried job, or all (None), a fresh start from attempt 0.

        Returns:
            What was enqueued again; a job whose queue key is taken by now stays buried.
        """
        moved = []
        async with shelf.everything_on(self._broker, queue.buried_name(partition)) as buried:
            async for shelved, ack in buried:
                if job_id in (None, shelved.message_id) and await self._start_afresh(shelved):
                    ack()
                    moved.append(shelved)
        return moved

    async def _start_afresh(self, shelved: Shelved) -> bool:
        record = attrs.evolve(decode(shelved.body), retry_count=0, started_at=0)
        try:
            await self.enqueue(record, shelved.partition)
        except DuplicateJob:
            return False
        return True

    async def delete_buried(self, partition: str, job_id: str | None = None) -> list[Shelved]:
        """Delete one buried job, or all (None)."""
        return await self._delete(queue.buried_name(partition), job_id)

    async def quarantine(self, count: int = 100) -> list[Shelved]:
        """Return up to `count` payloads that nobody could take, oldest first."""
        return await shelf.look(self._broker, queue.QUARANTINE, count)

    async def requeue_quarantine(self, message_id: str | None = None) -> list[Shelved]:
        """Publish one quarantined payload, or all (None), to the queue it came from, unchanged."""
        return await self._put_back(queue.QUARANTINE, message_id, _unchanged)

    async def delete_quarantine(self, message_id: str | None = None) -> list[Shelved]:
        """Delete one quarantined payload, or all (None)."""
        return await self._delete(queue.QUARANTINE, message_id)

    async def parked(self, count: int = 100) -> list[Shelved]:
        """Return up to `count` jobs of classes that no running node knew, oldest first."""
        return await shelf.look(self._broker, queue.PARKED, count)

    async def _put_back(
        self, name: str, message_id: str | None, rewrite: Callable[[Shelved], Message]
    ) -> list[Shelved]:
        def chosen(shelved: Shelved) -> Message | None:
            return rewrite(shelved) if message_id in (None, shelved.message_id) else None

        return await shelf.put_back(self._broker, name, chosen, self._timeout)

    async def _delete(self, name: str, message_id: str | None) -> list[Shelved]:
        return await shelf.remove(self._broker, name, lambda s: message_id in (None, s.message_id))

    # -- flags -----------------------------------------------------------------------------------

    async def _set(self, change: Change) -> None:
        """Make a change whose key may be there already: the first one stands."""
        await self._broker.tables.change([change], self._timeout)

    async def _unset(self, table: str, key: str) -> None:
        current = await self._broker.tables.get(table, key, self._timeout)
        while current is not None:
            (answer,) = await self._broker.tables.change([Change(table, key, current, None)], self._timeout)
            current = None if answer.done else answer.current


def _overtaken(change: Change, current: bytes | None, outcome: Enqueued) -> Enqueued:
    """Say what became of a published job whose claim is not as it was left."""
    mine = queue_key.decode(change.new)
    held = queue_key.decode(current)
    if held is None or mine is None or held.job_id == mine.job_id:
        return outcome  # it ran, and even ended, before its second phase was recorded
    partition, _, key = change.key.partition("/")
    return DuplicateJob(partition=partition, queue_key=key, holder=held.job_id)


def _unchanged(shelved: Shelved) -> Message:
    return Message(shelved.queue, shelved.body, shelved.message_id, shelved.partition)
