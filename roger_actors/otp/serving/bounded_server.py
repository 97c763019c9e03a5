"""Servers whose mailbox has a limit, because their class says so with `max_mailbox`.

Other mailboxes have none, as in Erlang: a sender never waits for a process, and no message is thrown away.
Above the limit the process is beyond help, so it ends, and its supervisor answers as to any other end.

Source: Erlang `max_heap_size` with `kill`.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from roger_actors.otp.reason import Fault
from roger_actors.otp.result import UNSET
from roger_actors.otp.runtime import Log, Runtime
from roger_actors.otp.serving.server_process import ServerProcess

_log = Log("roger_actors.otp.mailbox")


class BoundedMailbox(deque[Any]):
    """A mailbox with a limit; a message above it is dropped and ends the process that owns the mailbox.

    Args:
        owner: Whose it is.
        limit: Messages that may wait.
    """

    __slots__ = ("_limit", "_owner")

    def __init__(self, owner: BoundedServer, limit: int) -> None:
        super().__init__()
        self._owner = owner
        self._limit = limit

    def append(self, message: Any) -> None:
        """Take a message, if there is room."""
        if len(self) < self._limit:
            super().append(message)
        else:
            self._owner.overflow()


class BoundedServer(ServerProcess):
    """A server with `max_mailbox`."""

    __slots__ = ("_is_over",)

    def __init__(self, runtime: Runtime, server: Any) -> None:
        super().__init__(runtime, server)
        limit = server.max_mailbox
        if limit.__class__ is not int or limit < 1:
            raise ValueError(f"max_mailbox of {self.label()} is a number of messages from 1, not {limit!r}")
        self.mailbox = BoundedMailbox(self, limit)
        self._is_over = False

    def rest(self) -> None:
        """Leave the run queue but keep the mailbox, which knows the limit."""
        if self.mailbox or self.then is not UNSET:
            self.runtime.requeue(self)
        else:
            self.queued = False

    def run_suspended(self) -> int:
        """Hold messages as any suspended server, up to the limit."""
        handled = super().run_suspended()
        limit = self.server.max_mailbox
        if self.held is not None and limit is not None and len(self.held) > limit:
            self.overflow()
        return handled

    def overflow(self) -> None:
        """End in the next turn: whoever sends is in the middle of something, perhaps of a call."""
        if not self._is_over:
            self._is_over = True
            self.runtime.loop.call_soon(self._end)

    def _end(self) -> None:
        if not self.alive:
            return
        reason = Fault("mailbox_full", self.server.max_mailbox)
        name = self.names[0] if self.names else self.pid
        _log.error(
            "%s %s terminating: more than %s messages wait", self.label(), name, reason.detail,
            extra={"pid": self.pid, "reason": reason},
        )  # fmt: skip
        self.runtime.end(self, reason)
