"""RabbitMQ on the event loop: the contract of `broker.base` over two kinds of connections.

One connection publishes and does nothing else, because RabbitMQ stops reading from it under a memory or
disk alarm. Everything else goes over consuming connections, so that acknowledgements, which free
memory, and questions go on meanwhile. Consumers are spread over as many as they need, see `links`.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from roger_actors.broker.amqp.connecting.connection import SwiftConnection
from roger_actors.broker.amqp.connecting.link import Link
from roger_actors.broker.amqp.connecting.links import Links
from roger_actors.broker.amqp.connecting.servers import Servers
from roger_actors.broker.amqp.consumer import AmqpConsumer
from roger_actors.broker.amqp.control import Control
from roger_actors.broker.amqp.declarer import Declarer
from roger_actors.broker.amqp.mending import Mender
from roger_actors.broker.amqp.publisher import Publisher
from roger_actors.broker.amqp.tables import AmqpTables
from roger_actors.broker.base import Consumer, Delivery, Difference, Message, QueueCounts, QueueSpec
from roger_actors.broker.topology import BUS
from roger_actors.errors import BrokerError, ChannelLimit, ConnectionFailed, ConnectionLost

ACKS_HELD = 0.001
"""Seconds that acknowledgements wait for company while the broker has no need of them."""
BUS_PREFETCH = 1000
BROADCAST_SECONDS = 5.0


T = TypeVar("T")


def _nothing(*_: Any) -> None:
    """Take the place of a callback that nobody has set."""


class AmqpBroker:
    """One process's access to a RabbitMQ.

    Args:
        url: `amqp://` or `amqps://`; several servers of one cluster with commas between.
        prefix: Put before every queue and exchange name.
        name: Shown in the broker's list of connections.
    """

    def __init__(self, url: str, *, prefix: str, name: str) -> None:
        self._prefix, self._name = prefix, name
        self._servers = Servers(url, name)
        self._address = self._servers.address
        self._publishing = Link(self._servers, self._publishing_up, self._publishing_down)
        self._consuming = Link(self._servers, self._consuming_up, self._consuming_down)
        self._links = Links(self._consuming, self._make_link, self._address)
        self._control = Control(self._consuming, self._address)
        self._declarer = Declarer(self._control, prefix)
        self._publisher = Publisher(
            self._publishing, self._prefix, self._address, self._declarer.prepare_delays
        )
        self._publishing.on_unblocked = self._publisher.pump_again
        self._tables = AmqpTables(self)
        self._specs: dict[str, QueueSpec] = {}
        self._consumers: dict[AmqpConsumer, Link] = {}
        self._topics: dict[str, list[Callable[[bytes], None]]] = {}
        self._on_gaps: list[Callable[[], None]] = []
        self._dirty: dict[AmqpConsumer, None] = {}
        self._flushing = False
        self._held_acks: asyncio.TimerHandle | None = None
        self._bus: AmqpConsumer | None = None
        self._own: list[AmqpConsumer] = []
        self._subscribing = asyncio.Lock()
        self._is_open = self._was_down = False
        self._watch: asyncio.Task[None] | None = None
        self.on_connected: Callable[[], None] = _nothing
        self.on_disconnected: Callable[[str], None] = _nothing

    @property
    def address(self) -> str:
        """Where it is, without a password."""
        return self._address

    @property
    def tables(self) -> AmqpTables:
        """The durable tables of this system."""
        return self._tables

    @property
    def is_connected(self) -> bool:
        """Whether publishing would be tried now."""
        return self._is_open and self._publishing.is_up and not self._publishing.is_blocked

    @property
    def hands_over(self) -> bool:
        """True: a connection that is cut may be over for the broker long before it is here."""
        return True

    async def connect(self, timeout: float) -> None:
        """Open both connections, those that are not open yet; later losses are mended.

        Raises:
            ConnectionFailed: Refused, wrong password, unknown vhost, no answer in time; says which.
            ChannelLimit: The broker allows too few channels per connection.
        """
        self._is_open = True
        try:
            async with asyncio.timeout(timeout), asyncio.TaskGroup() as group:
                for link in (self._consuming, self._publishing):
                    if not link.is_kept:
                        group.create_task(link.open())
        except* (ConnectionFailed, ChannelLimit) as group_error:
            await self.close()
            raise group_error.exceptions[0] from None
        except* TimeoutError:
            await self.close()
            raise ConnectionFailed(broker=self._address, detail=f"no answer in {timeout} s") from None
        self.on_connected()

    async def close(self) -> None:
        """End everything; unacked deliveries go back."""
        if not self._is_open:
            return
        self._is_open = False
        await self._tables.close()
        self._flush_acks()
        for task in (self._watch,):
            if task is not None:
                task.cancel()
        for consumer in [*self._consumers, *self._own]:
            consumer.abandon()
        self._publisher.close(ConnectionLost(broker=self._address, detail="it was closed"))
        await asyncio.gather(self._publishing.close(), self._links.close())

    async def serve_tables(self) -> None:
        """Stand for election as the owner of the tables."""
        await self._tables.serve()

    # -- connections come and go

    async def _publishing_up(self, connection: SwiftConnection) -> None:
        await self._publisher.on_up(connection)
        self._tell_when_whole()

    def _publishing_down(self, reason: str) -> None:
        self._publisher.on_down()
        self._lost(reason)

    async def _consuming_up(self, connection: SwiftConnection) -> None:
        self._links.check_limit()
        await self._control.run(self._declarer.declare_base, connection=connection)
        for error in await self._declarer.declare_all(list(self._specs.values()), connection):
            if isinstance(error, ConnectionLost):
                raise error
        self._tell_when_whole()

    def _consuming_down(self, reason: str) -> None:
        self._lost(reason)

    def _lost(self, reason: str) -> None:
        if self._is_open and not self._was_down:
            self._was_down = True
            self.on_disconnected(reason)

    def _tell_when_whole(self) -> None:
        if self._was_down and (self._watch is None or self._watch.done()):
            self._watch = asyncio.get_running_loop().create_task(self._tell(), name="amqp-whole")

    async def _tell(self) -> None:
        """Wait until everything stands again, then say so."""
        await self._publishing.wait_up()
        await self._consuming.wait_up()
        for consumer in [*self._consumers, *self._own]:
            await consumer.wait_consuming()
        if self._was_down and self._publishing.is_up and self._consuming.is_up:
            self._was_down = False
            self.on_connected()

    # -- topology

    async def declare(self, queues: Sequence[QueueSpec]) -> None:
        """Make sure that queues exist, in parallel; declared again after a reconnect."""
        self._specs.update({spec.name: spec for spec in queues})
        for error in await self._declarer.declare_all(queues):
            if error is not None:
                raise error

    async def delete(self, queue: str) -> None:
        """Delete a queue with what is in it, and forget it."""
        self._specs.pop(queue, None)
        await self._declarer.delete(queue)

    async def purge(self, queue: str) -> int:
        """Remove what is ready in a queue and answer how many that were."""
        return await self._declarer.purge(queue)

    async def counts(self, queue: str) -> QueueCounts | None:
        """Return how full a queue is, None if it does not exist."""
        return await self._declarer.counts(queue)

    async def prove(self, consumers: Sequence[Consumer], timeout: float) -> list[bool]:
        """Have the broker answer on the connection of each consumer."""
        by_connection: dict[SwiftConnection | None, list[AmqpConsumer]] = {}
        for consumer in consumers:
            if isinstance(consumer, AmqpConsumer):
                by_connection.setdefault(consumer.connection, []).append(consumer)
        by_connection.pop(None, None)
        generations = {each: each.generation for group in by_connection.values() for each in group}
        answers = await asyncio.gather(*[group[0].prove(timeout) for group in by_connection.values()])
        alive = {c for c, answer in zip(by_connection, answers, strict=True) if answer}
        return [
            each in generations and each.generation == generations[each] and each.connection in alive
            for each in consumers
            if isinstance(each, AmqpConsumer)
        ]

    async def peek(self, queue: str, count: int) -> list[Delivery]:
        """Return up to `count` ready messages, oldest first, and put them back."""
        return await self._declarer.peek(queue, count)

    async def take(self, queue: str, message_id: str) -> Delivery | None:
        """Remove one ready message by its id and return it; looks through the queue."""
        return await self._declarer.take(queue, message_id)

    async def compare(self, queue: QueueSpec) -> Difference | None:
        """Return what of a queue is not as wanted; None also where there is no such queue."""
        return await self._mender().compare(queue)

    async def mend(self, queue: QueueSpec, timeout: float, *, is_quiet: bool) -> int:
        """Declare a queue as wanted and keep its messages; see `mending`."""
        return await self._mender().mend(queue, timeout, is_quiet=is_quiet)

    def _mender(self) -> Mender:
        return Mender(self._control, self._declarer, self._publisher, self._prefix, self.consume)

    # -- publishing

    def publish(self, message: Message, timeout: float) -> asyncio.Future[None]:
        """Publish durably; the future ends when the broker has confirmed."""
        return self._publisher.publish(message, timeout)

    def publish_once(self, message: Message, timeout: float) -> asyncio.Future[None]:
        """Publish, but never a second time when a connection is lost."""
        return self._publisher.publish(message, timeout, once=True)

    def send_request(self, message: Message, timeout: float) -> asyncio.Future[None]:
        """Publish a message that the broker forgets after `timeout` seconds."""
        return self._publisher.publish(message, timeout, expires=True)

    def send_reply(self, message: Message, timeout: float) -> asyncio.Future[None]:
        """Publish to a queue by its full name, which need not be there."""
        return self._publisher.send_to_exchange("", message, timeout)

    async def publish_many(self, messages: Sequence[Message], timeout: float) -> list[BrokerError | None]:
        """Publish pipelined and return, in order, None or the error of each."""
        return await self._publisher.publish_many(messages, timeout)

    # -- consuming

    async def consume(
        self,
        queue: str,
        *,
        prefetch: int,
        on_delivery: Callable[[Delivery], None],
        on_reset: Callable[[str], None],
    ) -> AmqpConsumer:
        """Subscribe to a queue, on a channel of its own.

        Raises:
            Unroutable: The queue does not exist.
            ConnectionFailed: It needs one more connection, and that cannot be opened.
        """
        spec = self._specs.get(queue)
        link = await self._links.take(on_main=spec is not None and spec.exclusive)
        consumer = self._make_consumer(queue, link, prefetch, on_delivery, on_reset)
        self._consumers[consumer] = link
        await consumer.start()  # a failure closes it
        return consumer

    def _make_consumer(
        self,
        queue: str,
        link: Link,
        prefetch: int,
        on_delivery: Callable[[Delivery], None],
        on_reset: Callable[[str], None],
    ) -> AmqpConsumer:
        declared_on = self._consuming.connection

        async def revive() -> None:
            nonlocal declared_on
            previous, declared_on = declared_on, self._consuming.connection
            spec = self._specs.get(queue)
            # On a new connection all queues were declared already, before anybody was let in.
            if spec is not None and previous is declared_on:
                await self._control.run(lambda c: self._declarer.declare_queue(c, spec))

        async def wait_ready() -> SwiftConnection:
            await self._consuming.wait_up()
            return await link.wait_up()

        return AmqpConsumer(
            queue,
            self._prefix + queue,
            prefetch,
            on_delivery=on_delivery,
            on_reset=on_reset,
            on_closed=self._forget_consumer,
            wait_ready=wait_ready,
            revive=revive,
            flush=self._mark_dirty,
            broker=self._address,
        )

    def _make_link(self) -> Link:
        return Link(self._servers, _nothing_async, _nothing)

    def _forget_consumer(self, consumer: AmqpConsumer) -> None:
        link = self._consumers.pop(consumer, None)
        if link is not None:
            self._links.leave(link)

    def _mark_dirty(self, consumer: AmqpConsumer) -> None:
        """Send acknowledgements soon, and together: at once only where the broker waits for them."""
        self._dirty[consumer] = None
        if self._flushing:
            return
        loop = asyncio.get_running_loop()
        if not consumer.is_well_stocked:
            self._flushing = True
            loop.call_soon(self._flush_acks)
        elif self._held_acks is None:
            self._held_acks = loop.call_later(ACKS_HELD, self._flush_acks)

    def _flush_acks(self) -> None:
        """Send the acknowledgements that have come together, one write per connection."""
        self._flushing = False
        if self._held_acks is not None:
            self._held_acks.cancel()
            self._held_acks = None
        dirty, self._dirty = self._dirty, {}
        frames: dict[SwiftConnection, list[bytes]] = {}
        for consumer in dirty:
            connection = consumer.connection
            if connection is not None:
                frames.setdefault(connection, []).append(consumer.take_frames())
        for connection, parts in frames.items():
            data = b"".join(parts)
            if data:
                connection.emit(data)

    # -- broadcasts

    async def broadcast(self, topic: str, body: bytes) -> None:
        """Tell every current subscriber of a topic."""
        message = Message(self._prefix + topic, body, message_id=topic)
        await self._publisher.send_to_exchange(BUS, message, BROADCAST_SECONDS)

    async def subscribe(
        self, topic: str, on_message: Callable[[bytes], None], on_gap: Callable[[], None] | None = None
    ) -> None:
        """Be told what is broadcast on a topic, until `close`."""
        self._topics.setdefault(topic, []).append(on_message)
        if on_gap is not None:
            self._on_gaps.append(on_gap)
        async with self._subscribing:
            if self._bus is None:
                self._bus = await self.consume_own(
                    "bus", BUS_PREFETCH, self._on_broadcast, self._gap, self._gap
                )
        for name in self._topics:
            await self._bind_topic(name, self._bus.name)

    async def consume_own(
        self,
        label: str,
        prefetch: int,
        on_delivery: Callable[[Delivery], None],
        on_renewed: Callable[[], None],
        on_reset: Callable[[str], None] = _nothing,
    ) -> AmqpConsumer:
        """Consume from an exclusive queue of our own.

        It gets a new name after each reconnect, because the old queue may still belong to the old
        connection.

        Args:
            label: Part of its name, for people.
            prefetch: Unacked deliveries that may be outstanding.
            on_delivery: Called for each delivery.
            on_renewed: Called when it stands under a new name.
            on_reset: Called with a reason when it does not stand any more.
        """
        consumer = self._make_consumer(f"roger.{label}", self._consuming, prefetch, on_delivery, on_reset)

        async def renew() -> None:
            name = f"roger.{label}.{self._name}.{secrets.token_hex(6)}"
            consumer.name = self._prefix + name
            spec = QueueSpec(name, exclusive=True)
            await self._control.run(lambda c: self._declarer.declare_queue(c, spec))
            if label == "bus":
                for topic in self._topics:
                    await self._bind_topic(topic, consumer.name)

        consumer.revive_with(renew, on_renewed)
        await renew()
        self._own.append(consumer)
        await consumer.start()
        return consumer

    async def _bind_topic(self, topic: str, queue: str) -> None:
        await self._control.run(
            lambda c: c.ask(
                "queue_bind",
                queue=queue,
                exchange=self._prefix + BUS,
                routing_key=self._prefix + topic,
            )
        )

    def _gap(self, *_: Any) -> None:
        for on_gap in self._on_gaps:
            on_gap()

    def _on_broadcast(self, delivery: Delivery) -> None:
        if self._bus is not None:
            self._bus.ack(delivery)
        for on_message in self._topics.get(delivery.message_id, []):
            on_message(delivery.body)


async def _nothing_async(*_: Any) -> None:
    """Take the place of a callback that nobody has set."""
