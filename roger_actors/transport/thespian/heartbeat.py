"""Seeing processes that live but no longer answer: stopped, or caught in a loop that never turns.

Beats are counted, not timed: a watcher that was itself stopped for a while, or whose machine was
asleep, finds one missing answer when it wakes and not a minute's worth.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable

import attrs

LONGEST_BEAT = 1.0
"""Seconds between two questions at most."""

PER_LIMIT = 4
"""Questions asked at least before a process counts as frozen."""


@attrs.define
class _Watched:
    limit: float
    answered: float
    unanswered: int = 0


class Heartbeat:
    """Asks processes whether they live, and says which no longer answer.

    Args:
        loop: Where it runs.
        ask: Called with a process's key, once per beat; the answer is told to `answered`.
        frozen: Called with the key, once, when the limit has passed.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        ask: Callable[[int], None],
        frozen: Callable[[int, float], None],
    ) -> None:
        self._loop = loop
        self._ask = ask
        self._frozen = frozen
        self._watched: dict[int, _Watched] = {}
        self._timer: asyncio.TimerHandle | None = None

    def watch(self, key: int, limit: float | None) -> None:
        """Begin to ask a process.

        Args:
            key: Names the process.
            limit: Seconds without an answer that are tolerated; None for any number.
        """
        if limit is None:
            return
        self._watched[key] = _Watched(limit, self._loop.time())
        if self._timer is None or self._timer.when() > self._loop.time() + self._beat():
            self._start()

    def forget(self, key: int) -> None:
        """Ask a process no more."""
        self._watched.pop(key, None)

    def answered(self, key: int) -> None:
        """Note that a process has answered."""
        watched = self._watched.get(key)
        if watched is not None:
            watched.unanswered = 0
            watched.answered = self._loop.time()

    def silent(self, key: int) -> float:
        """Return for how many seconds a process has left questions unanswered, 0 if it has not."""
        watched = self._watched.get(key)
        if watched is None or watched.unanswered < 2:  # the last question may be on its way
            return 0.0
        return self._loop.time() - watched.answered

    def _beat(self) -> float:
        return min(LONGEST_BEAT, *(watched.limit / PER_LIMIT for watched in self._watched.values()))

    def _start(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(self._beat(), self._tick)

    def _tick(self) -> None:
        beat = self._beat() if self._watched else LONGEST_BEAT
        for key, watched in list(self._watched.items()):
            if watched.unanswered >= math.ceil(watched.limit / beat):
                del self._watched[key]
                self._frozen(key, watched.limit)
            else:
                watched.unanswered += 1
                self._ask(key)
        self._timer = None
        if self._watched:
            self._start()
