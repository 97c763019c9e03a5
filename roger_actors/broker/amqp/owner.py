"""The owner of the tables, elected by RabbitMQ: it consumes the journal, and others' requests.

Of all candidates one gets the journal's deliveries (single active consumer). It reads the whole journal,
writes its epoch, reads that back and is the owner: it takes requests, decides them against its state,
writes what was decided as one entry for many requests, and answers when it has read its entry back.
What is only looked up needs no entry of its own: it is answered with the next one that comes back, a
`Probe` if nothing else is on its way, so that nobody is answered by an owner that was deposed.
Whatever goes wrong (a lost connection, an entry that did not arrive), it forgets everything and stands
for election again: the journal knows.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import secrets
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import msgspec

from roger_actors.broker.amqp.asking import Alter, Ask, Get, Look
from roger_actors.broker.amqp.journal import (
    Batch,
    Entry,
    Epoch,
    Hello,
    Probe,
    Replica,
    Slice,
    Snapshot,
    State,
    decode,
    encode,
)
from roger_actors.broker.base import Change, Consumer, Delivery, Message, QueueSpec
from roger_actors.errors import BrokerError

logger = logging.getLogger(__name__)

JOURNAL = QueueSpec("roger.journal", single_active=True)
# The most that AMQP can say. "No limit" (0) is less: RabbitMQ gives a quorum queue's consumer 2,000 then.
JOURNAL_PREFETCH = 65_535
MOST_UNACKED = 60_000
"""Entries after which nothing is written until a snapshot has made them superfluous."""
WRITE_SECONDS = 10.0
IN_FLIGHT = 4
REQUESTS_PER_BATCH = 500
CHANGES_PER_BATCH = 2000
COMPACT_SECONDS = 120.0
COMPACT_ENTRIES = 5000
# RabbitMQ closes a channel that leaves a delivery unacked for some time (30 minutes, or as configured),
# and says then how long that is. The oldest entry that matters is the last snapshot: before it is known,
# a small one is written again often, which costs next to nothing, and a large one as seldom as is wise.
RENEW_SMALL_SECONDS = 20.0
RENEW_SECONDS = 120.0
READ_SECONDS = 5.0
GREET_SECONDS = 0.2
STAND_SECONDS = 0.2
TICK = 5.0
_timeout_told = re.compile(r"Timeout value used: (\d+) ms").search


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
        now: The clock by which leases lapse: seconds that never go back.
    """

    def __init__(
        self,
        broker: Publishing,
        on_elected: Callable[[], None],
        on_deposed: Callable[[], None],
        now: Callable[[], float],
    ) -> None:
        self._broker = broker
        self._on_elected, self._on_deposed = on_elected, on_deposed
        self._now = now
        self._consumer: Consumer | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_standing_anew = False
        self._timeout = 0.0
        self._parts = 0
        self._clear()

    @property
    def _loop(self) -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    def _clear(self) -> None:
        self._epoch = ""
        self._replica = Replica()
        self._state = State()
        self._reign = 0
        self.is_owner = False
        self._elected = asyncio.Event()
        self._unacked: deque[tuple[int, Delivery]] = deque()
        self._read = 0
        self._changes: deque[tuple[str, Sequence[Change], Waiter]] = deque()
        self._looks: list[tuple[Look, Waiter]] = []
        self._awaited: deque[tuple[Batch | Probe, list[tuple[Waiter, Any]]]] = deque()
        self._probes = 0
        self._is_scheduled = False
        self._slices: Iterator[tuple[Slice, bool]] | None = None
        self._began = 0
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
        """Stand back; not in the middle of the journal, though."""
        if self._epoch and not self.is_owner:
            # RabbitMQ may put back what is on its way to a consumer that closes before what that one holds.
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._elected.wait(), READ_SECONDS)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._depose()
        if self._consumer is not None:
            await self._consumer.close()

    # -- requests

    def submit(self, request: str, ask: Ask, waiter: Waiter) -> None:
        """Decide a request; the waiter gets the answer once it is durable, or never."""
        if isinstance(ask, Alter):
            self._changes.append((request, ask.changes, waiter))
        else:
            self._looks.append((ask, waiter))
        self._schedule()

    def _schedule(self) -> None:
        if not self._is_scheduled:
            self._is_scheduled = True
            self._loop.call_soon(self._issue)

    def _issue(self) -> None:
        """Write one entry for all that waits, unless enough are on their way."""
        self._is_scheduled = False
        if not self.is_owner or len(self._unacked) > MOST_UNACKED:
            return
        now = self._now()
        while (self._changes or self._state.has_lapsed(now)) and len(self._awaited) < IN_FLIGHT:
            batch = self._state.begin(self._epoch)
            self._state.lapse(batch, now, REQUESTS_PER_BATCH)
            waiters = self._decide(batch, now)
            self._await(batch, waiters + self._look_up())
        if self._looks and not any(isinstance(entry, Probe) for entry, _ in self._awaited):
            self._probes += 1
            self._await(Probe(self._epoch, self._probes), self._look_up())

    def _await(self, entry: Batch | Probe, waiters: list[tuple[Waiter, Any]]) -> None:
        self._awaited.append((entry, waiters))
        self._write(entry)

    def _decide(self, batch: Batch, now: float) -> list[tuple[Waiter, Any]]:
        waiters: list[tuple[Waiter, Any]] = []
        count = 0
        while self._changes and len(waiters) < REQUESTS_PER_BATCH and count < CHANGES_PER_BATCH:
            request, changes, waiter = self._changes.popleft()
            waiters.append((waiter, self._state.decide(request, changes, batch, now)))
            count += len(changes)
        return waiters

    def _look_up(self) -> list[tuple[Waiter, Any]]:
        """Read for all who wait, as of what was decided: it is written before what they wait for."""
        looks, self._looks = self._looks, []
        state = self._state
        return [
            (
                waiter,
                state.get(ask.table, ask.key) if isinstance(ask, Get) else state.scan(ask.table, ask.prefix),
            )
            for ask, waiter in looks
        ]

    def _write(self, entry: Entry) -> None:
        message = Message(JOURNAL.name, encode(entry), message_id=type(entry).__name__)
        self._broker.publish_once(message, WRITE_SECONDS).add_done_callback(self._written)

    def _written(self, future: asyncio.Future[None]) -> None:
        if not future.cancelled() and future.exception() is not None:
            self._stand_anew(f"an entry was not written: {future.exception()}")

    # -- the journal

    def _on_entry(self, delivery: Delivery) -> None:
        self._unacked.append((self._read, delivery))
        self._read += 1
        try:
            entry = decode(delivery.body)
        except msgspec.MsgspecError as error:
            logger.warning("an entry of the journal cannot be read, it is skipped: %s", error)
            return
        if isinstance(entry, Hello | Probe):
            # Nothing is to be learned from it, so it need not be kept.
            self._unacked.pop()
            self._ack(delivery)
        if self.is_owner:
            self._on_own(entry)
        else:
            self._on_earlier(entry)

    def _on_earlier(self, entry: Entry) -> None:
        if not self._epoch:
            self._epoch = secrets.token_hex(8)
            self._write(Epoch(self._epoch, self._timeout))
        self._replica.apply(entry, self._now(), self._read - 1)
        self._forget_before(self._replica.needed)
        if isinstance(entry, Epoch) and entry.epoch == self._epoch:
            self.is_owner = True
            self._elected.set()
            self._state, self._reign = self._replica.state, self._replica.reign
            self._timeout = self._timeout or self._replica.timeout
            self._replica = Replica()
            logger.info("this node owns the tables")
            self._on_elected()
            self._schedule()

    def _on_own(self, entry: Entry) -> None:
        if isinstance(entry, Batch | Probe) and entry.epoch == self._epoch:
            awaited = self._awaited[0][0] if self._awaited else None
            if type(entry) is not type(awaited) or entry.number != getattr(awaited, "number", 0):
                self._stand_anew(f"{type(entry).__name__} {entry.number} came out of order")
                return
            for waiter, answer in self._awaited.popleft()[1]:
                waiter(answer)
            if self._changes or self._looks:
                self._schedule()
        elif isinstance(entry, Snapshot) and entry.epoch == self._epoch:
            self._on_snapshot(entry)
        elif isinstance(entry, Epoch):
            self._stand_anew("another owner has begun")

    def _forget_before(self, position: int) -> None:
        """Acknowledge the entries before one: a snapshot holds all that they said."""
        while self._unacked and self._unacked[0][0] < position:
            self._ack(self._unacked.popleft()[1])

    def _ack(self, delivery: Delivery) -> None:
        assert self._consumer is not None
        self._consumer.ack(delivery)

    # -- compaction

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(min(TICK, self._timeout / 6) if self._timeout else TICK)
            age = self._loop.time() - self._compacted
            renew = RENEW_SMALL_SECONDS if self._parts <= 1 else RENEW_SECONDS
            if self._timeout:
                renew = self._timeout / 3
            is_due = age > renew or (age > COMPACT_SECONDS and len(self._unacked) > self._parts)
            if is_due or len(self._unacked) > COMPACT_ENTRIES + self._parts:
                self.compact()
            if self._state.has_lapsed(self._now()):
                self._schedule()

    def compact(self) -> None:
        """Write the state as a snapshot and acknowledge what came before, if this is the owner."""
        if self.is_owner and self._slices is None:
            self._compacted = self._loop.time()
            self._slices = self._state.slices()
            self._write_part(0)

    def _write_part(self, part: int) -> None:
        """Write the next part; the one after it comes when this one was read back."""
        assert self._slices is not None
        piece, is_last = next(self._slices)
        state = self._state
        self._write(
            Snapshot(
                self._epoch,
                state.number,
                part,
                part + 1 if is_last else 0,
                msgspec.Raw(encode(piece)),
                state.answers() if is_last else [],
                state.leases(piece, self._now()),
                self._timeout,
                self._reign,
            )
        )

    def _on_snapshot(self, part: Snapshot) -> None:
        if part.part == 0:
            self._began = self._read - 1
        if not part.is_last:
            self._write_part(part.part + 1)
            return
        self._slices, self._parts = None, part.parts
        self._forget_before(self._began)
        self._schedule()

    # -- losing it

    def _on_reset(self, reason: str) -> None:
        told = _timeout_told(reason)
        if told is not None:
            self._timeout = int(told[1]) / 1000
        self._depose()
        logger.info("the journal is read anew: %s", reason)
        self._spawn(self._greet())

    async def _greet(self) -> None:
        """The queue may have been deleted: make sure that there is something to deliver."""
        await asyncio.sleep(GREET_SECONDS)
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
        pause = STAND_SECONDS
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
