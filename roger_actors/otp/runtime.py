"""One host's processes: their table, the run queue, signals, monitors, timers and pending calls.

A process at rest is one slotted object in a dict: no task, no mailbox, no sets. `Runtime.deliver`
appends to its mailbox and to the run queue; one callback per loop turn works the queue off for a few
milliseconds, lets the loop look at its sockets, and goes on. Everything here runs on the host's loop
and in its thread.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections import deque
from collections.abc import Callable, Coroutine
from time import perf_counter
from typing import Any, Final

from roger_actors.errors import CallingSelf, CallTimeout, NameTaken, NoProcess, ServerExited
from roger_actors.otp.links import Effect, Verdict, on_exit_request, on_link_exit
from roger_actors.otp.message import CallRequest, Down, Exit, From, Response, SystemRequest
from roger_actors.otp.pid import Pid, Ref
from roger_actors.otp.reason import NOCONNECTION, NOPROC, NORMAL, Reason
from roger_actors.otp.remote import Remote
from roger_actors.otp.timers import Timer, Timers
from roger_actors.transport import Endpoint, HostId

Target = Pid | str | tuple[str, HostId]
"""Where to send: a pid, a name on this host, or a name on another."""

TURN_SECONDS: Final = 0.005
"""How long processes may run before the loop sees its sockets again."""
MESSAGES_PER_TURN: Final = 32
"""How many messages one process may handle before the next one's turn."""

CURRENT: Final[contextvars.ContextVar[Process | None]] = contextvars.ContextVar("process", default=None)
"""The process whose code is running."""

_make = tuple.__new__


class Process:
    """What every kind of process has; at rest only this.

    Attributes:
        runtime: The host's runtime.
        pid: Its name for others.
        mailbox: Messages not handled yet, or None when there are none.
        queued: Whether it stands in the run queue, or must not (while it waits for its own callback).
        alive: False from the moment it ends; its code may still be on the stack.
        trapping: Whether exit signals become messages.
        links: Pids of linked processes.
        monitors: Who is to be told of its end, by monitor number (from other hosts: by (host, number)).
        watches: What it monitors itself: target and what the watcher called it, by number.
        names: The names it is registered under.
        parent: Who started it with a link; its exit signal always ends a server.
        task: The asyncio task of its `async` code, while there is one.
        work: The user's coroutine that the task awaits.
        reason: Why it ended.
    """

    __slots__ = (
        "__weakref__", "alive", "links", "mailbox", "monitors", "names", "parent", "pid", "queued", "reason",
        "runtime", "task", "trapping", "watches", "work",
    )  # fmt: skip

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.pid: Pid = runtime.new_pid()
        self.mailbox: deque[Any] | None = None
        self.queued = False
        self.alive = True
        self.trapping = False
        self.links: set[Pid] | None = None
        self.monitors: dict[Any, Process | Pending | None] | None = None
        self.watches: dict[int, tuple[Any, Any]] | None = None
        self.names: list[str] | None = None
        self.parent: Pid | None = None
        self.task: asyncio.Task[None] | None = None
        self.work: Any = None
        self.reason: Reason = None

    def run(self, limit: int) -> int:
        """Handle up to `limit` messages; return how many were handled."""
        raise NotImplementedError

    def rest(self) -> None:
        """Leave the run queue, or go to its end when there is more to do."""
        if self.mailbox:
            self.runtime.requeue(self)
        else:
            self.mailbox = None
            self.queued = False

    def label(self) -> str:
        """Return what kind of process this is, for lists and logs."""
        raise NotImplementedError


class Pending:
    """Something that waits for a reply or for an end.

    Attributes:
        number: The monitor's and request's number.
        target: The local process asked, or None if it is on another host.
        host: The host of the one asked.
        name: What the asker called it.
        future: Who waits in a coroutine; else `process` gets a message.
        process: The process that asked.
        for_end: Whether the end itself is the answer.
        timer: The time limit.
    """

    __slots__ = ("for_end", "future", "host", "name", "number", "process", "target", "timer")

    def __init__(
        self, number: int, name: Any, future: asyncio.Future[Any] | None, process: Process | None
    ) -> None:
        self.number = number
        self.name = name
        self.future = future
        self.process = process
        self.target: Process | None = None
        self.host: HostId | None = None
        self.for_end = False
        self.timer: Timer | None = None


class Runtime:
    """The processes of one host.

    Args:
        endpoint: The host's view of its node; `on_frame` and `on_host_down` are taken over.
    """

    default: Runtime | None = None
    """The runtime of this OS process, where there is only one; set by a role's main."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.loop = endpoint.loop
        self.node = endpoint.node
        self.host = endpoint.host
        self.processes: dict[int, Process] = {}
        self.names: dict[str, Process] = {}
        self.timers = Timers(self.loop)
        self.calls: dict[int, Pending] = {}
        self.sends: dict[int, Timer] = {}
        self.lingering: set[asyncio.Task[None]] = set()
        self.remote = Remote(self)
        self.on_shutdown: Callable[[Reason], None] = self._stop_host
        self._serial = 0
        self._number = 0
        self._queue: deque[Process] = deque()
        self._awake = False
        self._halted = False
        self._inline_until = 0.0
        self._dying: deque[Process] = deque()
        self._reaping = False
        self._thread = threading.get_ident()
        self._context = contextvars.Context()
        if hasattr(endpoint, "on_killed"):  # a host that is an object must be told to vanish
            endpoint.on_killed = self.halt

    # ---------------------------------------------------------------- table

    def new_pid(self) -> Pid:
        """Return a pid that was never used."""
        self._serial += 1
        return _make(Pid, (self.node, self.host, self._serial))

    def new_number(self) -> int:
        """Return a number for a monitor, timer or request that was never used on this host."""
        self._number += 1
        return self._number

    def ref(self, number: int) -> Ref:
        """Return the ref of a number of this host."""
        return _make(Ref, (self.node, self.host, number))

    @property
    def host_pid(self) -> Pid:
        """The pid of this host."""
        return Pid(self.node, self.host, 0)

    def enter(self, process: Process, name: str | None = None, parent: Process | None = None) -> None:
        """Put a new process in the table.

        Args:
            process: Not in the table yet.
            name: Register it under this name at once.
            parent: Link it to this one, as its parent.

        Raises:
            NameTaken: Somebody has the name.
            TypeError: The name is no string.
        """
        if name is not None:
            self.register(name, process)
        self.processes[process.pid[2]] = process
        if parent is not None:
            process.parent = parent.pid
            process.links = {parent.pid}
            if parent.links is None:
                parent.links = {process.pid}
            else:
                parent.links.add(process.pid)

    def register(self, name: str, process: Process) -> None:
        """Give a process a name on this host.

        Raises:
            NameTaken: Somebody has the name.
            TypeError: The name is no string.
        """
        if name.__class__ is not str:
            raise TypeError(f"a process's name is a string, not {name!r}")
        holder = self.names.get(name)
        if holder is not None:
            raise NameTaken(name=name, holder=holder.pid)
        self.names[name] = process
        if process.names is None:
            process.names = [name]
        else:
            process.names.append(name)

    def unregister(self, name: str) -> None:
        """Take a name back; silent if nobody has it."""
        holder = self.names.pop(name, None)
        if holder is not None and holder.names is not None:
            holder.names.remove(name)

    def find(self, target: Target) -> Process | None:
        """Return the live local process of a pid or name, None if there is none here."""
        if target.__class__ is Pid:
            return self.processes.get(target[2]) if target[1] == self.host else None  # type: ignore[misc]
        if target.__class__ is str:
            return self.names.get(target)
        return self.names.get(target[0]) if target[1] == self.host else None

    def local(self, target: Target) -> Process:
        """Return the live local process of a pid or name.

        Raises:
            NoProcess: There is none here.
        """
        process = self.find(target)
        if process is None:
            raise NoProcess(process=target)
        return process

    def is_here(self, target: Target) -> bool:
        """Return whether a target belongs to this host."""
        return target.__class__ is str or target[1] == self.host

    # ---------------------------------------------------------------- messages and the run queue

    def send(self, target: Target, message: Any) -> None:
        """Send a message; silent if a pid is dead.

        Raises:
            NoProcess: Nobody on this host has that name.
            Undeliverable: The message cannot travel to the other host.
        """
        if target.__class__ is Pid:
            if target[1] == self.host:
                process = self.processes.get(target[2])  # type: ignore[misc]
                if process is not None:
                    self.deliver(process, message)
                return
        elif target.__class__ is str or target[1] == self.host:
            name = target if target.__class__ is str else target[0]
            process = self.names.get(name)
            if process is None:
                raise NoProcess(process=name)
            self.deliver(process, message)
            return
        self.remote.send(target, message)

    def deliver(self, process: Process, message: Any) -> None:
        """Append a message to a live local process's mailbox."""
        mailbox = process.mailbox
        if mailbox is None:
            process.mailbox = deque((message,))
        else:
            mailbox.append(message)
        if not process.queued:
            process.queued = True
            self._queue.append(process)
            if not self._awake:
                self._awake = True
                self.loop.call_soon(self._turn, context=self._context)

    def requeue(self, process: Process) -> None:
        """Put a process at the end of the run queue whatever its mailbox holds."""
        process.queued = True
        self._queue.append(process)
        self.wake()

    def wake(self) -> None:
        """Make sure that there is a turn soon: to run processes, to flush what other hosts get."""
        if not self._awake and not self._halted:
            self._awake = True
            self.loop.call_soon(self._turn, context=self._context)

    def _turn(self) -> None:
        """One turn of the loop: the sockets have been served, so processes have their time again."""
        self._inline_until = perf_counter() + TURN_SECONDS
        self._work()

    def _work(self) -> None:
        if self._halted:
            return
        queue = self._queue
        set_current = CURRENT.set
        deadline = perf_counter() + TURN_SECONDS
        handled = 0
        while queue:
            process = queue.popleft()
            if not process.alive:
                continue
            set_current(process)
            handled += process.run(MESSAGES_PER_TURN)
            if handled >= 128:
                handled = 0
                if perf_counter() > deadline:
                    break
        set_current(None)
        if self.remote.waiting:
            self.remote.flush()
        if queue:
            self.loop.call_soon(self._turn, context=self._context)
        else:
            self._awake = False

    def start_task(self, process: Process, drive: Coroutine[Any, Any, None], work: Any) -> None:
        """Run a process's coroutine in a task in which it is the current process.

        Args:
            process: Whose it is.
            drive: What the task runs: awaits the work and acts on its end.
            work: The user's coroutine.
        """
        token = CURRENT.set(process)
        process.work = work
        process.task = self.loop.create_task(drive)
        CURRENT.reset(token)

    # ---------------------------------------------------------------- links and exit signals

    def link(self, process: Process, other: Pid) -> None:
        """Link two processes; a dead other answers with an exit signal."""
        if other == process.pid or (process.links is not None and other in process.links):
            return
        if other[1] != self.host:
            self._add_link(process, other)
            self.remote.link(process, other)
            return
        peer = self.processes.get(other[2])
        if peer is None:
            self._apply(process, other, on_link_exit(NOPROC, trapping=process.trapping))
            return
        self._add_link(process, other)
        self._add_link(peer, process.pid)

    def _add_link(self, process: Process, other: Pid) -> None:
        if process.links is None:
            process.links = {other}
        else:
            process.links.add(other)

    def unlink(self, process: Process, other: Pid) -> None:
        """Remove a link; no exit signal of it acts on the process afterwards."""
        if process.links is None or other not in process.links:
            return
        process.links.discard(other)
        if other[1] != self.host:
            self.remote.unlink(process, other)
            return
        peer = self.processes.get(other[2])
        if peer is not None and peer.links is not None:
            peer.links.discard(process.pid)

    def exit(self, sender: Pid, target: Pid, reason: Reason) -> None:
        """Send an exit signal, as `exit(pid, reason)` does; silent if the target is dead."""
        if target[2] == 0:
            self.remote.exit_host(sender, target, reason)
        elif target[1] != self.host:
            self.remote.exit(sender, target, reason)
        else:
            process = self.processes.get(target[2])
            if process is not None:
                to_itself = sender == target
                self._apply(
                    process, sender, on_exit_request(reason, trapping=process.trapping, to_itself=to_itself)
                )

    def linked_exit(self, process: Process, other: Pid, reason: Reason) -> None:
        """Tell a live local process that a linked one ended; void if the link is gone."""
        if process.links is not None and other in process.links:
            process.links.discard(other)
            self._apply(process, other, on_link_exit(reason, trapping=process.trapping))

    def _apply(self, process: Process, sender: Pid, verdict: Verdict) -> None:
        if verdict.effect is Effect.MESSAGE:
            self.deliver(process, Exit(sender, verdict.reason))
        elif verdict.effect is Effect.DEATH:
            self.end(process, verdict.reason)

    # ---------------------------------------------------------------- monitors

    def monitor(self, watcher: Process, target: Target) -> Ref:
        """Watch a process; the watcher gets exactly one `Down`, at once if there is no such process."""
        number = self.new_number()
        if watcher.watches is None:
            watcher.watches = {}
        label = target if target.__class__ is Pid or target.__class__ is not str else (target, self.host)
        watcher.watches[number] = target, label
        if not self.is_here(target):
            self.remote.monitor(watcher, target, number)
            return self.ref(number)
        process = self.find(target)
        if process is None:
            self.watched_down(watcher, number, NOPROC)
        elif process.monitors is None:
            process.monitors = {number: watcher}
        else:
            process.monitors[number] = watcher
        return self.ref(number)

    def demonitor(self, watcher: Process, ref: Ref, *, flush: bool = False) -> None:
        """Stop watching; with `flush` a `Down` that is queued already is taken out too."""
        watch = watcher.watches.pop(ref.number, None) if watcher.watches else None
        if watch is not None:
            self._unwatch(ref.number, watch[0])
        elif flush and watcher.mailbox:
            kept = [
                message for message in watcher.mailbox if message.__class__ is not Down or message.ref != ref
            ]
            watcher.mailbox = deque(kept) if kept else None if not watcher.queued else deque()

    def _unwatch(self, number: int, target: Target) -> None:
        if not self.is_here(target):
            self.remote.demonitor(target, number)
            return
        process = self.find(target)
        if process is not None and process.monitors is not None:
            process.monitors.pop(number, None)

    def watched_down(self, watcher: Process, number: int, reason: Reason) -> None:
        """Tell a watcher of an end, once."""
        watch = watcher.watches.pop(number, None) if watcher.watches else None
        if watch is not None and watcher.alive:
            self.deliver(watcher, Down(self.ref(number), watch[1], reason))

    # ---------------------------------------------------------------- ending

    def end(self, process: Process, reason: Reason) -> None:
        """End a process at once: names first, then links, then monitors are told.

        A chain of linked deaths is worked off one after the other, not recursively.
        """
        if not process.alive:
            return
        process.alive = False
        process.reason = reason
        del self.processes[process.pid[2]]
        if process.names is not None:
            for name in process.names:
                del self.names[name]
            process.names = None
        self._dying.append(process)
        if self._reaping:
            return
        self._reaping = True
        try:
            while self._dying:
                self._reap(self._dying.popleft())
        finally:
            self._reaping = False

    def _reap(self, process: Process) -> None:
        process.mailbox = None
        if process.task is not None:
            self._cancel(process.task, process.work)
            process.task = process.work = None
        if process.watches is not None:
            for number, (target, _) in process.watches.items():
                self.calls.pop(number, None)
                self._unwatch(number, target)
            process.watches = None
        pid, reason = process.pid, process.reason
        if process.links is not None:
            # The parent last: children that obey at once are gone before it starts their successors.
            parent = process.parent
            for other in process.links:
                if other != parent:
                    self._tell_link(process, pid, other, reason)
            if parent in process.links:
                self._tell_link(process, pid, parent, reason)  # type: ignore[arg-type]
            process.links = None
        if process.monitors is not None:
            for number, watcher in process.monitors.items():
                self._tell_monitor(number, watcher, reason)
            process.monitors = None

    def _cancel(self, task: asyncio.Task[None], work: Any) -> None:
        # Cancelled but never trusted: what swallows the cancellation stays listed until it is done.
        if not task.done():
            self.lingering.add(task)
            task.add_done_callback(self.lingering.discard)
            # A task that is cancelled before its first step never gets to the coroutine.
            task.add_done_callback(lambda _: work.close())
            task.cancel()

    def _tell_link(self, process: Process, pid: Pid, other: Pid, reason: Reason) -> None:
        if other[1] != self.host:
            self.remote.link_exit(process, other, reason)
            return
        peer = self.processes.get(other[2])
        if peer is not None:
            self.linked_exit(peer, pid, reason)

    def _tell_monitor(self, number: Any, watcher: Process | Pending | None, reason: Reason) -> None:
        if watcher.__class__ is Pending:
            self.call_down(watcher, reason)
        elif watcher is None:
            self.remote.down(number, reason)
        else:
            self.watched_down(watcher, number, reason)  # type: ignore[arg-type]

    # ---------------------------------------------------------------- calls

    def ask(
        self,
        target: Target,
        request: Any,
        *,
        timeout: float | None,
        operation: str | None = None,
        future: asyncio.Future[Any] | None = None,
    ) -> Pending:
        """Send a request whose reply, end or time limit resolves `future` (else: messages to the caller).

        Args:
            target: Whom to ask.
            request: The request, or the argument of a system operation.
            timeout: Seconds, None for no limit.
            operation: A system operation instead of a call.
            future: Who waits; without it the current process gets a `Response` or `Down`.

        Raises:
            CallingSelf: The current process asks itself.
            NoProcess: There is no such process on this host.
            ServerExited: Its host is gone.
            Undeliverable: The request cannot travel.
        """
        caller = CURRENT.get()
        self._number = number = self._number + 1
        pending = Pending(number, target, future, caller)
        sender = _make(From, (caller.pid if caller is not None else self.host_pid, number))
        message = (
            CallRequest(sender, request) if operation is None else SystemRequest(sender, operation, request)
        )
        if self.is_here(target):
            process = self.find(target)
            if process is None:
                raise NoProcess(process=target)
            if process is caller:
                raise CallingSelf(process=target)
            pending.target = process
            if process.monitors is None:
                process.monitors = {number: pending}
            else:
                process.monitors[number] = pending
            self.deliver(process, message)
        else:
            self.remote.ask(pending, target, message)
        self.calls[number] = pending
        if timeout is not None:
            pending.timer = self.timers.start(timeout, self._expire, (pending, timeout))
        if future is None and caller is not None:
            if caller.watches is None:
                caller.watches = {}
            caller.watches[number] = target, target
        return pending

    async def call(
        self, target: Target, request: Any, timeout: float | None, operation: str | None = None
    ) -> Any:
        """Ask and wait for the reply.

        Raises:
            CallTimeout: No reply in time; a late one is dropped.
            ServerExited: It ended before it replied.
            NoProcess, CallingSelf, Undeliverable: As for `ask`.
        """
        future: asyncio.Future[Any] = self.loop.create_future()
        if self._awake or perf_counter() > self._inline_until:
            pending = self.ask(target, request, timeout=timeout, operation=operation, future=future)
        else:
            # Nobody else is waiting to run: work here instead of in the loop's next turn. If the
            # answer comes of that, the await below does not even suspend. The loop gets its turn
            # when this turn's time is over.
            self._awake = True
            try:
                pending = self.ask(target, request, timeout=timeout, operation=operation, future=future)
            finally:
                self._context.run(self._work)
        try:
            return await future
        finally:
            if pending.number in self.calls:
                self.forget(pending)

    def wait_for_end(self, target: Target, timeout: float | None = None) -> Pending:
        """Return something pending whose future becomes the target's exit reason.

        After `timeout` seconds the future becomes a `CallTimeout` instead.
        """
        pending = Pending(self.new_number(), target, self.loop.create_future(), None)
        pending.for_end = True
        self.calls[pending.number] = pending
        if timeout is not None:
            pending.timer = self.timers.start(timeout, self._expire, (pending, timeout))
        if not self.is_here(target):
            self.remote.watch(pending, target)
            return pending
        process = self.find(target)
        if process is None:
            self.call_down(pending, NOPROC)
            return pending
        pending.target = process
        if process.monitors is None:
            process.monitors = {}
        process.monitors[pending.number] = pending
        return pending

    async def ended(self, target: Target, timeout: float | None = None) -> Reason:
        """Wait for the end of a process and return its reason.

        Raises:
            CallTimeout: It is still there after `timeout` seconds.
        """
        pending = self.wait_for_end(target, timeout)
        assert pending.future is not None
        try:
            return await pending.future
        finally:
            if pending.number in self.calls:
                self.forget(pending)

    def reply(self, sender: From, value: Any) -> None:
        """Answer a request; silent if nobody waits any more."""
        if sender.pid[1] == self.host:
            self.answered(sender.ref, value)
        else:
            self.remote.reply(sender, value)

    def answered(self, number: int, value: Any) -> None:
        """Hand a reply to whoever asked; an unknown number is a late reply and is dropped."""
        pending = self.calls.pop(number, None)
        if pending is None:
            return
        target = pending.target
        if target is not None and pending.process is not None and pending.future is not None:
            # The common case of forget: a local call by a process.
            if target.monitors is not None:
                target.monitors.pop(number, None)
            if pending.timer is not None:
                self.timers.cancel(pending.timer)
        else:
            self.forget(pending)
        future = pending.future
        if future is not None:
            if not future.done():
                future.set_result(value)
        elif pending.process is not None and pending.process.alive:
            self.deliver(pending.process, Response(self.ref(number), value))

    def call_down(self, pending: Pending, reason: Reason) -> None:
        """The one that was asked has ended."""
        if self.calls.pop(pending.number, None) is None:
            return
        if pending.timer is not None:
            self.timers.cancel(pending.timer)
        future = pending.future
        if future is None:
            if pending.process is not None:
                self.watched_down(pending.process, pending.number, reason)
        elif future.done():
            return
        elif pending.for_end:
            future.set_result(reason)
        elif reason is NOPROC:
            future.set_exception(NoProcess(process=pending.name))
        else:
            future.set_exception(ServerExited(process=pending.name, reason=reason))

    def forget(self, pending: Pending) -> None:
        """Take back everything that waits for a reply."""
        number = pending.number
        self.calls.pop(number, None)
        if pending.timer is not None:
            self.timers.cancel(pending.timer)
        if pending.target is not None:
            if pending.target.monitors is not None:
                pending.target.monitors.pop(number, None)
        elif pending.host is not None:
            self.remote.demonitor(pending.name, number)
        if pending.future is None and pending.process is not None and pending.process.watches is not None:
            pending.process.watches.pop(number, None)

    def _expire(self, expired: tuple[Pending, float]) -> None:
        pending, seconds = expired
        self.forget(pending)
        error = CallTimeout(process=pending.name, seconds=seconds)
        if pending.future is not None:
            if not pending.future.done():
                pending.future.set_exception(error)
        elif pending.process is not None and pending.process.alive:
            self.deliver(pending.process, Response(self.ref(pending.number), error))

    # ---------------------------------------------------------------- the host itself

    def _stop_host(self, reason: Reason) -> None:
        self.stop(reason)

    def stop(self, reason: Reason = NORMAL) -> None:
        """End this host: its root host is told why, and every process is gone with it."""
        self.remote.farewell(reason)
        self.remote.flush()
        self.endpoint.stop(0 if reason is NORMAL or reason is not NOCONNECTION else 1)

    def halt(self) -> None:
        """Stop everything where it stands, telling nobody: the host was killed (in-memory hosts only)."""
        self._halted = True
        self.timers.close()
        self._queue.clear()
        for process in list(self.processes.values()):
            process.alive = False
            if process.task is not None:
                self._cancel(process.task, process.work)
        self.processes.clear()
        self.names.clear()
        self.calls.clear()

    def check_thread(self) -> None:
        """Raise if called from another thread than the host's.

        Raises:
            RuntimeError: It is another thread.
        """
        if threading.get_ident() != self._thread:
            raise RuntimeError("processes may only be used from their host's own thread")
