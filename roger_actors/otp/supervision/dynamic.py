"""Children known by their pids alone: what a DynamicSupervisor and `simple_one_for_one` have in common.

Everything here runs in the supervisor's own process.

Source: OTP `supervisor`, `simple_one_for_one`; Elixir `DynamicSupervisor`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from roger_actors.otp.child_spec import RESTARTING, ChildSpec
from roger_actors.otp.gen_server import GenServer
from roger_actors.otp.message import Exit
from roger_actors.otp.pid import Pid
from roger_actors.otp.process import current
from roger_actors.otp.reason import SHUTDOWN, Fault, Reason
from roger_actors.otp.result import NoReply, Stop
from roger_actors.otp.supervision import report
from roger_actors.otp.supervision.acting import TRY_AGAIN, Child
from roger_actors.otp.supervision.children import (
    IGNORED,
    REFUSED,
    Ends,
    own_hosts_gone,
    start_one,
    stop_together,
)
from roger_actors.otp.supervision.restart import (
    RestartWindow,
    SupervisorFlags,
    is_reported,
    is_restarted,
    is_shutdown_error,
)


class State:
    """What a supervisor of such children holds; only its own process touches it.

    Attributes:
        name: What reports call it.
        extra: Arguments put before each child's own.
        children: By pid; a restarting child by its last pid.
        window: Recent restarts.
    """

    __slots__ = ("children", "extra", "name", "window")

    def __init__(self, name: str, flags: SupervisorFlags, extra: tuple[Any, ...] = ()) -> None:
        self.name = name
        self.extra = extra
        self.children: dict[Pid, Child] = {}
        self.window = RestartWindow(intensity=flags.intensity, period=flags.period)


S = TypeVar("S", bound=State)


def adopt(state: State, child: Child, pid: Pid) -> None:
    """Keep a child that runs."""
    child.pid = pid
    state.children[pid] = child


async def exited(state: S, message: Exit) -> NoReply[S] | Stop[S]:
    """Answer a child's own exit; others' exits are ignored."""
    pid, reason = message.pid, message.reason
    child = state.children.get(pid)
    if child is None or child.pid is RESTARTING:
        return NoReply(state)
    spec = child.spec
    if is_reported(spec.restart, reason):
        report.trouble("child_terminated", state.name, reason, spec, pid)
    if is_restarted(spec.restart, reason):
        return await _restart(state, pid, child)
    del state.children[pid]
    return NoReply(state)


async def try_again(state: S, pid: Pid) -> NoReply[S] | Stop[S]:
    """Try a restart that failed again, if it is still wanted."""
    child = state.children.get(pid)
    if child is None or child.pid is not RESTARTING:
        return NoReply(state)
    return await _restart(state, pid, child)


async def _restart(state: S, pid: Pid, child: Child) -> NoReply[S] | Stop[S]:
    state.window.add(current().runtime.loop.time())
    if state.window.is_exceeded:
        report.trouble("shutdown", state.name, Fault("reached_max_restart_intensity"), child.spec, pid)
        del state.children[pid]
        return Stop(SHUTDOWN, state)
    child.restarts += 1
    outcome = await start_one(child.spec, state.extra, child.extra)
    if outcome.kind is REFUSED:
        report.trouble("start_error", state.name, outcome.reason, child.spec, pid)
        child.pid = RESTARTING
        # Through the mailbox, so that other requests, a shutdown above all, come in between.
        GenServer.cast(current().pid, (TRY_AGAIN, pid))
        return NoReply(state)
    del state.children[pid]
    if outcome.kind is not IGNORED:
        assert outcome.pid is not None
        adopt(state, child, outcome.pid)
        report.progress(state.name, outcome.pid, child.spec)
    return NoReply(state)


async def stop(state: State, pids: Sequence[Pid]) -> list[tuple[ChildSpec, Pid, Reason]]:
    """Stop children at the same time, each under its own limit, and forget them.

    Returns:
        Those that ended with a reason that is to be reported.
    """
    children = [(pid, state.children.pop(pid)) for pid in pids]
    running = [(pid, child.spec) for pid, child in children if child.is_running]
    reasons = await stop_together([(pid, spec.shutdown) for pid, spec in running], Ends(current()))
    await own_hosts_gone(running)
    return [
        (spec, pid, reason)
        for (pid, spec), reason in zip(running, reasons, strict=True)
        if is_shutdown_error(reason, restart=spec.restart, brutal=spec.shutdown == "brutal_kill")
    ]


async def stop_reporting_each(state: State, pids: Sequence[Pid]) -> None:
    """Stop children as `stop` does, with a report for each that is worth one."""
    for spec, pid, reason in await stop(state, pids):
        report.trouble("shutdown_error", state.name, reason, spec, pid)


async def which_children(state: State) -> Any:
    """Answer `which_children`: in no order, without ids."""
    return [tuple(child.info(None)) for child in state.children.values()]
