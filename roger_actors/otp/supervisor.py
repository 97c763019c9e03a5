"""Supervisor: starts children in order, restarts them by a strategy, stops them in reverse order.

It holds its children's specs and pids. Its death ends its children; a child's death is answered by the
child's restart type and the supervisor's strategy, until there were too many restarts within the period:
then it stops all of them and exits with `SHUTDOWN`.

Source: OTP `supervisor`; Elixir `Supervisor`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Final

import attrs

from roger_actors.otp import report
from roger_actors.otp.child_spec import (
    RESTARTING,
    ChildCount,
    ChildInfo,
    ChildSpec,
    check_specs,
    error_of,
    fault_of,
    first_fault,
)
from roger_actors.otp.children import IGNORED, REFUSED, STARTED, Outcome, start_one, stop_one
from roger_actors.otp.gen_server import GenServer, refused
from roger_actors.otp.message import Exit, From, Refusal
from roger_actors.otp.pid import Pid
from roger_actors.otp.process import current, here
from roger_actors.otp.reason import SHUTDOWN, Fault, Reason, Shutdown
from roger_actors.otp.restart import (
    AutoShutdown,
    RestartWindow,
    Strategy,
    SupervisorFlags,
    ends_supervisor,
    flags_fault,
    group_of,
    is_reported,
    is_restarted,
    is_shutdown_error,
)
from roger_actors.otp.result import Ignore, NoReply, Ok, Reply, Stop
from roger_actors.otp.runtime import Target

_TRY_AGAIN: Final = "try_again"

Children = Sequence[ChildSpec] | Callable[[], Any]
"""The specs; or a function called in the supervisor at each start that returns them, `(SupervisorFlags,
specs)` or `Ignore()`."""


class Child:
    """A child as its supervisor knows it.

    Attributes:
        spec: Its normalised spec; a temporary child's start is forgotten once it runs.
        pid: Its pid, None, or `RESTARTING`.
        restarts: How often it was restarted.
    """

    __slots__ = ("pid", "restarts", "spec")

    def __init__(self, spec: ChildSpec) -> None:
        self.spec = spec
        self.pid: Any = None
        self.restarts = 0

    @property
    def is_running(self) -> bool:
        """Whether it has a live pid."""
        return self.pid.__class__ is Pid

    def info(self, child_id: Any) -> ChildInfo:
        """Return its line of `which_children`."""
        assert self.spec.type is not None
        return ChildInfo(child_id, self.pid, self.spec.type, (self.spec.start.name,))


class State:
    """What a supervisor holds; only its own process touches it.

    Attributes:
        name: What reports call it.
        flags: Strategy and limits.
        children: By id, in start order.
        ids: Ids of running children by pid.
        window: Recent restarts.
    """

    __slots__ = ("children", "flags", "ids", "name", "window")

    def __init__(self, name: str, flags: SupervisorFlags) -> None:
        self.name = name
        self.flags = flags
        self.children: dict[Any, Child] = {}
        self.ids: dict[Pid, Any] = {}
        self.window = RestartWindow(intensity=flags.intensity, period=flags.period)


class Supervisor(GenServer[State]):
    """The behaviour; used as it is, not subclassed."""

    trap_exit: ClassVar[bool] = True
    eager: ClassVar[bool] = True
    is_supervisor: ClassVar[bool] = True

    # ---------------------------------------------------------------- client

    @classmethod
    async def start_link(  # type: ignore[override]  # options instead of init's arguments, as in Elixir
        cls,
        children: Children,
        *,
        strategy: Strategy | None = None,
        max_restarts: int = 3,
        max_seconds: float = 5.0,
        auto_shutdown: AutoShutdown = "never",
        name: str | None = None,
        flags: SupervisorFlags | None = None,
    ) -> Pid:
        """Start a supervisor and all its children, linked to the current process.

        Args:
            children: Specs in start order, or a function that returns them.
            strategy: Mandatory unless `flags` are given.
            max_restarts: Restarts tolerated within `max_seconds`.
            max_seconds: See there.
            auto_shutdown: Whether significant children end it.
            name: Registered before any child starts.
            flags: Erlang's way to say all this, with Erlang's defaults.

        Returns:
            Its pid; None when the function returned `Ignore`.

        Raises:
            TypeError: No strategy was given.
            NameTaken: The name has a holder.
            StartFailed: Flags or specs are wrong, or a child did not start (the others are stopped).
        """
        if flags is None:
            if strategy is None:
                raise TypeError("a supervisor needs a strategy: one_for_one, one_for_all or rest_for_one")
            flags = SupervisorFlags(
                strategy=strategy, intensity=max_restarts, period=max_seconds, auto_shutdown=auto_shutdown
            )
        return await super().start_link(children, flags, name=name)

    @staticmethod
    async def start_child(supervisor: Target, spec: ChildSpec, timeout: float | None = None) -> Any:
        """Add a child after all others and start it.

        Returns:
            Its pid; `(pid, extra)` if its start said more; None if it was ignored (its spec is kept
            unless it is temporary).

        Raises:
            ChildAlreadyStarted, ChildAlreadyPresent: The id is known, or the child's name is taken.
            InvalidChildSpec: It is wrong.
            StartFailed: It did not start; its spec is not kept.
        """
        return await _ask(supervisor, ("start_child", spec), timeout)

    @staticmethod
    async def terminate_child(supervisor: Target, child: Any, timeout: float | None = None) -> None:
        """Stop a child; fine if it is stopped already. A temporary child's spec is gone with it.

        Raises:
            ChildNotFound: No child has that id.
        """
        await _ask(supervisor, ("terminate_child", child), timeout)

    @staticmethod
    async def restart_child(supervisor: Target, child: Any, timeout: float | None = None) -> Any:
        """Start a stopped child again; returns what `start_child` does.

        Raises:
            ChildRunning, ChildRestarting, ChildNotFound: It is not a stopped child.
            StartFailed: It did not start; its spec is kept.
        """
        return await _ask(supervisor, ("restart_child", child), timeout)

    @staticmethod
    async def delete_child(supervisor: Target, child: Any, timeout: float | None = None) -> None:
        """Forget a stopped child.

        Raises:
            ChildRunning, ChildRestarting, ChildNotFound: It is not a stopped child.
        """
        await _ask(supervisor, ("delete_child", child), timeout)

    @staticmethod
    async def which_children(supervisor: Target, timeout: float | None = None) -> list[ChildInfo]:
        """Return the children, newest first."""
        children: list[ChildInfo] = [
            ChildInfo(*info) for info in await _ask(supervisor, ("which_children",), timeout)
        ]
        return children

    @staticmethod
    async def which_child(supervisor: Target, child: Any, timeout: float | None = None) -> ChildInfo:
        """Return one child.

        Raises:
            ChildNotFound: No child has that id.
        """
        return ChildInfo(*await _ask(supervisor, ("which_child", child), timeout))

    @staticmethod
    async def count_children(supervisor: Target, timeout: float | None = None) -> ChildCount:
        """Count the children."""
        return ChildCount(*await _ask(supervisor, ("count_children",), timeout))

    @staticmethod
    async def get_childspec(supervisor: Target, child: Any, timeout: float | None = None) -> ChildSpec:
        """Return a child's normalised spec; for supervisors on this host.

        Raises:
            ChildNotFound: No child has that id.
        """
        spec: ChildSpec = await _ask(supervisor, ("get_childspec", child), timeout)
        return spec

    @staticmethod
    def check_childspecs(specs: Any, auto_shutdown: AutoShutdown | None = None) -> None:
        """Check child specs without starting anything.

        Raises:
            InvalidChildSpec: One is wrong, or two have the same id.
            TypeError: It is no list.
        """
        check_specs(specs, auto_shutdown=auto_shutdown)

    # ---------------------------------------------------------------- callbacks

    async def init(self, children: Children, flags: SupervisorFlags) -> Ok[State] | Ignore | Stop[State]:
        """Check everything, then start the children in order; roll back if one fails."""
        if callable(children):
            made = children()
            if made.__class__ is Ignore:
                return Ignore()
            if made.__class__ is tuple and len(made) == 2 and made[0].__class__ is SupervisorFlags:
                flags, made = made
            if not isinstance(made, list):
                return Stop(Fault("bad_return", f"children() returned {made!r:.500}"))
            children = made
        wrong = flags_fault(flags)
        if wrong is not None:
            return Stop(Fault("supervisor_data", wrong))
        wrong = first_fault(children, auto_shutdown=flags.auto_shutdown)
        if wrong is not None:
            return Stop(Fault("start_spec", wrong))
        process = current()
        state = State(process.names[0] if process.names else str(process.pid), flags)
        for spec in children:
            state.children[spec.id] = Child(spec.normalised())
        failed = await _start_all(state, list(state.children))
        if failed is None:
            return Ok(state)
        child, reason = failed
        await _stop_all(state, list(state.children))
        return Stop(Shutdown(Fault("failed_to_start_child", reason, child)))

    async def handle_call(self, request: Any, sender: From, state: State) -> Reply[State]:
        """Answer the client functions."""
        handler = _CALLS[request[0]]
        return Reply(await handler(state, *request[1:]), state)

    async def handle_cast(self, request: Any, state: State) -> NoReply[State] | Stop[State]:
        """Try a failed restart again, if it is still wanted."""
        if request.__class__ is tuple and request[0] == _TRY_AGAIN:
            child = state.children.get(request[1])
            if child is not None and child.pid is RESTARTING:
                return await _restart(state, child)
        return NoReply(state)

    async def handle_info(self, message: Any, state: State) -> NoReply[State] | Stop[State]:
        """Answer a child's exit; others' exits are ignored, other messages logged."""
        if message.__class__ is not Exit:
            super().handle_info(message, state)
            return NoReply(state)
        child_id = state.ids.pop(message.pid, None)
        if child_id is None:
            return NoReply(state)
        return await _exited(state, state.children[child_id], message.reason)

    async def terminate(self, reason: Reason, state: State) -> None:
        """Stop every child, the last started first."""
        await _stop_all(state, list(state.children))

    def format_status(self, state: State) -> Any:
        """Show the children."""
        return [child.info(child_id) for child_id, child in state.children.items()]

    def children_of(self, state: State) -> list[tuple[ChildInfo, int]]:
        """Return children and their restarts for a walk of the tree, in start order."""
        return [(child.info(child_id), child.restarts) for child_id, child in state.children.items()]


async def _ask(supervisor: Target, request: tuple[Any, ...], timeout: float | None) -> Any:
    answer = await here().call(supervisor, request, timeout)
    if answer.__class__ is Refusal:
        raise refused(answer)
    return answer


# -------------------------------------------------------------------- starting and stopping


async def _start_all(state: State, ids: list[Any]) -> tuple[Any, Reason] | None:
    """Start children in order; return the id and reason of the first that fails."""
    for child_id in ids:
        child = state.children[child_id]
        outcome = await _start(state, child)
        if outcome.kind is REFUSED:
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
    else:
        report.trouble("start_error", state.name, outcome.reason, spec, None)
    return outcome


def forgetful(spec: ChildSpec) -> ChildSpec:
    """Return a running temporary child's spec without its arguments, which nobody will need again."""
    if not spec.start.args and not spec.start.kwargs:
        return spec
    return attrs.evolve(spec, start=type(spec.start)(spec.start.target))


async def _stop_all(state: State, ids: list[Any]) -> None:
    """Stop children in reverse order, each gone before the next is asked; temporary ones are forgotten."""
    for child_id in reversed(ids):
        child = state.children[child_id]
        await _stop(state, child)
        if child.spec.restart == "temporary":
            del state.children[child_id]


async def _stop(state: State, child: Child) -> None:
    pid = child.pid
    child.pid = None
    if pid.__class__ is not Pid:
        return
    state.ids.pop(pid, None)
    spec = child.spec
    reason = await stop_one(pid, spec.shutdown)
    if is_shutdown_error(reason, restart=spec.restart, brutal=spec.shutdown == "brutal_kill"):
        report.trouble("shutdown_error", state.name, reason, spec, pid)


# -------------------------------------------------------------------- exits and restarts


async def _exited(state: State, child: Child, reason: Reason) -> NoReply[State] | Stop[State]:
    spec = child.spec
    if is_reported(spec.restart, reason):
        report.trouble("child_terminated", state.name, reason, spec, child.pid)
    if is_restarted(spec.restart, reason):
        return await _restart(state, child)
    child.pid = None
    if spec.restart == "temporary":
        del state.children[spec.id]
    others = [
        other.pid is not None
        for other in state.children.values()
        if other.spec.significant and other is not child
    ]
    if ends_supervisor(state.flags.auto_shutdown, significant=spec.significant, others_running=others):
        return Stop(SHUTDOWN, state)
    return NoReply(state)


async def _restart(state: State, child: Child) -> NoReply[State] | Stop[State]:
    spec = child.spec
    process = current()
    state.window = state.window.add(process.runtime.loop.time())
    if state.window.is_exceeded:
        report.trouble("shutdown", state.name, Fault("reached_max_restart_intensity"), spec, child.pid)
        child.pid = None
        return Stop(SHUTDOWN, state)
    child.pid = None
    child.restarts += 1
    group = group_of(state.flags.strategy, list(state.children), spec.id)
    await _stop_all(state, [child_id for child_id in group if child_id != spec.id])
    failed = await _start_all(state, [child_id for child_id in group if child_id in state.children])
    if failed is not None:
        state.children[failed[0]].pid = RESTARTING
        # Through the mailbox, so that other requests, a shutdown above all, come in between.
        GenServer.cast(process.pid, (_TRY_AGAIN, failed[0]))
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
    child = state.children[spec.id] = Child(spec.normalised())
    outcome = await _start(state, child, progress=False)
    if outcome.kind is REFUSED:
        del state.children[spec.id]
        return start_refused(spec.id, outcome.reason)
    return outcome.answer()


def start_refused(child: Any, reason: Reason) -> Refusal:
    """Return the refusal for a child that did not start."""
    if reason.__class__ is Fault and reason.kind == "already_started":
        return _refuse("ChildAlreadyStarted", child, pid=reason.detail)
    return Refusal("StartFailed", {"what": f"child {child!r}", "reason": reason})


async def _terminate_child(state: State, child_id: Any) -> Any:
    child = state.children.get(child_id)
    if child is None:
        return _refuse("ChildNotFound", child_id)
    await _stop_all(state, [child_id])
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
    child = state.children.get(child_id)
    if child is None:
        return _refuse("ChildNotFound", child_id)
    if child.pid is RESTARTING:
        return _refuse("ChildRestarting", child_id)
    return _refuse("ChildRunning", child_id) if child.is_running else None


async def _which_children(state: State) -> Any:
    return [tuple(child.info(child_id)) for child_id, child in reversed(state.children.items())]


async def _which_child(state: State, child_id: Any) -> Any:
    child = state.children.get(child_id)
    return _refuse("ChildNotFound", child_id) if child is None else tuple(child.info(child_id))


async def _count_children(state: State) -> Any:
    children = state.children.values()
    supervisors = sum(child.spec.type == "supervisor" for child in children)
    running = sum(child.is_running for child in children)
    return len(children), running, supervisors, len(children) - supervisors


async def _get_childspec(state: State, child_id: Any) -> Any:
    child = state.children.get(child_id)
    return _refuse("ChildNotFound", child_id) if child is None else child.spec


_CALLS: Final = {
    "start_child": _start_child,
    "terminate_child": _terminate_child,
    "restart_child": _restart_child,
    "delete_child": _delete_child,
    "which_children": _which_children,
    "which_child": _which_child,
    "count_children": _count_children,
    "get_childspec": _get_childspec,
}
