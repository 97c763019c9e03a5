"""A server that does what a test tells it: start or fail to, end in any way, stop slowly or never."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from roger_actors.otp import (
    KILL,
    NORMAL,
    SHUTDOWN,
    ExitProcess,
    From,
    GenServer,
    Ignore,
    NoReply,
    Ok,
    Pid,
    Reply,
    Stop,
    process,
)

Journal = list[tuple[Any, ...]]
"""What puppets did: `("started", label)`, `("stopped", label, reason)`, `("got", label, message)`."""

ABNORMAL = "abnormal"
"""An exit reason that is not clean."""


class Puppet(GenServer[Any]):
    """Obeys.

    Calls: `("state",)`; `("reply", value)`; `("wait",)`, never answered; `("return", result)`, which the
    callback returns as it is.
    Casts: `("exit", reason)`, `("raise", error)`, `("stop", reason)`, `("unlink", pid)`, `("set", state)`.
    """

    def init(
        self,
        label: Any = "puppet",
        journal: Journal | None = None,
        *,
        trap: bool = False,
        begins: Callable[[], Any] | None = None,
        stops_in: float | None = None,
    ) -> Any:
        """Begin as told.

        Args:
            label: What the journal calls it.
            journal: Where to write what it does.
            trap: Whether it traps exits, and so runs `terminate` when told to stop.
            begins: Called at each start: an exception is raised, anything but None is init's result.
            stops_in: Seconds that `terminate` takes; infinity for never.
        """
        if begins is not None:
            result = begins()
            if isinstance(result, BaseException):
                raise result
            if result is not None:
                return result
        if trap:
            process.trap_exit()
        if journal is not None:
            journal.append(("started", label))
        return Ok({"label": label, "journal": journal, "stops_in": stops_in, "value": None})

    def handle_call(self, request: Any, sender: From, state: Any) -> Any:
        """See the class."""
        match request:
            case ("state",):
                return Reply(state["value"], state)
            case ("wait",):
                return NoReply(state)
            case ("reply", value):
                return Reply(value, state)
            case ("return", result):
                return result
        return super().handle_call(request, sender, state)

    def handle_cast(self, request: Any, state: Any) -> Any:
        """See the class."""
        match request:
            case ("exit", reason):
                process.exit(reason)
            case ("raise", error):
                raise error
            case ("stop", reason):
                return Stop(reason, state)
            case ("unlink", pid):
                process.unlink(pid)
            case ("set", value):
                state["value"] = value
            case _:
                return super().handle_cast(request, state)
        return NoReply(state)

    def handle_info(self, message: Any, state: Any) -> Any:
        """Write it down."""
        if state["journal"] is not None:
            state["journal"].append(("got", state["label"], message))
        return NoReply(state)

    def terminate(self, reason: Any, state: Any) -> Any:
        """Write it down, and take the time it was told to."""
        if state["journal"] is not None:
            state["journal"].append(("stopped", state["label"], reason))
        return None if state["stops_in"] is None else process.sleep(state["stops_in"])


async def end(pid: Pid, reason: Any) -> Any:
    """Let a puppet end with a reason (`KILL` kills it) and wait until it has.

    Returns:
        The reason that its monitors see.
    """
    ref = process.monitor(pid)
    if reason is KILL:
        process.exit(pid, KILL)
    else:
        GenServer.cast(pid, ("exit", reason))
    down = await process.receive(matching=lambda message: getattr(message, "ref", None) == ref)
    return down.reason


__all__ = ["ABNORMAL", "NORMAL", "SHUTDOWN", "ExitProcess", "Ignore", "Journal", "Puppet", "end"]
