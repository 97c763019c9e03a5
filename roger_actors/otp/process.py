"""Inside a process: who am I, send, timers, links, monitors, exit, names, and processes from functions.

Every function acts for the *current process*: the one whose callback or coroutine is running.

Source: Elixir `Process`; Erlang's built-in functions of the same names.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from types import CoroutineType
from typing import Any, ClassVar, NamedTuple

from roger_actors.errors import NoProcess
from roger_actors.otp.message import Letter, Timeout
from roger_actors.otp.pid import Pid, Ref
from roger_actors.otp.reason import NORMAL, CallExit, Crash, ExitProcess, Reason, is_clean, of_exception
from roger_actors.otp.result import UNSET
from roger_actors.otp.runtime import CURRENT, Log, Name, Process, Runtime, Target
from roger_actors.otp.via import Via

_log = Log(__name__)


def current() -> Process:
    """Return the current process.

    Raises:
        RuntimeError: No process is running here.
    """
    process = CURRENT.get()
    if process is None:
        raise RuntimeError(
            "this needs a process: call it from a callback, or from a function started with spawn"
        )
    return process


def here() -> Runtime:
    """Return the runtime of the current process, else that of this OS process.

    Raises:
        RuntimeError: There is none, or this is another thread than its own.
    """
    process = CURRENT.get()
    if process is not None:
        return process.runtime
    runtime = Runtime.default
    if runtime is None:
        raise RuntimeError("no host runs here: start a node, or use roger_actors.testing")
    runtime.check_thread()
    return runtime


def self() -> Pid:
    """Return the current process's pid."""
    return current().pid


def callers() -> tuple[Pid, ...]:
    """Return who asked for the current process's work: its caller first, then that one's caller, and so on.

    Empty but in a task; log records of a task that crashes carry the same as `callers`.

    Source:
        Elixir `$callers`.
    """
    process = current()
    return process.callers if isinstance(process, FunctionProcess) else ()


def send(to: Target, message: Any) -> None:
    """Send a message; silent if the process is dead.

    Raises:
        NoProcess: Nobody on this host has that name.
        Undeliverable: The message cannot travel to the other host.
    """
    here().send(to, message)


def send_after(seconds: float, to: Target, message: Any) -> Ref:
    """Send a message later.

    Returns:
        A ref for `cancel_timer`.
    """
    runtime = here()
    number = runtime.new_number()
    runtime.sends[number] = runtime.timers.start(seconds, _send_due, (runtime, number, to, message))
    return runtime.ref(number)


def _send_due(due: tuple[Runtime, int, Target, Any]) -> None:
    runtime, number, to, message = due
    runtime.sends.pop(number, None)
    try:
        runtime.send(to, message)
    except NoProcess:
        return


def cancel_timer(ref: Ref) -> float | None:
    """Cancel a `send_after`.

    Returns:
        The seconds that were left, or None if it was too late.
    """
    runtime = here()
    timer = runtime.sends.pop(ref.number, None)
    return None if timer is None else runtime.timers.cancel(timer)


def link(pid: Pid) -> None:
    """Link the current process to another; if that is dead, an exit signal `NOPROC` comes back."""
    process = current()
    process.runtime.link(process, pid)
    _stop_if_dead(process)


def unlink(pid: Pid) -> None:
    """Remove a link; no exit of it is delivered afterwards."""
    process = current()
    process.runtime.unlink(process, pid)


def monitor(target: Target) -> Ref:
    """Watch a process: exactly one `Down` comes, at once if there is no such process."""
    process = current()
    return process.runtime.monitor(process, target)


def demonitor(ref: Ref, *, flush: bool = False) -> None:
    """Stop watching; with `flush` a `Down` already queued is removed."""
    process = current()
    process.runtime.demonitor(process, ref, flush=flush)


def exit(target_or_reason: Any, reason: Reason = UNSET) -> None:  # noqa: A001 its OTP name
    """End the current process with a reason, or send an exit signal: `exit(reason)`, `exit(pid, reason)`.

    `exit(pid, KILL)` cannot be trapped; `exit(pid, NORMAL)` ends nobody but oneself. A function's process
    that ends itself so is not logged, whatever the reason; one that raises is, and servers and tasks are.
    """
    if reason is UNSET:
        raise ExitProcess(target_or_reason)
    process = CURRENT.get()
    runtime = here()
    runtime.exit(process.pid if process is not None else runtime.host_pid, target_or_reason, reason)
    if process is not None:
        _stop_if_dead(process)


def _stop_if_dead(process: Process) -> None:
    if not process.alive:
        raise ExitProcess(process.reason)


def trap_exit(on: bool = True) -> bool:
    """Let exit signals come as `Exit` messages; return the former setting."""
    process = current()
    before = process.trapping
    process.trapping = on
    return before


def register(name: str, pid: Pid | None = None) -> None:
    """Give a process (by default the current one) a name on its host.

    Raises:
        NameTaken: The name has a holder.
        NoProcess: There is no such process on this host.
    """
    runtime = here()
    runtime.register(name, current() if pid is None else runtime.local(pid))


def unregister(name: str) -> None:
    """Take a name back."""
    here().unregister(name)


def whereis(name: Name) -> Pid | None:
    """Return the pid registered under a name, on this host or with a registry."""
    if isinstance(name, Via):
        return name.whereis()
    process = here().names.get(name)
    return None if process is None else process.pid


def is_alive(pid: Pid) -> bool:
    """Return whether a process of this host is alive."""
    return here().find(pid) is not None


class FunctionProcess(Process):
    """A process that runs one function and ends with it.

    Attributes:
        callers: Who asked for its work, the nearest first; known of tasks.
        logs_exits: Whether an abnormal reason that its own code chose, by `exit`, is logged as a crash is.
    """

    __slots__ = ("_function", "_matching", "_waiter", "callers")
    logs_exits: ClassVar[bool] = False

    def __init__(self, runtime: Runtime, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
        super().__init__(runtime)
        self._function: tuple[Callable[..., Any], tuple[Any, ...]] | None = (function, args)
        self.callers: tuple[Pid, ...] = ()
        self._waiter: Any = None
        self._matching: Callable[[Any], bool] | None = None

    def label(self) -> str:
        """Return the function's name."""
        function = self.work if self._function is None else self._function[0]
        return getattr(function, "__qualname__", "function")

    def is_idle(self) -> bool:
        """Return whether it waits in `receive`."""
        return self._waiter is not None

    def run(self, limit: int) -> int:
        """Begin the function, or hand a message to its `receive`."""
        self.queued = False
        if self._function is not None:
            function, args = self._function
            self._function = None
            try:
                result = function(*args)
            except BaseException as error:  # the process loop, as for servers
                if isinstance(error, KeyboardInterrupt):
                    raise
                self._over(of_exception(error))
                return 1
            if result.__class__ is not CoroutineType:
                self._over(NORMAL)
            else:
                self.runtime.start_task(self, self.drive_end(result, NORMAL, self._over), result)
        elif self._waiter is not None:
            self._offer()
        return 1

    def _over(self, reason: Reason) -> None:
        raised = reason.__class__ in {Crash, CallExit}
        if self.alive and (raised or (self.logs_exits and not is_clean(reason))):
            trace = reason.traceback if reason.__class__ is Crash else ""
            _log.error(
                "process %s ended: %s\n%s", self.pid, reason, trace,
                extra={"pid": self.pid, "reason": reason, "callers": self.callers},
            )  # fmt: skip
        self.runtime.end(self, reason)

    def _offer(self) -> None:
        if self._waiter.done():
            return
        try:
            taken = self._take()
        except BaseException as error:  # what the user's predicate raises is raised in `receive`
            if isinstance(error, KeyboardInterrupt):
                raise
            self._waiter.set_exception(error)
        else:
            if taken is not None:
                self._waiter.set_result(taken)

    def _take(self) -> _Taken | None:
        mailbox = self.mailbox or deque()
        for position, entry in enumerate(mailbox):
            message = entry.message if entry.__class__ is Letter else entry
            if entry.__class__ is Letter and message is None:
                continue
            if self._matching is None or self._matching(message):
                del mailbox[position]
                return _Taken(message if entry is message else self.opened(entry), entry, position)
        return None

    async def receive(self, timeout: float | None, matching: Callable[[Any], bool] | None) -> Any:
        """Wait for a message; see the module's `receive`."""
        self._matching = matching
        taken = self._take()
        if taken is not None:
            return taken.message
        if timeout is not None and timeout <= 0:
            return Timeout()
        waiter = self._waiter = self.runtime.loop.create_future()
        timer = None if timeout is None else self.runtime.timers.start(timeout, _receive_timed_out, waiter)
        try:
            return (await waiter).message
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self._give_back(waiter.result())
            raise
        finally:
            self._waiter = None
            if timer is not None:
                self.runtime.timers.cancel(timer)

    def _give_back(self, taken: _Taken) -> None:
        """Put a message back where it was: the wait for it was cancelled before it could be returned."""
        if not self.alive or taken.position is None:
            return
        if self.mailbox is None:
            self.mailbox = deque()
        entry = self.sealed(taken.message) if taken.entry.__class__ is Letter else taken.entry
        self.mailbox.insert(taken.position, entry)


class _Taken(NamedTuple):
    """A message that was taken out of the mailbox, as what and from where; a timeout was nowhere."""

    message: Any
    entry: Any = None
    position: int | None = None


def _receive_timed_out(waiter: Any) -> None:
    if not waiter.done():
        waiter.set_result(_Taken(Timeout()))


async def receive(timeout: float | None = None, matching: Callable[[Any], bool] | None = None) -> Any:
    """Return the first message in the mailbox (that matches); for processes made with `spawn`.

    Args:
        timeout: Seconds to wait, None for no limit.
        matching: Takes the first message for which it is true; others stay.

    Returns:
        The message, or `Timeout()`.

    Raises:
        RuntimeError: The current process is a server: its messages go to `handle_info`.
    """
    process = current()
    if not isinstance(process, FunctionProcess):
        raise RuntimeError("a server's messages go to handle_info; receive is for processes made with spawn")  # noqa: TRY004 - it is the place that is wrong, not a type
    return await process.receive(timeout, matching)


def monotonic_time() -> float:
    """Return the host's clock: seconds that only grow, from no particular moment."""
    return here().loop.time()


async def sleep(seconds: float) -> None:
    """Suspend the current process on the host's clock."""
    runtime = here()
    waiter = runtime.loop.create_future()
    timer = runtime.timers.start(seconds, _wake_up, waiter)
    try:
        await waiter
    finally:
        runtime.timers.cancel(timer)


def _wake_up(waiter: Any) -> None:
    if not waiter.done():
        waiter.set_result(None)


def spawn(function: Callable[..., Any], *args: Any, name: Name | None = None) -> Pid:
    """Start a process that runs a function (`def` or `async def`) and ends with it."""
    return spawn_on(here(), function, *args, name=name)


def spawn_link(function: Callable[..., Any], *args: Any, name: Name | None = None) -> Pid:
    """Like `spawn`, linked to the current process."""
    return spawn_on(here(), function, *args, name=name, parent=current())


def spawn_monitor(function: Callable[..., Any], *args: Any, name: Name | None = None) -> tuple[Pid, Ref]:
    """Like `spawn`, with a monitor."""
    pid = spawn(function, *args, name=name)
    return pid, monitor(pid)


def spawn_on(
    runtime: Runtime,
    function: Callable[..., Any],
    *args: Any,
    name: Name | None = None,
    parent: Process | None = None,
) -> Pid:
    """Start a function's process on a runtime, from outside any process."""
    process = FunctionProcess(runtime, function, args)
    runtime.enter(process, name, parent)
    runtime.requeue(process)
    return process.pid
