"""A function over many items, each in a task of its own, some at the same time.

Whoever iterates owns the tasks. Between the two stands a *guard*, a process linked to the owner and to each
linked task: it passes a crash on in both directions as links do, and keeps the exit signals of tasks that
ended out of the mailbox of an owner that traps them.

Source: Elixir `Task.async_stream`, `Task.Supervised.stream`.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable
from typing import Any, Literal, TypedDict

from roger_actors.errors import CallTimeout, NoProcess, ServerExited
from roger_actors.otp.behaviours.task_process import TaskExit, TaskOk, Work, work
from roger_actors.otp.message import Down
from roger_actors.otp.pid import Pid
from roger_actors.otp.process import FunctionProcess, current, exit, monitor, receive, self, trap_exit  # noqa: A004
from roger_actors.otp.reason import KILL, NOPROC, NORMAL, TIMEOUT, Reason
from roger_actors.otp.runtime import Pending, Process

Begin = Callable[[Process], Coroutine[Any, Any, Pid]]
"""Starts a process that waits for work of the current process; it is given the guard."""


class StreamOptions(TypedDict, total=False):
    """How a stream of tasks runs.

    Attributes:
        max_concurrency: Tasks at the same time, 1 or more; by default the number of CPUs.
        ordered: Whether results come in the order of the items (the default), and wait for one another, or
            as they are there.
        timeout: Seconds that each task has, 5 by default, None for no limit.
        on_timeout: What happens when one is late. It is killed, and `exit` (the default) raises
            `CallTimeout`, `kill_task` gives `TaskExit(TIMEOUT)` for it.
        zip_input_on_exit: Whether the reason of a `TaskExit` is the pair `(item, reason)`.
    """

    max_concurrency: int
    ordered: bool
    timeout: float | None
    on_timeout: Literal["exit", "kill_task"]
    zip_input_on_exit: bool


def stream(
    items: Iterable[Any],
    function: Callable[..., Any],
    args: tuple[Any, ...],
    begin: Begin,
    options: StreamOptions,
) -> AsyncGenerator[TaskOk[Any] | TaskExit, None]:
    """Return the results of a function over items.

    Args:
        items: Taken one by one as there is room.
        function: Called with an item and `args`.
        args: More arguments.
        begin: How a task is started.
        options: See there.

    Raises:
        ValueError: An option is wrong.
    """
    return _run(_Tasks(items, function, args, begin, _checked(options)))


def _checked(options: StreamOptions) -> StreamOptions:
    checked: StreamOptions = {
        "max_concurrency": os.cpu_count() or 1,
        "ordered": True,
        "timeout": 5.0,
        "on_timeout": "exit",
        "zip_input_on_exit": False,
        **options,
    }
    most: Any = checked["max_concurrency"]
    if most.__class__ is not int or most < 1:
        raise ValueError(f"max_concurrency is a number from 1, not {most!r}")
    limit: Any = checked["timeout"]
    if limit is not None and not (isinstance(limit, int | float) and limit >= 0):
        raise ValueError(f"a timeout is a number of seconds or None, not {limit!r}")
    if checked["on_timeout"] not in {"exit", "kill_task"}:
        raise ValueError(f"on_timeout is 'exit' or 'kill_task', not {checked['on_timeout']!r}")
    return checked


async def _run(tasks: _Tasks) -> AsyncGenerator[TaskOk[Any] | TaskExit, None]:
    tasks.open()
    try:
        while True:
            await tasks.fill()
            if tasks.has_next():
                yield tasks.next()
            elif tasks.running:
                await tasks.change()
            else:
                return
    finally:
        tasks.close()


async def _guard(owner: Pid, trapping: bool) -> None:
    """End with the owner, and take the exit signals of its tasks."""
    trap_exit(trapping)
    watch = monitor(owner)
    while True:
        message = await receive()
        if message.__class__ is Down and message.ref == watch:
            trap_exit(False)
            exit(self(), message.reason)


class _Running:
    """A task of the stream that has not ended."""

    __slots__ = ("item", "pending", "pid")

    def __init__(self, item: Any, pid: Pid, pending: Pending) -> None:
        self.item = item
        self.pid = pid
        self.pending = pending


class _Tasks:
    """The tasks of one stream; only its owner's code touches it."""

    def __init__(
        self,
        items: Iterable[Any],
        function: Callable[..., Any],
        args: tuple[Any, ...],
        begin: Begin,
        options: StreamOptions,
    ) -> None:
        self.running: dict[int, _Running] = {}
        self._items = iter(items)
        self._more = True
        self._function = function
        self._args = args
        self._begin = begin
        self._options = options
        self._ended: dict[int, TaskOk[Any] | TaskExit | CallTimeout] = {}
        self._started = 0
        self._given = 0
        self._changed: asyncio.Future[None] | None = None

    def open(self) -> None:
        """Make the current process the owner."""
        self._owner = current()
        runtime = self._owner.runtime
        self._guard = FunctionProcess(runtime, _guard, (self._owner.pid, self._owner.trapping))
        self._guard.trapping = self._owner.trapping
        runtime.enter(self._guard, None, self._owner)
        runtime.requeue(self._guard)

    async def fill(self) -> None:
        """Start tasks until there are as many as there may be."""
        while self._more and len(self.running) < self._options["max_concurrency"]:
            try:
                item = next(self._items)
            except StopIteration:
                self._more = False
            else:
                pid = await self._begin(self._guard)
                self._start(item, pid, work(self._function, (item, *self._args)))

    def _start(self, item: Any, pid: Pid, task: Work) -> None:
        runtime = self._owner.runtime
        future = runtime.loop.create_future()
        position = self._started
        self._started += 1
        try:
            pending = runtime.ask(pid, task, timeout=self._options["timeout"], future=future)
        except (NoProcess, ServerExited) as error:
            self._ended[position] = self._lost(item, getattr(error, "reason", NOPROC))
            return
        except BaseException:
            self._kill(pid)
            raise
        self.running[position] = _Running(item, pid, pending)
        future.add_done_callback(lambda _: self._over(position))

    def _over(self, position: int) -> None:
        """Take the end of a task."""
        task = self.running.pop(position, None)
        if task is None or task.pending.future is None:
            return
        error = task.pending.future.exception()
        if error is None:
            self._ended[position] = TaskOk(task.pending.future.result())
        elif isinstance(error, CallTimeout):
            self._kill(task.pid)
            late = self._options["on_timeout"]
            self._ended[position] = error if late == "exit" else self._lost(task.item, TIMEOUT)
        else:
            self._ended[position] = self._lost(task.item, getattr(error, "reason", NOPROC))
        if self._changed is not None and not self._changed.done():
            self._changed.set_result(None)

    def _lost(self, item: Any, reason: Reason) -> TaskExit:
        return TaskExit((item, reason) if self._options["zip_input_on_exit"] else reason)

    def _kill(self, pid: Pid) -> None:
        runtime = self._owner.runtime
        runtime.unlink(self._guard, pid)
        runtime.exit(self._guard.pid, pid, KILL)

    def has_next(self) -> bool:
        """Return whether there is a result to give."""
        return self._given in self._ended if self._options["ordered"] else bool(self._ended)

    def next(self) -> TaskOk[Any] | TaskExit:
        """Return the next result.

        Raises:
            CallTimeout: Its task was late, and that ends the stream.
        """
        outcome = self._ended.pop(self._given if self._options["ordered"] else next(iter(self._ended)))
        self._given += 1
        if isinstance(outcome, CallTimeout):
            raise outcome
        return outcome

    async def change(self) -> None:
        """Wait until a task has ended."""
        self._changed = self._owner.runtime.loop.create_future()
        await self._changed

    def close(self) -> None:
        """Kill what still runs; if the owner itself ended, links have decided about that."""
        runtime = self._owner.runtime
        running, self.running = self.running, {}
        for task in running.values():
            runtime.forget(task.pending)
        if self._owner.alive:
            runtime.unlink(self._owner, self._guard.pid)
            for task in running.values():
                self._kill(task.pid)
            runtime.end(self._guard, NORMAL)
