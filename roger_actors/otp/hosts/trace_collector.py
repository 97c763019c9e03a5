"""Keeps the events of one trace for whoever asks from outside the node, and ends when nobody asks.

One is started in the root host for each trace from outside; its end ends the trace.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Final, NamedTuple

import msgspec

from roger_actors.otp.gen_server import GenServer
from roger_actors.otp.hosts.host_agent import trace
from roger_actors.otp.message import Down, From, TraceEvent
from roger_actors.otp.process import cancel_timer, monitor, send_after
from roger_actors.otp.process import self as self_
from roger_actors.otp.result import NoReply, Ok, Stop
from roger_actors.otp.runtime import Target

MOST: Final = 10_000
"""Events that are kept until they are asked for; later ones are counted and dropped."""

UNASKED: Final = 10.0
"""Seconds without a question after which it ends."""

WAIT: Final = 1.0
"""Seconds that a question waits for an event."""


class State:
    """What it holds.

    Attributes:
        events: Not told yet.
        dropped: How many there was no room for.
        asker: Who waits for the next events.
        over: Whether the traced process has ended.
        patience: The timer that ends it when nobody asks.
    """

    __slots__ = ("asker", "dropped", "events", "over", "patience")

    def __init__(self) -> None:
        self.events: deque[dict[str, Any]] = deque()
        self.dropped = 0
        self.asker: From | None = None
        self.over = False
        self.patience = send_after(UNASKED, self_(), _Unasked())

    def tell(self, sender: From) -> None:
        """Answer with what is there, and forget it: `events`, `dropped`, `over`."""
        GenServer.reply(sender, {"events": list(self.events), "dropped": self.dropped, "over": self.over})
        self.events.clear()
        self.dropped = 0
        self.asker = None


class _Unasked:
    """Nobody has asked for a long time."""


class _NothingYet(NamedTuple):
    """Somebody has waited long enough for an answer without events."""

    sender: From


class TraceCollector(GenServer[State]):
    """Answers `"next"` with the events since the last answer, as soon as there is one; `"stop"` ends it."""

    async def init(self, target: Target, length: int) -> Ok[State]:
        """Begin the trace; the start fails if there is no such process."""
        monitor(await trace(target, to=self_(), length=length))
        return Ok(State())

    def handle_call(self, request: Any, sender: From, state: State) -> NoReply[State]:
        """Answer now, or when there is something to tell."""
        cancel_timer(state.patience)
        state.patience = send_after(UNASKED, self_(), _Unasked())
        if state.events or state.over:
            state.tell(sender)
        else:
            state.asker = sender
            send_after(WAIT, self_(), _NothingYet(sender))
        return NoReply(state)

    def handle_cast(self, request: Any, state: State) -> Stop[State]:
        """End the trace."""
        return Stop(state=state)

    def handle_info(self, message: Any, state: State) -> NoReply[State] | Stop[State]:
        """Take an event, the end of the traced process, or the lack of questions."""
        match message:
            case _Unasked():
                return Stop(state=state)
            case _NothingYet(sender):
                if state.asker == sender:
                    state.tell(sender)
                return NoReply(state)
            case TraceEvent():
                _take(state, message)
            case Down():
                state.over = True
        if state.asker is not None:
            state.tell(state.asker)
        return NoReply(state)


def _take(state: State, event: TraceEvent) -> None:
    if len(state.events) >= MOST:
        state.dropped += 1
        return
    told = msgspec.structs.asdict(event)
    peer = event.peer
    state.events.append({**told, "pid": str(event.pid), "peer": None if peer is None else str(peer)})
