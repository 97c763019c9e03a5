"""What is kept aside: buried, quarantined and parked messages, and how they are shown and moved.

Three kinds of queue hold what must not run now and must not be lost:

- `<partition>.buried`: jobs that failed for good, with their cause;
- `roger.quarantine`: bytes that are no job, or that nobody could take, with their cause;
- `roger.parked`: well-formed jobs of a class this release does not know; tried again by themselves.

A message is moved in the only order that cannot lose it: published and confirmed where it goes,
then acked where it was. A crash in between leaves it in both places.

Source:
    `Roger.Partition.Retry` (buried); quarantine and parking are new.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

import attrs

from roger_actors.broker import Broker, Consumer, Delivery, Message
from roger_actors.errors import UndecodableJob, Unroutable
from roger_actors.roger import queue
from roger_actors.roger.jobs.codec import decode_header

COUNTED = 2.0
"""Seconds to wait for a message that a shelf was counted to hold."""
UNCOUNTED = 0.25
"""Seconds to wait for one more."""
LOOK_AT_MOST = 10_000
"""Messages of a shelf that one look leaves there; what lies behind them is not seen."""


@attrs.frozen(kw_only=True)
class Shelved:
    """A message kept aside.

    Attributes:
        message_id: The job's id, or a made-up one where there was none.
        queue: Where it came from and would go back to.
        partition: The tenant, empty where unknown.
        cause: One line: why it is here.
        kind: Kind of failure (`error`, `timeout`, `exit`, `signal` …), `payload` or `class`.
        stack: The stack trace, empty where there is none.
        attempts: How often it was run.
        node: The node that put it here.
        at: When, seconds since the epoch.
        body: The payload, unchanged.
    """

    message_id: str
    queue: str
    partition: str = ""
    cause: str = ""
    kind: str = ""
    stack: str = ""
    attempts: int = 0
    node: str = ""
    at: float = 0.0
    body: bytes = b""

    def to_message(self, shelf: str) -> Message:
        """Return the message that puts this on a shelf."""
        headers: dict[str, str | int] = {
            "queue": self.queue,
            "partition": self.partition,
            "cause": self.cause[:2000],
            "kind": self.kind,
            "stack": self.stack[-16_000:],
            "attempts": self.attempts,
            "node": self.node,
            "at": int(self.at * 1000),
        }
        return Message(shelf, self.body, self.message_id, self.partition, headers)

    @classmethod
    def from_delivery(cls, delivery: Delivery) -> Shelved:
        """Return what a message of a shelf says.

        One that the broker itself put there, because its queue was gone when it was due, says nothing
        but what it was published with; a job's queue is made out from that.
        """
        shelved = cls.from_headers(delivery.headers, delivery.message_id, delivery.body)
        if shelved.queue or not delivery.partition:
            return shelved
        return attrs.evolve(shelved, partition=delivery.partition, queue=_queue_of(delivery))

    @classmethod
    def from_headers(cls, headers: Mapping[str, str | int], message_id: str, body: bytes) -> Shelved:
        """Return what headers say; those that are missing get their defaults."""
        return cls(
            message_id=message_id,
            queue=str(headers.get("queue", "")),
            partition=str(headers.get("partition", "")),
            cause=str(headers.get("cause", "the broker could not deliver it any more")),
            kind=str(headers.get("kind", "")),
            stack=str(headers.get("stack", "")),
            attempts=int(headers.get("attempts", 0)),
            node=str(headers.get("node", "")),
            at=int(headers.get("at", 0)) / 1000,
            body=body,
        )


def _queue_of(delivery: Delivery) -> str:
    try:
        header = decode_header(delivery.body)
    except UndecodableJob:
        return ""
    return queue.of_job(delivery.partition, header.queue_type, header.execution_key)


async def look(broker: Broker, shelf: str, count: int) -> list[Shelved]:
    """Return up to `count` of a shelf's messages, oldest first, and leave them there."""
    return [Shelved.from_delivery(delivery) for delivery in await broker.peek(shelf, count)]


async def remove(broker: Broker, shelf: str, wanted: Callable[[Shelved], bool]) -> list[Shelved]:
    """Delete the messages of a shelf that are wanted, and return them."""
    removed = []
    async with everything_on(broker, shelf) as deliveries:
        async for shelved, ack in deliveries:
            if wanted(shelved):
                ack()
                removed.append(shelved)
    return removed


async def put_back(
    broker: Broker, shelf: str, rewrite: Callable[[Shelved], Message | None], timeout: float
) -> list[Shelved]:
    """Publish messages of a shelf where they belong and take them off it.

    Args:
        broker: Where the shelf is.
        shelf: Name of its queue.
        rewrite: Returns what to publish for a message, None to leave it.
        timeout: Seconds for each publish to be confirmed.

    Returns:
        What was put back; what has no queue to go to stays on the shelf.

    Raises:
        BrokerError: A publish failed; that message and the later ones are still on the shelf.
    """
    moved = []
    async with everything_on(broker, shelf) as deliveries:
        async for shelved, ack in deliveries:
            message = rewrite(shelved)
            if message is None:
                continue
            try:
                await broker.publish(message, timeout)
            except Unroutable:
                continue
            ack()
            moved.append(shelved)
    return moved


async def keep_newest(broker: Broker, shelf: str, most: int, on_gone: Callable[[Shelved], object]) -> None:
    """Delete the oldest messages of a shelf until it has no more than `most`.

    One at a time, or each of them takes the others' deletions for its own and deletes too many.

    Args:
        broker: Where the shelf is.
        shelf: Name of its queue.
        most: How many may stay.
        on_gone: Told of each that was deleted.
    """
    while True:
        counts = await broker.counts(shelf)
        over = counts.messages - most if counts else 0
        if over <= 0:
            return
        for oldest in await look(broker, shelf, over):
            taken = await broker.take(shelf, oldest.message_id)
            if taken is None:
                break  # somebody else was faster: look again
            on_gone(Shelved.from_delivery(taken))


Lifted = tuple[Shelved, Callable[[], object]]
"""A message of a shelf in the hand, and how to take it off for good."""


@asynccontextmanager
async def everything_on(
    broker: Broker, shelf: str, *, prefetch: int = LOOK_AT_MOST, as_counted: bool = False
) -> AsyncIterator[AsyncIterator[Lifted]]:
    """Give what a shelf holds now; what was not acked goes back when the block ends.

    Args:
        broker: Where it is.
        shelf: Name of its queue.
        prefetch: Messages that may be in the hand at once; no more are seen than this and what was acked.
        as_counted: Whether to give no more than there were at the beginning.
    """
    counts = await broker.counts(shelf)
    arrived: asyncio.Queue[Delivery | None] = asyncio.Queue()
    if counts is None:
        arrived.put_nowait(None)
        yield _lifted(arrived, None, 0, 1)
        return
    expected = counts.messages
    consumer = await broker.consume(
        shelf,
        prefetch=prefetch,
        on_delivery=arrived.put_nowait,
        on_reset=lambda _reason: arrived.put_nowait(None),
    )
    try:
        yield _lifted(arrived, consumer, expected, expected if as_counted else max(expected, LOOK_AT_MOST))
    finally:
        await consumer.close()


async def _lifted(
    arrived: asyncio.Queue[Delivery | None], consumer: Consumer | None, expected: int, most: int
) -> AsyncIterator[Lifted]:
    """Give what arrives, until as much as was counted has come and nothing follows.

    A count is no promise: somebody else may take some, and what somebody has just put back is
    counted a moment later. What was given already and comes again, put aside anew, is left: a job
    that fails as soon as it is requeued would be requeued for ever.
    """
    given = 0
    last: dict[str, float] = {}
    while given < most:
        try:
            delivery = await asyncio.wait_for(arrived.get(), COUNTED if given < expected else UNCOUNTED)
        except TimeoutError:
            return
        if delivery is None or consumer is None:
            return
        given += 1
        shelved = Shelved.from_delivery(delivery)
        if shelved.at > last.setdefault(shelved.message_id, shelved.at):
            continue
        yield shelved, functools.partial(consumer.ack, delivery)
