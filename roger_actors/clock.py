"""Time as a value that can be replaced.

Everything that waits or stamps asks a `Clock`; the in-memory transport hands out a `ManualClock`
so that a test moves time by itself. All durations in this project are seconds, as floats.
"""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Where a process gets the time from."""

    def monotonic(self) -> float:
        """Return seconds on a clock that never goes back; only differences mean anything."""
        ...

    def wall(self) -> float:
        """Return seconds since the Unix epoch, for stamps that people read; may jump."""
        ...


class SystemClock:
    """The operating system's clocks."""

    def monotonic(self) -> float:
        """Return `time.monotonic()`."""
        return time.monotonic()

    def wall(self) -> float:
        """Return `time.time()`."""
        return time.time()


class ManualClock:
    """A clock that moves only when it is told to.

    Args:
        start: Both clocks' first reading, in seconds.
    """

    def __init__(self, start: float = 1_000_000.0) -> None:
        self._now = start

    def monotonic(self) -> float:
        """Return the reading."""
        return self._now

    def wall(self) -> float:
        """Return the same reading: a manual clock's epoch is its own."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Move both clocks forward.

        Args:
            seconds: How far, 0 or more.

        Raises:
            ValueError: `seconds` is negative; time does not go back.
        """
        if seconds < 0:
            raise ValueError(f"cannot advance a clock by {seconds} s; give 0 or more")
        self._now += seconds
