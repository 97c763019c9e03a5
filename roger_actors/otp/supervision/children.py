"""Starting one child and stopping one child, for every kind of supervisor.

Both run inside the supervisor's process. Stopping relies on a monitor, never on the link, so that a
child that removed its link cannot hang its supervisor.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Sequence
from types import CoroutineType
from typing import Any, Final, NamedTuple

import attrs

from roger_actors.errors import NameTaken, StartFailed
from roger_actors.otp.child_spec import ChildSpec, ShutdownLimit, Start
from roger_actors.otp.message import Exit
from roger_actors.otp.pid import Pid
from roger_actors.otp.process import current
from roger_actors.otp.reason import KILL, NOPROC, SHUTDOWN, ExitProcess, Fault, Reason, of_exception, shown
from roger_actors.otp.result import Ignore
from roger_actors.otp.runtime import Pending, Process, Turn

STARTED: Final = "started"
IGNORED: Final = "ignored"
REFUSED: Final = "refused"


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


placer: list[Callable[[ChildSpec], Coroutine[Any, Any, Outcome]]] = []
"""How a child is started on another host; put here by `placement`, which builds on supervisors."""


async def start_one(  # noqa: PLR0911 - a table of cases
    spec: ChildSpec, before: tuple[Any, ...] = (), after: tuple[Any, ...] = ()
) -> Outcome:
    """Start a child, linked to the current process; whatever goes wrong is an outcome, never an error.

    Args:
        spec: Which child.
        before: Arguments before the spec's own.
        after: Arguments after the spec's own.
    """
    try:
        if spec.host != "same":
            return await placer[0](_with_arguments(spec, before, after))
        start = spec.start
        target = start.target if start.target.__class__ is not str else start.resolved()
        start_link = getattr(target, "start_link", None)
        if start_link is not None:
            pid = await start_link(*before, *start.args, *after, **start.kwargs)
            return Outcome(IGNORED) if pid is None else Outcome(STARTED, pid)
        return _read(await _run(target, (*before, *start.args, *after), start.kwargs), start)
    except StartFailed as error:
        return Outcome(REFUSED, reason=error.reason)
    except NameTaken as error:
        return Outcome(REFUSED, reason=Fault("already_started", error.holder))
    except BaseException as error:  # a start function may raise or exit as it likes: that is a failed start
        if isinstance(error, KeyboardInterrupt) or not current().alive:
            raise  # Ctrl-C is the loop's; and a supervisor that was killed goes with what it was doing
        return Outcome(REFUSED, reason=of_exception(error))


def _with_arguments(spec: ChildSpec, before: tuple[Any, ...], after: tuple[Any, ...]) -> ChildSpec:
    if not before and not after:
        return spec
    start = spec.start
    return attrs.evolve(spec, start=Start(start.target, *before, *start.args, *after, **start.kwargs))


async def _run(target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    result = target(*args, **kwargs)
    if result.__class__ is CoroutineType:
        # A user's coroutine gets a task: it may use asyncio's features.
        return await current().runtime.loop.create_task(_without_system_exit(result))
    return result


async def _without_system_exit(work: CoroutineType[Any, Any, Any]) -> Any:
    """Await a coroutine; out of a task `SystemExit` would end the loop, and the host with it."""
    try:
        return await work
    except SystemExit as error:
        raise ExitProcess(of_exception(error)) from error


def _read(result: Any, start: Start) -> Outcome:
    if result.__class__ is Pid:
        return Outcome(STARTED, result)
    if result.__class__ is Ignore:
        return Outcome(IGNORED)
    if result.__class__ is tuple and len(result) == 2 and result[0].__class__ is Pid:
        return Outcome(STARTED, result[0], extra=result[1])
    return Outcome(REFUSED, reason=Fault("bad_return", (start.path, shown(result))))


class Ends:
    """The ends that a supervisor has been told of and has not looked at: each is read once.

    They stay in its mailbox, and mean nothing to it once their children are stopped.

    Args:
        supervisor: Whose mailbox.
    """

    __slots__ = ("_last", "_reasons", "_supervisor")

    def __init__(self, supervisor: Process) -> None:
        self._supervisor = supervisor
        self._reasons: dict[Pid, Reason] = {}
        self._last: Any = None

    def reason(self, pid: Pid) -> Reason:
        """Return what a child that is gone ended with; `NOPROC` if nobody told."""
        if pid not in self._reasons:
            self._read()
        return self._reasons.get(pid, NOPROC)

    def _read(self) -> None:
        mailbox = self._supervisor.mailbox
        if not mailbox:
            return
        for message in reversed(mailbox):
            if message is self._last:
                break
            if message.__class__ is Exit:
                self._reasons.setdefault(message.pid, message.reason)
        self._last = mailbox[-1]


async def own_hosts_gone(children: Iterable[tuple[Pid, ChildSpec]]) -> None:
    """Wait until the hosts that were made for children, and that end with them, are gone."""
    runtime = current().runtime
    for pid in [pid for pid, spec in children if spec.host == "own"]:
        await runtime.ended(pid._replace(serial=0))


async def stop_one(pid: Pid, shutdown: ShutdownLimit | None, ends: Ends) -> Reason:
    """Stop a child and wait until it is gone.

    Returns:
        The reason it really ended with.
    """
    (reason,) = await stop_together([(pid, shutdown)], ends)
    return reason


async def stop_together(children: Sequence[tuple[Pid, ShutdownLimit | None]], ends: Ends) -> list[Reason]:
    """Stop children at the same time, each under its own limit, and wait until all are gone.

    Returns:
        The reasons they really ended with.
    """
    runtime = current().runtime
    turn = Turn()
    asked = []
    reasons = []
    try:
        for pid, shutdown in children:
            await turn.share()
            asked.append(_ask_to_end(pid, shutdown))
        for pending in asked:
            assert pending.future is not None
            reason = await pending.future
            reasons.append(ends.reason(pending.name) if reason is NOPROC else reason)
    finally:
        for pending in asked:
            runtime.forget(pending)
    return reasons


def _ask_to_end(pid: Pid, shutdown: ShutdownLimit | None) -> Pending:
    """Tell a child to end, and kill it when its time is over; the future becomes its reason."""
    process = current()
    runtime = process.runtime
    pending = runtime.wait_for_end(pid)
    runtime.unlink(process, pid)
    assert pending.future is not None
    if pending.future.done():
        return pending
    if shutdown == "brutal_kill":
        runtime.exit(process.pid, pid, KILL)
        return pending
    if shutdown != "infinity":
        pending.timer = runtime.timers.start(float(shutdown or 0), _too_late, (process, pid))
    runtime.exit(process.pid, pid, SHUTDOWN)
    return pending


def _too_late(child: tuple[Process, Pid]) -> None:
    supervisor, pid = child
    supervisor.runtime.exit(supervisor.pid, pid, KILL)


async def is_alive(pid: Pid) -> bool:
    """Return whether a process of any host is alive.

    Another host is asked by two monitors: the one of nobody is always answered, and after the other.
    """
    runtime = current().runtime
    if runtime.is_here(pid):
        return runtime.find(pid) is not None
    pending = runtime.wait_for_end(pid)
    assert pending.future is not None
    await runtime.ended(pid._replace(serial=-1))
    alive = not pending.future.done()
    if alive:
        runtime.forget(pending)
    return alive


async def count_alive(children: Iterable[Pid]) -> int:
    """Return how many of a supervisor's children are alive.

    One that is still linked is; one that removed its link may have ended unseen, and is looked at.
    """
    links = current().links or ()
    return sum([pid in links or await is_alive(pid) for pid in list(children)])
