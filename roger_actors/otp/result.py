"""What callbacks return: Ok, Ignore, Reply, NoReply, Stop (pure).

`timeout` (seconds): if no message comes within it, `handle_info(Timeout())` is called; an `After` says more.
It holds until the next message or the next result. `then`: a token that `handle_continue` is called with
before any queued message.
"""

from __future__ import annotations

from typing import Any, Final, Generic, TypeVar

import msgspec

from roger_actors.otp.message import Timeout
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


class After(msgspec.Struct, frozen=True):
    """A timeout with a message of its own: `handle_info(message)`, unless another message comes first.

    Unlike a plain number of seconds, 0 comes before the messages that are queued already.

    Attributes:
        seconds: From now on; or, if `absolute`, a moment of `process.monotonic_time`, which may be past.
        message: What `handle_info` gets.
        absolute: Whether `seconds` is a moment.

    Source:
        OTP 29 `gen_server`, `{timeout, Time, Message, [{abs, Abs}]}`.
    """

    seconds: float
    message: Any = Timeout()
    absolute: bool = False


class Ok(msgspec.Struct, Generic[S]):
    """`init` succeeded.

    Attributes:
        state: The first state.
        timeout: Seconds until `Timeout`, or an `After`; None for no limit.
        then: Token for `handle_continue`.
    """

    state: S
    timeout: float | After | None = None
    then: Any = UNSET


class Ignore(msgspec.Struct):
    """`init` decided that this process is not needed; it ends normally and nobody is alarmed."""


class Reply(msgspec.Struct, Generic[S]):
    """Answer the caller and go on.

    Attributes:
        value: The answer.
        state: The next state.
        timeout: Seconds until `Timeout`, or an `After`; None for no limit.
        then: Token for `handle_continue`.
    """

    value: Any
    state: S
    timeout: float | After | None = None
    then: Any = UNSET


class NoReply(msgspec.Struct, Generic[S]):
    """Go on; a caller, if any, keeps waiting for `GenServer.reply`.

    Attributes:
        state: The next state.
        timeout: Seconds until `Timeout`, or an `After`; None for no limit.
        then: Token for `handle_continue`.
    """

    state: S
    timeout: float | After | None = None
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
