"""Enqueue, cancel, pause, look and mend, on one asyncio loop: no node is needed for it.

For programs that have a loop and a broker object; `roger_actors.roger.client.client` wraps it for all others.

Source:
    `Roger.Job.enqueue`, `Roger.Partition.Global`, `Roger.Queue`, `Roger.Info`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import attrs

from roger_actors.broker import Broker, Change, Message
from roger_actors.clock import Clock, SystemClock
from roger_actors.errors import DuplicateJob, RogerActorsError
from roger_actors.roger import queue
from roger_actors.roger.client.due import seconds_until
from roger_actors.roger.client.enqueuing import Enqueued, Enqueuer
from roger_actors.roger.global_state import flags
from roger_actors.roger.jobs.codec import decode
from roger_actors.roger.jobs.job import JobRecord
from roger_actors.roger.shelf import shelf
from roger_actors.roger.shelf.shelf import Shelved
from roger_actors.roger.system.call import Answers, SystemCaller


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
        self._timeout = enqueue_timeout
        self._clock = clock or SystemClock()
        self._enqueuer = Enqueuer(broker, max_payload=max_payload, clock=self._clock)
        self._system = SystemCaller(broker)

    # -- jobs ------------------------------------------------------------------------------------

    async def enqueue(
        self,
        record: JobRecord,
        partition: str,
        *,
        override_queue: str | None = None,
        delay: float = 0.0,
        at: datetime | None = None,
        timeout: float | None = None,
    ) -> JobRecord:
        """Put a job into its partition's queue; when this returns the broker has it on disk.

        Args:
            record: Made by `Job.create`.
            partition: The tenant.
            override_queue: Queue type instead of the record's own.
            delay: Seconds before it may start, up to 366 days.
            at: The moment before which it may not start, instead of a delay: a `datetime` with a time
                zone, read against this machine's clock; one that has passed means now.
            timeout: Seconds to wait for the broker; default from the configuration.

        Returns:
            The record with `queued_at` set.

        Raises:
            DuplicateJob: Its queue key is held by a job that has not left yet.
            InvalidTime: `at` has no time zone, `delay` is no number, or it is too far away.
            Unroutable: The partition or queue type was never started.
            JobTooLarge: The payload is over the limit.
            PublishUnconfirmed: The broker did not confirm in time; the job may or may not be queued.
        """
        limit = self._timeout if timeout is None else timeout
        wait = seconds_until(delay, at, self._clock.wall())
        (outcome,) = await self._enqueuer.enqueue(
            [record], partition, override_queue=override_queue, delay=wait, limit=limit
        )
        if isinstance(outcome, RogerActorsError):
            raise outcome
        return outcome

    async def enqueue_many(
        self,
        records: Sequence[JobRecord],
        partition: str,
        *,
        delay: float = 0.0,
        at: datetime | None = None,
        timeout: float | None = None,
    ) -> list[Enqueued]:
        """Put many jobs into one partition, pipelined; each is confirmed when this returns.

        Args:
            records: Made by `Job.create`.
            partition: The tenant.
            delay: Seconds before they may start, up to 366 days.
            at: The moment before which they may not start, instead of a delay; see `enqueue`.
            timeout: Seconds for all of them; default from the configuration.

        Returns:
            In order, each record with `queued_at` set, or the error that refused it (not raised, so
            that one duplicate does not hide what became of the others).

        Raises:
            InvalidTime: `at` has no time zone, `delay` is no number, or it is too far away.
        """
        limit = self._timeout if timeout is None else timeout
        wait = seconds_until(delay, at, self._clock.wall())
        return await self._enqueuer.enqueue(records, partition, delay=wait, limit=limit)

    async def cancel(self, job_id: str, partition: str) -> Answers:
        """Cancel a job: one that waits never starts, one that runs is killed.

        Args:
            job_id: The job's id.
            partition: Its tenant.

        Returns:
            Which live nodes have taken note; each answers once it has. Where no node runs, the
            nodes find the cancel when they start.
        """
        key = flags.table_key(partition, job_id)
        delay = await self._broker.tables.get(flags.DELAYED, key, self._timeout)
        await self._set(flags.cancelling(partition, job_id, self._clock.wall(), delay))
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
        """Publish one quarantined payload, or all (None), to the queue it came from, unchanged.

        Returns:
            What was published; what has no queue to go to stays.
        """
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


def _unchanged(shelved: Shelved) -> Message:
    return Message(shelved.queue, shelved.body, shelved.message_id, shelved.partition)
