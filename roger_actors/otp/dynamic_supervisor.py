"""DynamicSupervisor: children started on demand, each alone, each with its own restart type and shutdown.

Source: Elixir `DynamicSupervisor`; Erlang's `simple_one_for_one` is its ancestor.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator
from typing import Any, ClassVar, Final

from roger_actors.errors import NoProcess, TooManyChildren
from roger_actors.otp.child_spec import (
    RESTARTING,
    AnySpec,
    ChildCount,
    ChildInfo,
    ChildSpec,
    Start,
    error_of,
    fault_of,
    spec_of,
)
from roger_actors.otp.gen_server import GenServer, start_under
from roger_actors.otp.message import Exit, From, Refusal
from roger_actors.otp.pid import Pid
from roger_actors.otp.process import current, here
from roger_actors.otp.reason import Fault, Reason, shown
from roger_actors.otp.result import NoReply, Ok, Reply, Stop
from roger_actors.otp.runtime import Name, Target
from roger_actors.otp.send_request import ask
from roger_actors.otp.serving import ServerProcess, Status
from roger_actors.otp.supervision import dynamic
from roger_actors.otp.supervision.acting import TRY_AGAIN, Child, forgetful, start_refused
from roger_actors.otp.supervision.children import IGNORED, REFUSED, count_alive, start_one
from roger_actors.otp.supervision.restart import (
    AUTO_SHUTDOWNS,
    AutoShutdown,
    Strategy,
    SupervisorFlags,
    flags_faults,
)


class State(dynamic.State):
    """What a dynamic supervisor holds; only its own process touches it.

    Attributes:
        max_children: How many it may have, None for no limit.
    """

    __slots__ = ("max_children",)

    def __init__(
        self, name: str, flags: SupervisorFlags, max_children: int | None, extra: tuple[Any, ...]
    ) -> None:
        super().__init__(name, flags, extra)
        self.max_children = max_children


class DynamicSupervisor(GenServer[State]):
    """The behaviour; used as it is, not subclassed."""

    trap_exit: ClassVar[bool] = True
    eager: ClassVar[bool] = True
    is_supervisor: ClassVar[bool] = True

    # ---------------------------------------------------------------- client

    @classmethod
    async def start_link(  # type: ignore[override]  # options instead of init's arguments, as in Elixir
        cls,
        *,
        strategy: Strategy = "one_for_one",
        max_restarts: int = 3,
        max_seconds: float = 5.0,
        max_children: int | None = None,
        extra_arguments: tuple[Any, ...] = (),
        auto_shutdown: AutoShutdown = "never",
        name: Name | None = None,
    ) -> Pid:
        """Start a supervisor without children, linked to the current process.

        Args:
            strategy: Only `one_for_one`.
            max_restarts: Restarts tolerated within `max_seconds`, of all children together.
            max_seconds: Width of that window in seconds, above 0.
            max_children: How many it may have at once, None for no limit.
            extra_arguments: Put before each child's own arguments, at every start.
            auto_shutdown: Only `never`: its children cannot be significant.
            name: Registered before anything else.

        Raises:
            NameTaken: The name has a holder.
            StartFailed: An option is wrong.
        """
        flags = SupervisorFlags(
            strategy=strategy, intensity=max_restarts, period=max_seconds, auto_shutdown=auto_shutdown
        )
        return await super().start_link(flags, max_children, extra_arguments, name=name)

    @staticmethod
    async def start_child(supervisor: Target, spec: AnySpec, timeout: float | None = None) -> Any:
        """Start a child; its id names nothing, two may have the same.

        Returns:
            Its pid; `(pid, extra)` if its start said more; None if it was ignored.

        Raises:
            InvalidChildSpec: It is wrong; found before the supervisor is asked.
            TooManyChildren: There are `max_children`.
            ChildAlreadyStarted: Its name is taken.
            StartFailed: It did not start.
        """
        spec = spec_of(spec)
        wrong = fault_of(spec, auto_shutdown="never")
        if wrong is not None:
            raise error_of(wrong)
        return await ask(supervisor, ("start_child", spec), timeout)

    @staticmethod
    def start_temporary(supervisor: Target, server: type[GenServer[Any]], *args: Any) -> Pid:
        """Start a temporary child at once, from a plain callback on the supervisor's own host.

        The same as `start_child` with a temporary spec, for those who start thousands a second: it
        does not go through the supervisor's mailbox, and all such children of one class share a spec.

        Args:
            supervisor: On this host, and running.
            server: What to start; its `init` must be a plain function.
            args: For `init`.

        Raises:
            NoProcess: There is no such supervisor here.
            TooManyChildren: There are `max_children`.
            StartFailed: It did not start.
        """
        process = here().find(supervisor)
        if not isinstance(process, ServerProcess) or process.state.__class__ is not State:
            raise NoProcess(process=supervisor)
        state: State = process.state
        if state.max_children is not None and len(state.children) >= state.max_children:
            raise TooManyChildren(limit=state.max_children)
        pid = start_under(process, server(), (*state.extra, *args))
        dynamic.adopt(state, Child(_temporary(server)), pid)
        return pid

    @staticmethod
    async def terminate_child(supervisor: Target, pid: Pid, timeout: float | None = None) -> None:
        """Stop a child.

        Raises:
            ChildNotFound: No child has that pid.
        """
        await ask(supervisor, ("terminate_child", pid), timeout)

    @staticmethod
    async def which_children(supervisor: Target, timeout: float | None = None) -> list[ChildInfo]:
        """Return the children, in no order, without ids."""
        return [ChildInfo(*info) for info in await ask(supervisor, ("which_children",), timeout)]

    @staticmethod
    async def count_children(supervisor: Target, timeout: float | None = None) -> ChildCount:
        """Count the children."""
        return ChildCount(*await ask(supervisor, ("count_children",), timeout))

    # ---------------------------------------------------------------- callbacks

    def init(
        self, flags: SupervisorFlags, max_children: int | None, extra_arguments: tuple[Any, ...]
    ) -> Ok[State] | Stop[State]:
        """Check the options."""
        wrong = next(option_faults(flags, max_children, extra_arguments), None)
        if wrong is not None:
            return Stop(Fault("supervisor_data", wrong))
        process = current()
        name = process.names[0] if process.names else str(process.pid)
        return Ok(State(name, flags, max_children, tuple(extra_arguments)))

    async def handle_call(self, request: Any, sender: From, state: State) -> Reply[State]:
        """Answer the client functions; what only a `Supervisor` can do is refused."""
        if request[0] in _NEED_IDS:
            return Reply(Refusal("ChildrenWithoutIds", {"request": request[0]}), state)
        return Reply(await _CALLS[request[0]](state, *request[1:]), state)

    async def handle_cast(self, request: Any, state: State) -> NoReply[State] | Stop[State]:
        """Try a failed restart again, if it is still wanted."""
        if request.__class__ is tuple and request[0] == TRY_AGAIN:
            return await dynamic.try_again(state, request[1])
        return NoReply(state)

    async def handle_info(self, message: Any, state: State) -> NoReply[State] | Stop[State]:
        """Answer a child's exit; others' exits are ignored, other messages logged."""
        if message.__class__ is Exit:
            return await dynamic.exited(state, message)
        super().handle_info(message, state)
        return NoReply(state)

    async def terminate(self, reason: Reason, state: State) -> None:
        """Stop all children at the same time, each under its own limit."""
        await dynamic.stop_reporting_each(state, list(state.children))

    def format_status(self, status: Status) -> Status:
        """Show how many children there are, without what they are started with."""
        if status.state.__class__ is State:
            status.state = {"children": len(status.state.children), "max_children": status.state.max_children}
        return status

    def children_of(self, state: State) -> list[tuple[ChildInfo, int]]:
        """Return children and their restarts for a walk of the tree."""
        return [(child.info(child.spec.id), child.restarts) for child in state.children.values()]


def option_faults(flags: SupervisorFlags, max_children: Any, extra_arguments: Any) -> Iterator[Fault]:
    """Give everything that is wrong with the options of a dynamic supervisor, as OTP names it."""
    yield from flags_faults(flags, ("one_for_one",))
    if flags.auto_shutdown in AUTO_SHUTDOWNS[1:]:
        yield Fault("invalid_auto_shutdown", flags.auto_shutdown)
    if max_children is not None and (max_children.__class__ is not int or max_children < 0):
        yield Fault("invalid_max_children", max_children)
    if extra_arguments.__class__ not in {tuple, list}:
        yield Fault("invalid_extra_arguments", shown(extra_arguments))


def _temporary(server: type[GenServer[Any]]) -> ChildSpec:
    spec = _TEMPORARY.get(server)
    if spec is None:
        spec = ChildSpec(id=server.__qualname__, start=Start(server), restart="temporary").normalised()
        _TEMPORARY[server] = spec
    return spec


_TEMPORARY: Final[dict[type, ChildSpec]] = {}
"""The one spec of all temporary children of a class."""


async def _start_child(state: State, spec: ChildSpec) -> Any:
    if state.max_children is not None and len(state.children) >= state.max_children:
        return Refusal("TooManyChildren", {"limit": state.max_children})
    spec = spec.normalised()
    outcome = await start_one(spec, state.extra)
    if outcome.kind is REFUSED:
        return start_refused(spec.start.name, outcome.reason)
    if outcome.kind is not IGNORED:
        assert outcome.pid is not None
        dynamic.adopt(state, Child(forgetful(spec) if spec.restart == "temporary" else spec), outcome.pid)
    return outcome.answer()


async def _terminate_child(state: State, pid: Any) -> Any:
    child = state.children.get(pid) if pid.__class__ is Pid else None
    if child is None or (child.pid is not RESTARTING and current().runtime.is_gone(pid)):
        return Refusal("ChildNotFound", {"child": pid})
    await dynamic.stop_reporting_each(state, [pid])
    return None


async def _count_children(state: State) -> Any:
    children = state.children.values()
    supervisors = sum(child.spec.type == "supervisor" for child in children)
    running = await count_alive(child.pid for child in children if child.is_running)
    return len(children), running, supervisors, len(children) - supervisors


_NEED_IDS: Final = frozenset({"restart_child", "delete_child", "which_child", "get_childspec", "change_code"})
"""Requests of `Supervisor` that mean a child by its id."""

_CALLS: Final[dict[str, Callable[..., Coroutine[Any, Any, Any]]]] = {
    "start_child": _start_child,
    "terminate_child": _terminate_child,
    "which_children": dynamic.which_children,
    "count_children": _count_children,
}
