"""Which queues are there for a job: asked at the broker, taken to be so for a second, and lanes opened.

Source:
    New here; on the BEAM publishing to a queue that does not exist was silent.
"""

from __future__ import annotations

import asyncio
import contextlib

from roger_actors.broker import Broker, QueueCounts, QueueKind
from roger_actors.clock import Clock
from roger_actors.errors import BrokerError, PublishUnconfirmed
from roger_actors.roger import queue
from roger_actors.roger.global_state import lanes
from roger_actors.roger.system.message import TOPIC, LaneOpened, encode

KNOWN_FOR = 1.0
"""Seconds for which a queue that was seen is taken to be there still."""


class Routes:
    """What an enqueuer knows of queues.

    Args:
        broker: Whose.
        kind: Of what kind a lane is that is opened here.
        clock: For how long a queue is known.
    """

    def __init__(self, broker: Broker, kind: QueueKind, clock: Clock) -> None:
        self._broker = broker
        self._kind = kind
        self._clock = clock
        self._seen_at: dict[str, float] = {}

    async def exists(self, name: str, limit: float) -> bool:
        """Whether a queue exists, or did a second ago.

        Raises:
            PublishUnconfirmed: The broker did not say within `limit` seconds.
        """
        if self._is_known(name):
            return True
        return await self._look(name, limit) is not None

    async def open_lane(self, partition: str, limit: float) -> None:
        """See that a partition's lane is there, and that the nodes know of it.

        The order is: entry in the table, queue, word to the nodes; a node that does not hear the word
        finds the entry. A lane that is there and that nobody consumes is told of once more.

        Raises:
            BrokerError: The broker, or for a lane that was never there the tables, did not answer.
        """
        name = queue.lane_name(partition)
        if self._is_known(name):
            return
        counts = await self._look(name, limit)
        if counts is None:
            change = lanes.needing(partition, self._kind)
            (entry,) = await self._broker.tables.change([change], limit)
            assert entry.current is not None
            await self._broker.declare([lanes.spec(name, entry.current)])
            self._seen_at[name] = self._clock.monotonic()
        if counts is None or counts.consumers == 0:
            with contextlib.suppress(BrokerError):  # the nodes look into the table themselves
                await self._broker.broadcast(TOPIC, encode(LaneOpened(partition)))

    def forget(self, name: str) -> None:
        """Ask for a queue again: it was not there."""
        self._seen_at.pop(name, None)

    def _is_known(self, name: str) -> bool:
        seen_at = self._seen_at.get(name)
        return seen_at is not None and self._clock.monotonic() - seen_at < KNOWN_FOR

    async def _look(self, name: str, limit: float) -> QueueCounts | None:
        now = self._clock.monotonic()
        try:
            async with asyncio.timeout(limit):
                counts = await self._broker.counts(name)
        except TimeoutError:
            raise PublishUnconfirmed(queue=name, seconds=limit) from None
        if counts is None:
            self.forget(name)
        else:
            self._seen_at[name] = now
        return counts
