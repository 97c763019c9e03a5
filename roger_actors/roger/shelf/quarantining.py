"""Putting what is no job out of the way. Runs in the consumer's process.

Source:
    `Roger.Partition.Worker` crashed on it, until its supervisor gave up.
"""

from __future__ import annotations

import asyncio

from roger_actors.broker import Consumer, Delivery
from roger_actors.errors import NewerFormat, UndecodableJob
from roger_actors.roger import queue
from roger_actors.roger.kernel import Kernel
from roger_actors.roger.shelf.shelf import Shelved


def quarantine(
    kernel: Kernel, partition: str, subscription: Consumer, delivery: Delivery, error: UndecodableJob
) -> str:
    """Put what is no job into quarantine, and what only a newer release reads beside the parked; then ack.

    Args:
        kernel: The node's.
        partition: The tenant.
        subscription: What delivered it, and is acked when it is safe.
        delivery: The payload.
        error: Why it is no job.

    Returns:
        `quarantined` or `parked`.
    """
    cause, is_newer = str(error), isinstance(error, NewerFormat)
    place, outcome = (queue.PARKED, "parked") if is_newer else (queue.QUARANTINE, "quarantined")
    kernel.log.error("partition %s: queue %s: %s; %s", partition, subscription.queue, cause, outcome)
    shelved = Shelved(
        message_id=delivery.message_id or f"unnamed-{delivery.generation}-{delivery.tag}",
        queue=delivery.queue,
        partition=partition,
        cause=cause,
        kind="format" if is_newer else "payload",
        node=kernel.node,
        at=kernel.clock.wall(),
        body=delivery.body,
    )
    publishing = kernel.broker.publish(shelved.to_message(place), kernel.config.enqueue_timeout)

    def settle(done: asyncio.Future[None]) -> None:
        if done.cancelled() or done.exception() is not None:
            subscription.nack(delivery)
        else:
            subscription.ack(delivery)

    publishing.add_done_callback(settle)
    return outcome
