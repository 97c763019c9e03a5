"""Task: a function in a process of its own, and its result.

The process that starts a task with `async_` owns it: it alone may wait for the result, and it is linked to
the task, so that neither outlives a crash of the other. A result that nobody waits for comes as a message.

Source: Elixir `Task`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Collection, Coroutine, Iterable, Sequence
from typing import Any, Generic, Literal, TypeVar, TypeVarTuple, Unpack, overload

import attrs

from roger_actors.errors import CallTimeout, InvalidTask, NoProcess, ProcessError, ServerExited
from roger_actors.otp.behaviours.task_process import TaskExit, TaskOk, Work, await_work, perform, work
from roger_actors.otp.behaviours.task_stream import StreamOptions, stream
from roger_actors.otp.child_spec import ChildSpec, Start
from roger_actors.otp.gen_server import GenServer, Maybe
from roger_actors.otp.message import Down, Response
from roger_actors.otp.pid import Pid, Ref
from roger_actors.otp.process import current, unlink
from roger_actors.otp.process import exit as exit_process
from roger_actors.otp.process import link as link_process
from roger_actors.otp.reason import KILL, KILLED, NOPROC, SHUTDOWN, Reason
from roger_actors.otp.runtime import Process
from roger_actors.otp.send_request import RequestIds, abandon

T = TypeVar("T")
R = TypeVar("R")  # of the static methods: the class's own is unbound in `Task.await_`
I = TypeVar("I")  # noqa: E741 - an item
Ts = TypeVarTuple("Ts")

OnTimeout = Literal["nothing", "ignore", "kill_task"]
TaskShutdown = float | Literal["brutal_kill"] | None


@attrs.frozen
class Task(Generic[T]):
    """A started task, as its owner knows it: a value, to be handed to the functions below.

    The function runs in the task's process. An `async def` shares the host's loop with every other process;
    a plain `def` that computes for long blocks its host, and belongs on a host of its own (see
    `TaskSupervisor`).

    An owner that is a server need not wait: the result comes to its `handle_info` as `Response(task.ref,
    result)`, the end of a task that did not return as `Down` with `task.ref`. After the `Response` there is
    no `Down`.

    Attributes:
        owner: Who started it.
        pid: Its process, None for a completed one.
        ref: Names the request for its result.

    Example:
        ```python
        async def both():
            task = Task.async_(fetch, "https://example.org")
            other = await fetch("https://example.com")
            return other, await Task.await_(task)
        ```

    Source:
        Elixir `Task`.
    """

    owner: Pid
    pid: Pid | None
    ref: Ref

    # ---------------------------------------------------------------- starting

    @overload
    @staticmethod
    def async_(function: Callable[[Unpack[Ts]], Coroutine[Any, Any, R]], *args: *Ts) -> Task[R]: ...

    @overload
    @staticmethod
    def async_(function: Callable[[Unpack[Ts]], R], *args: *Ts) -> Task[R]: ...

    @staticmethod
    def async_(function: Callable[[Unpack[Ts]], Maybe[R]], *args: *Ts) -> Task[R]:
        """Start a task that is linked to the current process, its owner, which can wait for its result.

        Args:
            function: `def` or `async def`.
            args: Its arguments.

        Raises:
            RuntimeError: No process is running here.
        """
        owner = current()
        return assign(await_work(owner, owner.pid), work(function, args))

    @staticmethod
    async def start_link(function: Callable[[Unpack[Ts]], Any], *args: *Ts) -> Pid:
        """Start a task whose result nobody wants, linked to the current process.

        Returns:
            Its pid.
        """
        return perform(current(), work(function, args))

    @staticmethod
    def child_spec(function: Callable[[Unpack[Ts]], Any], *args: *Ts) -> ChildSpec:
        """Return how a supervisor starts such a task: once, since it is temporary.

        In a list of children it is `(Task, function, *args)`.
        """
        return ChildSpec(id="Task", start=Start(Task, function, *args), restart="temporary")

    @staticmethod
    async def start(function: Callable[[Unpack[Ts]], Any], *args: *Ts) -> Pid:
        """Like `start_link`, without a link: for what may fail and harm nobody."""
        return perform(None, work(function, args))

    @staticmethod
    def completed(result: R) -> Task[R]:
        """Return a task that has its result already and no process, for where a task is expected."""
        owner = current()
        ref = owner.runtime.ref(owner.runtime.new_number())
        owner.runtime.deliver_response(owner, Response(ref, result))
        return Task(owner.pid, None, ref)

    @overload
    @staticmethod
    def async_stream(
        items: Iterable[I],
        function: Callable[[I, Unpack[Ts]], Coroutine[Any, Any, R]],
        *args: *Ts,
        **options: Unpack[StreamOptions],
    ) -> AsyncGenerator[TaskOk[R] | TaskExit, None]: ...

    @overload
    @staticmethod
    def async_stream(
        items: Iterable[I],
        function: Callable[[I, Unpack[Ts]], R],
        *args: *Ts,
        **options: Unpack[StreamOptions],
    ) -> AsyncGenerator[TaskOk[R] | TaskExit, None]: ...

    @staticmethod
    def async_stream(
        items: Iterable[I],
        function: Callable[[I, Unpack[Ts]], Maybe[R]],
        *args: *Ts,
        **options: Unpack[StreamOptions],
    ) -> AsyncGenerator[TaskOk[R] | TaskExit, None]:
        """Run a function on every item, each in a task of its own, some at the same time.

        Nothing happens before the first result is asked for; items are taken as there is room for tasks.
        The tasks are linked to whoever asks: one that crashes takes it down, unless it traps exits. When
        the stream is closed, tasks that still run are killed; leaving a loop early closes it soon, and
        `contextlib.aclosing` at once.

        Args:
            items: May be endless.
            function: Called with an item and `args`; `def` or `async def`.
            args: More arguments.
            options: See `StreamOptions`.

        Returns:
            What to iterate over with `async for`: `TaskOk(result)` for each item; `TaskExit(reason)` for a
            task that crashed, if the process traps exits, or that was killed for being late.

        Raises:
            ValueError: An option is wrong.
            CallTimeout: While iterating: a task was late, and `on_timeout` is `exit`.
        """

        async def begin(guard: Process) -> Pid:
            """Start a task of the stream."""
            return await_work(guard, current().pid)

        return stream(items, function, args, begin, options)

    # ---------------------------------------------------------------- results

    @staticmethod
    async def await_(task: Task[R], timeout: float | None = 5.0) -> R:
        """Wait for a task's result, once.

        Args:
            task: Started by the current process.
            timeout: Seconds, None for no limit.

        Raises:
            CallTimeout: No result in time, and a later one reaches nobody. If nobody catches this the owner
                exits, and a linked task with it.
            ServerExited: It ended without a result; carries the reason.
            NoProcess: It was gone before it could be asked.
            InvalidTask: The current process is not its owner, or its result was taken already.
        """
        return (await Task.await_many([task], timeout))[0]

    @staticmethod
    async def await_many(tasks: Iterable[Task[R]], timeout: float | None = 5.0) -> list[R]:
        """Wait for the results of several tasks, within one time limit.

        Returns:
            The results, in the order of the tasks.

        Raises:
            CallTimeout, ServerExited, NoProcess: As for `await_`, as soon as one task fails; no result of
                the others reaches anybody.
            InvalidTask: As for `await_`.
        """
        tasks = list(tasks)
        owner = _owner_of(tasks)
        refs = {task.ref for task in tasks}
        found = await _gather(owner, refs, timeout, enough=len(refs), until_down=True)
        failed = _first_failed(tasks, found)
        if failed is not None:
            for ref in refs - found.keys():
                abandon(ref)
            raise _failure(failed, found.get(failed.ref), timeout)
        return [found[task.ref].value for task in tasks]  # type: ignore[union-attr]  # none is a Down

    @staticmethod
    async def yield_(task: Task[R], timeout: float | None = 5.0) -> TaskOk[R] | TaskExit | None:
        """Wait some time for a task's result; may be repeated until there is one.

        Args:
            task: Started by the current process.
            timeout: Seconds, None for no limit; 0 only looks.

        Returns:
            `TaskOk(result)`, `TaskExit(reason)` if it ended without one, None if it is still at work.

        Raises:
            InvalidTask: The current process is not its owner, or its result was taken already.
        """
        [(_, outcome)] = await Task.yield_many([task], timeout)
        return outcome

    @staticmethod
    async def yield_many(
        tasks: Iterable[Task[R]],
        timeout: float | None = 5.0,
        *,
        limit: int | None = None,
        on_timeout: OnTimeout = "nothing",
    ) -> list[tuple[Task[R], TaskOk[R] | TaskExit | None]]:
        """Wait some time for the results of several tasks.

        Args:
            tasks: Started by the current process.
            timeout: Seconds, None for no limit.
            limit: Return as soon as so many have ended, None for all.
            on_timeout: What happens to tasks still at work when the time is over: `nothing`, `ignore`
                or `kill_task`.

        Returns:
            Each task with what `yield_` returns for it, in the order of the tasks.

        Raises:
            InvalidTask: As for `yield_`.
        """
        tasks = list(tasks)
        owner = _owner_of(tasks)
        refs = {task.ref for task in tasks}
        enough = len(refs) if limit is None else min(limit, len(refs))
        found = await _gather(owner, refs, timeout, enough=enough)
        late = on_timeout if len(found) < enough else "nothing"
        results = []
        for task in tasks:
            outcome = _outcome(found.get(task.ref))
            if outcome is None and late == "kill_task":
                outcome = await Task.shutdown(task, "brutal_kill")
            elif outcome is None and late == "ignore":
                outcome = Task.ignore(task)
            results.append((task, outcome))
        return results

    @staticmethod
    async def shutdown(task: Task[R], shutdown: TaskShutdown = 5.0) -> TaskOk[R] | TaskExit | None:
        """Unlink and stop a task, and see whether its result came meanwhile.

        Args:
            task: Started by the current process.
            shutdown: Seconds it has to obey before it is killed, None for no limit; `brutal_kill`: none.

        Returns:
            `TaskOk(result)` if it came, before or meanwhile; None if the task obeyed; `TaskExit(reason)` if
            it ended in another way, with `NOPROC` if its result or end was taken already.

        Raises:
            InvalidTask: The current process is not its owner.
        """
        owner = _owner_of([task], spent=True)
        if task.pid is None:
            return Task.ignore(task)
        reason = await _stop(owner, task.pid, shutdown)
        answer = owner.take_response(task.ref.number)
        if answer.__class__ is Response:
            return _outcome(answer)
        if answer is not None:
            reason = answer.reason  # type: ignore[union-attr]  # a Down
        return None if reason is (KILLED if shutdown == "brutal_kill" else SHUTDOWN) else TaskExit(reason)

    @staticmethod
    def ignore(task: Task[R]) -> TaskOk[R] | TaskExit | None:
        """Unlink a task and want no result of it any more; it runs on.

        Returns:
            What had come before: `TaskOk(result)` or `TaskExit(reason)`; else None.

        Raises:
            InvalidTask: The current process is not its owner.
        """
        owner = _owner_of([task], spent=True)
        found = owner.take_response(task.ref.number)
        if task.pid is not None:
            unlink(task.pid)
        abandon(task.ref)
        return _outcome(found)


def assign(pid: Pid, task: Work, *, link: bool = False) -> Task[Any]:
    """Make the current process the owner of a task that waits for its work.

    Args:
        pid: The task's process.
        task: The work.
        link: Whether to link to it.

    Raises:
        Undeliverable: The work cannot travel to the task's host; the task is killed.
    """
    owner = current()
    if link:
        link_process(pid)
    try:
        ref = GenServer.send_request(pid, task)
    except BaseException:
        unlink(pid)
        exit_process(pid, KILL)
        raise
    return Task(owner.pid, pid, ref)


async def _stop(owner: Process, pid: Pid, shutdown: TaskShutdown) -> Reason:
    """Unlink and stop a process; return its reason, `NOPROC` if it was gone."""
    brutal = shutdown == "brutal_kill"
    ended = owner.runtime.wait_for_end(pid, None if brutal else shutdown)  # type: ignore[arg-type]
    assert ended.future is not None
    unlink(pid)
    exit_process(pid, KILL if brutal else SHUTDOWN)
    try:
        return await ended.future
    except CallTimeout:
        exit_process(pid, KILL)
        await owner.runtime.ended(pid)
        return KILLED
    finally:
        owner.runtime.forget(ended)


def _owner_of(tasks: Sequence[Task[Any]], *, spent: bool = False) -> Process:
    """Return the current process.

    Args:
        tasks: Which must be its own.
        spent: Whether their results may have been taken already.
    """
    owner = current()
    for task in tasks:
        if task.owner != owner.pid:
            raise InvalidTask(task=task.pid, detail=f"belongs to {task.owner}, and {owner.pid} asked for it")
    letters = owner.letters or ()
    for task in tasks:
        number = task.ref.number
        if not spent and number not in owner.runtime.calls and number not in letters:
            raise InvalidTask(task=task.pid, detail="has no result to wait for: it was taken, or ignored")
    return owner


async def _gather(
    owner: Process, refs: Collection[Ref], timeout: float | None, *, enough: int, until_down: bool = False
) -> dict[Ref, Response | Down]:
    """Wait for answers, until there are enough, one is a `Down` that ends the wait, or the time is over."""
    requests = RequestIds()
    for ref in refs:
        requests.add(ref, None)
    loop = owner.runtime.loop
    over = None if timeout is None else loop.time() + timeout
    found: dict[Ref, Response | Down] = {}
    try:
        while len(found) < enough:
            answer = await requests.wait(None if over is None else over - loop.time())
            if answer is None:
                break
            requests.answer(answer, delete=True)
            found[answer.ref] = answer
            if until_down and answer.__class__ is Down:
                break
    except asyncio.CancelledError:
        for answer in found.values() if owner.alive else ():
            owner.runtime.deliver_response(owner, answer)  # whoever asks next finds it
        raise
    return found


def _first_failed(tasks: Sequence[Task[T]], found: dict[Ref, Response | Down]) -> Task[T] | None:
    """Return the task that ended without a result; if none did, the first that is late."""
    down = [task for task in tasks if found.get(task.ref).__class__ is Down]
    late = [task for task in tasks if task.ref not in found]
    return next(iter(down or late), None)


def _failure(task: Task[Any], answer: Any, timeout: float | None) -> ProcessError:
    if answer is None:
        return CallTimeout(process=task.pid, seconds=timeout)
    if answer.reason is NOPROC:
        return NoProcess(process=task.pid)
    return ServerExited(process=task.pid, reason=answer.reason)


def _outcome(answer: Response | Down | None) -> TaskOk[Any] | TaskExit | None:
    if answer is None:
        return None
    return TaskOk(answer.value) if isinstance(answer, Response) else TaskExit(answer.reason)
