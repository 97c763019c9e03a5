"""Starting a child on another host than its supervisor's.

`host="own"` asks the root host for a fresh app host, which ends with the child; `host=<number>` uses a host
that is there. The child is named by its import path, so that neither root nor kernel ever loads it.
"""

from __future__ import annotations

from typing import Any

from roger_actors.errors import StartFailed
from roger_actors.otp.child_spec import ChildSpec
from roger_actors.otp.gen_server import GenServer
from roger_actors.otp.hosts.host_agent import AGENT
from roger_actors.otp.pid import Pid
from roger_actors.otp.process import current, exit, link  # noqa: A004 - its OTP name
from roger_actors.otp.reason import KILL, Fault, shown
from roger_actors.otp.supervision import children
from roger_actors.otp.supervision.children import IGNORED, STARTED, Outcome
from roger_actors.transport import ROOT, HostId


async def start_elsewhere(spec: ChildSpec) -> Outcome:
    """Start a child on the host that its spec names, linked to the current process.

    Raises:
        StartFailed: The host or the child did not start.
    """
    if isinstance(spec.host, int):
        return await _start_on(HostId(spec.host), spec, only=False)
    if spec.host != "own":
        raise StartFailed(what=f"child {shown(spec.id)}", reason=Fault("no_such_host", spec.host))
    host_pid: Pid = await GenServer.call((AGENT, ROOT), ("start_host", current().pid), timeout=None)
    try:
        outcome = await _start_on(host_pid.host, spec, only=True)
    except BaseException:
        exit(host_pid, KILL)
        raise
    if outcome.kind is IGNORED:
        exit(host_pid, KILL)
    return outcome


async def _start_on(host: HostId, spec: ChildSpec, *, only: bool) -> Outcome:
    supervisor = current()
    start = spec.start
    request = ("start_child", supervisor.pid, start.path, list(start.args), dict(start.kwargs), only)
    started: tuple[Pid, Any] | None = await GenServer.call((AGENT, host), request, timeout=None)
    if started is None:
        return Outcome(IGNORED)
    pid, extra = started
    link(pid)
    return Outcome(STARTED, pid, extra=extra)


children.placer.append(start_elsewhere)
