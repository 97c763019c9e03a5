"""The embedded broker on the event loop: the contract of `broker.base` over an `Engine`."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import attrs

from roger_actors.broker.base import (
    Change,
    Changed,
    Consumer,
    Delivery,
    Difference,
    Message,
    QueueCounts,
    QueueSpec,
)
from roger_actors.broker.embedded.engine import Engine
from roger_actors.broker.embedded.store import Row, Store, prepare, read_properties
from roger_actors.broker.embedded.subscription import Subscription
from roger_actors.errors import (
    BrokerError,
    ConfigError,
    ConnectionFailed,
    ConnectionLost,
    PublishUnconfirmed,
    TablesTimeout,
)

DEADLINE_STEP = 0.05
T = TypeVar("T")


class EmbeddedConsumer:
    """A subscription to one queue of the file."""

    def __init__(
        self,
        engine: Engine,
        queue: str,
        subscription: Subscription,
        on_delivery: Callable[[Delivery], None],
        on_reset: Callable[[str], None],
    ) -> None:
        self.queue = queue
        self._engine = engine
        self._subscription = subscription
        self._on_delivery = on_delivery
        self._on_reset = on_reset
        self._generation = 0
        self._held: list[tuple[int, Sequence[Row]]] | None = []
        self._outstanding: set[int] = set()
        self._is_open = True

    @property
    def is_consuming(self) -> bool:
        """Whether it takes deliveries."""
        return self._is_open and not self._subscription.is_paused

    def ack(self, delivery: Delivery) -> bool:
        """Remove a delivery for good; False if it was stale."""
        return self._settle(delivery, is_acked=True)

    def nack(self, delivery: Delivery, *, requeue: bool = True) -> bool:
        """Give a delivery back to its place, or drop it; False if it was stale."""
        return self._settle(delivery, is_acked=not requeue)

    def _settle(self, delivery: Delivery, *, is_acked: bool) -> bool:
        if delivery.generation != self._generation or delivery.tag not in self._outstanding:
            return False
        self._outstanding.remove(delivery.tag)
        self._engine.settle(self._subscription, delivery.generation, delivery.tag, is_acked)
        return True

    def set_prefetch(self, prefetch: int) -> None:
        """Change how many deliveries may be outstanding."""
        self._engine.submit(lambda _store: setattr(self._subscription, "prefetch", prefetch))

    async def pause(self) -> None:
        """Stop new deliveries."""
        await self._set_paused(True)

    async def resume(self) -> None:
        """Take deliveries again."""
        await self._set_paused(False)

    async def _set_paused(self, paused: bool) -> None:
        def act(store: Store) -> None:
            self._subscription.is_paused = paused
            store.pause_consumer(self._subscription.number, int(paused))

        await self._engine.submit(act, tells=True)

    async def close(self) -> None:
        """End the subscription; what is outstanding is ready again."""
        if not self._is_open:
            return
        self._is_open = False
        self._outstanding.clear()
        self._generation += 1
        with contextlib.suppress(ConnectionLost):
            await self._engine.submit(lambda s: self._engine.detach(s, self._subscription), tells=True)

    def receive(self, generation: int, rows: Sequence[Row]) -> None:
        """Hand rows on as deliveries; those of an older generation are dropped, they come again."""
        if self._held is not None:
            self._held.append((generation, rows))
            return
        for row in rows:
            if not self._is_open or generation != self._generation:
                return
            self._outstanding.add(row[0])
            self._on_delivery(_delivery(self.queue, row, generation))

    def release(self) -> None:
        """Hand on what has come meanwhile, and from now on at once."""
        held, self._held = self._held or [], None
        for generation, rows in held:
            self.receive(generation, rows)

    def reset(self, generation: int, why: str) -> None:
        """Everything outstanding has become stale."""
        if self._is_open:
            self._generation = generation
            self._outstanding.clear()
            self._on_reset(why)


def _delivery(queue: str, row: Row, generation: int) -> Delivery:
    tag, redelivered, message_id, packed, body = row
    partition, headers, reply_to, correlation_id = read_properties(packed)
    return Delivery(
        body,
        message_id,
        queue,
        headers,
        bool(redelivered),
        generation,
        tag,
        reply_to,
        correlation_id,
        partition,
    )


class EmbeddedTables:
    """Tables in the file; a change is a transaction, no owner is needed.

    Attributes:
        now: The clock by which leases lapse, shared by all processes of the machine; a test may put its
            own here.
    """

    def __init__(self, broker: EmbeddedBroker) -> None:
        self._broker = broker
        self.now: Callable[[], float] = time.monotonic

    async def change(self, changes: Sequence[Change], timeout: float) -> list[Changed]:
        """Try each change on its own, in order; durable when this returns."""
        return await self._ask(lambda store: store.entries.change(changes, self.now()), timeout)

    async def get(self, table: str, key: str, timeout: float) -> bytes | None:
        """Return a value as of now, None where there is none."""
        return await self._ask(lambda store: store.entries.get(table, key, self.now()), timeout)

    async def scan(self, table: str, prefix: str, timeout: float) -> dict[str, bytes]:
        """Return all entries whose key starts with `prefix`."""
        return dict(await self._ask(lambda store: store.entries.scan(table, prefix, self.now()), timeout))

    async def _ask(self, function: Callable[[Store], T], timeout: float) -> T:
        try:
            return await asyncio.wait_for(self._broker.run(function), timeout)
        except TimeoutError as error:
            raise TablesTimeout(broker=self._broker.address, seconds=timeout) from error


class EmbeddedBroker:
    """One process's access to the broker in a file.

    Args:
        path: The file; made if missing, in a directory that exists.
        prefix: Put before every name.
        name: Who this is, for people.
        synchronous: `FULL` (default: survives power loss) or `NORMAL` (survives kill -9 only).
    """

    hands_over = False
    """What a process has taken stays its own until it has ended."""

    def __init__(self, path: Path, *, prefix: str, name: str, synchronous: str = "FULL") -> None:
        if synchronous not in {"FULL", "NORMAL"}:
            raise ConfigError(key="broker", value=f"synchronous={synchronous}", expected="FULL or NORMAL")
        self._path, self._prefix, self._name, self._synchronous = path.absolute(), prefix, name, synchronous
        self._engine: Engine | None = None
        self._specs: dict[str, QueueSpec] = {}
        self._consumers: dict[Subscription, EmbeddedConsumer] = {}
        self._topics: dict[str, list[Callable[[bytes], None]]] = {}
        self._pending: dict[asyncio.Future[Any], tuple[float, float, str]] = {}
        self._sweeper: asyncio.TimerHandle | None = None
        self.tables = EmbeddedTables(self)
        self.on_connected: Callable[[], None] = _nothing
        self.on_disconnected: Callable[[str], None] = _nothing

    @property
    def address(self) -> str:
        """Where it is."""
        return f"embedded:{self._path}"

    @property
    def is_connected(self) -> bool:
        """Whether the file is open."""
        return self._engine is not None

    async def connect(self, timeout: float) -> None:
        """Open the file.

        Raises:
            ConnectionFailed: No directory, no permission, not a database, or locked for `timeout` seconds.
        """
        engine = Engine(
            self._path,
            self._prefix,
            self._name,
            self._synchronous,
            on_rows=self._on_rows,
            on_reset=self._on_reset,
            on_broadcast=self._on_broadcast,
            on_broken=self._on_broken,
        )
        try:
            await asyncio.wait_for(engine.start(), timeout)
        except TimeoutError as error:
            raise ConnectionFailed(broker=self.address, detail=f"locked for {timeout} s") from error
        self._engine = engine
        _live.add(self)
        self.on_connected()

    async def close(self) -> None:
        """End everything; what is unacked is ready again."""
        engine, self._engine = self._engine, None
        _live.discard(self)
        if engine is not None:
            await engine.stop()
        if self._sweeper is not None:
            self._sweeper.cancel()
        self._sweep(float("inf"))

    def abandon(self) -> None:
        """In a forked child: let go without touching what is the parent's."""
        engine, self._engine = self._engine, None
        if engine is not None:
            engine.abandon()

    async def serve_tables(self) -> None:
        """Do nothing: every process changes the tables by itself."""

    def run(self, function: Callable[[Store], Any], *, tells: bool = False) -> asyncio.Future[Any]:
        """Have a function run on the store; fails with `ConnectionLost` when closed."""
        if self._engine is None:
            future = asyncio.get_running_loop().create_future()
            future.set_exception(ConnectionLost(broker=self.address, detail="it is not open in this process"))
            return future
        return self._engine.submit(function, tells=tells)

    # -- queues

    async def declare(self, queues: Sequence[QueueSpec]) -> None:
        """Make sure that queues exist."""
        specs = list(map(self._named, queues))
        self._specs.update({spec.name: spec for spec in specs})
        await self.run(lambda store: store.declare(specs), tells=True)

    async def delete(self, queue: str) -> None:
        """Delete a queue with what is in it."""
        self._specs.pop(self._prefix + queue, None)
        await self.run(lambda store: store.delete(self._prefix + queue), tells=True)

    async def purge(self, queue: str) -> int:
        """Remove what is ready in a queue and answer how many that were."""
        return int(await self.run(lambda store: store.purge(self._prefix + queue)))

    async def counts(self, queue: str) -> QueueCounts | None:
        """Return how full a queue is, None if it does not exist."""
        counts: QueueCounts | None = await self.run(lambda store: store.counts(self._prefix + queue))
        return counts

    async def compare(self, queue: QueueSpec) -> Difference | None:
        """Return what of a queue is not as wanted; None also where there is no such queue."""
        found: Difference | None = await self.run(lambda store: store.compare(self._named(queue)))
        return found

    async def mend(self, queue: QueueSpec, timeout: float, *, is_quiet: bool) -> int:
        """Change a queue into what is wanted, in one transaction; its messages stay where they are."""
        return int(await self.run(lambda store: store.mend(self._named(queue))))

    def _named(self, queue: QueueSpec) -> QueueSpec:
        return attrs.evolve(queue, name=self._prefix + queue.name)

    async def prove(self, consumers: Sequence[Consumer], timeout: float) -> list[bool]:
        """Say yes: deliveries are this process's as long as it lives."""
        return [True] * len(consumers)

    async def peek(self, queue: str, count: int) -> list[Delivery]:
        """Return up to `count` ready messages, oldest first, and leave them."""
        rows: list[Row] = await self.run(lambda store: store.peek(self._prefix + queue, count))
        return [_delivery(queue, row, -1) for row in rows]

    async def take(self, queue: str, message_id: str) -> Delivery | None:
        """Remove one ready message by its id and return it."""
        row: Row | None = await self.run(lambda store: store.take(self._prefix + queue, message_id))
        return row and _delivery(queue, row, -1)

    # -- publishing

    def publish(self, message: Message, timeout: float) -> asyncio.Future[None]:
        """Publish durably; the future ends after the commit."""
        prepared = prepare(message, self._prefix)

        def act(store: Store) -> None:
            error = store.publish([prepared], time.time())[0]
            if error is not None:
                raise error

        future = self.run(act, tells=True)
        self._expect(future, timeout, message.queue)
        return future

    def _expect(self, future: asyncio.Future[Any], timeout: float, queue: str) -> None:
        if future.done():
            return
        loop = asyncio.get_running_loop()
        self._pending[future] = (loop.time() + timeout, timeout, queue)
        future.add_done_callback(self._forget)
        if self._sweeper is None:
            self._sweeper = loop.call_later(DEADLINE_STEP, self._sweep_again)

    def _forget(self, future: asyncio.Future[Any]) -> None:
        self._pending.pop(future, None)

    def _sweep_again(self) -> None:
        loop = asyncio.get_running_loop()
        self._sweep(loop.time())
        self._sweeper = loop.call_later(DEADLINE_STEP, self._sweep_again) if self._pending else None

    def _sweep(self, now: float) -> None:
        for future, (deadline, seconds, queue) in list(self._pending.items()):
            if deadline <= now and not future.done():
                future.set_exception(PublishUnconfirmed(queue=queue, seconds=seconds))

    async def publish_many(self, messages: Sequence[Message], timeout: float) -> list[BrokerError | None]:
        """Publish in one transaction and return, in order, None or the error of each."""
        prepared = [prepare(message, self._prefix) for message in messages]
        future = self.run(lambda store: store.publish(prepared, time.time()), tells=True)
        self._expect(future, timeout, messages[0].queue if messages else "")
        try:
            return list(await future)
        except BrokerError as error:
            return [error] * len(prepared)

    # -- consuming

    async def consume(
        self,
        queue: str,
        *,
        prefetch: int,
        on_delivery: Callable[[Delivery], None],
        on_reset: Callable[[str], None],
    ) -> EmbeddedConsumer:
        """Subscribe to a queue; it is made again if it was declared here."""
        name = self._prefix + queue
        subscription = Subscription(name, self._specs.get(name), prefetch)
        engine = self._engine
        if engine is None:
            raise ConnectionLost(broker=self.address, detail="it is not open in this process")
        consumer = EmbeddedConsumer(engine, queue, subscription, on_delivery, on_reset)
        self._consumers[subscription] = consumer
        try:
            await engine.submit(lambda store: engine.attach(store, subscription), tells=True)
        except BaseException:
            del self._consumers[subscription]
            raise
        # Whoever awaits this runs on until its next await before the first delivery is handed on.
        asyncio.get_running_loop().call_soon(consumer.release)
        return consumer

    def _on_rows(self, subscription: Subscription, generation: int, rows: list[Row]) -> None:
        self._consumers[subscription].receive(generation, rows)

    def _on_reset(self, subscription: Subscription, generation: int, why: str) -> None:
        self._consumers[subscription].reset(generation, why)

    # -- broadcasts

    async def broadcast(self, topic: str, body: bytes) -> None:
        """Tell every current subscriber of a topic."""
        name = self._prefix + topic
        await self.run(lambda store: store.broadcast(name, body, time.time()), tells=True)

    async def subscribe(
        self, topic: str, on_message: Callable[[bytes], None], on_gap: Callable[[], None] | None = None
    ) -> None:
        """Be told what is broadcast on a topic, until `close`; the file misses none."""
        self._topics.setdefault(self._prefix + topic, []).append(on_message)
        engine = self._engine
        if engine is None:
            raise ConnectionLost(broker=self.address, detail="it is not open in this process")
        await engine.submit(engine.listen)

    def _on_broadcast(self, topic: str, body: bytes) -> None:
        for on_message in self._topics.get(topic, []):
            on_message(body)

    def _on_broken(self, detail: str) -> None:
        self._engine = None
        self.on_disconnected(detail)


def _nothing(*_: Any) -> None:
    """Take the place of a callback that nobody has set."""


_live: weakref.WeakSet[EmbeddedBroker] = weakref.WeakSet()


def _abandon_all() -> None:
    for broker in list(_live):
        broker.abandon()


os.register_at_fork(after_in_child=_abandon_all)
