"""What a partition has agreed on in the whole cluster, as `client.global_state`: cancels, keys, pauses.

All of it is in the broker's durable tables: it needs no node, and it survives all of them.

Source:
    `Roger.Partition.Global`.
"""

from __future__ import annotations

from roger_actors.broker import Broker, Change, Tables
from roger_actors.clock import Clock
from roger_actors.roger.client.blocking import Blocking, blocking
from roger_actors.roger.client.partition import AskNodes, of_started
from roger_actors.roger.global_state import flags, queue_key
from roger_actors.roger.system.call import Answers


class AsyncGlobal:
    """What a partition has agreed on; see `Global`.

    Args:
        broker: Holds it.
        ask_nodes: Tells the nodes of a change.
        clock: For stamps.
        timeout: Seconds for the tables to answer.
    """

    def __init__(self, broker: Broker, ask_nodes: AskNodes, *, clock: Clock, timeout: float) -> None:
        self._broker = broker
        self._ask = ask_nodes
        self._clock = clock
        self._timeout = timeout

    @property
    def _tables(self) -> Tables:
        return self._broker.tables

    # -- cancelled jobs --------------------------------------------------------------------------

    async def cancel_job(self, partition: str, job_id: str) -> Answers:
        """Cancel a job: one that waits never starts, one that runs is killed.

        Args:
            partition: Its tenant.
            job_id: The job's id.

        Returns:
            Which live nodes have taken note; each answers once it has. Where no node runs, the
            nodes find the cancel when they start.

        Raises:
            PartitionNotStarted: There are nodes, and none has the partition. The cancel stands all the
                same: jobs may wait in the queues of a partition that was stopped.
        """
        key = flags.table_key(partition, job_id)
        delay = await self._tables.get(flags.DELAYED, key, self._timeout)
        await self._set(flags.cancelling(partition, job_id, self._clock.wall(), delay))
        return of_started(partition, await self._ask("cancel", partition=partition, job_id=job_id))

    async def cancelled(self, partition: str, job_id: str, *, remove: bool = False) -> bool:
        """Return whether a job is cancelled and has not been met since.

        Args:
            partition: Its tenant.
            job_id: The job's id.
            remove: Forget the cancel: the job may run again, unless it was met already.
        """
        key = flags.table_key(partition, job_id)
        is_cancelled = await self._tables.get(flags.CANCELLED, key, self._timeout) is not None
        if is_cancelled and remove:
            await self._unset(flags.CANCELLED, key)
            await self._ask("flags", partition=partition)
        return is_cancelled

    # -- keys ------------------------------------------------------------------------------------

    async def queued(self, partition: str, key: str) -> str | None:
        """Return the id of the job that holds a queue key; None: a job with this key would be taken."""
        claim = queue_key.decode(await self._holder(partition, key))
        return None if claim is None else claim.job_id

    async def remove_queued(self, partition: str, key: str) -> str | None:
        """Free a queue key by force, for a job that was deleted behind this system's back.

        A job that is there after all is dropped when it is met, because it has lost its key.

        Args:
            partition: The tenant.
            key: The queue key.

        Returns:
            The id of the job that held it, None if nobody did.
        """
        claim = queue_key.decode(await self._holder(partition, key))
        if claim is None:
            return None
        await self._tables.change([queue_key.releasing(partition, key, claim.job_id)], self._timeout)
        return claim.job_id

    async def executing(self, partition: str, key: str) -> str | None:
        """Return the id of the job that runs under an execution key now, on any node; None if none does."""
        answers = await self._ask("info")
        running = [
            job["id"]
            for node in answers.values.values()
            for job in node["partitions"].get(partition, {}).get("running", [])
            if job["execution_key"] == key
        ]
        return running[0] if running else None

    async def _holder(self, partition: str, key: str) -> bytes | None:
        return await self._tables.get(queue_key.TABLE, queue_key.table_key(partition, key), self._timeout)

    # -- paused queues ---------------------------------------------------------------------------

    async def queue_pause(self, partition: str, queue_type: str) -> Answers:
        """Stop starting jobs of a queue, on every node, until `queue_resume`; also through restarts."""
        await self._set(flags.pausing(partition, queue_type, self._clock.wall()))
        return await self._ask("flags", partition=partition)

    async def queue_resume(self, partition: str, queue_type: str) -> Answers:
        """Undo `queue_pause`."""
        await self._unset(flags.PAUSED, flags.table_key(partition, queue_type))
        return await self._ask("flags", partition=partition)

    async def queue_get_paused(self, partition: str) -> list[str]:
        """Return the queue types of a partition that are paused, sorted.

        Raises:
            PartitionNotStarted: None is, there are nodes, and none has the partition.
        """
        found = await self._tables.scan(flags.PAUSED, flags.table_key(partition, ""), self._timeout)
        if not found:
            of_started(partition, await self._ask("flags", partition=partition))
        return sorted(flags.name_of(key) for key in found)

    # -- the tables ------------------------------------------------------------------------------

    async def _set(self, change: Change) -> None:
        """Make a change whose key may be there already: the first one stands."""
        await self._tables.change([change], self._timeout)

    async def _unset(self, table: str, key: str) -> None:
        current = await self._tables.get(table, key, self._timeout)
        while current is not None:
            (answer,) = await self._tables.change([Change(table, key, current, None)], self._timeout)
            current = None if answer.done else answer.current


class Global(Blocking):
    """What a partition has agreed on in the whole cluster: `client.global_state.queued("acme", "mail-7")`."""

    cancel_job = blocking(AsyncGlobal.cancel_job)
    cancelled = blocking(AsyncGlobal.cancelled)
    queued = blocking(AsyncGlobal.queued)
    remove_queued = blocking(AsyncGlobal.remove_queued)
    executing = blocking(AsyncGlobal.executing)
    queue_pause = blocking(AsyncGlobal.queue_pause)
    queue_resume = blocking(AsyncGlobal.queue_resume)
    queue_get_paused = blocking(AsyncGlobal.queue_get_paused)
