"""The consuming connections of one process: as many as the broker's limit of channels demands.

Each consumer has a channel of its own. The broker says at the opening how many channels a connection may
have; the first connection keeps some free for questions, and a further one is opened when all are full.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable

from roger_actors.broker.amqp.connecting.link import Link
from roger_actors.errors import ChannelLimit

MOST_CONSUMERS = 1000
"""Consumers on one connection, where the broker would allow more: they share one socket."""
RESERVED = 40
"""Channels kept free: for questions, exclusive queues, and channels whose end is not confirmed yet."""
FEWEST_CHANNELS = 64
"""Channels that a connection must be allowed for anything to work."""


class Links:
    """See the module.

    Args:
        main: The connection that questions, exclusive queues and the first consumers share.
        make: Returns one more connection, not yet open.
        broker: The address, for messages.
    """

    def __init__(self, main: Link, make: Callable[[], Link], broker: str) -> None:
        self._main, self._make, self._broker = main, make, broker
        self._extra: list[Link] = []
        self._opening: dict[Link, asyncio.Task[None]] = {}
        self._taken: Counter[Link] = Counter()

    @property
    def room(self) -> int:
        """How many consumers a connection takes."""
        return min(MOST_CONSUMERS, self._main.channel_max - RESERVED)

    @property
    def all(self) -> list[Link]:
        """Every consuming connection, the main one first."""
        return [self._main, *self._extra]

    def check_limit(self) -> None:
        """Raise `ChannelLimit` where the broker allows too few channels to work with."""
        if self._main.channel_max < FEWEST_CHANNELS:
            raise ChannelLimit(broker=self._broker, allowed=self._main.channel_max, needed=FEWEST_CHANNELS)

    async def take(self, *, on_main: bool) -> Link:
        """Return an open connection with room for one more consumer, which counts from now on.

        Args:
            on_main: Whether it must be the main one, as for an exclusive queue.

        Raises:
            ConnectionFailed: A further connection was needed and could not be opened; nothing counts.
        """
        link = self._main if on_main else self._with_room()
        self._taken[link] += 1
        try:
            await self._open(link)
        except BaseException:
            self.leave(link)
            raise
        return link

    def leave(self, link: Link) -> None:
        """Note that a consumer of a connection is gone."""
        self._taken[link] -= 1

    def _with_room(self) -> Link:
        room = self.room
        for link in self.all:
            if self._taken[link] < room:
                return link
        self._extra.append(self._make())
        return self._extra[-1]

    async def _open(self, link: Link) -> None:
        """Have a further connection opened once, however many consumers wait for it."""
        if link is self._main or link.is_kept:
            return
        if link not in self._opening:
            self._opening[link] = task = asyncio.create_task(self._open_now(link), name="amqp-link-open")
            task.add_done_callback(lambda done: self._opened(link, done))
        await asyncio.shield(self._opening[link])

    async def _open_now(self, link: Link) -> None:
        await self._main.wait_up()  # it alone says whether the broker is there
        await link.open()

    def _opened(self, link: Link, done: asyncio.Task[None]) -> None:
        del self._opening[link]
        if done.cancelled() or done.exception() is not None:
            self._extra.remove(link)

    async def close(self) -> None:
        """Close all of them."""
        for task in self._opening.values():
            task.cancel()
        await asyncio.gather(*(link.close() for link in self.all))
