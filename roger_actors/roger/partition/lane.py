"""Taking over a partition's lane from the node that had it, and giving it up.

The durable table `lane_holders` says who holds a lane: the run of a node, and how long a job may go on there
without a sign of life. Whoever the broker makes the lane's consumer, by delivering to it, reads that
first. If it was another run, which may still be at work although the broker has given it up, its jobs
are dead after that time and a margin; only then is the new holder written down, and begins.

Runs in a process of its own for each take-over, so that the partition's other queues do not wait.

Source:
    New here; see `roger_actors.roger.worker_host.fence`.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from roger_actors.broker import Change
from roger_actors.errors import BrokerError, ProcessError
from roger_actors.otp import Pid, process
from roger_actors.roger.global_state import flags
from roger_actors.roger.kernel import Kernel
from roger_actors.roger.worker_host.fence import Proof
from roger_actors.roger.worker_pool.fencing import prove
from roger_actors.roger.worker_pool.hosts import watch_fences

TABLE = "lane_holders"
MARGIN = 0.5
"""Seconds that are waited beside the other's limit: for its root host to look, and to kill."""
TRY_AGAIN = 0.5
"""Seconds between two tries when the broker does not answer."""


class LaneTaken(NamedTuple):
    """To the consumer: the lane may be served on the strength of this proof."""

    proof: Proof


class Holder(msgspec.Struct, frozen=True, array_like=True):
    """Who holds a lane.

    Attributes:
        node: Name of the node, for people.
        run: Its run.
        limit: Seconds that its jobs of the lane may go on without a sign of life.
    """

    node: str
    run: str
    limit: float


_decode = msgspec.json.Decoder(Holder).decode


def wait_for(holder: Holder | None, run: str) -> float:
    """Return how many seconds the jobs of a lane's last holder may still run.

    Args:
        holder: What the table says, None if the last one left in order.
        run: Who asks. Its own jobs it knows.
    """
    return 0.0 if holder is None or holder.run == run else holder.limit + MARGIN


def table_key(partition: str) -> str:
    """Return the key of a partition's lane."""
    return flags.table_key(partition, "holder")


async def take_over(kernel: Kernel, proof: Proof, consumer: Pid) -> None:
    """Wait until nobody else can be at work on the lane, then tell the consumer. A process of its own.

    It goes on until it is told to end: the consumer forgets a proof whose subscription was reset.
    """
    since = kernel.clock.monotonic()
    while proof in kernel.fence.lanes:
        try:
            if await _write_down(kernel, proof, since):
                break
        except (BrokerError, ProcessError) as error:
            kernel.log.warning("partition %s: its lane is not served yet: %s", proof.partition, error)
            await process.sleep(TRY_AGAIN)
    while proof in kernel.fence.lanes and not proof.is_good(kernel.clock.monotonic()):
        await prove(kernel, [proof])
        if not proof.is_good(kernel.clock.monotonic()):
            await process.sleep(TRY_AGAIN)
    process.send(consumer, LaneTaken(proof))


async def _write_down(kernel: Kernel, proof: Proof, since: float) -> bool:
    """Wait for the holder's end and take its place; False if somebody else did meanwhile."""
    limit, key = kernel.config.enqueue_timeout, table_key(proof.partition)
    await watch_fences()
    current = await kernel.broker.tables.get(TABLE, key, limit)
    holder = _decode(current) if current is not None else None
    left = since + wait_for(holder, kernel.run) - kernel.clock.monotonic()
    if holder is not None and left > 0:
        text = "partition %s: node %s held the lane; its jobs with execution keys wait %.1f s for its end"
        kernel.log.info(text, proof.partition, holder.node, left)
        await process.sleep(left)
    own = Holder(kernel.node, kernel.run, kernel.config.fence_after if kernel.broker.hands_over else 0.0)
    (answer,) = await kernel.broker.tables.change(
        [Change(TABLE, key, current, msgspec.json.encode(own))], limit
    )
    return answer.done


async def give_up(kernel: Kernel, partition: str) -> None:
    """Write down that a lane has no holder: none of its jobs runs here any more.

    Raises:
        BrokerError: It could not be written; the next holder waits as if this one had died.
    """
    limit, key = kernel.config.enqueue_timeout, table_key(partition)
    current = await kernel.broker.tables.get(TABLE, key, limit)
    if current is not None and _decode(current).run == kernel.run:
        await kernel.broker.tables.change([Change(TABLE, key, current, None)], limit)
