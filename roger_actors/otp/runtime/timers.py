"""All timers of one host: a heap with one wake-up on the event loop.

Most timers are call limits that never fire, so starting and cancelling must be cheap: a cancelled
timer stays in the heap until it is due or until the cancelled ones are the majority.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from heapq import heapify, heappop, heappush
from typing import Any

_COMPACT_ABOVE = 256


class Timer:
    """One timer; true while it may still fire.

    Attributes:
        due: When it fires, in the loop's seconds.
    """

    __slots__ = ("argument", "callback", "due")

    def __init__(self, due: float, callback: Callable[[Any], None], argument: Any) -> None:
        self.due = due
        self.callback: Callable[[Any], None] | None = callback
        self.argument = argument


class Timers:
    """The timers of a host.

    Args:
        loop: Whose clock counts and on which callbacks run.
    """

    __slots__ = ("_armed", "_cancelled", "_count", "_handle", "_heap", "_loop", "_time")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._time = loop.time
        self._heap: list[tuple[float, int, Timer]] = []
        self._count = 0
        self._cancelled = 0
        self._armed = float("inf")
        self._handle: asyncio.TimerHandle | None = None

    def start(self, seconds: float, callback: Callable[[Any], None], argument: Any) -> Timer:
        """Call `callback(argument)` on the loop after that many seconds."""
        due = self._time() + seconds
        timer = Timer(due, callback, argument)
        self._count += 1
        heappush(self._heap, (due, self._count, timer))
        if due < self._armed:
            self._arm(due)
        return timer

    def cancel(self, timer: Timer) -> float | None:
        """Stop a timer.

        Returns:
            The seconds that were left, or None if it had fired or been cancelled.
        """
        if timer.callback is None:
            return None
        timer.callback = None
        timer.argument = None
        self._cancelled += 1
        if self._cancelled > _COMPACT_ABOVE and self._cancelled * 2 > len(self._heap):
            self._compact()
        return max(0.0, timer.due - self._time())

    def close(self) -> None:
        """Forget every timer."""
        self._heap.clear()
        self._cancelled = 0
        self._armed = float("inf")
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _compact(self) -> None:
        self._heap[:] = [entry for entry in self._heap if entry[2].callback is not None]
        heapify(self._heap)
        self._cancelled = 0

    def _arm(self, due: float) -> None:
        if self._handle is not None:
            self._handle.cancel()
        self._armed = due
        self._handle = self._loop.call_at(due, self._fire)

    def _fire(self) -> None:
        self._handle = None
        self._armed = float("inf")
        heap = self._heap
        # The loop may wake up to one tick of its clock early; a timer that close is due.
        now = self._time() + 1e-6
        try:
            while heap and (heap[0][0] <= now or heap[0][2].callback is None):
                timer = heappop(heap)[2]
                callback, argument = timer.callback, timer.argument
                if callback is None:
                    self._cancelled -= 1
                    continue
                timer.callback = timer.argument = None
                callback(argument)
        finally:
            # Also after a callback that raised: the others are still to come.
            if heap and heap[0][0] < self._armed:
                self._arm(heap[0][0])
