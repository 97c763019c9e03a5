"""Enqueue, cancel, pause, look and mend, on one asyncio loop: no node is needed for it.

For programs that have a loop and a broker object; `roger_actors.roger.client.client` wraps it for all others.

Source:
    `Roger.Job.enqueue`, `Roger.Partition.Global`, `Roger.Queue`, `Roger.Info`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from roger_actors.broker import Broker, Message, QueueKind
from roger_actors.clock import Clock, SystemClock
from roger_actors.errors import RogerActorsError
from roger_actors.roger import queue
from roger_actors.roger.client import shelves
from roger_actors.roger.client.due import seconds_until
from roger_actors.roger.client.enqueuing import Enqueued, Enqueuer
from roger_actors.roger.client.global_state import AsyncGlobal
from roger_actors.roger.client.info import AsyncInfo
from roger_actors.roger.client.jobs import AsyncJobs
from roger_actors.roger.client.partition import AsyncPartition
from roger_actors.roger.client.shelves import Chosen
from roger_actors.roger.client.system import AsyncSystem
from roger_actors.roger.jobs.codec import decode
from roger_actors.roger.jobs.job import JobRecord
from roger_actors.roger.jobs.registry import Registry
from roger_actors.roger.shelf import shelf
from roger_actors.roger.shelf.shelf import Shelved
from roger_actors.roger.system.call import Answers, SystemCaller


class AsyncClient:
    """The operations on one broker object, on its loop.

    Args:
        broker: Connected, or connecting.
        max_payload: Largest encoded job in bytes.
        enqueue_timeout: Seconds that an enqueue waits for the broker, also through an outage.
        queue_kind: `quorum` or `classic`, as the nodes have it; for a partition's lane, which the first
            job with an execution key opens.
        clock: For stamps.
        registry: Returns the job classes that are known here; asked when a job is edited.

    Attributes:
        partition: Start, reconfigure and stop partitions on running nodes.
        global_state: Cancelled jobs, keys and paused queues, under Roger's names.
        info: What the nodes say of themselves.
        jobs: Where jobs are, and waiting for their end.
        system: Ask or tell all nodes.
    """

    def __init__(
        self,
        broker: Broker,
        *,
        max_payload: int,
        enqueue_timeout: float,
        queue_kind: QueueKind = "quorum",
        clock: Clock | None = None,
        registry: Callable[[], Registry] = Registry,
    ) -> None:
        self._broker = broker
        self._registry = registry
        self._timeout = enqueue_timeout
        self._clock = clock or SystemClock()
        self._enqueuer = Enqueuer(broker, max_payload=max_payload, queue_kind=queue_kind, clock=self._clock)
        self.system = AsyncSystem(SystemCaller(broker), enqueue_timeout)
        self.partition = AsyncPartition(self.ask_nodes)
        self.global_state = AsyncGlobal(broker, self.ask_nodes, clock=self._clock, timeout=enqueue_timeout)
        self.info = AsyncInfo(self.ask_nodes, self.queued_jobs)
        self.jobs = AsyncJobs(broker, self.ask_nodes, self._clock, enqueue_timeout)

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

        Raises:
            PartitionNotStarted: There are nodes, and none has the partition. The cancel stands all the
                same: jobs may wait in the queues of a partition that was stopped.
        """
        return await self.global_state.cancel_job(partition, job_id)

    async def purge(self, partition: str, queue_type: str) -> int:
        """Delete what waits in a queue, free the queue keys, and answer how many jobs that were.

        Jobs with an execution key are in the partition's lane and stay; so do delayed ones.
        """
        return await shelves.empty(self._broker, queue.make_name(partition, queue_type), self._timeout)

    async def queued_jobs(self, partition: str, queue_type: str, count: int = 100) -> list[JobRecord]:
        """Return the `count` jobs of a queue that are next, the newest of them first; they stay, unharmed."""
        deliveries = await self._broker.peek(queue.make_name(partition, queue_type), count)
        records = []
        for delivery in reversed(deliveries):
            try:
                records.append(decode(delivery.body))
            except RogerActorsError:
                continue
        return records

    # -- queues ----------------------------------------------------------------------------------

    async def pause(self, queue_type: str, partition: str) -> Answers:
        """Stop starting jobs of a queue, on every node, until `resume`; also through restarts."""
        return await self.global_state.queue_pause(partition, queue_type)

    async def resume(self, queue_type: str, partition: str) -> Answers:
        """Undo `pause`."""
        return await self.global_state.queue_resume(partition, queue_type)

    async def paused(self, partition: str) -> list[str]:
        """Return the queue types of a partition that are paused, sorted.

        Raises:
            PartitionNotStarted: None is, there are nodes, and none has the partition.
        """
        return await self.global_state.queue_get_paused(partition)

    # -- nodes -----------------------------------------------------------------------------------

    async def ask_nodes(self, op: str, timeout: float | None = None, **args: Any) -> Answers:
        """Ask every live node; the same as `system.call`."""
        return await self.system.call(op, timeout, **args)

    # -- what is kept aside ----------------------------------------------------------------------

    async def buried(self, partition: str, count: int = 100) -> list[Shelved]:
        """Return up to `count` jobs that failed for good, oldest first."""
        return await shelf.look(self._broker, queue.buried_name(partition), count)

    async def requeue_buried(self, partition: str, job_ids: Chosen = None) -> list[Shelved]:
        """Give buried jobs a fresh start from attempt 0.

        Args:
            partition: The tenant.
            job_ids: One id, several, or None for all.

        Returns:
            What was enqueued again; a job whose queue key is taken by now, or whose queue is gone,
            stays buried.
        """
        return await shelves.requeue(self._broker, partition, job_ids, self.enqueue_many)

    async def edit_buried(self, partition: str, job_id: str, args: Any) -> JobRecord:
        """Give one buried job other arguments and a fresh start from attempt 0.

        Where this client knows the job's class (its module is in `jobs`), the queue key and the
        execution key are computed from the new arguments; else they stay as they are.

        Args:
            partition: The tenant.
            job_id: The job.
            args: One value that JSON carries unchanged, as for `Job.create`.

        Returns:
            The record that was enqueued; its id is the same.

        Raises:
            JobNotFound: It is not buried.
            InvalidJob: The arguments cannot travel, or the class refuses them; it stays buried.
            DuplicateJob: Its queue key is held by another job; it stays buried.
            Unroutable: Its queue is gone; it stays buried.
        """
        registry = self._registry()

        def change(record: JobRecord) -> JobRecord:
            return shelves.with_args(record, args, registry)

        return await shelves.edit(self._broker, partition, job_id, change, self.enqueue_many)

    async def delete_buried(self, partition: str, job_ids: Chosen = None) -> list[Shelved]:
        """Delete buried jobs: one id, several, or None for all."""
        return await shelf.remove(self._broker, queue.buried_name(partition), shelves.is_chosen(job_ids))

    async def quarantine(self, count: int = 100) -> list[Shelved]:
        """Return up to `count` payloads that nobody could take, oldest first."""
        return await shelf.look(self._broker, queue.QUARANTINE, count)

    async def requeue_quarantine(self, message_ids: Chosen = None) -> list[Shelved]:
        """Publish quarantined payloads to the queue they came from, unchanged.

        Args:
            message_ids: One id, several, or None for all.

        Returns:
            What was published; what has no queue to go to stays.
        """
        is_chosen = shelves.is_chosen(message_ids)

        def unchanged(kept: Shelved) -> Message | None:
            message = Message(kept.queue, kept.body, kept.message_id, kept.partition)
            return message if is_chosen(kept) else None

        return await shelf.put_back(self._broker, queue.QUARANTINE, unchanged, self._timeout)

    async def delete_quarantine(self, message_ids: Chosen = None) -> list[Shelved]:
        """Delete quarantined payloads (one id, several, or None for all) and free their queue keys."""
        return await shelves.discard(self._broker, queue.QUARANTINE, message_ids, self._timeout)

    async def parked(self, count: int = 100) -> list[Shelved]:
        """Return up to `count` jobs of classes that no running node knew, oldest first."""
        return await shelf.look(self._broker, queue.PARKED, count)
