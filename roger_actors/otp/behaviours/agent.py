"""Agent: a state in a process of its own, read and changed by functions that run there.

For a state that several processes share and that needs no messages of its own. Functions run one after the
other in the agent's process, so a slow one keeps everybody waiting. One that raises ends the agent. To an
agent on another host functions travel by pickle, between app hosts only: they must be importable there.

Source: Elixir `Agent`.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from types import CoroutineType
from typing import Any, TypeVar, TypeVarTuple, Unpack, overload

from roger_actors.otp.gen_server import GenServer, Maybe
from roger_actors.otp.message import From
from roger_actors.otp.pid import Pid
from roger_actors.otp.process import current
from roger_actors.otp.reason import Fault, shown
from roger_actors.otp.result import NoReply, Ok, Reply, Stop
from roger_actors.otp.runtime import Target

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class Agent(GenServer[Any]):
    """The behaviour; used as it is, not subclassed.

    Every function may be `def` or `async def`; its first argument is the state, then come `args`. Between
    processes of the same host nothing is copied: treat a state that `get` returned as the agent's own.

    Example:
        ```python
        counts = await Agent.start_link(dict)
        await Agent.update(counts, operator.or_, {"apples": 3})
        assert await Agent.get(counts, dict.get, "apples") == 3
        ```
    """

    # ---------------------------------------------------------------- client

    @classmethod
    async def start_link(  # type: ignore[override]  # a function instead of init's arguments, as in Elixir
        cls,
        function: Callable[[Unpack[Ts]], Any],
        *args: *Ts,
        name: str | None = None,
        timeout: float | None = None,
    ) -> Pid:
        """Start an agent, linked to the current process; what the function returns is its first state.

        Args:
            function: Called in the agent's process.
            args: Its arguments.
            name: Register it under this name on this host.
            timeout: Seconds an `async def` may take, None for no limit.

        Raises:
            NameTaken: The name has a holder.
            StartFailed: The function raised, or took too long.
        """
        return await super().start_link(function, *args, name=name, timeout=timeout)

    @classmethod
    async def start(  # type: ignore[override]  # as above
        cls,
        function: Callable[[Unpack[Ts]], Any],
        *args: *Ts,
        name: str | None = None,
        timeout: float | None = None,
    ) -> Pid:
        """Like `start_link`, without a link."""
        return await super().start(function, *args, name=name, timeout=timeout)

    @overload
    @staticmethod
    async def get(
        agent: Target,
        function: Callable[[Any, Unpack[Ts]], Coroutine[Any, Any, T]],
        *args: *Ts,
        timeout: float | None = 5.0,
    ) -> T: ...

    @overload
    @staticmethod
    async def get(
        agent: Target,
        function: Callable[[Any, Unpack[Ts]], T],
        *args: *Ts,
        timeout: float | None = 5.0,
    ) -> T: ...

    @staticmethod
    async def get(
        agent: Target,
        function: Callable[[Any, Unpack[Ts]], Maybe[T]],
        *args: *Ts,
        timeout: float | None = 5.0,
    ) -> T:
        """Return what a function makes of the state.

        Args:
            agent: Pid, name on this host, or (name, host).
            function: Called in the agent's process with the state and `args`.
            args: More arguments.
            timeout: Seconds, None for no limit.

        Raises:
            CallTimeout: It took longer; it may still be carried out.
            NoProcess: There is no such agent.
            ServerExited: The function raised, and so ended the agent.
            Undeliverable: The function, an argument or the result cannot travel between the hosts.
        """
        result: T = await GenServer.call(agent, ("get", function, args), timeout)
        return result

    @staticmethod
    async def update(
        agent: Target,
        function: Callable[[Any, Unpack[Ts]], Any],
        *args: *Ts,
        timeout: float | None = 5.0,
    ) -> None:
        """Make what a function returns the state; raises what `get` raises."""
        await GenServer.call(agent, ("update", function, args), timeout)

    @overload
    @staticmethod
    async def get_and_update(
        agent: Target,
        function: Callable[[Any, Unpack[Ts]], Coroutine[Any, Any, tuple[T, Any]]],
        *args: *Ts,
        timeout: float | None = 5.0,
    ) -> T: ...

    @overload
    @staticmethod
    async def get_and_update(
        agent: Target,
        function: Callable[[Any, Unpack[Ts]], tuple[T, Any]],
        *args: *Ts,
        timeout: float | None = 5.0,
    ) -> T: ...

    @staticmethod
    async def get_and_update(
        agent: Target,
        function: Callable[[Any, Unpack[Ts]], Maybe[tuple[T, Any]]],
        *args: *Ts,
        timeout: float | None = 5.0,
    ) -> T:
        """Call a function that returns a pair: what is returned here, and the next state.

        Raises what `get` raises; `ServerExited` with `bad_return_value` if it returns no pair.
        """
        result: T = await GenServer.call(agent, ("get_and_update", function, args), timeout)
        return result

    @staticmethod
    def cast(  # a function instead of a request, as in Elixir
        agent: Target, function: Callable[[Any, Unpack[Ts]], Any], *args: *Ts
    ) -> None:
        """Make what a function returns the state, without waiting; silent if there is no such agent.

        Raises:
            Undeliverable: The function or an argument cannot travel to the agent's host.
        """
        GenServer.cast(agent, (function, args))

    # ---------------------------------------------------------------- callbacks

    def init(self, function: Callable[..., Any], *args: Any) -> Maybe[Ok[Any]]:
        """Make the first state."""
        return _then(function(*args), Ok)

    def handle_call(
        self, request: Any, sender: From, state: Any
    ) -> Maybe[Reply[Any] | NoReply[Any] | Stop[Any]]:
        """Run a function on the state and answer."""
        kind, function, args = request
        result = function(state, *args)
        if kind == "get":
            return _then(result, lambda value: _answered(sender, value, state))
        if kind == "update":
            return _then(result, lambda value: Reply(None, value))
        return _then(result, lambda value: _both(sender, value, state))

    def handle_cast(self, request: Any, state: Any) -> Maybe[NoReply[Any]]:
        """Run a function on the state."""
        function, args = request
        return _then(function(state, *args), NoReply)


def _answered(sender: From, value: Any, state: Any) -> NoReply[Any]:
    """Answer; a value that cannot travel is the trouble of who asked for it."""
    current().runtime.reply_or_refuse(sender, value)
    return NoReply(state)


def _both(sender: From, value: Any, state: Any) -> NoReply[Any] | Stop[Any]:
    if value.__class__ is tuple and len(value) == 2:
        return _answered(sender, *value)
    return Stop(Fault("bad_return_value", shown(value)), state)


def _then(result: Any, make: Callable[[Any], T]) -> T | Coroutine[Any, Any, T]:
    """Return what `make` makes of a function's result, or a coroutine that will, if that is one."""
    if result.__class__ is not CoroutineType:
        return make(result)

    async def later() -> T:
        """Wait for the result."""
        return make(await result)

    return later()
