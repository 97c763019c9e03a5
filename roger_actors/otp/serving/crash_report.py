"""The log record of a server that ends with an abnormal reason.

Source: OTP `gen_server` error reports.
"""

from __future__ import annotations

from typing import Any, Final, Protocol

from roger_actors.otp.message import CallRequest, CastRequest, SystemRequest
from roger_actors.otp.pid import Pid
from roger_actors.otp.reason import Crash, Reason, shown
from roger_actors.otp.result import UNSET
from roger_actors.otp.runtime import Log
from roger_actors.otp.serving.status import Status, request_of

_log = Log("roger_actors.otp.gen_server")

_LONGEST: Final = 2000


class Server(Protocol):
    """Whose end is logged: a `ServerProcess`."""

    pid: Pid
    names: list[str] | None
    state: Any

    def label(self) -> str:
        """Return the server's class name."""
        ...

    def shown(self, status: Status) -> Status:
        """Return a status as `format_status` shows it."""
        ...


def log_crash(server: Server, reason: Reason, message: Any) -> None:
    """Log the end of a server, as its `format_status` lets it be shown.

    Args:
        server: Which.
        reason: Why it ends.
        message: What it was handling, None for a continuation.
    """
    name = f"{server.label()} {server.names[0] if server.names else server.pid}"
    handled = UNSET if message is None else request_of(message)
    status = server.shown(Status(server.state, handled, reason))
    client = message.sender.pid if message.__class__ is CallRequest else None
    reason = status.reason
    trace = reason.traceback if reason.__class__ is Crash else ""
    state = shown(status.state, _LONGEST)
    last = "none" if status.message is UNSET else f"{_kind_of(message)}{shown(status.message, _LONGEST)}"
    _log.error(
        "%s terminating: %s\nlast message: %s%s\nstate: %s\n%s",
        name, reason, last, "" if client is None else f"\nclient: {client}", state, trace,
        extra={
            "pid": server.pid,
            "reason": reason,
            "crash": {"server": name, "message": last, "client": client, "state": state},
        },
    )  # fmt: skip


def _kind_of(message: Any) -> str:
    kinds = {CallRequest: "call ", CastRequest: "cast ", SystemRequest: "system request "}
    return kinds.get(message.__class__, "")
