"""What is asked one at a time: open a channel, declare, bind, delete, count, get.

`Channel` turns pika's callbacks into awaits; one question at a time per channel, as AMQP has it.
`Control` keeps a few such channels, so that questions of several callers are asked in parallel.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import pika.channel
import pika.exceptions
import pika.spec

from roger_actors.broker.amqp.connecting.connection import Reader, SwiftConnection
from roger_actors.broker.amqp.connecting.link import Link
from roger_actors.errors import ChannelClosed, ChannelLimit, ConnectionLost

CHANNELS = 8
SECONDS = 30.0
CLOSE_SECONDS = 2.0
T = TypeVar("T")


class Channel:
    """A channel whose answers are awaited.

    Attributes:
        closed: Ends with a one-line reason when the channel has ended, whoever ended it.
    """

    def __init__(self, channel: pika.channel.Channel, connection: SwiftConnection, broker: str) -> None:
        self.connection = connection
        self.number = int(channel.channel_number)
        self.closed: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._channel = channel
        self._broker = broker
        self._waiting: asyncio.Future[Any] | None = None
        self._error: ChannelClosed | ConnectionLost | None = None
        channel.add_on_close_callback(self._on_close)

    @classmethod
    async def open(cls, connection: SwiftConnection, broker: str, number: int | None = None) -> Channel:
        """Open a channel.

        Raises:
            ChannelLimit: The connection has as many as the broker allows.
            ConnectionLost: It ended meanwhile.
        """
        opened: asyncio.Future[pika.channel.Channel] = asyncio.get_running_loop().create_future()

        def fail(_: object, error: BaseException) -> None:
            if not opened.done():
                opened.set_exception(ConnectionLost(broker=broker, detail=str(error)))

        try:
            channel = connection.channel(number, lambda c: None if opened.done() else opened.set_result(c))
        except pika.exceptions.NoFreeChannels:
            allowed = int(connection.params.channel_max)
            raise ChannelLimit(broker=broker, allowed=allowed, needed=allowed + 1) from None
        except pika.exceptions.AMQPError as error:
            raise ConnectionLost(broker=broker, detail=repr(error)) from error
        channel.add_on_close_callback(fail)
        return cls(await opened, connection, broker)

    @property
    def is_open(self) -> bool:
        """Whether it can be asked."""
        return self._error is None and bool(self._channel.is_open)

    def read(self, reader: Reader | None) -> None:
        """Let a reader have the channel's frames first."""
        if reader is None:
            self.connection.readers.pop(self.number, None)
        else:
            self.connection.readers[self.number] = reader

    def _on_close(self, _: object, error: BaseException) -> None:
        self.read(None)
        if isinstance(error, pika.exceptions.ChannelClosedByBroker):
            self._error = ChannelClosed(code=error.reply_code, text=error.reply_text)
        elif isinstance(error, pika.exceptions.ChannelClosed):
            self._error = ChannelClosed(code=200, text="closed by us")
        else:
            self._error = ConnectionLost(broker=self._broker, detail=str(error))
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(self._error)
        if not self.closed.done():
            self.closed.set_result(str(self._error))

    async def ask(self, method: str, **arguments: Any) -> Any:
        """Call a method of pika's channel and return the broker's answer.

        Raises:
            ChannelClosed: The broker refused and closed the channel.
            ConnectionLost: The connection ended before the answer.
        """
        return await self._await(lambda done: getattr(self._channel, method)(callback=done, **arguments))

    async def consume(self, queue: str, prefetch: int, tag: str) -> None:
        """Set the prefetch and subscribe; deliveries go to the reader."""
        await self.ask("basic_qos", prefetch_count=prefetch)
        await self._await(
            lambda done: self._channel.basic_consume(queue, _never, consumer_tag=tag, callback=done)
        )

    async def get(self, queue: str) -> tuple[Any, Any, bytes] | None:
        """Get one message, unacked: method, properties, body."""
        future = self._expect()
        self._channel.add_callback(lambda _: _settle(future, None), [pika.spec.Basic.GetEmpty], one_shot=True)
        self._channel.basic_get(queue, lambda _, *found: _settle(future, found))
        try:
            found: tuple[Any, Any, bytes] | None = await future
            return found
        finally:
            self._channel.callbacks.remove(self.number, pika.spec.Basic.GetEmpty)
            self._waiting = None

    async def _await(self, start: Callable[[Callable[[Any], None]], object]) -> Any:
        future = self._expect()
        try:
            start(lambda frame: _settle(future, getattr(frame, "method", frame)))
            return await future
        except pika.exceptions.ChannelWrongStateError as error:
            raise ConnectionLost(broker=self._broker, detail=str(error)) from error
        finally:
            self._waiting = None

    def _expect(self) -> asyncio.Future[Any]:
        if self._error is not None:
            raise self._error
        self._waiting = asyncio.get_running_loop().create_future()
        return self._waiting

    def on_cancel(self, callback: Callable[[str], None]) -> None:
        """Have a function called when the broker ends a subscription of this channel."""
        self._channel.add_on_cancel_callback(lambda _: callback("the broker cancelled the subscription"))

    def ack(self, tag: int) -> None:
        """Acknowledge what `get` returned."""
        self._channel.basic_ack(tag)

    def nack_all(self) -> None:
        """Give back everything that is unacked."""
        self._channel.basic_nack(0, multiple=True, requeue=True)

    def close(self) -> None:
        """Close it; everything unacked goes back. Idempotent."""
        if self._error is None and self._channel.is_open:
            self._channel.close()

    async def finish(self) -> None:
        """Close it and wait until the broker has confirmed that; `TimeoutError` after some seconds."""
        self.close()
        await asyncio.wait_for(asyncio.shield(self.closed), CLOSE_SECONDS)


def _settle(future: asyncio.Future[Any], value: Any) -> None:
    if not future.done():
        future.set_result(value)


def _never(*_: Any) -> None:
    """Take the place of pika's delivery callback; deliveries go to the reader."""


class Control:
    """A few channels on one link, lent to one question each."""

    def __init__(self, link: Link, broker: str) -> None:
        self._link, self._broker = link, broker
        self._idle: list[Channel] = []
        self._slots = asyncio.Semaphore(CHANNELS)

    async def run(
        self, operation: Callable[[Channel], Awaitable[T]], *, connection: SwiftConnection | None = None
    ) -> T:
        """Do something on a channel; done again on a new connection if the connection is lost in between.

        Args:
            operation: What to do; it must do no harm twice.
            connection: Only on this connection, without waiting for another.

        Raises:
            ChannelClosed: The broker refused it.
            ConnectionLost: No answer for 30 s, beside the time that others before it took.
        """
        if self._link.is_closed:
            raise ConnectionLost(broker=self._broker, detail="it is not open in this process")
        try:
            while True:
                # No slot is held while waiting for a connection: opening one takes slots, too.
                async with asyncio.timeout(SECONDS):
                    current = connection or await self._link.wait_up()
                try:
                    async with self._slots, asyncio.timeout(SECONDS):
                        return await self._run_once(operation, current)
                except ConnectionLost:
                    if connection is not None:
                        raise
                    await asyncio.sleep(0.05)
        except TimeoutError:
            detail = f"no answer for {SECONDS:.0f} s; is it out of memory, disk or file descriptors?"
            raise ConnectionLost(broker=self._broker, detail=detail) from None

    async def _run_once(self, operation: Callable[[Channel], Awaitable[T]], current: SwiftConnection) -> T:
        self._idle = [c for c in self._idle if c.is_open and c.connection is current]
        channel = self._idle.pop() if self._idle else await Channel.open(current, self._broker)
        try:
            result = await operation(channel)
        except BaseException:
            channel.close()
            raise
        self._idle.append(channel)
        return result
