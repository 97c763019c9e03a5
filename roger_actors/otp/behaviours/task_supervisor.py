"""TaskSupervisor: tasks as children of a supervisor, so that they are seen and stopped as a part of its tree.

Tasks run on the supervisor's host, wherever their owner is: a supervisor on a host of its own takes heavy
work away from the owner's. What is sent there must travel: between app hosts functions and arguments are
pickled, so a function must be importable there; other hosts refuse them with `Undeliverable`.

Source: Elixir `Task.Supervisor`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable
from typing import Any, TypeVar, TypeVarTuple, Unpack, overload

from roger_actors.otp.behaviours.task import Task, assign
from roger_actors.otp.behaviours.task_process import TaskExit, TaskOk, Work, await_work, perform, work
from roger_actors.otp.behaviours.task_stream import StreamOptions, stream
from roger_actors.otp.child_spec import ChildSpec, Restart, ShutdownLimit, Start
from roger_actors.otp.dynamic_supervisor import DynamicSupervisor
from roger_actors.otp.gen_server import Maybe
from roger_actors.otp.pid import Pid
from roger_actors.otp.process import current, self
from roger_actors.otp.runtime import Name, Process, Target

T = TypeVar("T")
I = TypeVar("I")  # noqa: E741 - an item
Ts = TypeVarTuple("Ts")


class TaskSupervisor(DynamicSupervisor):
    """The behaviour; used as it is: `ChildSpec(id="tasks", start=Start(TaskSupervisor, name="tasks"))`."""

    @classmethod
    async def start_link(  # type: ignore[override]  # fewer options than a DynamicSupervisor
        cls,
        *,
        name: Name | None = None,
        max_children: int | None = None,
        max_restarts: int = 3,
        max_seconds: float = 5.0,
    ) -> Pid:
        """Start a supervisor of tasks, linked to the current process.

        Args:
            name: Registered before anything else.
            max_children: Tasks at the same time, None for no limit.
            max_restarts: Restarts tolerated within `max_seconds`; only tasks with a `restart` other than
                `temporary` are restarted.
            max_seconds: Width of that window in seconds, above 0.

        Raises:
            NameTaken: The name has a holder.
            StartFailed: An option is wrong.
        """
        return await super().start_link(
            name=name, max_children=max_children, max_restarts=max_restarts, max_seconds=max_seconds
        )

    @overload
    @staticmethod
    async def async_(
        supervisor: Target,
        function: Callable[[Unpack[Ts]], Coroutine[Any, Any, T]],
        *args: *Ts,
        shutdown: ShutdownLimit = 5.0,
    ) -> Task[T]: ...

    @overload
    @staticmethod
    async def async_(
        supervisor: Target,
        function: Callable[[Unpack[Ts]], T],
        *args: *Ts,
        shutdown: ShutdownLimit = 5.0,
    ) -> Task[T]: ...

    @staticmethod
    async def async_(
        supervisor: Target,
        function: Callable[[Unpack[Ts]], Maybe[T]],
        *args: *Ts,
        shutdown: ShutdownLimit = 5.0,
    ) -> Task[T]:
        """Start a task under the supervisor, owned by and linked to the current process.

        Args:
            supervisor: Pid, name on this host, or (name, host).
            function: `def` or `async def`.
            args: Its arguments.
            shutdown: Seconds it has when its supervisor stops it, if it traps exits; or `brutal_kill`.

        Raises:
            TooManyChildren: The supervisor has `max_children`.
            NoProcess, ServerExited: There is no such supervisor.
            Undeliverable: The function or an argument cannot travel to the supervisor's host.
        """
        return assign(await _begin(supervisor, shutdown), work(function, args), link=True)

    @overload
    @staticmethod
    async def async_nolink(
        supervisor: Target,
        function: Callable[[Unpack[Ts]], Coroutine[Any, Any, T]],
        *args: *Ts,
        shutdown: ShutdownLimit = 5.0,
    ) -> Task[T]: ...

    @overload
    @staticmethod
    async def async_nolink(
        supervisor: Target,
        function: Callable[[Unpack[Ts]], T],
        *args: *Ts,
        shutdown: ShutdownLimit = 5.0,
    ) -> Task[T]: ...

    @staticmethod
    async def async_nolink(
        supervisor: Target,
        function: Callable[[Unpack[Ts]], Maybe[T]],
        *args: *Ts,
        shutdown: ShutdownLimit = 5.0,
    ) -> Task[T]:
        """Like `async_`, without a link: the crash of the task does not harm its owner, nor the other way."""
        return assign(await _begin(supervisor, shutdown), work(function, args))

    @staticmethod
    async def start_child(  # type: ignore[override]  # a function instead of a spec, as in Elixir
        supervisor: Target,
        function: Callable[[Unpack[Ts]], Any],
        *args: *Ts,
        restart: Restart = "temporary",
        shutdown: ShutdownLimit = 5.0,
    ) -> Pid:
        """Start a task whose result nobody wants, linked to nobody but its supervisor.

        Args:
            supervisor: Pid, name on this host, or (name, host).
            function: `def` or `async def`.
            args: Its arguments.
            restart: `temporary`: it is never restarted; or as in `ChildSpec`.
            shutdown: As for `async_`.

        Returns:
            Its pid.

        Raises:
            TooManyChildren, NoProcess, ServerExited, Undeliverable: As for `async_`.
            InvalidChildSpec: `restart` or `shutdown` is wrong.
        """
        start = Start(_perform, work(function, args))
        spec = ChildSpec(id=Start(function).name, start=start, restart=restart, shutdown=shutdown)
        pid: Pid = await DynamicSupervisor.start_child(supervisor, spec)
        return pid

    @overload
    @staticmethod
    def async_stream(
        supervisor: Target,
        items: Iterable[I],
        function: Callable[[I, Unpack[Ts]], Coroutine[Any, Any, T]],
        *args: *Ts,
        shutdown: ShutdownLimit = 5.0,
        **options: Unpack[StreamOptions],
    ) -> AsyncGenerator[TaskOk[T] | TaskExit, None]: ...

    @overload
    @staticmethod
    def async_stream(
        supervisor: Target,
        items: Iterable[I],
        function: Callable[[I, Unpack[Ts]], T],
        *args: *Ts,
        shutdown: ShutdownLimit = 5.0,
        **options: Unpack[StreamOptions],
    ) -> AsyncGenerator[TaskOk[T] | TaskExit, None]: ...

    @staticmethod
    def async_stream(
        supervisor: Target,
        items: Iterable[I],
        function: Callable[[I, Unpack[Ts]], Maybe[T]],
        *args: *Ts,
        shutdown: ShutdownLimit = 5.0,
        **options: Unpack[StreamOptions],
    ) -> AsyncGenerator[TaskOk[T] | TaskExit, None]:
        """Like `Task.async_stream`, with the tasks under the supervisor.

        Args:
            supervisor: As for `async_`. If it has a limit, `max_concurrency` must not be above it.
            items: May be endless.
            function: Called with an item and `args`; `def` or `async def`.
            args: More arguments.
            shutdown: As for `async_`.
            options: See `StreamOptions`.

        Raises:
            ValueError: An option is wrong.
            TooManyChildren, NoProcess, ServerExited, Undeliverable: While iterating, as for `async_`.
            CallTimeout: While iterating: a task was late, and `on_timeout` is `exit`.
        """

        async def begin(guard: Process) -> Pid:
            """Start a task of the stream, linked to its guard."""
            pid = await _begin(supervisor, shutdown)
            guard.runtime.link(guard, pid)
            return pid

        return stream(items, function, args, begin, options)

    @overload
    @staticmethod
    def async_stream_nolink(
        supervisor: Target,
        items: Iterable[I],
        function: Callable[[I, Unpack[Ts]], Coroutine[Any, Any, T]],
        *args: *Ts,
        shutdown: ShutdownLimit = 5.0,
        **options: Unpack[StreamOptions],
    ) -> AsyncGenerator[TaskOk[T] | TaskExit, None]: ...

    @overload
    @staticmethod
    def async_stream_nolink(
        supervisor: Target,
        items: Iterable[I],
        function: Callable[[I, Unpack[Ts]], T],
        *args: *Ts,
        shutdown: ShutdownLimit = 5.0,
        **options: Unpack[StreamOptions],
    ) -> AsyncGenerator[TaskOk[T] | TaskExit, None]: ...

    @staticmethod
    def async_stream_nolink(
        supervisor: Target,
        items: Iterable[I],
        function: Callable[[I, Unpack[Ts]], Maybe[T]],
        *args: *Ts,
        shutdown: ShutdownLimit = 5.0,
        **options: Unpack[StreamOptions],
    ) -> AsyncGenerator[TaskOk[T] | TaskExit, None]:
        """Like `async_stream`, without links: a task that crashes is a `TaskExit(reason)`.

        Tasks that run when the current process ends run on; those that run when the stream is closed are
        killed.
        """

        async def begin(_: Process) -> Pid:
            """Start a task of the stream."""
            return await _begin(supervisor, shutdown)

        return stream(items, function, args, begin, options)

    @staticmethod
    async def children(supervisor: Target, timeout: float | None = None) -> list[Pid]:
        """Return the pids of the tasks that run."""
        found = await DynamicSupervisor.which_children(supervisor, timeout)
        return [info.pid for info in found if isinstance(info.pid, Pid)]


async def _begin(supervisor: Target, shutdown: ShutdownLimit) -> Pid:
    spec = ChildSpec(id="task", start=Start(_await_work, self()), restart="temporary", shutdown=shutdown)
    pid: Pid = await DynamicSupervisor.start_child(supervisor, spec)
    return pid


def _await_work(owner: Pid) -> Pid:
    """Start a task, in its supervisor."""
    return await_work(current(), owner)


def _perform(task: Work) -> Pid:
    """Start a task, in its supervisor."""
    return perform(current(), task)
