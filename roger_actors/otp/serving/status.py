"""What is shown of a server to people: its state, a message, a reason, with the secrets taken out.

Source: OTP 25 `gen_server:format_status/1`.
"""

from __future__ import annotations

from typing import Any, Protocol

import msgspec

from roger_actors.otp.message import CallRequest, CastRequest, Letter
from roger_actors.otp.reason import Atom, Crash, Reason
from roger_actors.otp.result import UNSET


class Status(msgspec.Struct):
    """What is about to be shown of a server, in `get_status`, in the log of its crash or in a trace.

    `format_status` gets one and returns it, with fields replaced (`status.state = …`): never change the
    values that they hold, for these are the server's own.

    Attributes:
        state: The server's state.
        message: The request or message, as a callback gets it; `UNSET` where none is shown.
        reason: The exit reason; None where none is shown.
    """

    state: Any
    message: Any = UNSET
    reason: Reason = None


class Server(Protocol):
    """Whose hook is asked: a `GenServer`."""

    def format_status(self, status: Status) -> Status:
        """Return what may be shown."""
        ...


def formatted(server: Server, status: Status) -> Status:
    """Return a status as the server's `format_status` shows it.

    A hook that raises, or returns something else, is survived: then nothing that it should have seen to
    is shown, and what went wrong is said instead.
    """
    state, message, reason = status.state, status.message, status.reason
    try:
        shown: Any = server.format_status(status)
    except BaseException as error:  # the user's hook must not bring the server down
        if isinstance(error, KeyboardInterrupt):
            raise
        said = f"<format_status failed: {type(error).__qualname__}>"
    else:
        if shown.__class__ is Status:
            return Status(shown.state, shown.message, shown.reason)
        said = f"<format_status failed: it returned {type(shown).__qualname__}, not Status>"
    del state
    return Status(said, message if message is UNSET else said, _kind_of(reason, said))


def _kind_of(reason: Reason, said: str) -> Reason:
    """Return what can be told of a reason without its contents."""
    if reason is None or reason.__class__ is Atom:
        return reason
    return Crash(reason.kind, said) if reason.__class__ is Crash else said


def request_of(message: Any) -> Any:
    """Return a message as a callback gets it."""
    if message.__class__ is Letter:
        return message.message
    return message.request if message.__class__ in {CallRequest, CastRequest} else message
