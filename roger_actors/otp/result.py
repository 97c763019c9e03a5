"""What callbacks return: Ok, Ignore, Reply, NoReply, Stop (pure).

`timeout` (seconds): if no message comes within it, `handle_info(Timeout())` is called. `then`: a token
that `handle_continue` is called with before any queued message.
"""

from __future__ import annotations

from typing import Any, Final, Generic, TypeVar

import msgspec

from roger_actors.otp.reason import NORMAL

S = TypeVar("S")


class Unset:
    """The type of `UNSET`."""

    __slots__ = ()

    def __repr__(self) -> str:
        """Return a name for signatures."""
        return "UNSET"


UNSET: Final = Unset()
"""No continuation, no reply: distinguishable from None."""


class Ok(msgspec.Struct, Generic[S]):
    """`init` succeeded.

    Attributes:
        state: The first state.
        timeout: Seconds until `Timeout`, None for no limit.
        then: Token for `handle_continue`.
    """

    state: S
    timeout: float | None = None
    then: Any = UNSET


class Ignore(msgspec.Struct):
    """`init` decided that this process is not needed; it ends normally and nobody is alarmed."""


class Reply(msgspec.Struct, Generic[S]):
    """Answer the caller and go on.

    Attributes:
        value: The answer.
        state: The next state.
        timeout: Seconds until `Timeout`, None for no limit.
        then: Token for `handle_continue`.
    """

    value: Any
    state: S
    timeout: float | None = None
    then: Any = UNSET


class NoReply(msgspec.Struct, Generic[S]):
    """Go on; a caller, if any, keeps waiting for `GenServer.reply`.

    Attributes:
        state: The next state.
        timeout: Seconds until `Timeout`, None for no limit.
        then: Token for `handle_continue`.
    """

    state: S
    timeout: float | None = None
    then: Any = UNSET


class Stop(msgspec.Struct, Generic[S]):
    """End this process: `terminate` runs, then it exits with the reason.

    Attributes:
        reason: The exit reason.
        state: The last state, given to `terminate`; not needed from `init`.
        reply: What the caller gets, after `terminate`.
    """

    reason: Any = NORMAL
    state: S | Any = None
    reply: Any = UNSET
