"""What every server answers without its callbacks: get_state, get_status, suspend, stop.

Source: Erlang `sys`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol

from roger_actors.errors import Undeliverable
from roger_actors.otp.message import Refusal, SystemRequest
from roger_actors.otp.pid import Pid
from roger_actors.otp.reason import Reason, of_exception, shown
from roger_actors.otp.runtime import Runtime
from roger_actors.otp.serving.status import Status


class Server(Protocol):
    """What is asked: a `ServerProcess`."""

    runtime: Runtime
    server: Any
    pid: Pid
    parent: Pid | None
    names: list[str] | None
    state: Any
    phase: str
    handled: int

    @property
    def suspended(self) -> bool:
        """Whether only system requests are answered."""
        ...

    def suspend(self) -> None:
        """Let messages queue up."""
        ...

    def resume(self) -> None:
        """Take messages again, in the order in which they came."""
        ...

    def stop(self, reason: Reason, message: Any) -> None:
        """End in order."""
        ...

    def label(self) -> str:
        """Return the server's class name."""
        ...

    def backlog(self) -> int:
        """Return how many messages wait to be handled."""
        ...

    def shown(self, status: Status) -> Status:
        """Return a status as `format_status` shows it."""
        ...


def answer(server: Server, message: SystemRequest) -> None:
    """Answer a system request; what goes wrong is the asker's to know."""
    if message.operation == "terminate":
        server.stop(message.argument, message)
        return
    try:
        value = _ANSWERS[message.operation](server, message.argument)
    except BaseException as error:  # a replace_state function may do anything
        if isinstance(error, KeyboardInterrupt):
            raise
        value = Refusal("CallbackFailed", {"callback": message.operation, "reason": of_exception(error)})
    try:
        server.runtime.reply(message.sender, value)
    except Undeliverable as error:
        server.runtime.reply(message.sender, _portable(value, error))


def _replace_state(server: Server, change: Callable[[Any], Any]) -> Any:
    server.state = change(server.state)
    return server.state


def _portable(value: Any, error: Undeliverable) -> Any:
    """Return an answer that can travel instead of one that cannot: a status with its state as text."""
    if value.__class__ is dict and "phase" in value:
        return {**value, "state": shown(value["state"])}
    return Refusal("Undeliverable", error.data)


def status(server: Server) -> dict[str, Any]:
    """Return what `get_status` shows."""
    return {
        "pid": server.pid,
        "name": server.names[0] if server.names else None,
        "class": server.label(),
        "phase": "suspended" if server.suspended else server.phase,
        "parent": server.parent,
        "mailbox": server.backlog(),
        "handled": server.handled,
        "state": server.shown(Status(server.state)).state,
    }


_ANSWERS: Final[dict[str, Callable[[Server, Any], Any]]] = {
    "get_state": lambda server, _: server.state,
    "get_status": lambda server, _: status(server),
    "replace_state": _replace_state,
    "suspend": lambda server, _: server.suspend(),
    "resume": lambda server, _: server.resume(),
    "get_callback_module": lambda server, _: server.server.callback_module(server.state),
}
