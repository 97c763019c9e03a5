"""The process table and the run queue of a host.

A process at rest is one slotted object in a dict: no task, no mailbox, no sets. `deliver` appends to its
mailbox and to the run queue; one callback per loop turn works the queue off for a few milliseconds, lets the
loop look at its sockets, and goes on.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections import deque
from collections.abc import Coroutine
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

from roger_actors.errors import NameTaken, NoProcess
from roger_actors.otp.pid import Pid, Ref
from roger_actors.otp.reason import ExitProcess, Reason, of_exception
from roger_actors.otp.runtime.log import Log
from roger_actors.otp.runtime.records import CURRENT, Address, Name, Process, Target
from roger_actors.otp.via import Via
from roger_actors.transport import Endpoint

if TYPE_CHECKING:
    from roger_actors.otp.runtime.remote import Remote

_log = Log(__name__)

TURN_SECONDS: Final = 0.005
"""How long processes may run before the loop sees its sockets again."""
MESSAGES_PER_TURN: Final = 32
"""How many messages one process may handle before the next one's turn."""

_make = tuple.__new__


class Turn:
    """The share of the host's time that a long loop inside one callback takes at once."""

    __slots__ = ("_over",)

    def __init__(self) -> None:
        self._over = perf_counter() + TURN_SECONDS

    async def share(self) -> None:
        """Let the loop and other processes run if this turn is over, and begin the next."""
        if perf_counter() > self._over:
            await asyncio.sleep(0)
            self._over = perf_counter() + TURN_SECONDS


class Scheduler:
    """The table of a host's processes, their names, their mailboxes and the run queue.

    Args:
        endpoint: The host's view of its node.
    """

    remote: Remote

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.loop = endpoint.loop
        self.node = endpoint.node
        self.host = endpoint.host
        self.processes: dict[int, Process] = {}
        self.names: dict[str, Process] = {}
        self.lingering: set[asyncio.Task[None]] = set()
        self._serial = 0
        self._number = 0
        self._queue: deque[Process] = deque()
        self._awake = False
        self._halted = False
        self._inline_until = 0.0
        self._thread = threading.get_ident()
        self._context = contextvars.Context()

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

    def enter(self, process: Process, name: Name | None = None, parent: Process | None = None) -> None:
        """Put a new process in the table.

        Args:
            process: Not in the table yet.
            name: Register it under this name at once.
            parent: Link it to this one, as its parent.

        Raises:
            NameTaken: Somebody has the name.
            TypeError: The name is neither a string nor a `Via`.
            ExitProcess: The parent has ended, and its code does not know yet: it ends here.
        """
        if parent is not None and not parent.alive:
            raise ExitProcess(parent.reason)
        if name is not None:
            if name.__class__ is Via:
                self._enter_via(process, name)
            else:
                self.register(name, process)
        self.processes[process.pid[2]] = process
        if parent is not None:
            process.parent = parent.pid
            self._add_link(process, parent.pid)
            self._add_link(parent, process.pid)

    def _add_link(self, process: Process, other: Pid) -> None:
        if process.links is None:
            process.links = {other}
        else:
            process.links.add(other)

    def _enter_via(self, process: Process, name: Via) -> None:
        """Put a process in the table, so that its registry finds it alive; out again if the name is taken."""
        self.processes[process.pid[2]] = process
        try:
            name.register(process.pid)
        except BaseException:
            del self.processes[process.pid[2]]
            process.alive = False
            raise

    def register(self, name: Any, process: Process) -> None:
        """Give a process a name on this host.

        Raises:
            NameTaken: Somebody has the name.
            TypeError: The name is no string.
        """
        if name.__class__ is not str:
            raise TypeError(f"a process's name is a string or a Via, not {name!r}")
        if name in self.names:
            raise NameTaken(name=name, holder=self.names[name].pid)
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
            return self.processes.get(target[2]) if target[1] == self.host else None
        if target.__class__ is str:
            return self.names.get(target)
        if isinstance(target, Via):
            pid = target.whereis()
            return None if pid is None else self.find(pid)
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

    def is_here(self, target: Address) -> bool:
        """Return whether an address belongs to this host.

        Raises:
            TypeError: What stands for the host in it is no number of a host.
        """
        host: object = self.host if target.__class__ is str else target[1]
        if host == self.host:
            return True
        if host.__class__ is not int:
            raise TypeError(
                f"{target!r} names no process: a name on another host is (name, number of the host)"
            )
        return False

    def is_gone(self, pid: Pid) -> bool:
        """Return whether a pid is of this host and its process has ended."""
        return pid[1] == self.host and pid[2] not in self.processes

    def send(self, target: Target, message: Any) -> None:
        """Send a message; silent if a pid is dead.

        Raises:
            NoProcess: Nobody on this host has that name.
            Undeliverable: The message cannot travel to the other host.
            TypeError: As for `is_here`.
        """
        if target.__class__ is Pid:
            if target[1] == self.host:
                process = self.processes.get(target[2])
                if process is not None:
                    self.deliver(process, message)
                return
        elif target.__class__ is str:
            process = self.names.get(target)
            if process is None:
                raise NoProcess(process=target)
            self.deliver(process, message)
            return
        elif isinstance(target, Via):
            target.registry.send(target.key, message)
            return
        elif self.is_here(target):
            self.send(target[0], message)
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

    def _work(self) -> None:  # noqa: C901, PLR0912, PLR0915 - the hot loop, in one piece
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
            try:
                count = process.run(MESSAGES_PER_TURN)
            except BaseException as error:  # noqa: BLE001 - a fault of this layer costs one process, not the host
                self._broke(process, error)
                continue
            process.handled += count
            handled += count
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

    def _broke(self, process: Process, error: BaseException) -> None:
        if isinstance(error, KeyboardInterrupt):
            raise error
        _log.exception("process %s could not go on", process.pid)
        self.end(process, of_exception(error))

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

    def end(self, process: Process, reason: Reason) -> None:
        """End a process at once."""
        raise NotImplementedError

    def check_thread(self) -> None:
        """Raise if called from another thread than the host's.

        Raises:
            RuntimeError: It is another thread.
        """
        if threading.get_ident() != self._thread:
            raise RuntimeError("processes may only be used from their host's own thread")
