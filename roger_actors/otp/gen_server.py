"""GenServer: a process that answers calls, takes casts, and keeps a state.

Subclass it, write the callbacks (`def` or `async def`), start it, and talk to it with `call` and `cast`.
A callback handles one message at a time; what it raises is the process's exit reason.

Source: OTP `gen_server`; Elixir `GenServer`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, ClassVar, Generic, TypeVar, Union, overload

from roger_actors.errors import NoProcess, ServerExited, StartFailed
from roger_actors.otp.child_spec import ChildInfo, ChildSpec, Start
from roger_actors.otp.message import CastRequest, Exit, From, Request
from roger_actors.otp.pid import Pid, Ref
from roger_actors.otp.process import current, here
from roger_actors.otp.reason import KILLED, NORMAL, TIMEOUT, ExitProcess, Fault, Reason, shown
from roger_actors.otp.result import Ignore, NoReply, Ok, Reply, Stop
from roger_actors.otp.runtime import CURRENT, Log, Name, Process, Runtime, Target
from roger_actors.otp.send_request import SendRequest, ask
from roger_actors.otp.serving import FAILED, IGNORED, STARTING, BoundedServer, ServerProcess, Status
from roger_actors.otp.via import Via

_log = Log(__name__)

S = TypeVar("S")
T = TypeVar("T")
Maybe = Union[T, Coroutine[Any, Any, T]]  # noqa: UP007 a generic alias, spelled for 3.11
"""A result, or the coroutine of an `async def` callback."""


class GenServer(SendRequest, Generic[S]):
    """Base of servers whose state has type `S`.

    Example:
        ```python
        class Counter(GenServer[int]):
            def init(self, start: int) -> Ok[int]:
                return Ok(start)

            def handle_call(self, request, sender, state):
                return Reply(state, state)

            def handle_cast(self, request, state):
                return NoReply(state + request)
        ```

    Attributes:
        trap_exit: Whether the process traps exits from its first moment.
        max_mailbox: Most messages that may wait, 1 or more; one more ends the process, without `terminate`,
            with `Fault("mailbox_full", max_mailbox)`, and what waited is lost. None for no limit.
    """

    __slots__ = ()

    trap_exit: ClassVar[bool] = False
    max_mailbox: ClassVar[int | None] = None
    eager: ClassVar[bool] = False
    """Internal: coroutine callbacks take their first step without a task (they use no asyncio features)."""
    has_terminate: ClassVar[bool] = False
    """Internal: whether the class defines `terminate`."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Note whether the subclass defines `terminate`."""
        super().__init_subclass__(**kwargs)
        cls.has_terminate = cls.terminate is not GenServer.terminate

    # ---------------------------------------------------------------- callbacks

    def init(self, *args: Any, **kwargs: Any) -> Maybe[Ok[S] | Ignore | Stop[S]]:
        """Make the first state; the starter waits for it.

        Args:
            args: What `start_link` was given.
            kwargs: Likewise.
        """
        raise NotImplementedError(f"{type(self).__qualname__}.init")

    def handle_call(self, request: Any, sender: From, state: S) -> Maybe[Reply[S] | NoReply[S] | Stop[S]]:
        """Answer a call; the default ends the server with `bad_call`."""
        raise ExitProcess(Fault("bad_call", shown(request)))

    def handle_cast(self, request: Any, state: S) -> Maybe[NoReply[S] | Stop[S]]:
        """Take a cast; the default ends the server with `bad_cast`."""
        raise ExitProcess(Fault("bad_cast", shown(request)))

    def handle_info(self, message: Any, state: S) -> Maybe[NoReply[S] | Stop[S]]:
        """Take any other message; the default logs it."""
        _log.error("%s got an unexpected message: %.500r", type(self).__qualname__, message)
        return NoReply(state)

    def handle_continue(self, token: Any, state: S) -> Maybe[NoReply[S] | Stop[S]]:
        """Go on after a result with `then=token`, before any message."""
        raise ExitProcess(Fault("undef_handle_continue", shown(token)))

    def terminate(self, reason: Reason, state: S) -> Maybe[None]:
        """Clean up.

        Not called on a kill, on an exit signal to a server that does not trap, or after a failed init.
        """

    def format_status(self, status: Status) -> Status:
        """Take secrets out of what is about to be shown: in `get_status`, the log of a crash, a trace.

        Args:
            status: Its state, the message and the exit reason, where there are such. Replace its fields;
                do not change what they hold, which is the server's own.

        Returns:
            The same. If this raises, nothing is shown but that it failed. The exit reason itself stays as
            it is for links, monitors and the supervisor, which reports it.

        Source: OTP 25 `gen_server:format_status/1`.
        """
        return status

    def callback_module(self, state: S) -> str:
        """Return what `get_callback_module` tells: `module:name` of what the server runs."""
        kind = type(self)
        return f"{kind.__module__}:{kind.__qualname__}"

    def children_of(self, state: S) -> list[tuple[ChildInfo, int]]:
        """Return a supervisor's children and their restarts, for a walk of the tree; others have none."""
        return []

    # ---------------------------------------------------------------- start and stop

    @classmethod
    def child_spec(cls, *args: Any, **kwargs: Any) -> ChildSpec:
        """Return how a supervisor starts this server; override it to change more than the arguments.

        Args:
            args: For `start_link`.
            kwargs: Likewise.

        Source:
            Elixir `use GenServer`.
        """
        return ChildSpec(id=cls.__name__, start=Start(cls, *args, **kwargs))

    @classmethod
    async def start_link(
        cls, *args: Any, name: Name | None = None, timeout: float | None = None, **kwargs: Any
    ) -> Pid:
        """Start the server, linked to the current process, and wait for its `init`.

        Args:
            args: For `init`.
            name: Register it under this name on this host, or with a registry (`Via`), before `init` runs.
            timeout: Seconds an `async` init may take, None for no limit.
            kwargs: For `init`.

        Returns:
            Its pid; None when `init` returned `Ignore`.

        Raises:
            NameTaken: The name has a holder.
            StartFailed: `init` refused, raised, returned no known result or took too long.
        """
        return await _start(cls, (args, kwargs), name, current(), timeout)

    @classmethod
    async def start(
        cls, *args: Any, name: Name | None = None, timeout: float | None = None, **kwargs: Any
    ) -> Pid:
        """Like `start_link`, without a link."""
        return await _start(cls, (args, kwargs), name, None, timeout)

    @classmethod
    async def start_monitor(
        cls, *args: Any, name: Name | None = None, timeout: float | None = None, **kwargs: Any
    ) -> tuple[Pid, Ref]:
        """Like `start`, with a monitor that is there before anything can end the server.

        Returns:
            Its pid and the monitor's ref; None when `init` returned `Ignore`, which leaves no monitor.
        """
        watcher = current()
        process = _launch(watcher.runtime, cls(), (args, kwargs), name, None)
        ref = watcher.runtime.monitor(watcher, process.pid)
        try:
            pid: Pid | None = await _begun(process, name, None, timeout)
        finally:
            if process.phase in {FAILED, IGNORED, STARTING}:
                watcher.runtime.demonitor(watcher, ref, flush=True)
        return (pid, ref) if pid is not None else None  # type: ignore[return-value]  # as for `start`

    @classmethod
    def start_nowait(cls, *args: Any, name: Name | None = None, link: bool = False, **kwargs: Any) -> Pid:
        """Start the server from a plain callback.

        A plain `init` has run when this returns, and its failure is raised here. An `async` init has
        only been begun: how it ends is told through link and monitor.

        Raises:
            NameTaken, StartFailed: As for `start_link`.
        """
        process = _launch(here(), cls(), (args, kwargs), name, current() if link else None)
        if process.phase is not STARTING:
            return _outcome(process)
        process.awaited = False
        return process.pid

    @staticmethod
    async def stop(target: Target, reason: Reason = NORMAL, timeout: float | None = None) -> None:
        """Stop a server in order and wait until it has ended.

        Args:
            target: The server.
            reason: What it should exit with.
            timeout: Seconds, None for no limit.

        Raises:
            NoProcess: It is not there.
            CallTimeout: It did not end in time.
            ServerExited: It ended with another reason.
            ValueError: The timeout is no number of seconds.
        """
        limit: Any = timeout
        if limit is not None and not (isinstance(limit, int | float) and limit >= 0):
            raise ValueError(f"a timeout is a number of seconds or None, not {limit!r}")
        runtime = here()
        try:
            await runtime.call(target, reason, timeout, "terminate")
        except ServerExited as error:
            if error.reason != reason:
                raise

    # ---------------------------------------------------------------- calls

    @overload
    @classmethod
    async def call(cls, target: Target, request: Request[T], timeout: float | None = 5.0) -> T: ...

    @overload
    @classmethod
    async def call(cls, target: Target, request: Any, timeout: float | None = 5.0) -> Any: ...

    @classmethod
    async def call(cls, target: Target, request: Any, timeout: float | None = 5.0) -> Any:
        """Ask a server and wait for its answer.

        The type of the answer is known if the request is a `Request`.

        Args:
            target: Pid, name on this host, or (name, host).
            request: Given to `handle_call`.
            timeout: Seconds, None for no limit.

        Raises:
            CallTimeout: No answer in time; a late one is dropped.
            NoProcess: There is no such process.
            CallingSelf: The server called itself.
            ServerExited: It ended before it answered.
            Undeliverable: The request cannot travel to its host.
        """
        return await ask(target, request, timeout)

    @staticmethod
    def cast(target: Target, request: Any) -> None:
        """Send a request that nobody answers; silent even if there is no such process."""
        try:
            here().send(target, CastRequest(request))
        except NoProcess:
            return

    @staticmethod
    def reply(sender: From, value: Any) -> None:
        """Answer a saved `From`, from any process, once."""
        here().reply(sender, value)

    # ---------------------------------------------------------------- system requests

    @staticmethod
    async def get_state(target: Target, timeout: float | None = 5.0) -> Any:
        """Return a server's state, for looking at it while debugging.

        Raises:
            Undeliverable: The state cannot travel from the server's host to this one.
            NoProcess, CallTimeout, ServerExited: As for `call`.

        Source: Erlang `sys:get_state`.
        """
        return await ask(target, None, timeout, "get_state")

    @staticmethod
    async def replace_state(target: Target, change: Callable[[Any], Any], timeout: float | None = 5.0) -> Any:
        """Replace a server's state by what `change` makes of it, and return that.

        Args:
            target: The server.
            change: Runs in the server's process; to another host it travels as any message does.
            timeout: Seconds, None for no limit.

        Raises:
            CallbackFailed: `change` raised; the state is as it was.
            Undeliverable: `change`, or the new state, cannot travel.

        Source: Erlang `sys:replace_state`.
        """
        return await ask(target, change, timeout, "replace_state")

    @staticmethod
    async def get_status(target: Target, timeout: float | None = 5.0) -> dict[str, Any]:
        """Return what a server is and does.

        Returns:
            `pid`, `name`, `class`, `phase` (`running`, `suspended`, `stopping` …), `parent`, `mailbox`
            (messages that wait), `handled` (messages so far), and `state` as `format_status` shows it;
            the state comes as text when it cannot travel.

        Source: Erlang `sys:get_status`.
        """
        status: dict[str, Any] = await ask(target, None, timeout, "get_status")
        return status

    @staticmethod
    async def suspend(target: Target, timeout: float | None = 5.0) -> None:
        """Let a server's messages queue up until `resume`; none is lost and none overtakes another.

        System requests are answered, and the parent's exit ends the server, meanwhile.

        Source: Erlang `sys:suspend`.
        """
        await ask(target, None, timeout, "suspend")

    @staticmethod
    async def resume(target: Target, timeout: float | None = 5.0) -> None:
        """Let a suspended server go on with what has queued up.

        Source: Erlang `sys:resume`.
        """
        await ask(target, None, timeout, "resume")


def _launch(
    runtime: Runtime,
    server: GenServer[Any],
    given: tuple[tuple[Any, ...], dict[str, Any]],
    name: Name | None,
    parent: Process | None,
) -> ServerProcess:
    process = (ServerProcess if server.max_mailbox is None else BoundedServer)(runtime, server)
    runtime.enter(process, name, parent)
    process.begin(*given)
    _release(name, process)
    return process


def _release(name: Name | None, process: ServerProcess) -> None:
    """Take a registry's name from a process whose start failed; the host's own names end with it."""
    if isinstance(name, Via) and not process.alive:
        name.release(process.pid)


def start_under(parent: Process, server: GenServer[Any], args: tuple[Any, ...]) -> Pid:
    """Start a server with a plain `init`, linked to a process that is not the current one.

    Raises:
        StartFailed: `init` refused, raised, returned no known result, or is a coroutine.
    """
    process = _launch(parent.runtime, server, (args, {}), None, parent)
    if process.phase is STARTING:
        parent.runtime.end(process, KILLED)
        raise StartFailed(what=process.label(), reason=Fault("async_init", process.label()))
    return _outcome(process)


async def _start(
    cls: type[GenServer[Any]],
    given: tuple[tuple[Any, ...], dict[str, Any]],
    name: Name | None,
    parent: Process | None,
    timeout: float | None,
) -> Pid:
    return await _begun(_launch(here(), cls(), given, name, parent), name, parent, timeout)


async def _begun(
    process: ServerProcess, name: Name | None, parent: Process | None, timeout: float | None
) -> Pid:
    """Wait for the end of `init` and return what `start_link` returns, or raise."""
    if process.phase is STARTING:
        await _wait_for_start(process.runtime, process, timeout)
        _release(name, process)
        # Only if it was ended before it began: an end after that is for the parent to be told.
        if parent is not None and process.phase is STARTING:
            drop_exit(parent, process.pid)
    return _outcome(process)


async def _wait_for_start(runtime: Runtime, process: ServerProcess, timeout: float | None) -> None:
    waiter = CURRENT.get()
    began = process.began = runtime.loop.create_future()
    pending = runtime.wait_for_end(process.pid)
    assert pending.future is not None
    pending.future.add_done_callback(lambda _: _resolve(began))
    timer = None if timeout is None else runtime.timers.start(timeout, _give_up, process)
    try:
        await began
    except asyncio.CancelledError:
        if process.phase is STARTING and (waiter is None or waiter.alive):
            _give_up(process)  # who wanted it lives and does not want it any more
        raise
    finally:
        runtime.forget(pending)
        pending.future.cancel()
        if timer is not None:
            runtime.timers.cancel(timer)


def _resolve(began: asyncio.Future[None]) -> None:
    if not began.done():
        began.set_result(None)


def drop_exit(parent: Process, child: Pid) -> None:
    """Take the exit of a child that never began out of its starter's mailbox: the result tells."""
    mailbox = parent.mailbox or deque()
    for position, message in reversed(list(enumerate(mailbox))):
        if message.__class__ is Exit and message.pid == child:
            del mailbox[position]


def _give_up(process: ServerProcess) -> None:
    process.phase = FAILED
    process.failure = TIMEOUT
    if process.parent is not None:
        process.runtime.unlink(process, process.parent)
    process.runtime.end(process, KILLED)


def _outcome(process: ServerProcess) -> Pid:
    """Return what `start_link` returns for a start that is over, or raise."""
    if process.phase is FAILED or (process.phase is STARTING and not process.alive):
        reason = process.failure if process.phase is FAILED else process.reason
        raise StartFailed(what=process.label(), reason=reason)
    # Typed as a Pid: only callers of servers that answer Ignore can meet the None.
    return process.pid if process.phase is not IGNORED else None  # type: ignore[return-value]
