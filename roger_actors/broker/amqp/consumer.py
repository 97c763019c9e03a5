"""One subscription on a channel of its own, made again whenever it ends, until it is closed.

A delivery's tag belongs to the channel; on another one the same number means another message. So each
channel is a *generation*, and what belongs to an older one is dropped.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Awaitable, Callable

from roger_actors.broker.amqp import wire
from roger_actors.broker.amqp.connecting.connection import SwiftConnection
from roger_actors.broker.amqp.control import Channel
from roger_actors.broker.base import Delivery
from roger_actors.broker.topology import own_headers
from roger_actors.errors import BrokerError, ChannelClosed, ConnectionLost, Unroutable

logger = logging.getLogger(__name__)

FIRST_PAUSE = 0.1
LONGEST_PAUSE = 0.5
"""Seconds between two tries at the most; half of it or more, so that many consumers do not come at once."""
SUBSCRIBE_SECONDS = 30.0
NOT_FOUND = 404


class Settlement:
    """Which tags of a channel are settled, and the frames that say so, as few as may be.

    Tags are given out in order, so everything up to `floor` can be acknowledged by one frame once all of
    it is settled.
    """

    __slots__ = ("_above", "_acks", "channel", "delivered", "floor")

    def __init__(self, channel: int) -> None:
        self.channel = channel
        self.delivered = 0
        self.floor = 0
        self._above: set[int] = set()
        self._acks: list[int] = []

    def is_outstanding(self, tag: int) -> bool:
        """Whether a tag was delivered and is not settled."""
        return self.floor < tag <= self.delivered and tag not in self._above

    @property
    def outstanding(self) -> int:
        """How many deliveries are not settled."""
        return self.delivered - self.floor - len(self._above)

    def ack(self, tag: int) -> None:
        """Note an acknowledgement; `take_frames` makes the frame of it."""
        self._above.add(tag)
        self._acks.append(tag)

    def drop(self, tag: int) -> None:
        """Note that a tag was settled by a frame of its own."""
        self._above.add(tag)

    def take_frames(self) -> bytes:
        """Return the frames for what was acknowledged since the last time."""
        acks, self._acks = self._acks, []
        if not acks:
            return b""
        above, floor = self._above, self.floor
        while floor + 1 in above:
            floor += 1
            above.remove(floor)
        self.floor = floor
        frames = [wire.ack(self.channel, tag, multiple=False) for tag in acks if tag > floor]
        below = [tag for tag in acks if tag <= floor]
        if below:
            # All up to the floor is settled, so one frame covers those of it that are new. It must name
            # a tag that is outstanding: the floor itself may have been acknowledged before.
            frames.insert(0, wire.ack(self.channel, max(below), multiple=True))
        return b"".join(frames)


class AmqpConsumer:
    """See the module.

    Args:
        queue: Its name as callers know it.
        name: Its name on the broker.
        prefetch: Unacked deliveries that may be outstanding.
        on_delivery: Gets each delivery.
        on_reset: Gets the reason when everything outstanding has become stale.
        on_closed: Called when it is closed for good.
        wait_ready: Waits until the connection is open and the queues are declared on it.
        revive: Declares the queue again; awaited before each subscription but the first.
        flush: Asks that `take_frames` be called before the loop waits again.
        broker: The address, for messages.
    """

    def __init__(  # noqa: PLR0913  called in one place
        self,
        queue: str,
        name: str,
        prefetch: int,
        *,
        on_delivery: Callable[[Delivery], None],
        on_reset: Callable[[str], None],
        on_closed: Callable[[AmqpConsumer], None],
        wait_ready: Callable[[], Awaitable[SwiftConnection]],
        revive: Callable[[], Awaitable[None]],
        flush: Callable[[AmqpConsumer], None],
        broker: str,
    ) -> None:
        self.queue = queue
        self.name = name
        self._prefetch = prefetch
        self._on_delivery, self._on_reset, self._on_closed = on_delivery, on_reset, on_closed
        self._wait_ready, self._revive, self._flush, self._broker = wait_ready, revive, flush, broker
        self.generation = 0
        self._channel: Channel | None = None
        self._settlement = Settlement(0)
        self._is_paused = False
        self._is_consuming = False
        self._tags = 0
        self._applied = 0
        self._lock = asyncio.Lock()
        self._life: asyncio.Task[None] | None = None
        self._changing: asyncio.Task[None] | None = None
        self._started: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._stands: asyncio.Future[None] | None = None
        self._on_renewed: Callable[[], None] = lambda: None
        self._held: list[Delivery] | None = []
        self._method = b""
        self._content: wire.Content | None = None
        self._pieces: list[bytes] = []

    # -- what callers do

    @property
    def is_consuming(self) -> bool:
        """Whether the broker has confirmed the subscription and it still stands."""
        return self._is_consuming

    @property
    def connection(self) -> SwiftConnection | None:
        """The connection it stands on, None while it does not."""
        return self._channel.connection if self._channel is not None else None

    @property
    def is_closed(self) -> bool:
        """Whether it was closed, or never started."""
        return self._life is None

    def revive_with(self, revive: Callable[[], Awaitable[None]], on_renewed: Callable[[], None]) -> None:
        """Declare the queue by another function from now on, and call one when it is consumed again."""
        self._revive, self._on_renewed = revive, on_renewed

    async def wait_consuming(self) -> None:
        """Wait until the subscription stands, or is not wished for any more."""
        while not (self._is_consuming or self._is_paused or self.is_closed):
            self._stands = asyncio.get_running_loop().create_future()
            await self._stands

    def abandon(self) -> None:
        """Stop living without a word to the broker: the connection is about to be closed."""
        for task in (self._life, self._changing):
            if task is not None:
                task.cancel()
        self._life = self._changing = None
        self._rouse()

    def _rouse(self) -> None:
        if self._stands is not None and not self._stands.done():
            self._stands.set_result(None)

    async def start(self) -> None:
        """Subscribe for the first time.

        Raises:
            Unroutable: The queue does not exist.
            ChannelClosed: The broker refused.
        """
        self._life = asyncio.create_task(self._live(), name=f"amqp-consumer-{self.queue}")
        try:
            await asyncio.shield(self._started)
        except BaseException:
            await self.close()
            raise
        # Whoever awaits this runs on until its next await before the first delivery is handed on.
        asyncio.get_running_loop().call_soon(self._release)

    def _release(self) -> None:
        held, self._held = self._held or [], None
        for delivery in held:
            if delivery.generation == self.generation:
                self._on_delivery(delivery)

    @property
    def is_well_stocked(self) -> bool:
        """Whether more than half of what may be outstanding is: then an acknowledgement can wait a moment."""
        return self._settlement.outstanding * 2 > self._prefetch

    def ack(self, delivery: Delivery) -> bool:
        """Say that a delivery is done with; False if it was stale."""
        settlement = self._settlement
        if delivery.generation != self.generation or not settlement.is_outstanding(delivery.tag):
            return False
        settlement.ack(delivery.tag)
        self._flush(self)
        return True

    def nack(self, delivery: Delivery, *, requeue: bool = True) -> bool:
        """Give a delivery back to its place, or drop it; False if it was stale."""
        settlement, channel = self._settlement, self._channel
        if (
            channel is None
            or delivery.generation != self.generation
            or not settlement.is_outstanding(delivery.tag)
        ):
            return False
        channel.connection.emit(self.take_frames() + wire.nack(channel.number, delivery.tag, requeue=requeue))
        settlement.drop(delivery.tag)
        return True

    def take_frames(self) -> bytes:
        """Return the acknowledgements that wait to be sent."""
        channel = self._channel
        return self._settlement.take_frames() if channel is not None and channel.is_open else b""

    def set_prefetch(self, prefetch: int) -> None:
        """Change how many deliveries may be outstanding, by subscribing anew on the same channel."""
        if prefetch == self._prefetch:
            return
        self._prefetch = prefetch
        if self._changing is None or self._changing.done():
            self._changing = asyncio.create_task(self._apply(), name=f"amqp-prefetch-{self.queue}")

    async def prove(self, timeout: float) -> bool:
        """Whether the broker answers on the channel within so many seconds."""
        try:
            async with asyncio.timeout(timeout), self._lock:
                if self._channel is None:
                    return False
                await self._channel.ask("basic_qos", prefetch_count=max(1, self._applied))
        except (BrokerError, TimeoutError):
            return False
        return True

    async def pause(self) -> None:
        """Stop new deliveries; those outstanding stay valid."""
        self._is_paused = True
        await self._apply()

    async def resume(self) -> None:
        """Take deliveries again."""
        self._is_paused = False
        await self._apply()

    async def close(self) -> None:
        """End the subscription; everything unacked goes back."""
        channel = self._channel
        if channel is not None and channel.is_open:
            channel.connection.emit(self.take_frames())
        tasks = [task for task in (self._life, self._changing) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._life = self._changing = None
        self._rouse()
        self._on_closed(self)
        if channel is not None:
            with contextlib.suppress(TimeoutError):
                await channel.finish()

    # -- its life

    async def _live(self) -> None:
        pause, told = FIRST_PAUSE, ""
        while True:
            try:
                reason = await self._live_once()
                pause, told = FIRST_PAUSE, ""
            except BrokerError as error:
                if not self._started.done() and isinstance(error, ChannelClosed):
                    self._refuse(error)
                    return
                reason = str(error)
                pause = min(pause * 2, LONGEST_PAUSE)
                if reason != told:
                    told = reason
                    level = logging.INFO if isinstance(error, ConnectionLost) else logging.WARNING
                    logger.log(level, "cannot consume from %s: %s; trying again", self.queue, reason)
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311  not a secret

    def _refuse(self, error: ChannelClosed) -> None:
        is_missing = error.data["code"] == NOT_FOUND
        self._started.set_exception(Unroutable(queue=self.queue) if is_missing else error)

    async def _live_once(self) -> str:
        """Subscribe and wait for the end of it; returns the reason."""
        connection = await self._wait_ready()
        if self.generation:
            await self._revive()
        channel = await Channel.open(connection, self._broker)
        ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        def end(reason: str) -> None:
            if not ended.done():
                ended.set_result(reason)

        channel.closed.add_done_callback(lambda done: end(done.result()))
        channel.on_cancel(end)
        try:
            async with asyncio.timeout(SUBSCRIBE_SECONDS):
                await self._subscribe(channel)
            reason = await ended
        except TimeoutError:
            detail = f"no answer to a subscription to {self.queue!r}; has the queue a leader?"
            raise ConnectionLost(broker=self._broker, detail=detail) from None
        finally:
            self._leave(channel)
        self._on_reset(reason)
        return reason

    async def _subscribe(self, channel: Channel) -> None:
        channel.read(self._read)
        self.generation += 1
        self._settlement = Settlement(channel.number)
        self._pieces, self._content = [], None
        self._channel = channel
        self._applied = 0
        await self._apply()
        if not self._started.done():
            self._started.set_result(None)
        else:
            self._on_renewed()

    def _leave(self, channel: Channel) -> None:
        self._is_consuming = False
        self._applied = 0
        if self._channel is channel:
            self._channel = None
            self.generation += 1
        channel.read(None)
        channel.close()

    async def _apply(self) -> None:
        """Make the subscription what is wished: none, or one with this prefetch."""
        async with self._lock:
            channel = self._channel
            while channel is not None and channel is self._channel:
                wanted = 0 if self._is_paused else self._prefetch
                if wanted == self._applied:
                    return
                if self._applied:
                    # A change of the prefetch is no interruption; whoever is asked meanwhile is consuming.
                    self._applied, self._is_consuming = 0, wanted > 0
                    await channel.ask("basic_cancel", consumer_tag=f"roger-{self._tags}")
                else:
                    self._tags += 1
                    await channel.consume(self.name, wanted, f"roger-{self._tags}")
                    self._applied, self._is_consuming = wanted, True
                    self._rouse()

    # -- deliveries

    def _read(self, kind: int, payload: bytes) -> bool:
        if kind == wire.METHOD:
            if payload[:4] != wire.DELIVER:
                return False
            self._method = payload
            return True
        if kind == wire.HEADER:
            self._content = content = wire.read_content(payload)
            if content.size == 0:
                self._deliver(content, b"")
            return True
        assert self._content is not None
        if len(payload) == self._content.size:
            self._deliver(self._content, payload)
            return True
        self._pieces.append(payload)
        if sum(map(len, self._pieces)) >= self._content.size:
            body = b"".join(self._pieces)
            self._pieces = []
            self._deliver(self._content, body)
        return True

    def _deliver(self, content: wire.Content, body: bytes) -> None:
        tag, redelivered = wire.read_deliver(self._method)
        self._settlement.delivered = tag
        _, headers, correlation_id, reply_to, message_id, app_id = content
        delivery = Delivery(
            body,
            message_id,
            self.queue,
            own_headers(headers) if headers else {},
            redelivered,
            self.generation,
            tag,
            reply_to,
            correlation_id,
            app_id,
        )
        if self._held is None:
            self._on_delivery(delivery)
        else:
            self._held.append(delivery)
