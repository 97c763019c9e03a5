"""Tracing: what a process receives, answers, sends, and how its state changes, told to another or logged.

A process that is traced, and its host's runtime, get another class until the trace ends; so a trace that
is off costs nothing.

Source: Erlang `sys:trace`; `erlang:trace`.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from roger_actors.errors import ProcessError
from roger_actors.otp.message import (
    CallRequest,
    CastRequest,
    From,
    SystemRequest,
    TraceEvent,
    is_empty,
)
from roger_actors.otp.pid import Pid
from roger_actors.otp.reason import Reason, shown
from roger_actors.otp.result import UNSET
from roger_actors.otp.runtime import CURRENT, Log, Pending, Process, Runtime, Target
from roger_actors.otp.serving import ServerProcess, Status, request_of
from roger_actors.otp.via import Via

_log = Log("roger_actors.otp.trace")

LENGTH: Final = 200
"""Characters of a message or state that an event shows, unless told otherwise."""


class Trace:
    """The trace of one process of this host, from `start` to `stop`.

    Args:
        process: Which.
        to: Who gets the events, None for the log at debug level.
        length: Characters of a message or state that an event shows.
    """

    def __init__(self, process: Process, to: Pid | None, length: int) -> None:
        self.process = process
        self.to = to
        self.is_muted = False
        self._length = length
        self._own_class = process.__class__
        self._state = self._shown_state()
        self._to_ended: Pending | None = None

    def start(self) -> None:
        """Begin; it ends with the process, with whoever gets the events, or with `stop`."""
        runtime: Any = self.process.runtime
        if runtime.__class__ is not TracingRuntime:
            runtime.__class__ = TracingRuntime
            runtime.traces = {}
        runtime.traces[self.process.pid.serial] = self
        self.process.__class__ = _traced(self._own_class)
        if self.to is not None:
            ended: Pending = runtime.wait_for_end(self.to)
            assert ended.future is not None
            ended.future.add_done_callback(self._receiver_ended)
            self._to_ended = ended

    def _receiver_ended(self, end: asyncio.Future[Any]) -> None:
        if not end.cancelled():
            self.stop()

    def stop(self) -> None:
        """End it, whatever the process does."""
        runtime: Any = self.process.runtime
        self.process.__class__ = self._own_class
        runtime.traces.pop(self.process.pid.serial, None)
        if self._to_ended is not None and self._to_ended.future is not None:
            self._to_ended.future.cancel()
            runtime.forget(self._to_ended)
        if not runtime.traces:
            del runtime.traces
            runtime.__class__ = Runtime

    # ---------------------------------------------------------------- what happens

    def received(self, message: Any) -> None:
        """The process takes a message out of its mailbox."""
        if is_empty(message) or message.__class__ is SystemRequest or message.__class__ is TraceEvent:
            return
        sender = message.sender.pid if message.__class__ is CallRequest else None
        self._tell("received", self._shown_message(message), sender)

    def sent(self, target: Target, message: Any) -> None:
        """The process has sent a message."""
        self._tell("sent", self._shown_message(message), target)

    def replied(self, sender: From, value: Any) -> None:
        """The process has answered a call."""
        if not self.is_muted:
            self._tell("replied", self._shown_message(value), sender.pid)

    def continued(self, token: Any) -> None:
        """The process goes on after a result with `then`."""
        self._tell("continued", self._shown_message(token), None)

    def settled(self) -> None:
        """A callback is over: the state may be another."""
        state = self._shown_state()
        if state != self._state:
            self._state = state
            self._tell("state", state, None)

    def ended(self, reason: Reason) -> None:
        """The process has ended."""
        process = self.process
        if isinstance(process, ServerProcess):
            reason = process.shown(Status(process.state, reason=reason)).reason
        self._tell("ended", shown(reason, self._length), None)

    def _shown_message(self, message: Any) -> str:
        kinds = {CallRequest: "call ", CastRequest: "cast "}
        kind = kinds.get(message.__class__, "")
        message = request_of(message)
        if isinstance(self.process, ServerProcess):
            message = self.process.shown(Status(self.process.state, message)).message
        return kind + shown(message, self._length)

    def _shown_state(self) -> str:
        process = self.process
        if not isinstance(process, ServerProcess):
            return ""
        return shown(process.shown(Status(process.state)).state, self._length)

    def _tell(self, kind: str, text: str, peer: Any) -> None:
        process = self.process
        runtime = process.runtime
        name = process.names[0] if process.names else None
        event = TraceEvent(process.pid, name, kind, text, peer, runtime.loop.time())
        if self.to is None:
            whom = "" if peer is None else f" {peer}"
            _log.debug("%s %s%s: %s", name or process.pid, kind, whom, text, extra={"trace": event})
        else:
            Runtime.send(runtime, self.to, event)  # as of nobody: what is told of a trace is not traced


class TracingRuntime(Runtime):
    """A runtime while one of its processes is traced.

    Attributes:
        traces: By the process's serial.
    """

    traces: dict[int, Trace]

    def _trace(self) -> Trace | None:
        process = CURRENT.get()
        return None if process is None else self.traces.get(process.pid.serial)

    def send(self, target: Target, message: Any) -> None:
        """Send a message; one to a `Via` is told as it is sent by the registry, to whom it finds there."""
        trace = self._trace()
        super().send(target, message)
        if trace is not None and not isinstance(target, Via):
            trace.sent(target, message)

    def ask(self, target: Target, request: Any, *, operation: str | None = None, **options: Any) -> Pending:
        """Send a request."""
        trace = self._trace()
        pending = super().ask(target, request, operation=operation, **options)
        if trace is not None and operation is None:
            trace.sent(pending.name, CallRequest(From(trace.process.pid, pending.number), request))
        return pending

    def reply(self, sender: From, value: Any) -> None:
        """Answer a request."""
        trace = self._trace()
        super().reply(sender, value)
        if trace is not None:
            trace.replied(sender, value)

    def end(self, process: Process, reason: Reason) -> None:
        """End a process."""
        trace = self.traces.get(process.pid.serial) if process.alive else None
        super().end(process, reason)
        if trace is not None:
            trace.ended(reason)
            trace.stop()


class _TracedServer:
    """What a traced server does otherwise; put before its own class."""

    __slots__ = ()

    def run(self: Any, limit: int) -> int:
        """Handle one message."""
        trace = _trace_of(self)
        if self.held is None:
            if self.then is not UNSET:
                trace.continued(self.then)
            elif self.mailbox:
                trace.received(self.mailbox[0])
        count: int = super().run(1)  # type: ignore[misc]
        return count

    def answer(self: Any, message: SystemRequest) -> None:
        """Answer a system request, of which nothing is told."""
        trace = _trace_of(self)
        trace.is_muted = True
        super().answer(message)  # type: ignore[misc]
        trace.is_muted = False

    def _settle(self: Any, result: Any, message: Any) -> bool:
        trace = _trace_of(self)
        goes_on: bool = super()._settle(result, message)  # type: ignore[misc]
        if self.alive:
            trace.settled()
        return goes_on


class _TracedFunction:
    """What a traced function's process does otherwise."""

    __slots__ = ()

    def _take(self: Any) -> Any:
        taken = super()._take()  # type: ignore[misc]
        if taken is not None:
            _trace_of(self).received(taken.message)
        return taken


def _trace_of(process: Process) -> Trace:
    runtime = process.runtime
    assert isinstance(runtime, TracingRuntime)
    return runtime.traces[process.pid.serial]


_classes: Final[dict[type[Process], type[Process]]] = {}


def _traced(kind: type[Process]) -> type[Process]:
    """Return the class that a process of a kind has while it is traced."""
    if kind not in _classes:
        first = _TracedServer if issubclass(kind, ServerProcess) else _TracedFunction
        _classes[kind] = type(f"Traced{kind.__name__}", (first, kind), {"__slots__": ()})
    return _classes[kind]


# -------------------------------------------------------------------- beginning and ending one


def trace_here(runtime: Runtime, target: Target, to: Pid | None, length: int) -> Pid:
    """Begin the trace of a process of this host, instead of one that there is.

    Raises:
        NoProcess: There is no such process.
        ProcessError: It would get its own events.
    """
    process = runtime.local(target)
    if to == process.pid:
        raise ProcessError(detail=f"{process.pid} cannot get the trace of itself")
    untrace_here(runtime, target)
    Trace(process, to, length).start()
    return process.pid


def untrace_here(runtime: Runtime, target: Target) -> Pid:
    """End the trace of a process of this host; fine if there is none.

    Raises:
        NoProcess: There is no such process.
    """
    process = runtime.local(target)
    found = runtime.traces.get(process.pid.serial) if isinstance(runtime, TracingRuntime) else None
    if found is not None:
        found.stop()
    return process.pid
