"""A small event loop for a process that is not ours: asyncio's interface, no global state.

A service that talks to an actor system may have its own asyncio loop running in the same thread;
a second one cannot run there. This one can, because it is only a poller with a timer heap.
"""

from __future__ import annotations

import heapq
import itertools
import os
import selectors
import time
from collections import deque
from collections.abc import Callable
from typing import Any


class Timer:
    """A call that is due later and may be cancelled."""

    __slots__ = ("args", "callback", "cancelled")

    def __init__(self, callback: Callable[..., Any], args: tuple[Any, ...]) -> None:
        self.callback = callback
        self.args = args
        self.cancelled = False

    def cancel(self) -> None:
        """Forget the call."""
        self.cancelled = True


class PollLoop:
    """An event loop that belongs to whoever runs it; see the module."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._callbacks: dict[tuple[int, int], tuple[Callable[..., Any], tuple[Any, ...]]] = {}
        self._soon: deque[tuple[Callable[..., Any], tuple[Any, ...]]] = deque()
        self._timers: list[tuple[float, int, Timer]] = []
        self._serials = itertools.count()
        self._stopping = False
        self._waker, self._woken = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self.add_reader(self._waker, self._drain)

    def time(self) -> float:
        """Return seconds on the loop's clock."""
        return time.monotonic()

    def add_reader(self, fd: int, callback: Callable[..., Any], *args: Any) -> None:
        """Call back whenever the descriptor is readable."""
        self._callbacks[fd, selectors.EVENT_READ] = (callback, args)
        self._watch(fd)

    def remove_reader(self, fd: int) -> bool:
        """Stop watching for reading."""
        return self._forget(fd, selectors.EVENT_READ)

    def add_writer(self, fd: int, callback: Callable[..., Any], *args: Any) -> None:
        """Call back whenever the descriptor is writable."""
        self._callbacks[fd, selectors.EVENT_WRITE] = (callback, args)
        self._watch(fd)

    def remove_writer(self, fd: int) -> bool:
        """Stop watching for writing."""
        return self._forget(fd, selectors.EVENT_WRITE)

    def _forget(self, fd: int, event: int) -> bool:
        known = self._callbacks.pop((fd, event), None) is not None
        if known:
            self._watch(fd)
        return known

    def _watch(self, fd: int) -> None:
        events = sum(event for event in (1, 2) if (fd, event) in self._callbacks)
        known = fd in self._selector.get_map()
        if events and known:
            self._selector.modify(fd, events)
        elif events:
            self._selector.register(fd, events)
        elif known:
            self._selector.unregister(fd)

    def call_soon(self, callback: Callable[..., Any], *args: Any) -> None:
        """Call back in the next turn."""
        self._soon.append((callback, args))

    def call_soon_threadsafe(self, callback: Callable[..., Any], *args: Any) -> None:
        """Call back in the next turn, from another thread."""
        self._soon.append((callback, args))
        os.write(self._woken, b"x")

    def call_later(self, delay: float, callback: Callable[..., Any], *args: Any) -> Timer:
        """Call back after `delay` seconds; calls due together come in the order they were made."""
        timer = Timer(callback, args)
        heapq.heappush(self._timers, (self.time() + delay, next(self._serials), timer))
        return timer

    def _drain(self) -> None:
        os.read(self._waker, 4096)

    def stop(self) -> None:
        """End `run_forever` after this turn."""
        self._stopping = True

    def run_forever(self) -> None:
        """Run until `stop`."""
        self._stopping = False
        while not self._stopping:
            self._turn()

    def _turn(self) -> None:
        for key, events in self._selector.select(self._patience()):
            for event in (selectors.EVENT_READ, selectors.EVENT_WRITE):
                found = self._callbacks.get((key.fd, event)) if events & event else None
                if found is not None:
                    found[0](*found[1])
        now = self.time()
        while self._timers and self._timers[0][0] <= now:
            timer = heapq.heappop(self._timers)[2]
            if not timer.cancelled:
                timer.callback(*timer.args)
        for _ in range(len(self._soon)):
            callback, args = self._soon.popleft()
            callback(*args)

    def _patience(self) -> float | None:
        if self._soon or self._stopping:
            return 0
        return max(0.0, self._timers[0][0] - self.time()) if self._timers else None

    def close(self) -> None:
        """Close the poller."""
        self._selector.close()
        os.close(self._waker)
        os.close(self._woken)
