"""When the engine's thread must look at the file: told by the bell, by the clock, or by its own poll."""

from __future__ import annotations

import os
import select
import time

from roger_actors.broker.embedded.incarnation import Lifeline
from roger_actors.broker.embedded.store import CLOCK_STEP, Store

IDLE_POLL = 0.25
BLIND_POLL = 0.01
SWEEP = 0.5


def ahead() -> float:
    """Return the seconds by which the wall clock is ahead of the time since the machine's start.

    It changes when somebody sets the wall clock, and not while the machine is asleep.
    """
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)


class Watch:
    """Waits, and says what has changed meanwhile.

    Args:
        store: The file.
        lifeline: With the bell.
        wake: An eventfd that is written when commands have come.
    """

    def __init__(self, store: Store, lifeline: Lifeline | None, wake: int) -> None:
        assert lifeline is not None
        self._store = store
        self._lifeline = lifeline
        self._wake = wake
        self._poll = select.poll()
        self._poll.register(wake, select.POLLIN)
        self._idle = BLIND_POLL
        if lifeline.bell >= 0:
            self._poll.register(lifeline.bell, select.POLLIN)
            self._idle = IDLE_POLL
        self._version = -1
        self._deletions = store.deletions()
        self._next_due = store.next_due()
        self._next_sweep = time.monotonic() + SWEEP
        self._ahead = ahead()
        self.has_more = False

    def wait(self) -> None:
        """Sleep until a command comes, the bell rings, a delayed message is due, or the poll's turn."""
        seconds = self._idle
        if self._next_due is not None:
            seconds = min(seconds, max(0.0, self._next_due - time.time()))
        for descriptor, _ in self._poll.poll(seconds * 1000 + 0.5):
            if descriptor == self._wake:
                os.eventfd_read(self._wake)
            else:
                self._lifeline.silence()

    def pause(self, seconds: float) -> None:
        """Sleep for a while, but not through a command's arrival more than once."""
        self._poll.poll(seconds * 1000)

    def has_changed(self) -> bool:
        """Whether another connection has committed since we looked last."""
        version = self._store.sql.execute("PRAGMA data_version").fetchone()[0]
        changed = bool(version != self._version)
        self._version = version
        if changed:
            self._next_due = self._store.next_due()
        return changed

    def has_deletions(self, store: Store) -> bool:
        """Whether a queue was deleted since we looked last."""
        count = store.deletions()
        changed = count != self._deletions
        self._deletions = count
        return changed

    def is_due(self) -> bool:
        """Whether a delayed message's time has come."""
        return self._next_due is not None and self._next_due <= time.time()

    def has_clock_moved(self) -> bool:
        """Whether somebody has set the wall clock since our last transaction."""
        return abs(ahead() - self._ahead) > CLOCK_STEP

    def is_sweep_due(self) -> bool:
        """Whether it is time to look for dead ones."""
        if time.monotonic() < self._next_sweep:
            return False
        self._next_sweep = time.monotonic() + SWEEP
        return True

    def after_commit(self, store: Store, *, has_more: bool) -> None:
        """Note what our own transaction may have changed, and whether to go on at once."""
        self._next_due = store.next_due()
        self._ahead = ahead()
        self.has_more = has_more
