"""Putting what is no job out of the way. Runs in the consumer's process.

Source:
    `Roger.Partition.Worker` crashed on it, until its supervisor gave up.
"""

from __future__ import annotations

import asyncio

from roger_actors.broker import Delivery
from roger_actors.errors import NewerFormat, UndecodableJob
from roger_actors.roger import queue
from roger_actors.roger.partition.holding import Source, State
from roger_actors.roger.shelf.shelf import Shelved


def quarantine(state: State, source: Source, delivery: Delivery, error: UndecodableJob) -> None:
    """Put what is no job into quarantine, and what only a newer release reads beside the parked; then ack."""
    kernel, cause = state.kernel, str(error)
    is_newer = isinstance(error, NewerFormat)
    place, outcome = (queue.PARKED, "parked") if is_newer else (queue.QUARANTINE, "quarantined")
    kernel.log.error("partition %s: queue %s: %s; %s", state.partition, source.name, cause, outcome)
    state.counts[outcome] += 1
    shelved = Shelved(
        message_id=delivery.message_id or f"unnamed-{delivery.generation}-{delivery.tag}",
        queue=delivery.queue,
        partition=state.partition,
        cause=cause,
        kind="format" if is_newer else "payload",
        node=kernel.node,
        at=kernel.clock.wall(),
        body=delivery.body,
    )
    publishing = kernel.broker.publish(shelved.to_message(place), kernel.config.enqueue_timeout)

    def settle(done: asyncio.Future[None]) -> None:
        if source.subscription is None:
            return
        if done.cancelled() or done.exception() is not None:
            source.subscription.nack(delivery)
        else:
            source.subscription.ack(delivery)

    publishing.add_done_callback(settle)
