"""What a mailbox can hold besides a user's own messages, and what callbacks are handed (pure)."""

from __future__ import annotations

from typing import Any, Generic, NamedTuple, TypeVar

import msgspec

from roger_actors.otp.pid import Pid, Ref

R = TypeVar("R")


class Request(msgspec.Struct, Generic[R], array_like=True, tag=True):
    """Base of requests that say what their reply is: `GenServer.call` of a `Request[int]` returns an int.

    A subclass lists its fields. Any other value can be a request, too; then the reply is `Any`. To travel to
    hosts that speak only the plain codec it must be registered with `wire.register`, as any struct.

    Example:
        ```python
        class Add(Request[int]):
            amount: int


        total = await Counter.call(pid, Add(2))
        ```
    """


class From(NamedTuple):
    """Who waits for a reply, and for which request; keep it to answer later.

    Attributes:
        pid: The caller; serial 0 when the caller is no process.
        ref: The request's number on the caller's host.
    """

    pid: Pid
    ref: int


class Exit(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """A linked process ended, as a trapping process is told.

    Attributes:
        pid: Who ended, or who sent the exit signal.
        reason: Its exit reason.
    """

    pid: Pid
    reason: Any


class Down(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """A monitored process ended.

    Attributes:
        ref: What `monitor` returned.
        process: What was monitored: a pid, or `(name, host)`.
        reason: Its exit reason; `NOPROC` if it was not there.
    """

    ref: Ref
    process: Any
    reason: Any


class Timeout(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The `timeout` of a callback's result ran out before any message came."""


class Response(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The reply to a `send_request`, delivered as a message.

    Attributes:
        ref: What `send_request` returned.
        value: The reply.
    """

    ref: Ref
    value: Any


class Letter:
    """A response in a mailbox, which its process can also take out of turn, by the request's number.

    Attributes:
        number: The request's.
        message: The `Response` or `Down`; None when it was taken out of turn, and the letter is passed over.
    """

    __slots__ = ("message", "number")

    def __init__(self, number: int, message: Response | Down) -> None:
        self.number = number
        self.message: Response | Down | None = message


def is_empty(message: Any) -> bool:
    """Return whether a message in a mailbox is one that was taken out of turn."""
    return message.__class__ is Letter and message.message is None


class TraceEvent(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """What a traced process did, as `trace` tells it; plain data, so that it travels anywhere.

    Attributes:
        pid: The traced process.
        name: The name it is registered under, if it has one.
        kind: `received`, `replied`, `sent`, `continued` (a `then` of its last result), `state` (its state as
            it is now shown, when that has changed) or `ended`.
        text: What it was, as `format_status` shows it, shortened.
        peer: Who called, who was answered, or to whom it was sent; None where that is not known.
        at: Seconds on the machine's monotonic clock, the same for all hosts of a node.

    Source:
        Erlang `sys:trace`; `erlang:trace` with `send` and `receive`.
    """

    pid: Pid
    name: str | None
    kind: str
    text: str
    peer: Any
    at: float


class CallRequest(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """A request somebody waits for."""

    sender: From
    request: Any


class CastRequest(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """A request nobody waits for."""

    request: Any


class SystemRequest(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """A request that the behaviour itself answers: get_state, suspend, terminate and so on."""

    sender: From
    operation: str
    argument: Any = None


class Refusal(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """A reply that is raised at the caller.

    Attributes:
        error: Name of a class in `roger_actors.errors`.
        data: Its data.
    """

    error: str
    data: dict[str, Any]
