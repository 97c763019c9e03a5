"""Queues that were declared otherwise than wanted: found out, and declared anew around their messages.

RabbitMQ never changes a queue, so its messages are moved into a temporary one, `NAME.mend`, it is deleted
and declared rightly, and they are moved back. What is to be done next shows in which queues there are, so
whoever is killed in between is followed by anybody who asks again. A batch is confirmed where it goes
before it is acked where it was.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Final

from roger_actors.broker.amqp.consumer import AmqpConsumer
from roger_actors.broker.amqp.control import Channel, Control
from roger_actors.broker.amqp.declarer import Declarer
from roger_actors.broker.amqp.publisher import Publisher
from roger_actors.broker.base import Delivery, Difference, Message, QueueSpec
from roger_actors.broker.topology import DELIVER
from roger_actors.errors import ChannelClosed, QueueInUse, TopologyMismatch

logger = logging.getLogger(__name__)

SUFFIX: Final = ".mend"
"""What the temporary queue's name ends with; no other queue's does."""
BATCH: Final = 100
"""Messages on their way at once: so many may be there twice after a kill."""
PAUSE: Final = 0.2
"""Seconds without a message after which it is asked whether there are more."""
LOOKS: Final = 2
"""How often in a row a queue must be empty: one look may come before what is on its way."""
PRECONDITION_FAILED: Final = 406


class Mender:
    """See the module.

    Args:
        control: The channels to ask on.
        declarer: Declares the queue.
        publisher: Publishes what is moved.
        prefix: Put before every queue and exchange name.
        consume: Subscribes to a queue, as `Broker.consume`.
    """

    def __init__(
        self,
        control: Control,
        declarer: Declarer,
        publisher: Publisher,
        prefix: str,
        consume: Callable[..., Awaitable[AmqpConsumer]],
    ) -> None:
        self._control, self._declarer, self._publisher = control, declarer, publisher
        self._prefix, self._consume = prefix, consume

    async def compare(self, spec: QueueSpec) -> Difference | None:
        """Return what of a queue is not as wanted; None also where there is no such queue."""
        if await self._declarer.counts(spec.name) is None:
            return None
        try:
            await self._control.run(lambda c: self._declarer.declare_queue(c, spec))
        except TopologyMismatch as error:
            return Difference(spec.name, error.setting, error.wanted, error.found)
        return None

    async def mend(self, spec: QueueSpec, timeout: float, *, is_quiet: bool) -> int:
        """Declare a queue rightly and keep its messages; goes on where another was interrupted.

        Args:
            spec: As it should be.
            timeout: Seconds for each batch to be confirmed.
            is_quiet: Whether the caller knows that nobody publishes to it meanwhile.

        Returns:
            How many messages were put into the right queue.

        Raises:
            QueueInUse: It is consumed, or it is a quorum queue and may be published to.
            PublishUnconfirmed: A batch was not confirmed; nothing is lost, asking again goes on.
        """
        kept = spec.name + SUFFIX
        if await self.compare(spec) is not None:
            is_quorum = await self._is_quorum(spec.name)
            await self._check_use(spec.name, is_guarded=is_quiet or not is_quorum)
            await self._control.run(lambda c: self._open_temporary(c, spec.name, kept))
            await self._move(spec.name, kept, timeout)
            while not await self._delete(spec.name, if_empty=not is_quorum):
                await self._move(spec.name, kept, timeout)
        elif await self._declarer.counts(kept) is None:
            return 0
        await self._control.run(lambda c: self._declarer.declare_queue(c, spec))
        await self._control.run(lambda c: c.ask("queue_unbind", **self._binding(spec.name, kept)))
        moved = await self._move(kept, spec.name, timeout)
        while not await self._delete(kept):
            moved += await self._move(kept, spec.name, timeout)
        return moved

    async def _is_quorum(self, name: str) -> bool:
        """Find out of what kind a queue is that is there: it is told only once all before it is as said."""
        for single_active in (False, True):
            difference = await self.compare(QueueSpec(name, "classic", single_active=single_active))
            if difference is None:
                return False
            if difference.setting == "x-queue-type":
                return difference.found == "quorum"
        return False

    async def _check_use(self, name: str, *, is_guarded: bool) -> None:
        counts = await self._declarer.counts(name)
        if counts is not None and counts.consumers:
            raise QueueInUse(queue=name, detail=f"{counts.consumers} consumers are on it; stop its partition")
        if not is_guarded:
            detail = (
                "a quorum queue cannot be deleted only if it is empty; see that nobody enqueues, and say so"
            )
            raise QueueInUse(queue=name, detail=detail)

    async def _open_temporary(self, channel: Channel, name: str, kept: str) -> None:
        await self._declarer.declare_queue(channel, QueueSpec(kept))
        # Delayed messages that come due while the queue is away would go to the quarantine.
        await channel.ask("queue_bind", **self._binding(name, kept))

    def _binding(self, name: str, kept: str) -> dict[str, str]:
        prefix = self._prefix
        return {"queue": prefix + kept, "exchange": prefix + DELIVER, "routing_key": prefix + name}

    async def _delete(self, name: str, *, if_empty: bool = False) -> bool:
        """Delete a queue that has been emptied; False if it is not empty.

        Args:
            name: Which.
            if_empty: Whether RabbitMQ is to see to that in the same step, which it does for a classic one.
        """
        full = self._prefix + name
        counts = await self._declarer.counts(name)
        if counts is not None and counts.messages:
            return False
        try:
            done = await self._control.run(lambda c: c.ask("queue_delete", queue=full, if_empty=if_empty))
        except ChannelClosed as error:
            if error.data["code"] != PRECONDITION_FAILED:
                raise
            return False
        if done.message_count:
            logger.error("queue %s was published to while it was mended: %d lost", name, done.message_count)
        return True

    async def _move(self, source: str, target: str, timeout: float) -> int:
        """Move all that is ready; what an interrupted one has moved twice is moved once."""
        come: asyncio.Queue[Delivery] = asyncio.Queue()
        consumer = await self._consume(
            source, prefetch=BATCH, on_delivery=come.put_nowait, on_reset=lambda _: None
        )
        seen: set[bytes] = set()
        moved = 0
        try:
            while batch := await self._batch(source, come):
                fresh, marks = _without_copies(target, batch, seen)
                for failure in await self._publisher.publish_many(fresh, timeout):
                    if failure is not None:
                        raise failure
                seen.update(marks)
                moved += sum([consumer.ack(each) for each in batch])
        finally:
            await consumer.close()
        return moved

    async def _batch(self, source: str, come: asyncio.Queue[Delivery]) -> list[Delivery]:
        """Return what has come next, nothing when the queue is empty."""
        batch: list[Delivery] = []
        empty = 0
        while len(batch) < BATCH and empty < LOOKS:
            try:
                async with asyncio.timeout(PAUSE):
                    batch.append(await come.get())
            except TimeoutError:
                counts = await self._declarer.counts(source)
                empty = LOOKS if batch else empty + 1 if counts is None or not counts.messages else 0
        return batch


def _without_copies(
    target: str, got: Sequence[Delivery], seen: Collection[bytes]
) -> tuple[list[Message], set[bytes]]:
    """Return the messages to publish and their marks: exact copies once, those without an id always."""
    fresh: list[Message] = []
    marks: set[bytes] = set()
    for each in got:
        mark = _mark(each)
        if each.message_id and (mark in seen or mark in marks):
            continue
        fresh.append(_message(target, each))
        marks.add(mark)
    return fresh, marks


def _mark(delivery: Delivery) -> bytes:
    headers = sorted(delivery.headers.items())
    return hashlib.sha256(repr((delivery.message_id, delivery.body, headers)).encode()).digest()


def _message(queue: str, delivery: Delivery) -> Message:
    return Message(
        queue,
        delivery.body,
        delivery.message_id,
        delivery.partition,
        delivery.headers,
        reply_to=delivery.reply_to,
        correlation_id=delivery.correlation_id,
    )
