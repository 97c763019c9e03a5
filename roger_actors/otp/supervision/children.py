"""Starting one child and stopping one child, for every kind of supervisor.

Both run inside the supervisor's process. Stopping relies on a monitor, never on the link, so that a
child that removed its link cannot hang its supervisor.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from types import CoroutineType
from typing import Any, Final, NamedTuple

from roger_actors.errors import CallTimeout, NameTaken, StartFailed
from roger_actors.otp.child_spec import ChildSpec, ShutdownLimit, Start
from roger_actors.otp.message import Exit
from roger_actors.otp.pid import Pid
from roger_actors.otp.process import current
from roger_actors.otp.reason import KILL, NOPROC, SHUTDOWN, Fault, Reason, of_exception
from roger_actors.otp.result import Ignore
from roger_actors.otp.runtime import Process

STARTED: Final = "started"
IGNORED: Final = "ignored"
REFUSED: Final = "refused"

Placer = Callable[[ChildSpec], Coroutine[Any, Any, Pid | None]]

placer: list[Placer] = []
"""How a child is started on another host; put here by `placement`, which builds on supervisors."""


class Outcome(NamedTuple):
    """How a child's start went.

    Attributes:
        kind: STARTED, IGNORED or REFUSED.
        pid: The child, if started.
        reason: Why not, if refused.
        extra: What the start function said besides.
    """

    kind: str
    pid: Pid | None = None
    reason: Reason = None
    extra: Any = None

    def answer(self) -> Any:
        """Return what `start_child` answers: the pid, `(pid, extra)`, or None."""
        return self.pid if self.extra is None else (self.pid, self.extra)


async def start_one(spec: ChildSpec, extra: tuple[Any, ...] = ()) -> Outcome:  # noqa: PLR0911 - a table of cases
    """Start a child, linked to the current process; whatever goes wrong is an outcome, never an error.

    Args:
        spec: Which child.
        extra: Arguments before the spec's own.
    """
    try:
        if spec.host != "same":
            pid = await placer[0](spec)
            return Outcome(IGNORED) if pid is None else Outcome(STARTED, pid)
        start = spec.start
        target = start.target if start.target.__class__ is not str else start.resolved()
        start_link = getattr(target, "start_link", None)
        if start_link is not None:
            pid = await start_link(*extra, *start.args, **start.kwargs)
            return Outcome(IGNORED) if pid is None else Outcome(STARTED, pid)
        return _read(await _run(target, start, extra), start)
    except StartFailed as error:
        return Outcome(REFUSED, reason=error.reason)
    except NameTaken as error:
        return Outcome(REFUSED, reason=Fault("already_started", error.holder))
    except (asyncio.CancelledError, GeneratorExit, KeyboardInterrupt):
        raise
    except BaseException as error:  # noqa: BLE001 - a start function may raise or exit as it likes: that is a failed start
        return Outcome(REFUSED, reason=of_exception(error))


async def _run(target: Any, start: Start, extra: tuple[Any, ...]) -> Any:
    result = target(*extra, *start.args, **start.kwargs)
    if result.__class__ is CoroutineType:
        # A user's coroutine gets a task: it may use asyncio's features.
        return await current().runtime.loop.create_task(result)
    return result


def _read(result: Any, start: Start) -> Outcome:
    if result.__class__ is Pid:
        return Outcome(STARTED, result)
    if result.__class__ is Ignore:
        return Outcome(IGNORED)
    if result.__class__ is tuple and len(result) == 2 and result[0].__class__ is Pid:
        return Outcome(STARTED, result[0], extra=result[1])
    return Outcome(REFUSED, reason=Fault("bad_return", f"{start.name} returned {result!r:.500}"))


async def stop_one(pid: Pid, shutdown: ShutdownLimit | None) -> Reason:
    """Stop a child and wait until it is gone.

    Returns:
        The reason it really ended with.
    """
    process = current()
    runtime = process.runtime
    pending = runtime.wait_for_end(pid)
    future = pending.future
    assert future is not None
    runtime.unlink(process, pid)
    early = take_exit(process, pid)
    me = process.pid
    try:
        if future.done():
            return early.reason if early is not None and future.result() is NOPROC else future.result()
        if shutdown == "brutal_kill":
            runtime.exit(me, pid, KILL)
            return await future
        if shutdown != "infinity":
            pending.timer = runtime.timers.start(float(shutdown or 0), _too_late, future)
        runtime.exit(me, pid, SHUTDOWN)
        try:
            return await future
        except CallTimeout:
            pass
    finally:
        runtime.forget(pending)
    return await _kill(pid)


async def _kill(pid: Pid) -> Reason:
    process = current()
    ended = process.runtime.wait_for_end(pid)
    assert ended.future is not None
    process.runtime.exit(process.pid, pid, KILL)
    try:
        return await ended.future
    finally:
        process.runtime.forget(ended)


def _too_late(future: Any) -> None:
    if not future.done():
        future.set_exception(CallTimeout(process="child", seconds=0))


def take_exit(process: Process, pid: Pid) -> Exit | None:
    """Take a child's exit out of its supervisor's mailbox, if it is there already."""
    for message in list(process.mailbox or ()):
        if message.__class__ is Exit and message.pid == pid and process.mailbox is not None:
            process.mailbox.remove(message)
            found: Exit = message
            return found
    return None
