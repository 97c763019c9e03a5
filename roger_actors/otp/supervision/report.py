"""What supervisors report, as log records with structured data.

Five kinds, in `record.report["context"]`: `progress` (info level), `start_error`, `child_terminated`,
`shutdown_error`, `shutdown` (error level), from the logger `roger_actors.otp.supervisor`. Each has
`supervisor` (its name or pid), `context` (also as `kind`), `reason` and `offender`: the child's `pid` (or
`nb_children`), `id`, `start`, `restart`, `significant`, `shutdown`, `type`.

`start` is `module:name` of what is started, without its arguments, which may hold secrets; ask
`get_childspec` for those. A reason is reported as it is: keep secrets out of exit reasons and exceptions.

Source: OTP supervisor reports.
"""

from __future__ import annotations

import logging
from typing import Any

from roger_actors.otp.child_spec import ChildSpec
from roger_actors.otp.pid import Pid
from roger_actors.otp.reason import Reason, shown
from roger_actors.otp.runtime import Log
from roger_actors.otp.supervision.restart import undoes_auto_shutdown

_log = Log("roger_actors.otp.supervisor")


def progress(supervisor: str, pid: Pid, spec: ChildSpec) -> None:
    """A child was started or restarted by the supervisor itself."""
    if _log.is_on(logging.INFO):
        data = _report("progress", supervisor, None, offender(spec, pid))
        _log.info("supervisor %s started %r as %s", supervisor, spec.id, pid, extra={"report": data})


def warn_of_auto_shutdown(supervisor: str, spec: ChildSpec) -> None:
    """Warn of a child that ends itself only to be started again; no report, for nothing has happened yet."""
    if undoes_auto_shutdown(spec):
        _log.warning(
            "supervisor %s: child %r has auto_shutdown and is permanent, so it is started again as soon as "
            "it has ended itself; make it transient or temporary",
            supervisor, spec.id,
        )  # fmt: skip


def trouble(kind: str, supervisor: str, reason: Reason, spec: ChildSpec, pid: Any) -> None:
    """Something went wrong with a child.

    Args:
        kind: `start_error`, `child_terminated`, `shutdown_error` or `shutdown`.
        supervisor: Its name or pid.
        reason: What happened.
        spec: The child's.
        pid: The child's pid, if it had one; or the pids of several that ended alike.
    """
    data = _report(kind, supervisor, reason, offender(spec, pid))
    whom = f"{len(pid)} children" if pid.__class__ is list else f"child {shown(spec.id)} {pid}"
    _log.error("supervisor %s, %s: %s; %s", supervisor, kind, reason, whom, extra={"report": data})


def _report(kind: str, supervisor: str, reason: Reason, child: dict[str, Any]) -> dict[str, Any]:
    return {"kind": kind, "context": kind, "supervisor": supervisor, "reason": reason, "offender": child}


def offender(spec: ChildSpec, pid: Any) -> dict[str, Any]:
    """Return what is said of the child in a report, or of several: then there is no pid but their number."""
    return {
        **({"nb_children": len(pid)} if pid.__class__ is list else {"pid": pid}),
        "id": spec.id,
        "start": spec.start.path,
        "restart": spec.restart,
        "significant": spec.significant,
        "shutdown": spec.shutdown,
        "type": spec.type,
    }
