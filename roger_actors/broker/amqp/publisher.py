"""Confirmed, mandatory publishing with deadlines, over reconnects and blocked connections.

Messages wait in a backlog until there is a connection that is not blocked and room in the window of
unconfirmed ones; each turn of the loop sends what it may in one piece. What was not confirmed when a
connection was lost is sent again on the next one, ahead of the backlog and in its old order; so a
message may be stored twice, and never not at all once its future has ended well. What the broker
refuses is sent again, too, on a new channel, until its time is up.
"""

from __future__ import annotations

import asyncio
import struct
from collections import deque
from collections.abc import Callable, Sequence

from roger_actors.broker.amqp import wire
from roger_actors.broker.amqp.connecting.connection import SwiftConnection
from roger_actors.broker.amqp.connecting.link import Link
from roger_actors.broker.amqp.control import Channel
from roger_actors.broker.amqp.outgoing import Batch, Outgoing
from roger_actors.broker.base import Message, check_delay
from roger_actors.broker.topology import levels_for
from roger_actors.errors import BrokerError, ChannelClosed, PublishUnconfirmed, Unroutable

WINDOW = 2048
PIECE = 1 << 18
UNSENT = 1 << 20
SWEEP = 0.05
CHANNEL = 1
CACHED_QUEUES = 10_000
REFUSALS = 2
# RabbitMQ refuses for good on a channel that met a queue just when its leader was lost, and takes the
# same on a new channel.
RENEW_FIRST, RENEW_LAST = 0.2, 2.0
SETTLE_SECONDS = 0.1


class Publisher:
    """Publishes on a channel of its own, on one link.

    Args:
        link: The connection that is used for nothing else.
        prefix: Put before every queue and exchange name.
        broker: The address, for messages.
        prepare_delays: Declares the delay levels; awaited before the first delayed message.
    """

    def __init__(
        self, link: Link, prefix: str, broker: str, prepare_delays: Callable[[], asyncio.Future[None]]
    ) -> None:
        self._link, self._prefix, self._broker = link, prefix, broker
        self._prepare_delays = prepare_delays
        self._delays: asyncio.Future[None] | None = None
        self._channel: Channel | None = None
        self._backlog: deque[Outgoing] = deque()
        self._pending: dict[int, Outgoing] = {}
        self._sent = 0
        self._oldest = 1
        self._singles: dict[Outgoing, None] = {}
        self._batches: dict[Batch, list[Outgoing]] = {}
        self._methods: dict[tuple[str | None, str], bytes] = {}
        self._is_scheduled = False
        self._refused: list[Outgoing] = []
        self._renewal: asyncio.Task[None] | None = None
        self._renewed, self._renew_pause = 0.0, RENEW_FIRST
        self._is_held = False
        self._closed: BrokerError | None = None
        self._sweeper: asyncio.TimerHandle | None = None
        self._return: tuple[str, str] | None = None
        self._return_content: wire.Content | None = None
        self._return_body: list[bytes] = []

    @property
    def _loop(self) -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    # -- what callers do

    def publish(
        self, message: Message, timeout: float, *, once: bool = False, expires: bool = False
    ) -> asyncio.Future[None]:
        """Publish one message.

        Args:
            message: What.
            timeout: Seconds until the future fails with `PublishUnconfirmed`.
            once: Never send it a second time; a lost connection is then an unconfirmed message at once.
            expires: Whether the broker forgets it after `timeout` seconds.
        """
        entry = Outgoing(message, None)
        entry.once = once
        if expires:
            entry.expiration = str(round(timeout * 1000))
        return self._follow(entry, timeout)

    def send_to_exchange(self, exchange: str, message: Message, timeout: float) -> asyncio.Future[None]:
        """Publish to an exchange, where a message that finds no queue is not an error.

        Args:
            exchange: Its name without prefix, empty for the default exchange.
            message: What; its `queue` is the routing key, as the broker is to see it.
            timeout: Seconds until the future fails with `PublishUnconfirmed`.
        """
        return self._follow(Outgoing(message, exchange), timeout)

    def _follow(self, entry: Outgoing, timeout: float) -> asyncio.Future[None]:
        check_delay(entry.message)
        entry.future = self._loop.create_future()
        entry.seconds, entry.deadline = timeout, self._loop.time() + timeout
        self._singles[entry] = None
        self._accept(entry)
        self._start_sweeping()
        return entry.future

    async def publish_many(self, messages: Sequence[Message], timeout: float) -> list[BrokerError | None]:
        """Publish pipelined and return, in order, None or the error of each."""
        if not messages:
            return []
        batch = Batch(len(messages), self._loop.create_future(), timeout)
        entries = []
        for index, message in enumerate(messages):
            check_delay(message)
            entry = Outgoing(message, None)
            entry.batch, entry.index = batch, index
            entries.append(entry)
        self._batches[batch] = entries
        for entry in entries:
            self._accept(entry)
        self._start_sweeping()
        try:
            return await batch.future
        finally:
            for entry in self._batches.pop(batch):
                entry.is_over = True

    def _accept(self, entry: Outgoing) -> None:
        if self._closed is not None:
            entry.finish(self._closed)
            return
        if entry.message.delay > 0 and not self._has_delays():
            assert self._delays is not None
            self._delays.add_done_callback(lambda done: self._accept_later(entry, done))
            return
        self._backlog.append(entry)
        self._schedule()

    def _has_delays(self) -> bool:
        if self._delays is None or (self._delays.done() and _failed(self._delays)):
            self._delays = self._prepare_delays()
        return self._delays.done() and not _failed(self._delays)

    def _accept_later(self, entry: Outgoing, done: asyncio.Future[None]) -> None:
        error = None if done.cancelled() else done.exception()
        if error is None:
            self._backlog.append(entry)
            self._schedule()
        else:
            entry.finish(error if isinstance(error, BrokerError) else BrokerError(detail=repr(error)))

    # -- the connection comes and goes

    async def on_up(self, connection: SwiftConnection) -> None:
        """Open the channel in confirm mode and send what waits."""
        channel = await Channel.open(connection, self._broker, CHANNEL)
        await channel.ask("confirm_delivery", ack_nack_callback=lambda _: None)
        channel.read(self._read)
        channel.closed.add_done_callback(lambda done: self._on_channel_closed(channel, done.result()))
        self._sent, self._oldest = 0, 1
        self._return = self._return_content = None
        self._channel = channel
        self._schedule()

    def on_down(self) -> None:
        """Take back what is unconfirmed, to be sent again."""
        self._channel = None
        for entry in reversed(self._pending.values()):
            entry.returned = False
            if entry.once:
                entry.finish(PublishUnconfirmed(queue=entry.message.queue, seconds=entry.seconds))
            if not entry.is_over:
                self._backlog.appendleft(entry)
        self._pending.clear()

    def _on_channel_closed(self, channel: Channel, reason: str) -> None:
        if self._channel is not channel:
            return
        connection = self._link.connection
        if connection is None or not connection.is_open:
            self.on_down()
            return
        if self._is_held:
            self._take_up(connection)
            return
        # The channel alone was closed: one of the messages is at fault (too large, say), and which is
        # not told. Whoever has been on a closed channel too often is given up.
        for entry in self._pending.values():
            entry.refusals += 1
            if entry.refusals > REFUSALS:
                entry.finish(ChannelClosed(code=0, text=reason))
        self._delays = None
        self._take_up(connection)

    def _take_up(self, connection: SwiftConnection) -> None:
        self.on_down()
        self._reopening = self._loop.create_task(self._reopen(connection), name="amqp-publish-channel")

    async def _reopen(self, connection: SwiftConnection) -> None:
        try:
            await self.on_up(connection)
        except BrokerError:
            connection.cut()

    def close(self, error: BrokerError) -> None:
        """Fail whatever waits, and whatever is published from now on."""
        self._closed = error
        self.on_down()
        if self._renewal is not None:
            self._renewal.cancel()
        if self._sweeper is not None:
            self._sweeper.cancel()
        for entry in [*self._singles, *(e for entries in self._batches.values() for e in entries)]:
            entry.finish(error)
        self._singles.clear()
        self._backlog.clear()

    # -- sending

    def _schedule(self) -> None:
        if not self._is_scheduled:
            self._is_scheduled = True
            self._loop.call_soon(self._pump)

    def pump_again(self) -> None:
        """Send what waits, now that the connection is not blocked any more."""
        self._schedule()

    def _pump(self) -> None:
        self._is_scheduled = False
        channel = self._channel
        if channel is None or self._link.is_blocked or self._is_held:
            return
        backlog, pending, connection = self._backlog, self._pending, channel.connection
        while backlog and len(pending) < WINDOW and connection.unsent < UNSENT:
            parts: list[bytes] = []
            size = 0
            while backlog and len(pending) < WINDOW and size < PIECE:
                entry = backlog.popleft()
                if entry.is_over:
                    continue
                try:
                    size += self._encode(entry, parts)
                except (ValueError, TypeError, struct.error) as error:
                    entry.finish(BrokerError(detail=f"the message cannot be published: {error}"))
                    continue
                self._sent += 1
                pending[self._sent] = entry
            if parts:
                connection.emit(b"".join(parts))

    def _encode(self, entry: Outgoing, parts: list[bytes]) -> int:
        message = entry.message
        headers: dict[str, str | int | bool] = {}
        target: str | None = entry.exchange
        if message.delay > 0:
            levels = levels_for(message.delay)
            target = levels[0].name
            headers = {level.name: True for level in levels}
        method = self._methods.get((target, message.queue)) or self._method(entry, target)
        if message.headers:
            headers.update(message.headers)
        content = wire.content(
            CHANNEL,
            message.body,
            131_072,
            message_id=message.message_id,
            app_id=message.partition,
            headers=headers,
            correlation_id=message.correlation_id,
            reply_to=message.reply_to,
            expiration=entry.expiration,
        )
        parts += (method, content)
        return len(method) + len(content)

    def _method(self, entry: Outgoing, target: str | None) -> bytes:
        queue = entry.message.queue
        exchange = self._prefix + target if target else ""
        key = queue if entry.exchange is not None else self._prefix + queue
        method = wire.publish_method(CHANNEL, exchange, key, mandatory=entry.exchange is None)
        if len(self._methods) >= CACHED_QUEUES:
            self._methods.clear()
        self._methods[target, queue] = method
        return method

    # -- what the broker says

    def _read(self, kind: int, payload: bytes) -> bool:
        if kind == wire.METHOD:
            method = payload[:4]
            if method == wire.ACK:
                self._confirm(payload, None)
            elif method == wire.NACK:
                self._confirm(payload, "nack")
            elif method == wire.RETURN:
                self._return = wire.read_return(payload)
                self._return_body = []
            else:
                return False
            return True
        if kind == wire.HEADER:
            self._return_content = wire.read_content(payload)
        else:
            self._return_body.append(payload)
        content = self._return_content
        if content is not None and sum(map(len, self._return_body)) >= content.size:
            self._mark_returned(content, b"".join(self._return_body))
        return True

    def _confirm(self, payload: bytes, refusal: str | None) -> None:
        tag, multiple = wire.read_confirm(payload)
        pending = self._pending
        if multiple:
            for number in range(self._oldest, tag + 1):
                entry = pending.pop(number, None)
                if entry is not None:
                    self._conclude(entry, refusal)
            self._oldest = max(self._oldest, tag + 1)
        else:
            entry = pending.pop(tag, None)
            if entry is not None:
                self._conclude(entry, refusal)
        if self._backlog:
            self._schedule()

    def _conclude(self, entry: Outgoing, refusal: str | None) -> None:
        if refusal is not None and not entry.returned:
            self._refuse(entry)
            return
        if entry.future is not None:
            self._singles.pop(entry, None)
        entry.finish(Unroutable(queue=entry.message.queue) if entry.returned else None)

    def _refuse(self, entry: Outgoing) -> None:
        """Send it again on a new channel, or give it up if it is to be sent once."""
        if entry.once:
            entry.finish(PublishUnconfirmed(queue=entry.message.queue, seconds=entry.seconds))
        else:
            self._refused.append(entry)
        if self._renewal is None or self._renewal.done():
            self._renewal = self._loop.create_task(self._renew(), name="amqp-publish-renewal")

    async def _renew(self) -> None:
        """Close the channel, once what is on its way there has been confirmed; it is opened again."""
        soon = self._loop.time() - self._renewed < 5 * RENEW_LAST
        self._renew_pause = min(2 * self._renew_pause, RENEW_LAST) if soon else RENEW_FIRST
        await asyncio.sleep(self._renew_pause)
        self._is_held = True
        await asyncio.sleep(SETTLE_SECONDS)
        self._renewed = self._loop.time()
        refused, self._refused = self._refused, []
        self._backlog.extendleft(entry for entry in reversed(refused) if not entry.is_over)
        channel = self._channel
        if channel is not None:
            channel.close()
            await channel.closed
        self._is_held = False
        self._schedule()

    def _mark_returned(self, content: wire.Content, body: bytes) -> None:
        """Find the message that came back: the oldest that is the same; which of equals is all one."""
        self._return_content = None
        assert self._return is not None
        _, key = self._return
        for entry in self._pending.values():
            message = entry.message
            if (
                not entry.returned
                and self._prefix + message.queue == key
                and message.message_id == content.message_id
                and message.body == body
            ):
                entry.returned = True
                return

    # -- deadlines

    def _start_sweeping(self) -> None:
        if self._sweeper is None:
            self._sweeper = self._loop.call_later(SWEEP, self._sweep)

    def _sweep(self) -> None:
        now = self._loop.time()
        for entry in [e for e in self._singles if e.is_over or e.deadline <= now]:
            del self._singles[entry]
            entry.finish(PublishUnconfirmed(queue=entry.message.queue, seconds=entry.seconds))
        for batch, entries in self._batches.items():
            if batch.deadline <= now:
                for entry in entries:
                    entry.finish(PublishUnconfirmed(queue=entry.message.queue, seconds=batch.seconds))
        is_needed = self._singles or self._batches
        self._sweeper = self._loop.call_later(SWEEP, self._sweep) if is_needed else None


def _failed(future: asyncio.Future[None]) -> bool:
    return future.cancelled() or future.exception() is not None
