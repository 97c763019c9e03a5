"""Starting, reconfiguring and stopping partitions on running nodes, as `client.partition`.

What is changed here lasts until the node ends or reloads its file.

Source:
    `Roger.Partition`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence

from roger_actors.errors import PartitionNotStarted
from roger_actors.roger.client.blocking import Blocking, blocking
from roger_actors.roger.system.call import Answers
from roger_actors.roger.system.message import NOT_ASKED, NOT_STARTED

AskNodes = Callable[..., Awaitable[Answers]]
"""Asks every live node; see `AsyncClient.ask_nodes`."""


def of_started(partition: str, answers: Answers) -> Answers:
    """Return what the nodes answered about a partition, if one of them may have it.

    Raises:
        PartitionNotStarted: They all answered that they do not.
    """
    told = set(answers.values.values()) - {NOT_ASKED}
    if told == {NOT_STARTED} and not answers.errors and not answers.missing:
        raise PartitionNotStarted(partition=partition)
    return answers


class AsyncPartition:
    """Partitions of running nodes; see `Partition`."""

    def __init__(self, ask_nodes: AskNodes) -> None:
        self._ask = ask_nodes

    async def start(self, partition: str, queues: Mapping[str, int], *, node: str | None = None) -> Answers:
        """Run a partition, or give it other queues where it runs already.

        Args:
            partition: The tenant.
            queues: Queue type to `max_workers`, the complete list: queues that are left out are closed,
                0 workers declares without consuming.
            node: Only on the node of this name; None for every live node.

        Returns:
            What each node answered, once it has the partition or knows that it must wait for the broker;
            `errors` has those that refused, and why. Without an answer no node runs.
        """
        return await self._ask("start_partition", partition=partition, queues=dict(queues), node=node)

    async def reconfigure(
        self, partition: str, queues: Mapping[str, int], *, node: str | None = None
    ) -> Answers:
        """Give a partition other queues on the nodes that have it; nobody else starts it.

        Args:
            partition: The tenant.
            queues: Queue type to `max_workers`, the complete list; see `start`.
            node: Only on the node of this name; None for every live node.

        Raises:
            PartitionNotStarted: No node that was asked has it.
        """
        answers = await self._ask(
            "reconfigure_partition", partition=partition, queues=dict(queues), node=node
        )
        return of_started(partition, answers)

    async def stop(self, partition: str, *, node: str | None = None) -> Answers:
        """Stop a partition at once: its running jobs are killed, and run again elsewhere or later.

        Args:
            partition: The tenant.
            node: Only on the node of this name; None for every live node.
        """
        return await self._ask("stop_partition", partition=partition, safe=False, node=node)

    async def safe_stop(self, partition: str, *, node: str | None = None) -> Answers:
        """Take no more jobs and stop when those that run have finished, after `shutdown_timeout` at last.

        Args:
            partition: The tenant.
            node: Only on the node of this name; None for every live node.
        """
        return await self._ask("stop_partition", partition=partition, safe=True, node=node)

    async def delete(self, partition: str, queue_types: Sequence[str] = ()) -> Answers:
        """Stop a partition on every node and delete all it owns: queues, jobs, keys.

        Args:
            partition: The tenant.
            queue_types: Its queues, where no node knows them any more.
        """
        return await self._ask("delete_partition", partition=partition, queue_types=list(queue_types))


class Partition(Blocking):
    """Partitions of running nodes: `client.partition.start("acme", {"default": 10})`."""

    start = blocking(AsyncPartition.start)
    reconfigure = blocking(AsyncPartition.reconfigure)
    stop = blocking(AsyncPartition.stop)
    safe_stop = blocking(AsyncPartition.safe_stop)
    delete = blocking(AsyncPartition.delete)
