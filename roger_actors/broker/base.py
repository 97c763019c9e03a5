"""The contract of a message broker, held by `amqp` (RabbitMQ) and `embedded` (one SQLite file).

A broker object lives on one asyncio loop and knows nothing of processes or jobs: it moves
messages between named queues, durably, and keeps small durable tables that change by
compare-and-set. Everything above talks to this contract only; one suite
(`tests/contract/broker`) runs on both implementations.

What every implementation promises:

1. A `publish` that returned is stored durably in its queue (quorum queue, or synced file). One that
   raised `Unroutable` is nowhere; one that raised `PublishUnconfirmed` may be either.
2. A delivery that was not acked is delivered again, in its old place, when its consumer ends for
   whatever reason (also kill -9), marked `redelivered`. (RabbitMQ puts one that was on its way to a
   consumer that is being closed before the older ones that the consumer had.)
3. A delivery's `ack` and `nack` reach only the channel that delivered it: after a reconnect they do
   nothing and answer False.
4. A lost connection is opened again with jittered back-off; queues declared through this object are
   declared again and its consumers consume again, after `on_reset`.
5. A delayed message waits in the broker, never in this process, and arrives not before its time. If its
   queue does not exist then, it is put into `QUARANTINE`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple, Protocol

import attrs

from roger_actors.errors import BrokerError

QueueKind = Literal["quorum", "classic"]

MAX_DELAY = 366 * 86400.0
"""Seconds: the longest `Message.delay`."""

QUARANTINE = "roger.quarantine"
"""The queue of messages that have nowhere to go; behind the prefix like every other."""


@attrs.frozen
class QueueSpec:
    """A queue as a value: declaring it twice with equal values does nothing.

    Attributes:
        name: Queue name; letters, digits, `_`, `-` and `.`.
        kind: `quorum` (replicated, the default) or `classic` (durable).
        single_active: Deliver to one consumer at a time in the whole cluster, the others stand by.
        exclusive: Belongs to this connection and vanishes with it (for replies); always classic.
    """

    name: str
    kind: QueueKind = "quorum"
    single_active: bool = False
    exclusive: bool = False


class Message(NamedTuple):
    """What is published.

    Attributes:
        queue: Name of the queue it goes to.
        body: The payload; the broker never looks inside.
        message_id: Identifies it to people and to the consumer.
        partition: The tenant, travels as `app_id`.
        headers: Small values that travel beside the body (str to str or int).
        delay: Seconds before it may be delivered, 0 for now; up to 366 days.
        reply_to: Queue that an answer goes to, empty for none.
        correlation_id: Told back with the answer.
    """

    queue: str
    body: bytes
    message_id: str = ""
    partition: str = ""
    headers: Mapping[str, str | int] = {}
    delay: float = 0.0
    reply_to: str = ""
    correlation_id: str = ""


def check_delay(message: Message) -> None:
    """See that a message's delay is one that can be kept.

    Raises:
        ValueError: It is longer than `MAX_DELAY`, or no number.
    """
    if message.delay and not message.delay <= MAX_DELAY:
        detail = f"a delay of {message.delay} s is not between 0 and {MAX_DELAY:.0f} s"
        raise ValueError(detail)


class Delivery(NamedTuple):
    """What arrived. Hand it back to its consumer's `ack` or `nack`.

    Attributes:
        body: The payload.
        message_id: As published.
        queue: The queue it was taken from.
        headers: As published, without the broker's own (`x-death`, `x-delivery-count` …).
        redelivered: Whether it was delivered before and not acked.
        generation: Which opening of the channel delivered it; older ones are stale.
        tag: The broker's number for it within that generation.
        reply_to: As published.
        correlation_id: As published.
        partition: As published.
    """

    body: bytes
    message_id: str
    queue: str
    headers: Mapping[str, str | int]
    redelivered: bool
    generation: int
    tag: int
    reply_to: str = ""
    correlation_id: str = ""
    partition: str = ""


class Consumer(Protocol):
    """A subscription to one queue, on a channel of its own."""

    @property
    def queue(self) -> str:
        """Name of the queue."""
        ...

    @property
    def is_consuming(self) -> bool:
        """Whether the broker has confirmed the subscription and it still stands."""
        ...

    def ack(self, delivery: Delivery) -> bool:
        """Say that a delivery is done with; False if it was stale and nothing was sent."""
        ...

    def nack(self, delivery: Delivery, *, requeue: bool = True) -> bool:
        """Give a delivery back to its place (or drop it); False if it was stale."""
        ...

    def set_prefetch(self, prefetch: int) -> None:
        """Change how many unacked deliveries may be outstanding, 1 to 65535; takes effect soon."""
        ...

    async def pause(self) -> None:
        """Stop new deliveries; those outstanding stay valid. Idempotent."""
        ...

    async def resume(self) -> None:
        """Take deliveries again after `pause`."""
        ...

    async def close(self) -> None:
        """End the subscription; everything unacked goes back to the queue. Idempotent."""
        ...


@attrs.frozen
class QueueCounts:
    """How full a queue is.

    Attributes:
        messages: Messages ready to be delivered.
        consumers: Subscriptions that stand.
    """

    messages: int
    consumers: int


@attrs.frozen
class Difference:
    """How a queue is declared otherwise than wanted.

    Attributes:
        queue: Its name.
        setting: What differs, in the broker's words; there may be more.
        wanted: What it should be.
        found: What it is.
    """

    queue: str
    setting: str
    wanted: str
    found: str


class Change(NamedTuple):
    """One compare-and-set on a durable table.

    Attributes:
        table: Name of the table, e.g. `keys`.
        key: Key within it; a scan of what is before its first `/` is cheap.
        expected: The value it must have now, None for absent.
        new: The value it gets, None to delete it.
        lease: Seconds after which the entry is deleted unless it was written again, 0 to keep it. They
            are counted where the tables are kept, on a clock that never jumps: a client's clock does not
            matter. Another owner of the tables counts anew from the last count that was written down, so
            an entry may stay longer, and is never deleted before its time.
        begins: Whether it is enough that the value begins with `expected` (to release what one holds,
            whatever else the value says by now).
        kept: Whether the entry stays when its lease is over, and then only counts as absent to a change
            that expects None (a claim that may be taken over).
        log: More than 0 makes it an entry of a log: its value gets its number in the log and a space in
            front, and the oldest are deleted: those with the latest so many numbers stay, perhaps more.
            Each table has one log for each first segment of its keys.
    """

    table: str
    key: str
    expected: bytes | None
    new: bytes | None
    lease: float = 0.0
    begins: bool = False
    kept: bool = False
    log: int = 0

    def applies_to(self, current: bytes | None, *, is_over: bool = False) -> bool:
        """Whether the change is to be made where this value stands, whose lease is over or not."""
        if is_over and self.expected is None:
            return True
        if self.begins and current is not None and self.expected is not None:
            return current.startswith(self.expected)
        return current == self.expected


class Changed(NamedTuple):
    """The answer to a `Change`.

    Attributes:
        done: Whether the change was made (and is durable).
        current: The value now in the table: the new one, or the one that stood in the way.
    """

    done: bool
    current: bytes | None


class Tables(Protocol):
    """Small durable tables shared by everyone on this broker; all changes in one total order.

    On RabbitMQ they are owned by one elected node and kept in a journal queue, so a client without
    a live node waits until its deadline; on the embedded broker a change is a transaction.
    """

    async def change(self, changes: Sequence[Change], timeout: float) -> list[Changed]:
        """Try each change on its own, in order; durable when this returns.

        Args:
            changes: What to change; those that fail their comparison change nothing.
            timeout: Seconds to wait for the owner and its journal.

        Raises:
            BrokerError: The owner or the broker did not answer in time; each change may or may not
                have been made (asking again with the same values is safe).
        """
        ...

    async def get(self, table: str, key: str, timeout: float) -> bytes | None:
        """Return a value as of now, None where there is none."""
        ...

    async def scan(self, table: str, prefix: str, timeout: float) -> dict[str, bytes]:
        """Return all entries whose key starts with `prefix`."""
        ...


class Broker(Protocol):
    """One broker, as one OS process uses it on one asyncio loop. Not thread-safe; not fork-safe."""

    on_connected: Callable[[], None]
    """Called after every (re)connect, once consumers and queues stand again."""
    on_disconnected: Callable[[str], None]
    """Called with a one-line reason when the connection is lost."""

    @property
    def tables(self) -> Tables:
        """The durable tables of this system."""
        ...

    @property
    def address(self) -> str:
        """Where it is, without a password; for messages."""
        ...

    @property
    def is_connected(self) -> bool:
        """Whether publishing would be tried now."""
        ...

    @property
    def hands_over(self) -> bool:
        """Whether deliveries can go to another consumer while this process, cut off, has them still.

        Where not, they stay until the process has ended.
        """
        ...

    async def connect(self, timeout: float) -> None:
        """Open the connections; later losses are mended by themselves.

        Raises:
            ConnectionFailed: Refused, wrong password, unknown vhost, no such file; says which.
        """
        ...

    async def close(self) -> None:
        """End everything; unacked deliveries go back. Idempotent."""
        ...

    async def serve_tables(self) -> None:
        """Stand for election as the owner of the tables (a node does, a mere client does not)."""
        ...

    async def declare(self, queues: Sequence[QueueSpec]) -> None:
        """Make sure that queues exist, in parallel; remembered and redeclared after a reconnect.

        Raises:
            TopologyMismatch: One exists with other settings; the others are declared all the same.
        """
        ...

    async def delete(self, queue: str) -> None:
        """Delete a queue with what is in it, and forget it. Silent if there is none."""
        ...

    async def purge(self, queue: str) -> int:
        """Remove what is ready in a queue and answer how many that were."""
        ...

    async def counts(self, queue: str) -> QueueCounts | None:
        """Return how full a queue is, None if it does not exist."""
        ...

    async def compare(self, queue: QueueSpec) -> Difference | None:
        """Return what of a queue is not as wanted; None also where there is no such queue."""
        ...

    async def mend(self, queue: QueueSpec, timeout: float, *, is_quiet: bool) -> int:
        """Declare a queue as wanted and keep its messages, in their order.

        At least once: after a kill, asking again goes on where it was, and up to a hundred messages may
        come twice.

        Args:
            queue: As it should be.
            timeout: Seconds for the broker to confirm a batch.
            is_quiet: Whether the caller knows that nobody publishes to it meanwhile.

        Returns:
            How many messages it then got back; 0 also where nothing was to be done.

        Raises:
            QueueInUse: It is consumed, or it may be published to and cannot be guarded against that.
            PublishUnconfirmed: A batch was not confirmed; nothing is lost, asking again goes on.
        """
        ...

    def publish(self, message: Message, timeout: float) -> asyncio.Future[None]:
        """Publish durably; the future ends when the broker has confirmed.

        It waits through a reconnect and a blocked connection, up to the deadline.

        Args:
            message: What to publish.
            timeout: Seconds until the future fails with `PublishUnconfirmed`.

        Raises:
            ValueError: (at once) the delay is over `MAX_DELAY`.
            Unroutable: (in the future) the queue does not exist.
            PublishUnconfirmed: (in the future) no confirm in time.
        """
        ...

    async def publish_many(self, messages: Sequence[Message], timeout: float) -> list[BrokerError | None]:
        """Publish pipelined and return, in order, None or the error of each. The fast way."""
        ...

    async def consume(
        self,
        queue: str,
        *,
        prefetch: int,
        on_delivery: Callable[[Delivery], None],
        on_reset: Callable[[str], None],
    ) -> Consumer:
        """Subscribe to a queue.

        Args:
            queue: Its name; it is declared again if it has vanished and was declared here.
            prefetch: Unacked deliveries that may be outstanding, 1 to 65535.
            on_delivery: Called on the loop for each, never before the coroutine that awaits this has
                the consumer in its hands (await it directly, not through another task).
            on_reset: Called with a reason whenever all outstanding deliveries have become stale
                (connection, channel or queue lost, cancelled by the server); they will come again.

        Raises:
            Unroutable: The queue does not exist.
        """
        ...

    async def prove(self, consumers: Sequence[Consumer], timeout: float) -> list[bool]:
        """Have the broker answer on the connection of each consumer.

        What was outstanding on a consumer whose answer came had not been handed over when this was called.

        Args:
            consumers: Of this object.
            timeout: Seconds to wait for each connection.

        Returns:
            For each whether an answer came, and the subscription stood all the while.
        """
        ...

    async def peek(self, queue: str, count: int) -> list[Delivery]:
        """Return up to `count` ready messages, oldest first, and leave them where they are."""
        ...

    async def take(self, queue: str, message_id: str) -> Delivery | None:
        """Remove one ready message by its id and return it, None if it is not there (a scan)."""
        ...

    async def broadcast(self, topic: str, body: bytes) -> None:
        """Tell every current subscriber of a topic; at most once, nothing is kept for absent ones."""
        ...

    async def subscribe(
        self, topic: str, on_message: Callable[[bytes], None], on_gap: Callable[[], None] | None = None
    ) -> None:
        """Be told what is broadcast on a topic, until `close`; renewed after a reconnect.

        Args:
            topic: Which.
            on_message: Called on the loop for each message.
            on_gap: Called when messages may be missed from now on, and again when it hears again.
        """
        ...
