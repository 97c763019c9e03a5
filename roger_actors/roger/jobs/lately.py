"""What became of jobs lately, on one node: kept in memory, for whoever asks where a job is.

Bounded, and gone with the kernel host: it answers questions, and nothing is decided by it.

Source:
    New here.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, defaultdict
from typing import NamedTuple

KEPT = 50_000
"""Jobs of a node that are remembered, the latest ones; about 10 MB."""


class Ended(NamedTuple):
    """How an attempt ended.

    Attributes:
        outcome: `done`, `failed`, `retried`, `buried`, `cancelled`, `parked` or `dropped`.
        at: When, in seconds since the epoch.
        retry_count: Of that attempt.
        next_at: Before when the next attempt does not start, 0 if there is none.
    """

    outcome: str
    at: float
    retry_count: int
    next_at: float = 0.0


class Lately:
    """The ends of the latest jobs of one node; of one loop."""

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._ended: OrderedDict[tuple[str, str], Ended] = OrderedDict()
        self._waiting: defaultdict[tuple[str, str], list[asyncio.Future[Ended]]] = defaultdict(list)

    def note(self, partition: str, job_id: str, ended: Ended) -> None:
        """Remember how an attempt ended, and tell who waits for it."""
        key = partition, job_id
        self._ended[key] = ended
        self._ended.move_to_end(key)
        if len(self._ended) > self._kept:
            self._ended.popitem(last=False)
        if self._waiting and ended.outcome != "retried":
            for waiter in self._waiting.pop(key, ()):
                if not waiter.done():
                    waiter.set_result(ended)

    def find(self, partition: str, job_id: str) -> Ended | None:
        """Return how a job's latest attempt ended here, None if that is not remembered."""
        return self._ended.get((partition, job_id))

    async def wait(self, partition: str, job_id: str, limit: float) -> Ended | None:
        """Return how a job left, as soon as it does here; None if it does not within `limit` seconds."""
        key = partition, job_id
        waiter: asyncio.Future[Ended] = asyncio.get_running_loop().create_future()
        self._waiting[key].append(waiter)
        try:
            return await asyncio.wait_for(waiter, limit)
        except TimeoutError:
            return None
        finally:
            if waiter in self._waiting.get(key, ()):
                self._waiting[key].remove(waiter)
                if not self._waiting[key]:
                    del self._waiting[key]
