"""A node in this thread whose time stands still: for tests of servers, supervisors and whole trees."""

from __future__ import annotations

import asyncio
import copy
import inspect
import math
from collections.abc import Callable, Coroutine, Sequence
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from roger_actors.clock import ManualClock
from roger_actors.otp import (
    KILL,
    ChildSpec,
    ExitProcess,
    GenServer,
    Pid,
    Runtime,
    Supervisor,
    Target,
    Via,
    bare_host,
    host_child,
    open_host,
    process,
    reason,
)
from roger_actors.transport import ROOT, Endpoint, HostId, Role
from roger_actors.transport.memory import MemoryNode, NothingCanMove, VirtualLoop

T = TypeVar("T")

_MOST_WAITING: Final = 10


class CrashedByTest(Exception):
    """What a process is made to raise by `LocalNode.crash`."""


_INSTEAD: Final = {
    "start_host": "start the host in a fixture that is no async function",
    "run": "await the function, or process.spawn it",
    "supervise": "write `await Supervisor.start_link(…)`",
    "call": "write `await GenServer.call(…)`",
    "children": "write `await Supervisor.which_children(…)`",
    "crash": "let it raise: with a message, or `await GenServer.stop(…)` with a reason",
    "kill": "write `process.exit(pid, KILL)`",
    "settle": "write `await process.sleep(…)`: time jumps to the next timer when all wait",
    "advance": "write `await process.sleep(…)`: time jumps to the next timer when all wait",
}


class LocalNode:
    """An in-memory node with a root host and hosts of role `app` (and whatever roles it is given).

    A child with `host="own"` gets a host of its own, which ends with it; `host=<number>` is one that
    `start_host` returned.

    Args:
        roles: More roles, by name; one named `root` or `app` replaces the built-in one.
        clock: The clock that time is taken from.

    Example:
        ```python
        async def scenario():
            pid = await Counter.start_link(5)
            assert await Counter.call(pid, "get") == 5


        with LocalNode() as node:
            node.run(scenario)
        ```
    """

    def __init__(self, roles: dict[str, Role] | None = None, clock: ManualClock | None = None) -> None:
        self.clock = clock or ManualClock()
        self.loop = VirtualLoop(self.clock)
        self.runtimes: dict[HostId, Runtime] = {}
        built_in = {name: Role(name, self._main) for name in ("root", "kernel", "worker", "app")}
        built_in["own"] = Role("own", self._open_own)
        self.node = MemoryNode({**built_in, **(roles or {})}, self.loop)
        self.root = self.runtimes.get(HostId(0))

    def _main(self, endpoint: Endpoint, args: bytes) -> None:
        own_host = host_child("own", "own") if endpoint.host == ROOT else None
        self.runtimes[endpoint.host] = bare_host(endpoint, own_host)

    def _open_own(self, endpoint: Endpoint, args: bytes) -> None:
        runtime = self.runtimes[endpoint.host] = open_host(endpoint, max_restarts=0, own_process=False)
        runtime.environments.update(copy.deepcopy(self.runtime().environments))

    def runtime(self, host: HostId = HostId(0)) -> Runtime:  # noqa: B008 a constant
        """Return a host's runtime."""
        return self.runtimes[host]

    def start_host(self, role: str = "app") -> HostId:
        """Start a host and wait until it is there; from outside any process, as all that moves time."""
        self._from_outside("start_host")
        host = self.node.start_host(role, b"")
        self.settle()
        return host

    def kill_host(self, host: HostId, signal: int = 9) -> None:
        """Kill a host; the others are told when the loop runs next."""
        self.node.kill_host(host, signal)

    def spawn(self, function: Callable[..., Any], *args: Any, host: HostId = HostId(0)) -> Pid:  # noqa: B008
        """Start a function's process on a host, and return before it has begun."""
        return process.spawn_on(self.runtimes[host], function, *args)

    def run(
        self,
        function: Callable[..., Coroutine[Any, Any, T]],
        *args: Any,
        host: HostId = HostId(0),  # noqa: B008
        limit: float = 3600.0,
    ) -> T:
        """Run a coroutine function as a process of a host, letting time pass whenever all wait.

        Args:
            function: What to run.
            args: Its arguments.
            host: Where.
            limit: Virtual seconds after which to give up.

        Returns:
            What it returned. What it raised is raised here; if it is ended by an exit signal, that is
            raised as `ExitProcess`, with a note of who sent it.

        Raises:
            NothingCanMove: It waits for something that will never come; says who waits, and where.
            RuntimeError: This is called in an `async` function that the node runs; says what to write there.
        """
        self._from_outside("run")
        done: asyncio.Future[T] = self.loop.create_future()

        async def body() -> None:
            """Hand over what comes of it."""
            try:
                result = await function(*args)
            except asyncio.CancelledError:
                raise
            except BaseException as error:  # noqa: BLE001 - handed to the test, which raises it
                if not done.done():
                    done.set_exception(_carried(error))
            else:
                if not done.done():
                    done.set_result(result)

        runtime = self.runtimes[host]
        main = runtime.local(process.spawn_on(runtime, body))
        ended = runtime.wait_for_end(main.pid)
        assert ended.future is not None
        ended.future.add_done_callback(lambda end: _ended(done, end, main.ended_by, _name_of(function)))
        try:
            result: T = self._run_until(done, limit)
        except _Carried as carried:
            raise carried.error from None
        return result

    def supervise(self, children: Sequence[ChildSpec] | Callable[[], Any], **options: Any) -> Pid:
        """Start a supervisor on the root host that lives until the node is closed.

        Args:
            children: Its children's specs, or a function that returns them.
            options: As for `Supervisor.start_link`; the strategy is `one_for_one` unless told.

        Returns:
            The supervisor's pid.

        Raises:
            StartFailed: As `Supervisor.start_link` does.
        """
        self._from_outside("supervise")
        started: asyncio.Future[Pid] = self.loop.create_future()
        if "flags" not in options:
            options.setdefault("strategy", "one_for_one")

        async def keep() -> None:
            """Be the supervisor's parent."""
            process.trap_exit()
            try:
                pid = await Supervisor.start_link(children, **options)
            except Exception as error:  # noqa: BLE001 - raised at the caller
                started.set_exception(error)
                return
            started.set_result(pid)
            await process.receive(matching=lambda message: getattr(message, "pid", None) == pid)

        self.spawn(keep)
        pid: Pid = self._run_until(started)
        return pid

    def _run_until(self, future: asyncio.Future[Any], limit: float = math.inf) -> Any:
        try:
            return self.loop.run_until(future, limit=limit)
        except NothingCanMove as error:
            raise NothingCanMove(f"{error}; {self._waiting()}") from None

    def _waiting(self) -> str:
        """Return which processes are inside their code, and where."""
        inside = [
            f"{one.pid} in {_waits_in(one.task)}"
            for runtime in self.runtimes.values()
            for one in runtime.processes.values()
            if one.task is not None
        ]
        more = f" and {len(inside) - _MOST_WAITING} more" if len(inside) > _MOST_WAITING else ""
        return f"waiting: {', '.join(inside[:_MOST_WAITING])}{more}" if inside else "no code waits"

    def _from_outside(self, method: str) -> None:
        """Refuse what moves time to code that time moves."""
        if self.loop.is_running():
            raise RuntimeError(
                f"LocalNode.{method} is for plain functions: here an async one runs on the node; "
                f"{_INSTEAD[method]}"
            )

    def call(self, target: Target, request: Any, timeout: float | None = 5.0) -> Any:
        """Call a server from outside any process and return its answer; see `GenServer.call`."""
        self._from_outside("call")
        return self.run(GenServer.call, target, request, timeout)

    def children(self, supervisor: Target) -> dict[Any, Any]:
        """Return the pids of a supervisor's children by id; None: stopped, `RESTARTING`: being tried."""
        self._from_outside("children")
        return {info.id: info.pid for info in self.run(Supervisor.which_children, supervisor)}

    def whereis(self, name: str, host: HostId = HostId(0)) -> Pid | None:  # noqa: B008
        """Return the pid that has a name on a host, None if nobody has."""
        found = self.runtimes[host].names.get(name)
        return None if found is None else found.pid

    def crash(self, target: Target, error: Exception | None = None) -> None:
        """Let a process crash as if its own code had raised, and wait until all has settled.

        A server that waits for messages runs its `terminate`; a process that is inside its code ends where
        it stands.

        Args:
            target: A pid, a name on the root host, or `(name, host)`.
            error: What it raises; by default `CrashedByTest`.

        Raises:
            NoProcess: There is no such process.
        """
        self._from_outside("crash")
        runtime = self._runtime_of(target)
        victim = runtime.local(target)
        cause = reason.of_exception(error or CrashedByTest())
        if getattr(victim, "phase", None) == "running" and victim.task is None:
            self.run(GenServer.stop, victim.pid, cause, host=runtime.host)
        else:
            runtime.end(victim, cause)
        self.settle()

    def kill(self, target: Target) -> None:
        """Kill a process as `exit(pid, KILL)` does, and wait until all has settled.

        Raises:
            NoProcess: There is no such process.
        """
        self._from_outside("kill")
        runtime = self._runtime_of(target)
        runtime.exit(runtime.host_pid, runtime.local(target).pid, KILL)
        self.settle()

    def _runtime_of(self, target: Target) -> Runtime:
        if isinstance(target, Via):
            target = target.pid()
        host = target.host if isinstance(target, Pid) else HostId(0) if isinstance(target, str) else target[1]
        return self.runtimes[host]

    def lingering(self) -> list[str]:
        """Return the code of ended processes that still runs because it swallowed its cancellation."""
        return [_waits_in(task) for runtime in self.runtimes.values() for task in runtime.lingering]

    def settle(self) -> None:
        """Run until nothing can move without time passing."""
        self._from_outside("settle")
        self.loop.settle()

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._from_outside("advance")
        self.loop.advance(seconds)

    def close(self) -> None:
        """End every host and close the loop."""
        if self.loop.is_closed():
            return
        self.node.stop()
        self.loop.settle()
        tasks = asyncio.all_tasks(self.loop)
        for task in tasks:
            task.cancel()
        self.loop.settle()
        self.loop.close()

    def __enter__(self) -> Self:
        """Return the node."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()


def _waits_in(task: asyncio.Task[None]) -> str:
    """Return the coroutines that a task is inside of, the innermost last."""
    names = []
    work: Any = task.get_coro()
    while inspect.iscoroutine(work):
        names.append(work.__qualname__)
        work = work.cr_await
    return " > ".join(names[1:] or names)


class _Carried(Exception):
    def __init__(self, error: BaseException) -> None:
        self.error = error


def _carried(error: BaseException) -> Exception:
    """Wrap what a future may not hold (SystemExit, ExitProcess, StopIteration)."""
    return _Carried(error)


def _ended(done: asyncio.Future[Any], end: asyncio.Future[Any], by: Pid | None, name: str) -> None:
    """The process that ran a function has ended before that returned or raised."""
    if done.done() or end.cancelled():
        return
    error = ExitProcess(end.result())
    sender = "" if by is None else f" of {by}"
    error.add_note(
        f"an exit signal{sender} ended the process that ran {name}; process.trap_exit makes it a message"
    )
    done.set_exception(_Carried(error))


def _name_of(function: Callable[..., Any]) -> str:
    return getattr(function, "__qualname__", repr(function))
