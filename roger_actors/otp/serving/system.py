"""What every server answers without its callbacks: get_state, get_status, suspend, stop.

Source: Erlang `sys`.
"""

from __future__ import annotations

from typing import Any, Protocol

from roger_actors.otp.message import SystemRequest
from roger_actors.otp.pid import Pid
from roger_actors.otp.reason import Fault, Reason, of_exception
from roger_actors.otp.runtime import Runtime


class Server(Protocol):
    """What is asked: a `ServerProcess`."""

    runtime: Runtime
    pid: Pid
    parent: Pid | None
    names: list[str] | None
    mailbox: Any
    state: Any
    phase: str
    suspended: bool

    def stop(self, reason: Reason, message: Any) -> None:
        """End in order."""
        ...

    def label(self) -> str:
        """Return the server's class name."""
        ...

    def formatted_state(self) -> Any:
        """Return the state as `format_status` shows it."""
        ...


def answer(server: Server, message: SystemRequest) -> None:
    """Answer a system request."""
    if message.operation == "terminate":
        server.stop(message.argument, message)
        return
    try:
        value = _answer(server, message.operation, message.argument)
        server.runtime.reply(message.sender, value)
    except Exception as error:  # noqa: BLE001 - a replace_state function or an unencodable state: the asker's affair
        server.runtime.reply(message.sender, of_exception(error))


def _answer(server: Server, operation: str, argument: Any) -> Any:
    if operation == "get_state":
        return server.state
    if operation == "get_status":
        return status(server)
    if operation == "replace_state":
        server.state = argument(server.state)
        return server.state
    if operation in {"suspend", "resume"}:
        server.suspended = operation == "suspend"
        return None
    return Fault("unknown_system_operation", operation)


def status(server: Server) -> dict[str, Any]:
    """Return what `get_status` shows."""
    return {
        "pid": server.pid,
        "name": server.names[0] if server.names else None,
        "class": server.label(),
        "phase": "suspended" if server.suspended else server.phase,
        "parent": server.parent,
        "mailbox": len(server.mailbox or ()),
        "state": server.formatted_state(),
    }
