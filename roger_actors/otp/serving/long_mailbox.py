"""A warning about a process that does not keep up: mailboxes have no limit unless a server sets one.

Source: Erlang `erlang:system_monitor`, `long_message_queue`.
"""

from __future__ import annotations

from typing import Final
from weakref import WeakKeyDictionary

from roger_actors.otp.runtime import Log, Process

_log = Log("roger_actors.otp.mailbox")

LONG: Final = 10_000
"""Messages that wait when a process is warned of, at the end of its turn."""

AGAIN: Final = 60.0
"""Seconds until it is warned of again."""

_warned: Final[WeakKeyDictionary[Process, float]] = WeakKeyDictionary()


def warn(process: Process) -> None:
    """Log that a process has a long mailbox, once a minute at most."""
    now = process.runtime.loop.time()
    if now < _warned.get(process, -AGAIN) + AGAIN:
        return
    _warned[process] = now
    name = process.names[0] if process.names else process.pid
    count = process.backlog()
    _log.warning(
        "%s %s does not keep up: %d messages wait", process.label(), name, count,
        extra={"pid": process.pid, "mailbox": count},
    )  # fmt: skip
