"""Supervisor: starts children in order, restarts them by a strategy, stops them in reverse order.

It holds its children's specs and pids. Its death ends its children; a child's death is answered by the
child's restart type and the supervisor's strategy, until there were too many restarts within the period:
then it stops all of them and exits with `SHUTDOWN`.

Source: OTP `supervisor`; Elixir `Supervisor`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from roger_actors.otp.child_spec import (
    RESTARTING,
    ChildCount,
    ChildInfo,
    ChildSpec,
    check_specs,
    first_fault,
)
from roger_actors.otp.gen_server import GenServer, refused
from roger_actors.otp.message import Exit, From, Refusal
from roger_actors.otp.pid import Pid
from roger_actors.otp.process import current, here
from roger_actors.otp.reason import Fault, Reason, Shutdown
from roger_actors.otp.result import Ignore, NoReply, Ok, Reply, Stop
from roger_actors.otp.runtime import Target
from roger_actors.otp.supervision import acting
from roger_actors.otp.supervision.acting import Child, State
from roger_actors.otp.supervision.restart import (
    AutoShutdown,
    Strategy,
    SupervisorFlags,
    flags_fault,
)

Children = Sequence[ChildSpec] | Callable[[], Any]
"""The specs; or a function called in the supervisor at each start that returns them, `(SupervisorFlags,
specs)` or `Ignore()`."""


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

    async def init(self, children: Children, flags: SupervisorFlags) -> Ok[State] | Ignore | Stop[State]:  # noqa: C901, PLR0911 - a table of refusals
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
        failed = await acting.start_all(state, list(state.children))
        if failed is None:
            return Ok(state)
        child, reason = failed
        await acting.stop_all(state, list(state.children))
        return Stop(Shutdown(Fault("failed_to_start_child", reason, child)))

    async def handle_call(self, request: Any, sender: From, state: State) -> Reply[State]:
        """Answer the client functions."""
        handler = acting.REQUESTS[request[0]]
        return Reply(await handler(state, *request[1:]), state)

    async def handle_cast(self, request: Any, state: State) -> NoReply[State] | Stop[State]:
        """Try a failed restart again, if it is still wanted."""
        if request.__class__ is tuple and request[0] == acting.TRY_AGAIN:
            child = state.children.get(request[1])
            if child is not None and child.pid is RESTARTING:
                return await acting.restart(state, child)
        return NoReply(state)

    async def handle_info(self, message: Any, state: State) -> NoReply[State] | Stop[State]:
        """Answer a child's exit; others' exits are ignored, other messages logged."""
        if message.__class__ is not Exit:
            super().handle_info(message, state)
            return NoReply(state)
        child_id = state.ids.pop(message.pid, None)
        if child_id is None:
            return NoReply(state)
        return await acting.exited(state, state.children[child_id], message.reason)

    async def terminate(self, reason: Reason, state: State) -> None:
        """Stop every child, the last started first."""
        await acting.stop_all(state, list(state.children))

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
