"""The process of a task: it runs one function, and answers its owner if there is one.

A task that has an owner is a server of one request: the owner asks, the function runs, the result is the
answer. So an owner may be on another host, and is told of a task's end as any caller is of its server's.

Source: Elixir `Task.Supervised`.
"""

from __future__ import annotations

from collections.abc import Callable
from types import CoroutineType
from typing import Any, ClassVar, Final, Generic, NamedTuple, TypeVar

import msgspec

from roger_actors.otp.message import CallRequest, Down
from roger_actors.otp.pid import Pid
from roger_actors.otp.process import FunctionProcess, callers, current, demonitor, exit, monitor, receive  # noqa: A004
from roger_actors.otp.reason import TIMEOUT, Shutdown
from roger_actors.otp.runtime import Process

T = TypeVar("T")

_WORK_WITHIN: Final = 5.0
"""Seconds that a task waits for its work: an owner that gave up starting it will never send any."""


class TaskOk(msgspec.Struct, Generic[T], frozen=True):
    """A task returned.

    Attributes:
        value: What it returned.
    """

    value: T


class TaskExit(msgspec.Struct, frozen=True):
    """A task ended without a result.

    Attributes:
        reason: Its exit reason; `NOPROC` if that is not known any more.
    """

    reason: Any


class TaskProcess(FunctionProcess):
    """A function's process that is a task: it is logged when it ends abnormally, in whatever way."""

    __slots__ = ()
    logs_exits: ClassVar[bool] = True


class Work(NamedTuple):
    """What a task is asked to do."""

    callers: tuple[Pid, ...]
    function: Callable[..., Any]
    args: tuple[Any, ...]


def work(function: Callable[..., Any], args: tuple[Any, ...]) -> Work:
    """Return work that the current process asks for."""
    return Work((current().pid, *callers()), function, args)


def perform(parent: Process | None, task: Work) -> Pid:
    """Start a process that does some work whose result nobody wants.

    Args:
        parent: Linked to it, as its parent.
        task: The work.
    """
    return _launch(parent, task.function, task.args, task.callers)


def await_work(parent: Process, owner: Pid) -> Pid:
    """Start a process that waits for its work, does it and answers.

    Args:
        parent: Linked to it, as its parent.
        owner: Who will send a `Work` in a call.
    """
    return _launch(parent, _serve, (owner,), ())


def _launch(
    parent: Process | None, function: Callable[..., Any], args: tuple[Any, ...], asked: tuple[Pid, ...]
) -> Pid:
    runtime = (parent or current()).runtime
    process = TaskProcess(runtime, function, args)
    process.callers = asked
    runtime.enter(process, None, parent)
    runtime.requeue(process)
    return process.pid


async def _serve(owner: Pid) -> None:
    """Wait for the work, do it, answer."""
    watch = monitor(owner)
    message = await receive(
        _WORK_WITHIN, lambda one: one.__class__ is CallRequest or (one.__class__ is Down and one.ref == watch)
    )
    if message.__class__ is Down:
        exit(Shutdown(message.reason))
    if message.__class__ is not CallRequest:
        exit(TIMEOUT)
    demonitor(watch, flush=True)
    task: Work = message.request
    process = current()
    if isinstance(process, FunctionProcess):
        process.callers = task.callers
    result = task.function(*task.args)
    if result.__class__ is CoroutineType:
        result = await result
    process.runtime.reply(message.sender, result)
