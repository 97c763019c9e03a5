"""The tables as everyone uses them: straight where the owner is in this process, by request elsewhere.

Requests of one turn of the loop travel in one message through the durable queue `roger.tables`, which
the owner consumes; answers come to an exclusive queue. A request keeps its id when it is sent again (a
new reply queue, a new owner), and the journal knows which ids were answered and how.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import secrets
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import msgspec

from roger_actors.broker.amqp.asking import Alter, Answer, Ask, Get, Scan
from roger_actors.broker.amqp.consumer import AmqpConsumer
from roger_actors.broker.amqp.owner import Owner, Publishing
from roger_actors.broker.base import Change, Changed, Delivery, Message, QueueSpec
from roger_actors.errors import BrokerError, ConnectionLost, TablesTimeout

logger = logging.getLogger(__name__)

REQUESTS = QueueSpec("roger.tables")
REQUEST_PREFETCH = 200
REPLY_PREFETCH = 1000
REPLY_SECONDS = 10.0


class Request(msgspec.Struct, frozen=True, array_like=True):
    """One request and its id."""

    id: str
    ask: Ask


class Told(msgspec.Struct, frozen=True, array_like=True):
    """The answer to a request: each kind in a place of its own, which saves a tag."""

    id: str
    value: bytes | None = None
    found: dict[str, bytes] | None = None
    changed: list[Changed] | None = None


_encode = msgspec.msgpack.Encoder().encode
_decode_requests = msgspec.msgpack.Decoder(list[Request]).decode
_decode_told = msgspec.msgpack.Decoder(list[Told]).decode


class Host(Publishing, Protocol):
    """What the tables need of the broker object."""

    @property
    def address(self) -> str:
        """See `Broker`."""
        ...

    def send_request(self, message: Message, timeout: float) -> asyncio.Future[None]:
        """Publish a message that the broker forgets after `timeout` seconds."""
        ...

    def send_reply(self, message: Message, timeout: float) -> asyncio.Future[None]:
        """Publish to a queue by its full name, which need not be there."""
        ...

    async def consume_own(
        self,
        label: str,
        prefetch: int,
        on_delivery: Callable[[Delivery], None],
        on_renewed: Callable[[], None],
    ) -> AmqpConsumer:
        """Consume from an exclusive queue, which gets a new name after each reconnect."""
        ...


class _Pending:
    """A request that waits for its answer."""

    __slots__ = ("ask", "deadline", "future", "id")

    def __init__(self, number: str, ask: Ask, future: asyncio.Future[Any], deadline: float) -> None:
        self.id, self.ask, self.future, self.deadline = number, ask, future, deadline


class AmqpTables:
    """See `broker.base.Tables`.

    Attributes:
        now: The clock by which leases lapse while this is the owner; a test may put its own here.
    """

    def __init__(self, host: Host) -> None:
        self._host = host
        self.now: Callable[[], float] = time.monotonic
        self._identity = secrets.token_hex(6)
        self._numbers = itertools.count()
        self._pending: dict[str, _Pending] = {}
        self._unsent: list[_Pending] = []
        self._owner: Owner | None = None
        self._requests: AmqpConsumer | None = None
        self._replies: AmqpConsumer | None = None
        self._starting: asyncio.Task[None] | None = None
        self._taking: asyncio.Task[None] | None = None

    @property
    def _loop(self) -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    # -- what callers do

    async def change(self, changes: Sequence[Change], timeout: float) -> list[Changed]:
        """Try each change on its own, in order; durable when this returns."""
        if not changes:
            return []
        return list(await self._ask(Alter(list(changes)), timeout))

    async def get(self, table: str, key: str, timeout: float) -> bytes | None:
        """Return a value as of now, None where there is none."""
        value: bytes | None = await self._ask(Get(table, key), timeout)
        return value

    async def scan(self, table: str, prefix: str, timeout: float) -> dict[str, bytes]:
        """Return all entries whose key starts with `prefix`."""
        return dict(await self._ask(Scan(table, prefix), timeout))

    async def _ask(self, ask: Ask, timeout: float) -> Any:
        number = f"{self._identity}-{next(self._numbers)}"
        pending = _Pending(number, ask, self._loop.create_future(), self._loop.time() + timeout)
        self._pending[number] = pending
        self._send(pending)
        try:
            async with asyncio.timeout(timeout):
                return await pending.future
        except TimeoutError:
            raise TablesTimeout(broker=self._host.address, seconds=timeout) from None
        finally:
            del self._pending[number]

    def _send(self, pending: _Pending) -> None:
        if self._owner is not None and self._owner.is_owner:
            self._owner.submit(pending.id, pending.ask, lambda answer: _resolve(pending.future, answer))
            return
        if not self._unsent:
            self._loop.call_soon(self._send_all)
        self._unsent.append(pending)

    def _send_all(self) -> None:
        """Send the requests of this turn in one message; first see that answers can come."""
        if self._replies is None or not self._replies.is_consuming:
            if self._starting is None or self._starting.done():
                self._starting = self._loop.create_task(self._start_replies(), name="amqp-tables-replies")
            return
        unsent, self._unsent = [p for p in self._unsent if not p.future.done()], []
        if not unsent:
            return
        seconds = max(p.deadline for p in unsent) - self._loop.time()
        body = _encode([Request(p.id, p.ask) for p in unsent])
        message = Message(REQUESTS.name, body, reply_to=self._replies.name)
        if seconds > 0:
            self._host.send_request(message, seconds).add_done_callback(_swallow)

    async def _start_replies(self) -> None:
        try:
            if self._replies is None:
                await self._host.declare([REQUESTS])
                self._replies = await self._host.consume_own(
                    "reply", REPLY_PREFETCH, self._on_reply, self._send_again
                )
            await self._replies.wait_consuming()
        except BrokerError as error:
            logger.warning("no answers from the tables can be had: %s", error)
            return
        self._send_all()

    def _send_again(self) -> None:
        """A new reply queue: whatever is unanswered is asked again under its old id."""
        if self._pending:
            self._unsent = list(self._pending.values())
            self._send_all()

    def _on_reply(self, delivery: Delivery) -> None:
        assert self._replies is not None
        self._replies.ack(delivery)
        for told in _decode_told(delivery.body):
            pending = self._pending.get(told.id)
            if pending is not None:
                _resolve(pending.future, _answer(pending.ask, told))

    # -- the owner

    async def serve(self) -> None:
        """Stand for election as the owner."""
        if self._owner is None:
            await self._host.declare([REQUESTS])
            self._owner = Owner(self._host, self._on_elected, self._on_deposed, self.now)
            await self._owner.stand()

    def _on_elected(self) -> None:
        self._change_requests(self._take_requests)

    def _on_deposed(self) -> None:
        self._change_requests(self._leave_requests)
        self._send_again()

    def _change_requests(self, step: Callable[[], Any]) -> None:
        before = self._taking

        async def after() -> None:
            if before is not None:
                await asyncio.gather(before, return_exceptions=True)
            try:
                await step()
            except BrokerError as error:
                logger.warning("requests for the tables are not taken: %s", error)

        self._taking = self._loop.create_task(after(), name="amqp-tables-requests")

    async def _take_requests(self) -> None:
        consumer = await self._host.consume(
            REQUESTS.name, prefetch=REQUEST_PREFETCH, on_delivery=self._on_request, on_reset=lambda _: None
        )
        assert isinstance(consumer, AmqpConsumer)
        self._requests = consumer

    async def _leave_requests(self) -> None:
        consumer, self._requests = self._requests, None
        if consumer is not None:
            await consumer.close()

    def _on_request(self, delivery: Delivery) -> None:
        consumer = self._requests
        if consumer is None or self._owner is None or not self._owner.is_owner:
            return  # it goes back when the consumer is closed
        try:
            requests = _decode_requests(delivery.body)
        except msgspec.MsgspecError as error:
            logger.warning("a request for the tables cannot be read, it is dropped: %s", error)
            consumer.ack(delivery)
            return
        told: list[Told] = []

        def collect(number: str, answer: Answer) -> None:
            told.append(_tell(number, answer))
            if len(told) == len(requests):
                reply = Message(delivery.reply_to, _encode(told))
                self._host.send_reply(reply, REPLY_SECONDS).add_done_callback(_swallow)
                consumer.ack(delivery)

        for request in requests:
            self._owner.submit(request.id, request.ask, _bind(collect, request.id))

    async def close(self) -> None:
        """End everything of it; who still waits gets `ConnectionLost`."""
        for task in (self._starting, self._taking):
            if task is not None:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
        if self._owner is not None:
            owner, self._owner = self._owner, None
            await owner.close()
        for pending in list(self._pending.values()):
            if not pending.future.done():
                pending.future.set_exception(
                    ConnectionLost(broker=self._host.address, detail="it was closed")
                )


def _bind(function: Callable[[str, Answer], None], number: str) -> Callable[[Answer], None]:
    return lambda answer: function(number, answer)


def _resolve(future: asyncio.Future[Any], answer: Answer) -> None:
    if not future.done():
        future.set_result(answer)


def _swallow(future: asyncio.Future[None]) -> None:
    """Its failure shows as the caller's deadline."""
    if not future.cancelled():
        future.exception()


def _tell(number: str, answer: Answer) -> Told:
    if isinstance(answer, list):
        return Told(number, changed=answer)
    if isinstance(answer, dict):
        return Told(number, found=answer)
    return Told(number, value=answer)


def _answer(ask: Ask, told: Told) -> Answer:
    if isinstance(ask, Alter):
        return told.changed or []
    return (told.found or {}) if isinstance(ask, Scan) else told.value
