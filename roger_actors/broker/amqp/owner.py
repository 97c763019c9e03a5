"""The owner of the tables, elected by RabbitMQ: it consumes the journal, and others' requests.

Of all candidates one gets the journal's deliveries (single active consumer). It reads the whole journal,
writes its epoch, reads that back and is the owner: it takes requests, decides them against its state,
writes what was decided as one entry for many requests, and answers when it has read its entry back.
Whatever goes wrong (a lost connection, an entry that did not arrive), it forgets everything and stands
for election again: the journal knows.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import msgspec

from roger_actors.broker.amqp.journal import Batch, Epoch, Hello, Replica, Snapshot, Write, decode, encode
from roger_actors.broker.base import Change, Changed, Consumer, Delivery, Message, QueueSpec
from roger_actors.errors import BrokerError

logger = logging.getLogger(__name__)

JOURNAL = QueueSpec("roger.journal", single_active=True)
JOURNAL_PREFETCH = 65_535
WRITE_SECONDS = 10.0
IN_FLIGHT = 4
REQUESTS_PER_BATCH = 500
COMPACT_SECONDS = 120.0
COMPACT_ENTRIES = 5000
# RabbitMQ closes a channel that leaves a delivery unacked for 30 minutes; the last snapshot is one.
RENEW_SECONDS = 600.0
TICK = 5.0


class Get(msgspec.Struct, frozen=True, array_like=True, tag="g"):
    """Ask for one value."""

    table: str
    key: str


class Scan(msgspec.Struct, frozen=True, array_like=True, tag="s"):
    """Ask for all entries whose key starts with a prefix."""

    table: str
    prefix: str


class Alter(msgspec.Struct, frozen=True, array_like=True, tag="a"):
    """Ask for changes."""

    changes: list[Change]


Ask = Get | Scan | Alter
Answer = bytes | None | dict[str, bytes] | list[Changed]
Waiter = Callable[[Any], None]


class Publishing(Protocol):
    """What the owner needs of the broker object."""

    async def declare(self, queues: Sequence[QueueSpec]) -> None:
        """See `Broker`."""
        ...

    def publish_once(self, message: Message, timeout: float) -> asyncio.Future[None]:
        """Publish, but never a second time."""
        ...

    async def consume(
        self,
        queue: str,
        *,
        prefetch: int,
        on_delivery: Callable[[Delivery], None],
        on_reset: Callable[[str], None],
    ) -> Consumer:
        """See `Broker`."""
        ...


class Owner:
    """A candidate, and the owner while elected.

    Args:
        broker: To publish and consume with.
        on_elected: Called when it has become the owner.
        on_deposed: Called when it is not any more.
    """

    def __init__(
        self, broker: Publishing, on_elected: Callable[[], None], on_deposed: Callable[[], None]
    ) -> None:
        self._broker = broker
        self._on_elected, self._on_deposed = on_elected, on_deposed
        self._consumer: Consumer | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_standing_anew = False
        self._clear()

    @property
    def _loop(self) -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    def _clear(self) -> None:
        self._epoch = ""
        self._replica = Replica()
        self.is_owner = False
        self._unacked: list[Delivery] = []
        self._waiting: deque[tuple[str, Ask, Waiter]] = deque()
        self._in_flight: dict[int, list[tuple[Waiter, Any]]] = {}
        self._is_scheduled = False
        self._is_compacting = False
        self._snapshot_at = 0
        self._compacted = self._loop.time()

    async def stand(self) -> None:
        """Stand for election, for good."""
        await self._broker.declare([JOURNAL])
        await self._consume()
        self._spawn(self._watch())

    async def _consume(self) -> None:
        self._consumer = await self._broker.consume(
            JOURNAL.name,
            prefetch=JOURNAL_PREFETCH,
            on_delivery=self._on_entry,
            on_reset=self._on_reset,
        )
        self._write(Hello(secrets.token_hex(4)))

    def _spawn(self, work: Any) -> None:
        task = self._loop.create_task(work, name="amqp-tables-owner")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Stand back."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._depose()
        if self._consumer is not None:
            await self._consumer.close()

    # -- requests

    def submit(self, request: str, ask: Ask, waiter: Waiter) -> None:
        """Decide a request; the waiter gets the answer once it is durable, or never."""
        self._waiting.append((request, ask, waiter))
        self._schedule()

    def _schedule(self) -> None:
        if not self._is_scheduled:
            self._is_scheduled = True
            self._loop.call_soon(self._issue)

    def _issue(self) -> None:
        """Write one entry for all that waits, unless enough are on their way."""
        self._is_scheduled = False
        if not self.is_owner or self._is_compacting:
            return
        while self._waiting and len(self._in_flight) < IN_FLIGHT:
            ahead: dict[tuple[str, str], bytes | None] = {}
            writes: list[Write] = []
            answers: list[tuple[str, list[bool]]] = []
            waiters: list[tuple[Waiter, Any]] = []
            for _ in range(min(REQUESTS_PER_BATCH, len(self._waiting))):
                request, ask, waiter = self._waiting.popleft()
                waiters.append((waiter, self._decide(request, ask, ahead, writes, answers)))
            batch = Batch(self._epoch, self._replica.number + 1, writes, answers)
            self._replica.write(batch)
            self._in_flight[batch.number] = waiters
            self._write(batch)

    def _decide(
        self,
        request: str,
        ask: Ask,
        ahead: dict[tuple[str, str], bytes | None],
        writes: list[Write],
        answers: list[tuple[str, list[bool]]],
    ) -> Answer:
        if isinstance(ask, Alter):
            results, new = self._replica.decide(request, ask.changes, ahead)
            writes += new
            answers.append((request, [result.done for result in results]))
            return results
        # Those before us in this batch are not in the replica yet.
        if isinstance(ask, Get):
            place = (ask.table, ask.key)
            return ahead[place] if place in ahead else self._replica.get(*place)
        found = self._replica.scan(ask.table, ask.prefix)
        for (table, key), value in ahead.items():
            if table == ask.table and key.startswith(ask.prefix):
                found.pop(key, None)
                if value is not None:
                    found[key] = value
        return found

    def _write(self, entry: Hello | Epoch | Batch | Snapshot) -> None:
        message = Message(JOURNAL.name, encode(entry), message_id=type(entry).__name__)
        self._broker.publish_once(message, WRITE_SECONDS).add_done_callback(self._written)

    def _written(self, future: asyncio.Future[None]) -> None:
        if not future.cancelled() and future.exception() is not None:
            self._stand_anew(f"an entry was not written: {future.exception()}")

    # -- the journal

    def _on_entry(self, delivery: Delivery) -> None:
        self._unacked.append(delivery)
        try:
            entry = decode(delivery.body)
        except msgspec.MsgspecError as error:
            logger.warning("an entry of the journal cannot be read, it is skipped: %s", error)
            return
        if self.is_owner:
            self._on_own(entry)
            return
        if not self._epoch:
            self._epoch = secrets.token_hex(8)
            self._write(Epoch(self._epoch))
        self._replica.apply(entry)
        if isinstance(entry, Epoch) and entry.epoch == self._epoch:
            self.is_owner = True
            self._compacted = self._loop.time()
            logger.info("this node owns the tables")
            self._on_elected()
            self._schedule()

    def _on_own(self, entry: Hello | Epoch | Batch | Snapshot) -> None:
        if isinstance(entry, Batch) and entry.epoch == self._epoch:
            if entry.number != next(iter(self._in_flight), 0):
                self._stand_anew(f"batch {entry.number} came out of order")
                return
            for waiter, answer in self._in_flight.pop(entry.number):
                waiter(answer)
            if self._is_compacting and not self._in_flight:
                self._write_snapshot()
            elif self._waiting:
                self._schedule()
        elif isinstance(entry, Snapshot) and entry.epoch == self._epoch:
            self._on_snapshot(entry)
        elif isinstance(entry, Epoch):
            self._stand_anew("another owner has begun")

    # -- compaction

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(TICK)
            age = self._loop.time() - self._compacted
            is_due = age > RENEW_SECONDS or (age > COMPACT_SECONDS and len(self._unacked) > 1)
            if is_due or len(self._unacked) > COMPACT_ENTRIES:
                self.compact()

    def compact(self) -> None:
        """Write the state as a snapshot and acknowledge what came before, if this is the owner."""
        if self.is_owner and not self._is_compacting:
            self._is_compacting = True
            if not self._in_flight:
                self._write_snapshot()

    def _write_snapshot(self) -> None:
        # Nothing of ours is on its way, so nothing can come between its parts.
        for part in self._replica.snapshot(self._epoch):
            self._write(part)

    def _on_snapshot(self, part: Snapshot) -> None:
        if part.part == 0:
            self._snapshot_at = len(self._unacked) - 1
        if part.part == part.parts - 1:
            assert self._consumer is not None
            for delivery in self._unacked[: self._snapshot_at]:
                self._consumer.ack(delivery)
            del self._unacked[: self._snapshot_at]
            self._is_compacting = False
            self._compacted = self._loop.time()
            self._schedule()

    # -- losing it

    def _on_reset(self, reason: str) -> None:
        self._depose()
        logger.info("the journal is read anew: %s", reason)
        self._spawn(self._greet())

    async def _greet(self) -> None:
        """The queue may have been deleted: make sure that there is something to deliver."""
        await asyncio.sleep(1.0)
        self._write(Hello(secrets.token_hex(4)))

    def _depose(self) -> None:
        was_owner = self.is_owner
        self._clear()
        if was_owner:
            self._on_deposed()

    def _stand_anew(self, reason: str) -> None:
        if self._is_standing_anew or self._consumer is None:
            return
        self._is_standing_anew = True
        logger.warning("standing for election anew: %s", reason)
        self._spawn(self._resubscribe())

    async def _resubscribe(self) -> None:
        pause = 0.2
        while self._is_standing_anew:
            try:
                assert self._consumer is not None
                await self._consumer.close()
                self._depose()
                await asyncio.sleep(pause)
                self._is_standing_anew = False
                await self._consume()
            except BrokerError as error:
                logger.warning("could not stand for election: %s", error)
                self._is_standing_anew = True
                pause = 1.0
