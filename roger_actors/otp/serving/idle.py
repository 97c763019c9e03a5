"""When a server to which nothing comes is told so (pure).

Source: OTP 29 `gen_server`, time-outs in results.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from roger_actors.otp.message import SystemRequest, Timeout, is_empty
from roger_actors.otp.result import After


class Wait(NamedTuple):
    """What a result's `timeout` asks for.

    Attributes:
        seconds: How long from now on nothing must come.
        message: What the server is then told.
        first: Whether it is told at once, before what is queued.
    """

    seconds: float
    message: Any
    first: bool


def wait_of(timeout: float | After, now: float) -> Wait:
    """Read a result's `timeout`; `now` is the host's monotonic time."""
    if not isinstance(timeout, After):
        return Wait(timeout, Timeout(), first=False)
    seconds = timeout.seconds - now if timeout.absolute else timeout.seconds
    return Wait(seconds, timeout.message, first=seconds <= 0)


def is_disturbed(messages: Iterable[Any]) -> bool:
    """Return whether one of these messages, in a mailbox, came first; a system request is none."""
    return any(message.__class__ is not SystemRequest and not is_empty(message) for message in messages)
