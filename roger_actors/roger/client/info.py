"""What nodes say of their partitions, queues and jobs: `client.info` of all, `node.node_info` of one.

Each question is a function of what one node says of itself (`Said`), asked of one node or of all.

Source:
    `Roger.Info`, `Roger.NodeInfo`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import attrs

from roger_actors.roger.client.blocking import Blocking, blocking
from roger_actors.roger.client.partition import AskNodes
from roger_actors.roger.jobs.job import JobRecord
from roger_actors.roger.system.call import Answers

Said = Mapping[str, Any]
"""What one node says of itself: the operation `info`."""
Queued = Callable[..., Awaitable[list[JobRecord]]]
"""Returns what waits in a queue; see `AsyncClient.queued_jobs`."""


def running_partitions(said: Said) -> dict[str, dict[str, Any]]:
    """Return the partitions that are open, with `max_workers`, `paused` and so on of each queue."""
    return {
        partition: dict(snapshot["queues"])
        for partition, snapshot in said["partitions"].items()
        if partition not in said["waiting"]
    }


def waiting_partitions(said: Said) -> dict[str, str]:
    """Return the partitions that are not open yet, with the reason; they are tried every second."""
    return dict(said["waiting"])


def partitions(said: Said) -> dict[str, Any]:
    """Return the partitions of both kinds: `running` with their queues, `waiting` with the reason."""
    return {"running": running_partitions(said), "waiting": waiting_partitions(said)}


def running_partition_ids(said: Said) -> list[str]:
    """Return the names of the partitions that are open, sorted."""
    return sorted(running_partitions(said))


def running_jobs(said: Said, partition: str | None = None) -> Any:
    """Return the running jobs of each partition, or those of one.

    Args:
        said: What the node says.
        partition: One tenant, None for all.

    Returns:
        Partition to a list of jobs, or that list: `id`, `class`, `queue_type`, `retry_count`,
        `started_at` in milliseconds since the epoch (0 while it waits for a worker) …
    """
    if partition is not None:
        return list(said["partitions"].get(partition, {}).get("running", []))
    return {name: list(snapshot["running"]) for name, snapshot in said["partitions"].items()}


class AsyncInfo:
    """What every live node says; see `Info`."""

    def __init__(self, ask_nodes: AskNodes, queued: Queued) -> None:
        self._ask = ask_nodes
        self._queued = queued

    async def __call__(self) -> Answers:
        """Return what every live node says of its partitions, queues and running jobs, all of it."""
        return await self._ask("info")

    async def partitions(self) -> Answers:
        """Return each node's partitions: `running` with their queues, `waiting` with the reason."""
        return await self._of_each(partitions)

    async def running_partitions(self) -> Answers:
        """Return each node's open partitions with their queues."""
        return await self._of_each(running_partitions)

    async def waiting_partitions(self) -> Answers:
        """Return each node's partitions that are not open yet, with the reason."""
        return await self._of_each(waiting_partitions)

    async def running_partition_ids(self) -> Answers:
        """Return the names of each node's open partitions."""
        return await self._of_each(running_partition_ids)

    async def running_jobs(self, partition: str | None = None) -> Answers:
        """Return each node's running jobs, by partition or those of one; see `running_jobs` of the module."""
        return await self._of_each(lambda said: running_jobs(said, partition))

    async def queued_jobs(self, partition: str, queue_type: str, count: int = 100) -> list[JobRecord]:
        """Return up to `count` jobs that wait in a queue, the newest first; see `AsyncClient.queued_jobs`."""
        return await self._queued(partition, queue_type, count)

    async def _of_each(self, question: Callable[[Said], Any]) -> Answers:
        answers = await self._ask("info")
        return attrs.evolve(answers, values={node: question(said) for node, said in answers.values.items()})


class Info(Blocking):
    """What every live node says: `client.info()` is all of it, `client.info.running_jobs()` a part."""

    __call__ = blocking(AsyncInfo.__call__)
    partitions = blocking(AsyncInfo.partitions)
    running_partitions = blocking(AsyncInfo.running_partitions)
    waiting_partitions = blocking(AsyncInfo.waiting_partitions)
    running_partition_ids = blocking(AsyncInfo.running_partition_ids)
    running_jobs = blocking(AsyncInfo.running_jobs)
    queued_jobs = blocking(AsyncInfo.queued_jobs)


class NodeInfo:
    """What one node says: `node.node_info()` is all of it, `node.node_info.running_jobs()` a part.

    It asks the node itself and not through the broker, except for what is queued.

    Args:
        ask: Returns what the node says of itself.
        info: For what is queued.
    """

    def __init__(self, ask: Callable[[], dict[str, Any]], info: Info) -> None:
        self._ask = ask
        self._info = info

    def __call__(self) -> dict[str, Any]:
        """Return what this node's kernel says of its partitions, queues and running jobs."""
        return self._ask()

    def partitions(self) -> dict[str, Any]:
        """Return the node's partitions: `running` with their queues, `waiting` with the reason."""
        return partitions(self._ask())

    def running_partitions(self) -> dict[str, dict[str, Any]]:
        """Return the partitions that are open, with `max_workers`, `paused` and so on of each queue."""
        return running_partitions(self._ask())

    def waiting_partitions(self) -> dict[str, str]:
        """Return the partitions that are not open yet, with the reason."""
        return waiting_partitions(self._ask())

    def running_partition_ids(self) -> list[str]:
        """Return the names of the partitions that are open, sorted."""
        return running_partition_ids(self._ask())

    def running_jobs(self, partition: str | None = None) -> Any:
        """Return the running jobs by partition, or those of one; see `running_jobs` of the module."""
        return running_jobs(self._ask(), partition)

    def queued_jobs(self, partition: str, queue_type: str, count: int = 100) -> list[JobRecord]:
        """Return up to `count` jobs that wait in a queue, the newest first."""
        return self._info.queued_jobs(partition, queue_type, count)
