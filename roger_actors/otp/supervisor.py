"""Supervisor: starts children in order, restarts them by a strategy, stops them in reverse order.

It holds its children's specs and pids. Its death ends its children; a child's death is answered by the
child's restart type and the supervisor's strategy, until there were too many restarts within the period:
then it stops all of them and exits with `SHUTDOWN`.

Source: OTP `supervisor`; Elixir `Supervisor`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from roger_actors.otp.child_spec import (
    RESTARTING,
    AnySpec,
    ChildCount,
    ChildInfo,
    ChildSpec,
    Start,
    check_specs,
    overridden,
    spec_of,
)
from roger_actors.otp.gen_server import GenServer
from roger_actors.otp.message import Exit, From, Refusal
from roger_actors.otp.pid import Pid
from roger_actors.otp.process import current, here
from roger_actors.otp.reason import ExitProcess, Fault, Reason, of_exception, shown
from roger_actors.otp.result import Ignore, NoReply, Ok, Reply, Stop
from roger_actors.otp.runtime import Name, Target
from roger_actors.otp.send_request import ask
from roger_actors.otp.serving import Status
from roger_actors.otp.supervision import acting, code_change, dynamic, simple_one_for_one
from roger_actors.otp.supervision.restart import (
    SIMPLE,
    AutoShutdown,
    Strategy,
    SupervisorFlags,
    flags_fault,
    flags_of,
)

Children = Sequence[AnySpec] | Callable[[], Any]
"""The children; or a function called in the supervisor at each start that returns a list of them, `(flags,
list)` or `Ignore()`."""


Either = acting.State | simple_one_for_one.State
"""A supervisor of children with ids, or of many children of one spec."""


class Supervisor(GenServer[Either]):
    """The behaviour; used as it is, not subclassed.

    With `SupervisorFlags` its answers are Erlang's, with options Elixir's. Under the strategy
    `simple_one_for_one` there is exactly one spec, no child runs at first, and children are known by pid.
    A `DynamicSupervisor` refuses what needs a child's id: `ChildrenWithoutIds`.
    """

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
        name: Name | None = None,
        flags: SupervisorFlags | Mapping[str, Any] | tuple[Any, ...] | None = None,
    ) -> Pid:
        """Start a supervisor and all its children, linked to the current process.

        Args:
            children: In start order: specs, mappings of a spec's attributes, or server classes (also as
                `(class, *arguments)`); or a function that returns them.
            strategy: Whom it restarts: the child that ended (`one_for_one`), all (`one_for_all`), it and
                those after it (`rest_for_one`); `simple_one_for_one` has many children of one spec.
                Mandatory unless `flags` are given.
            max_restarts: Restarts tolerated within `max_seconds`, 0 or more; one more and it gives up.
            max_seconds: Width of that window in seconds, above 0.
            auto_shutdown: Whether it ends when a significant child has ended for good (`any_significant`), or
                the last one that ran (`all_significant`).
            name: Registered before any child starts.
            flags: Erlang's way to say all this, with Erlang's defaults: `SupervisorFlags`, a mapping of its
                attributes, or `(strategy, intensity, period)`.

        Returns:
            Its pid; None when the function returned `Ignore`.

        Raises:
            TypeError: No strategy was given, or both it and flags.
            NameTaken: The name has a holder.
            StartFailed: Flags or specs are wrong, or a child did not start (the others are stopped).
        """
        if flags is None:
            if strategy is None:
                raise TypeError("a supervisor needs a strategy: one_for_one, one_for_all or rest_for_one")
            flags = SupervisorFlags(
                strategy=strategy, intensity=max_restarts, period=max_seconds, auto_shutdown=auto_shutdown
            )
        elif strategy is not None:
            raise TypeError("a supervisor has either flags, as in Erlang, or options, as in Elixir: not both")
        return await super().start_link(children, flags, name=name)

    @staticmethod
    async def start_child(supervisor: Target, spec: AnySpec | list[Any], timeout: float | None = None) -> Any:
        """Add a child after all others and start it.

        Args:
            supervisor: Which.
            spec: The child, in any way that a children list may name it; under `simple_one_for_one` a list
                of arguments after the spec's own, kept for restarts unless the child is temporary.
            timeout: Seconds, None for no limit.

        Returns:
            Its pid; `(pid, extra)` if its start said more; None if it was ignored (its spec is kept
            unless it is temporary).

        Raises:
            ChildAlreadyStarted, ChildAlreadyPresent: The id is known, or the child's name is taken.
            InvalidChildSpec: It is wrong.
            StartFailed: It did not start; its spec is not kept.
        """
        return await ask(supervisor, ("start_child", spec_of(spec)), timeout)

    @staticmethod
    async def terminate_child(supervisor: Target, child: Any, timeout: float | None = None) -> None:
        """Stop a child; fine if it is stopped already. A temporary child's spec is gone with it.

        Raises:
            ChildNotFound: No child has that id; under `simple_one_for_one`: the pid is alive and no child.
            SimpleOneForOne: Under that strategy `child` must be a pid.
        """
        await ask(supervisor, ("terminate_child", child), timeout)

    @staticmethod
    async def restart_child(supervisor: Target, child: Any, timeout: float | None = None) -> Any:
        """Start a stopped child again; returns what `start_child` does.

        Raises:
            ChildRunning, ChildRestarting, ChildNotFound: It is not a stopped child.
            SimpleOneForOne: Under that strategy no child is kept stopped.
            StartFailed: It did not start; its spec is kept.
        """
        return await ask(supervisor, ("restart_child", child), timeout)

    @staticmethod
    async def delete_child(supervisor: Target, child: Any, timeout: float | None = None) -> None:
        """Forget a stopped child.

        Raises:
            ChildRunning, ChildRestarting, ChildNotFound: It is not a stopped child.
            SimpleOneForOne: Under that strategy no child is kept stopped.
        """
        await ask(supervisor, ("delete_child", child), timeout)

    @staticmethod
    async def which_children(supervisor: Target, timeout: float | None = None) -> list[ChildInfo]:
        """Return the children, newest first; under `simple_one_for_one` in no order and without ids."""
        children: list[ChildInfo] = [
            ChildInfo(*info) for info in await ask(supervisor, ("which_children",), timeout)
        ]
        return children

    @staticmethod
    async def which_child(supervisor: Target, child: Any, timeout: float | None = None) -> ChildInfo:
        """Return one child.

        Raises:
            ChildNotFound: No child has that id, or that pid under `simple_one_for_one`.
            SimpleOneForOne: Under that strategy `child` must be a pid.
        """
        return ChildInfo(*await ask(supervisor, ("which_child", child), timeout))

    @staticmethod
    async def count_children(supervisor: Target, timeout: float | None = None) -> ChildCount:
        """Count the children; under `simple_one_for_one` there is always one spec."""
        return ChildCount(*await ask(supervisor, ("count_children",), timeout))

    @staticmethod
    async def get_childspec(supervisor: Target, child: Any, timeout: float | None = None) -> ChildSpec:
        """Return a child's normalised spec; for supervisors on this host.

        Raises:
            ChildNotFound: No child has that id, or that pid under `simple_one_for_one`.
        """
        spec: ChildSpec = await ask(supervisor, ("get_childspec", child), timeout)
        return spec

    @staticmethod
    def child_spec(child: AnySpec, **overrides: Any) -> ChildSpec:
        """Return a child's spec with some attributes replaced, to start a class twice or in another way.

        Args:
            child: In any way that a children list may name it.
            overrides: Attributes of a `ChildSpec`.

        Raises:
            InvalidChildSpec: It is no child (a class needs a `child_spec`), or a spec has no such attribute.

        Source:
            Elixir `Supervisor.child_spec/2`.
        """
        return overridden(child, overrides)

    @staticmethod
    async def get_callback_module(supervisor: Target, timeout: float | None = 5.0) -> str:
        """Return `module:name` of what a supervisor runs: the function its children come from, or its class.

        Source: OTP `supervisor:get_callback_module`.
        """
        module: str = await here().call(supervisor, None, timeout, "get_callback_module")
        return module

    @staticmethod
    def check_childspecs(specs: Any, auto_shutdown: AutoShutdown | None = None) -> None:
        """Check child specs without starting anything.

        Raises:
            InvalidChildSpec: One is wrong, or two have the same id.
            TypeError: It is no list.
        """
        check_specs(specs, auto_shutdown=auto_shutdown)

    @staticmethod
    async def change_code(supervisor: Target, children: Children, timeout: float | None = None) -> None:
        """Give a running supervisor new flags and children, as a new version of its function would.

        Nothing is started, stopped or restarted. A spec with a known id takes the place of the old one and
        counts from the next exit on, a new one waits for `restart_child` or a group's restart, and children
        that are not named stay as they are, after the others.

        Args:
            supervisor: On this host.
            children: As for `start_link`; a list leaves the flags as they are, a function may return
                `(flags, list)`, or `Ignore()` to change nothing.
            timeout: Seconds, None for no limit.

        Raises:
            CallbackFailed: The function raised, or flags or specs are wrong; `reason` says which. Nothing
                has changed. A supervisor cannot become, or cease to be, a `simple_one_for_one` one.

        Source:
            OTP `supervisor`, `code_change`.
        """
        await ask(supervisor, ("change_code", children), timeout)

    # ---------------------------------------------------------------- callbacks

    async def init(self, children: Children, flags: Any) -> Ok[Any] | Ignore | Stop[Any]:
        """Check everything, then start the children in order; roll back if one fails."""
        wanted = _wanted(children, flags)
        if wanted.__class__ is Ignore:
            return Ignore()
        if wanted.__class__ is Fault:
            return Stop(wanted)
        flags, specs = wanted
        process = current()
        name = process.names[0] if process.names else str(process.pid)
        begun: Ok[Any] | Stop[Any]
        if flags.strategy == SIMPLE:
            begun = simple_one_for_one.begin(name, flags, specs)
        else:
            begun = await acting.begin(name, flags, specs)
        if isinstance(begun, Ok):
            begun.state.module = Start(children).path if callable(children) else None
        return begun

    async def handle_call(self, request: Any, sender: From, state: Either) -> Reply[Either]:
        """Answer the client functions."""
        if request[0] == "change_code":
            return Reply(_change_code(state, request[1]), state)
        simple = isinstance(state, simple_one_for_one.State)
        requests = simple_one_for_one.REQUESTS if simple else acting.REQUESTS
        return Reply(await requests[request[0]](state, *request[1:]), state)

    async def handle_cast(self, request: Any, state: Either) -> NoReply[Any] | Stop[Any]:
        """Try a failed restart again, if it is still wanted."""
        if request.__class__ is not tuple or request[0] != acting.TRY_AGAIN:
            return NoReply(state)
        if isinstance(state, simple_one_for_one.State):
            return await dynamic.try_again(state, request[1])
        child = state.children.get(request[1])
        if child is not None and child.pid is RESTARTING:
            return await acting.restart(state, child)
        return NoReply(state)

    async def handle_info(self, message: Any, state: Either) -> NoReply[Any] | Stop[Any]:
        """Answer a child's exit; others' exits are ignored, other messages logged."""
        if message.__class__ is not Exit:
            super().handle_info(message, state)
            return NoReply(state)
        if isinstance(state, simple_one_for_one.State):
            return await dynamic.exited(state, message)
        child_id = state.ids.pop(message.pid, None)
        if child_id is None:
            return NoReply(state)
        return await acting.exited(state, state.children[child_id], message.reason)

    async def terminate(self, reason: Reason, state: Either) -> None:
        """Stop every child, the last started first; under `simple_one_for_one` all at the same time."""
        if isinstance(state, simple_one_for_one.State):
            await simple_one_for_one.stop_all(state)
        else:
            await acting.stop_all(state, list(state.children))

    def format_status(self, status: Status) -> Status:
        """Show the children, without what they are started with; how many under `simple_one_for_one`."""
        state = status.state
        if isinstance(state, simple_one_for_one.State):
            status.state = {"children": len(state.children), "spec": state.spec}
        elif isinstance(state, acting.State):
            status.state = [child.info(child_id) for child_id, child in state.children.items()]
        return status

    def callback_module(self, state: Either) -> str:
        """Return the function that the children come from, if it is one."""
        return state.module or super().callback_module(state)

    def children_of(self, state: Either) -> list[tuple[ChildInfo, int]]:
        """Return children and their restarts for a walk of the tree, in start order."""
        return [(child.info(child.spec.id), child.restarts) for child in state.children.values()]


def _wanted(children: Any, flags: Any) -> Any:
    """Return `(flags, specs)` with specs still to check, `Ignore`, or the fault that refuses the start."""
    if callable(children):
        made = children()
        if made.__class__ is Ignore:
            return made
        whole = made if made.__class__ is tuple and len(made) == 2 else (flags, made)
        if not isinstance(whole[1], list):
            return Fault("bad_return", (*Start(children).path.split(":"), shown(made)))
        flags, children = whole
    flags = flags_of(flags)
    wrong = flags_fault(flags)
    if wrong is not None:
        return Fault("supervisor_data", wrong)
    if not isinstance(children, list | tuple):
        return Fault("bad_start_spec", shown(children))
    return flags, [spec_of(child) for child in children]


def _change_code(state: Either, children: Any) -> Refusal | None:
    try:
        wanted = _wanted(children, state.flags)
    except (Exception, ExitProcess) as error:  # noqa: BLE001 - the user's function must not bring the supervisor down
        wanted = of_exception(error)
    if wanted.__class__ is Ignore:
        return None
    wrong = code_change.change(state, *wanted) if wanted.__class__ is tuple else wanted
    return None if wrong is None else Refusal("CallbackFailed", {"callback": "change_code", "reason": wrong})
