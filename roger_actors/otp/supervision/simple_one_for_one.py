"""The strategy `simple_one_for_one`: any number of children of one spec, started on demand, known by pid.

Its answers are Erlang's; Elixir's are those of `DynamicSupervisor`. Everything here runs in the
supervisor's own process.

Source: OTP `supervisor`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Coroutine
from typing import Any, Final

from roger_actors.otp.child_spec import RESTARTING, ChildSpec, fault_of, is_hashable
from roger_actors.otp.message import Refusal
from roger_actors.otp.pid import Pid
from roger_actors.otp.reason import Fault, Reason, shown
from roger_actors.otp.result import Ok, Stop
from roger_actors.otp.supervision import dynamic, report
from roger_actors.otp.supervision.acting import Child, start_refused
from roger_actors.otp.supervision.children import IGNORED, REFUSED, is_alive, start_one
from roger_actors.otp.supervision.restart import SupervisorFlags


class State(dynamic.State):
    """What the supervisor holds.

    Attributes:
        flags: Strategy and limits.
        spec: The normalised spec of all children.
        module: `module:name` of the function that the spec came from, None if it was given.
    """

    __slots__ = ("flags", "module", "spec")

    def __init__(self, name: str, flags: SupervisorFlags, spec: ChildSpec) -> None:
        super().__init__(name, flags)
        self.flags = flags
        self.spec = spec
        self.module: str | None = None


def begin(name: str, flags: SupervisorFlags, specs: Any) -> Ok[State] | Stop[State]:
    """Check that there is one good spec; no child is started."""
    wrong = number_fault(specs)
    if wrong is not None:
        return Stop(wrong)
    wrong = fault_of(specs[0], auto_shutdown=flags.auto_shutdown)
    if wrong is not None:
        return Stop(Fault("start_spec", wrong))
    return Ok(State(name, flags, specs[0].normalised()))


def number_fault(specs: Any) -> Fault | None:
    """Return the fault that there is not exactly one spec, or None."""
    return None if len(specs) == 1 else Fault("bad_start_spec", shown(specs))


async def stop_all(state: State) -> None:
    """Stop all children at the same time under the same limit; errors are reported once for each reason."""
    errors: dict[Reason, list[Pid]] = defaultdict(list)
    for _, pid, reason in await dynamic.stop(state, list(state.children)):
        errors[_key(reason)].append(pid)
    for reason, pids in errors.items():
        report.trouble("shutdown_error", state.name, reason, state.spec, pids)


def _key(reason: Reason) -> Reason:
    """Return the reason, or its text if it cannot be a key."""
    return reason if is_hashable(reason) else shown(reason)


# -------------------------------------------------------------------- requests


async def _start_child(state: State, extra: Any) -> Any:
    spec = state.spec
    if extra.__class__ is not list:
        return start_refused(spec.start.name, Fault("badarg", f"extra arguments {shown(extra)}"))
    outcome = await start_one(spec, after=tuple(extra))
    if outcome.kind is REFUSED:
        return start_refused(spec.start.name, outcome.reason)
    if outcome.kind is not IGNORED:
        assert outcome.pid is not None
        child = Child(spec)
        if spec.restart != "temporary":
            child.extra = tuple(extra)
        dynamic.adopt(state, child, outcome.pid)
    return outcome.answer()


async def _terminate_child(state: State, pid: Any) -> Any:
    if pid.__class__ is not Pid:
        return _by_pid_only(pid)
    if pid in state.children:
        await dynamic.stop_reporting_each(state, [pid])
        return None
    return _not_found(pid) if await is_alive(pid) else None


async def _of_an_id(_: State, child: Any) -> Any:
    return _by_pid_only(child)


async def _which_child(state: State, pid: Any) -> Any:
    if pid.__class__ is not Pid:
        return _by_pid_only(pid)
    child = state.children.get(pid)
    return _not_found(pid) if child is None else tuple(child.info(None))


async def _count_children(state: State) -> Any:
    children = state.children.values()
    count, active = len(children), sum(child.pid is not RESTARTING for child in children)
    return (1, active, count, 0) if state.spec.type == "supervisor" else (1, active, 0, count)


async def _get_childspec(state: State, child: Any) -> Any:
    if child.__class__ is Pid:
        return state.spec if child in state.children or not await is_alive(child) else _not_found(child)
    return state.spec if child == state.spec.id else _not_found(child)


def _by_pid_only(child: Any) -> Refusal:
    return Refusal("SimpleOneForOne", {"child": child})


def _not_found(child: Any) -> Refusal:
    return Refusal("ChildNotFound", {"child": child})


REQUESTS: Final[dict[str, Callable[..., Coroutine[Any, Any, Any]]]] = {
    "start_child": _start_child,
    "terminate_child": _terminate_child,
    "restart_child": _of_an_id,
    "delete_child": _of_an_id,
    "which_children": dynamic.which_children,
    "which_child": _which_child,
    "count_children": _count_children,
    "get_childspec": _get_childspec,
}
