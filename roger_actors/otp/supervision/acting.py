"""What a Supervisor does about its children: start, stop, restart, answer requests.

Everything here runs in the supervisor's own process; what is to be done is decided in `restart`.

Source: OTP `supervisor`.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Final

import attrs

from roger_actors.otp.child_spec import (
    RESTARTING,
    ChildInfo,
    ChildSpec,
    error_of,
    fault_of,
    first_fault,
    is_hashable,
)
from roger_actors.otp.gen_server import GenServer
from roger_actors.otp.message import Refusal
from roger_actors.otp.pid import Pid
from roger_actors.otp.process import current
from roger_actors.otp.reason import SHUTDOWN, Fault, Reason, Shutdown, shown
from roger_actors.otp.result import NoReply, Ok, Stop
from roger_actors.otp.runtime import Turn
from roger_actors.otp.supervision import report
from roger_actors.otp.supervision.children import (
    IGNORED,
    REFUSED,
    STARTED,
    Ends,
    Outcome,
    count_alive,
    own_hosts_gone,
    start_one,
    stop_one,
)
from roger_actors.otp.supervision.restart import (
    RestartWindow,
    SupervisorFlags,
    ends_supervisor,
    group_of,
    is_reported,
    is_restarted,
    is_shutdown_error,
)

TRY_AGAIN: Final = "try_again"
"""Cast by a supervisor to itself, with a child's id, after a restart that failed."""


class Child:
    """A child as its supervisor knows it.

    Attributes:
        spec: Its normalised spec; a temporary child's start is forgotten once it runs.
        pid: Its pid, None, or `RESTARTING`.
        restarts: How often it was restarted.
        extra: Arguments after the spec's own, under `simple_one_for_one`.
    """

    __slots__ = ("extra", "pid", "restarts", "spec")

    def __init__(self, spec: ChildSpec) -> None:
        self.spec = spec
        self.extra: tuple[Any, ...] = ()
        self.pid: Any = None
        self.restarts = 0

    @property
    def is_running(self) -> bool:
        """Whether it has a live pid."""
        return self.pid.__class__ is Pid

    def info(self, child_id: Any) -> ChildInfo:
        """Return its line of `which_children`."""
        assert self.spec.type is not None
        return ChildInfo(child_id, self.pid, self.spec.type, self.spec.module_names())


class State:
    """What a supervisor holds; only its own process touches it.

    Attributes:
        name: What reports call it.
        flags: Strategy and limits.
        children: By id, in start order.
        ids: Ids of running children by pid.
        window: Recent restarts.
        module: `module:name` of the function that the children came from, None if they were given.
    """

    __slots__ = ("children", "flags", "ids", "module", "name", "window")

    def __init__(self, name: str, flags: SupervisorFlags) -> None:
        self.name = name
        self.flags = flags
        self.children: dict[Any, Child] = {}
        self.ids: dict[Pid, Any] = {}
        self.module: str | None = None
        self.window = RestartWindow(intensity=flags.intensity, period=flags.period)

    def find(self, child_id: Any) -> Child | None:
        """Return the child with an id, None if there is none; whatever is asked for may be no id at all."""
        return self.children.get(child_id) if is_hashable(child_id) else None


# -------------------------------------------------------------------- starting and stopping


async def begin(name: str, flags: SupervisorFlags, specs: Any) -> Ok[State] | Stop[State]:
    """Check the specs, then start the children in order; roll back if one fails."""
    wrong = first_fault(specs, auto_shutdown=flags.auto_shutdown)
    if wrong is not None:
        return Stop(Fault("start_spec", wrong))
    state = State(name, flags)
    for spec in specs:
        report.warn_of_auto_shutdown(name, spec)
        state.children[spec.id] = Child(spec.normalised())
    failed = await start_all(state, list(state.children))
    if failed is None:
        return Ok(state)
    child, reason = failed
    await stop_all(state, list(state.children))
    return Stop(Shutdown(Fault("failed_to_start_child", reason, child)))


async def start_all(state: State, ids: list[Any]) -> tuple[Any, Reason] | None:
    """Start children in order; return the id and reason of the first that fails."""
    turn = Turn()
    for child_id in ids:
        await turn.share()
        child = state.children[child_id]
        outcome = await _start(state, child)
        if outcome.kind is REFUSED:
            # Only here: start_child and restart_child tell their caller instead.
            report.trouble("start_error", state.name, outcome.reason, child.spec, None)
            return child_id, outcome.reason
    return None


async def _start(state: State, child: Child, *, progress: bool = True) -> Outcome:
    outcome = await start_one(child.spec)
    spec = child.spec
    if outcome.kind is STARTED:
        assert outcome.pid is not None
        child.pid = outcome.pid
        state.ids[outcome.pid] = spec.id
        if spec.restart == "temporary":
            child.spec = forgetful(spec)
        if progress:
            report.progress(state.name, outcome.pid, spec)
    elif outcome.kind is IGNORED:
        child.pid = None
        if spec.restart == "temporary":
            del state.children[spec.id]
    return outcome


def forgetful(spec: ChildSpec) -> ChildSpec:
    """Return a running temporary child's spec without its arguments, which nobody will need again."""
    if not spec.start.args and not spec.start.kwargs:
        return spec
    return attrs.evolve(spec, start=type(spec.start)(spec.start.target))


async def stop_all(state: State, ids: list[Any]) -> None:
    """Stop children in reverse order, each gone before the next is asked; temporary ones are forgotten."""
    ends = Ends(current())
    turn = Turn()
    for child_id in reversed(ids):
        await turn.share()
        child = state.children[child_id]
        await _stop(state, child, ends)
        if child.spec.restart == "temporary":
            del state.children[child_id]


async def _stop(state: State, child: Child, ends: Ends) -> None:
    pid = child.pid
    child.pid = None
    if pid.__class__ is not Pid:
        return
    state.ids.pop(pid, None)
    spec = child.spec
    reason = await stop_one(pid, spec.shutdown, ends)
    await own_hosts_gone([(pid, spec)])
    if is_shutdown_error(reason, restart=spec.restart, brutal=spec.shutdown == "brutal_kill"):
        report.trouble("shutdown_error", state.name, reason, spec, pid)


# -------------------------------------------------------------------- exits and restarts


async def exited(state: State, child: Child, reason: Reason) -> NoReply[State] | Stop[State]:
    """Answer a child's own exit."""
    spec = child.spec
    if is_reported(spec.restart, reason):
        report.trouble("child_terminated", state.name, reason, spec, child.pid)
    if is_restarted(spec.restart, reason):
        return await restart(state, child)
    child.pid = None
    if spec.restart == "temporary":
        del state.children[spec.id]
    others = (
        other.pid is not None
        for other in state.children.values()
        if other.spec.significant and other is not child
    )
    if ends_supervisor(state.flags.auto_shutdown, significant=spec.significant, others_running=others):
        return Stop(SHUTDOWN, state)
    return NoReply(state)


async def restart(state: State, child: Child) -> NoReply[State] | Stop[State]:
    """Restart a child with its group, or give up."""
    spec = child.spec
    process = current()
    state.window.add(process.runtime.loop.time())
    if state.window.is_exceeded:
        report.trouble("shutdown", state.name, Fault("reached_max_restart_intensity"), spec, child.pid)
        child.pid = None
        return Stop(SHUTDOWN, state)
    child.pid = None
    child.restarts += 1
    group = group_of(state.flags.strategy, state.children, spec.id)
    await stop_all(state, [child_id for child_id in group if child_id != spec.id])
    failed = await start_all(state, [child_id for child_id in group if child_id in state.children])
    if failed is not None:
        state.children[failed[0]].pid = RESTARTING
        # Through the mailbox, so that other requests, a shutdown above all, come in between.
        GenServer.cast(process.pid, (TRY_AGAIN, failed[0]))
    return NoReply(state)


# -------------------------------------------------------------------- requests


def _refuse(error: str, child: Any, **data: Any) -> Refusal:
    return Refusal(error, {"child": child, **data})


async def _start_child(state: State, spec: Any) -> Any:
    wrong = fault_of(spec, auto_shutdown=state.flags.auto_shutdown)
    if wrong is not None:
        return Refusal("InvalidChildSpec", error_of(wrong).data)
    known = state.children.get(spec.id)
    if known is not None:
        if known.is_running:
            return _refuse("ChildAlreadyStarted", spec.id, pid=known.pid)
        return _refuse("ChildAlreadyPresent", spec.id)
    report.warn_of_auto_shutdown(state.name, spec)
    child = state.children[spec.id] = Child(spec.normalised())
    outcome = await _start(state, child, progress=False)
    if outcome.kind is REFUSED:
        del state.children[spec.id]
        return _start_refused(child.spec, outcome.reason)
    return outcome.answer()


def _start_refused(spec: ChildSpec, reason: Reason) -> Refusal:
    refusal = start_refused(spec.id, reason)
    if refusal.error == "StartFailed":
        refusal.data["child"] = report.offender(spec, None)
    return refusal


def start_refused(child: Any, reason: Reason) -> Refusal:
    """Return the refusal for a child that did not start."""
    if reason.__class__ is Fault and reason.kind == "already_started":
        return _refuse("ChildAlreadyStarted", child, pid=reason.detail)
    return Refusal("StartFailed", {"what": f"child {shown(child)}", "reason": reason})


async def _terminate_child(state: State, child_id: Any) -> Any:
    child = state.find(child_id)
    if child is None:
        return _refuse("ChildNotFound", child_id)
    await stop_all(state, [child_id])
    return None


async def _restart_child(state: State, child_id: Any) -> Any:
    refusal = _unless_stopped(state, child_id)
    if refusal is not None:
        return refusal
    outcome = await _start(state, state.children[child_id])
    return start_refused(child_id, outcome.reason) if outcome.kind is REFUSED else outcome.answer()


async def _delete_child(state: State, child_id: Any) -> Any:
    refusal = _unless_stopped(state, child_id)
    if refusal is None:
        del state.children[child_id]
    return refusal


def _unless_stopped(state: State, child_id: Any) -> Refusal | None:
    child = state.find(child_id)
    if child is None:
        return _refuse("ChildNotFound", child_id)
    if child.pid is RESTARTING:
        return _refuse("ChildRestarting", child_id)
    return _refuse("ChildRunning", child_id) if child.is_running else None


async def _which_children(state: State) -> Any:
    return [tuple(child.info(child_id)) for child_id, child in reversed(state.children.items())]


async def _which_child(state: State, child_id: Any) -> Any:
    child = state.find(child_id)
    return _refuse("ChildNotFound", child_id) if child is None else tuple(child.info(child_id))


async def _count_children(state: State) -> Any:
    children = state.children.values()
    supervisors = sum(child.spec.type == "supervisor" for child in children)
    running = await count_alive(child.pid for child in children if child.is_running)
    return len(children), running, supervisors, len(children) - supervisors


async def _get_childspec(state: State, child_id: Any) -> Any:
    child = state.find(child_id)
    return _refuse("ChildNotFound", child_id) if child is None else child.spec


REQUESTS: Final[dict[str, Callable[..., Coroutine[Any, Any, Any]]]] = {
    "start_child": _start_child,
    "terminate_child": _terminate_child,
    "restart_child": _restart_child,
    "delete_child": _delete_child,
    "which_children": _which_children,
    "which_child": _which_child,
    "count_children": _count_children,
    "get_childspec": _get_childspec,
}
