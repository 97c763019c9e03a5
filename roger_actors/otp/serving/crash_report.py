"""The log record of a server that ends with an abnormal reason.

Source: OTP `gen_server` error reports.
"""

from __future__ import annotations

from typing import Any, Final

from roger_actors.otp.message import CallRequest, CastRequest, SystemRequest
from roger_actors.otp.pid import Pid
from roger_actors.otp.reason import Crash, shown
from roger_actors.otp.result import UNSET
from roger_actors.otp.runtime import Log
from roger_actors.otp.serving.status import Status

_log = Log("roger_actors.otp.gen_server")

_LONGEST: Final = 2000


def log_crash(pid: Pid, name: str, message: Any, status: Status) -> None:
    """Log the end of a server.

    Args:
        pid: Its pid.
        name: Its class and, if it has one, its name.
        message: What it was handling, to tell a call from a cast and who called; nothing of its contents.
        status: What may be shown: its state, that message, the reason.
    """
    client = message.sender.pid if message.__class__ is CallRequest else None
    reason = status.reason
    trace = reason.traceback if reason.__class__ is Crash else ""
    state = shown(status.state, _LONGEST)
    last = "none" if status.message is UNSET else f"{_kind_of(message)}{shown(status.message, _LONGEST)}"
    _log.error(
        "%s terminating: %s\nlast message: %s%s\nstate: %s\n%s",
        name, reason, last, "" if client is None else f"\nclient: {client}", state, trace,
        extra={
            "pid": pid,
            "reason": reason,
            "crash": {"server": name, "message": last, "client": client, "state": state},
        },
    )  # fmt: skip


def _kind_of(message: Any) -> str:
    kinds = {CallRequest: "call ", CastRequest: "cast ", SystemRequest: "system request "}
    return kinds.get(message.__class__, "")
