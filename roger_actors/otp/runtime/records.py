"""What the runtime keeps of a process, and of whoever waits for one."""

from __future__ import annotations

import asyncio
import contextvars
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from roger_actors.otp.message import Down, Letter, Response, is_empty
from roger_actors.otp.pid import Pid, Ref
from roger_actors.otp.reason import Reason, of_exception
from roger_actors.otp.runtime.timers import Timer
from roger_actors.otp.via import Via
from roger_actors.transport import HostId

if TYPE_CHECKING:
    from roger_actors.otp.runtime.runtime import Runtime

Name = str | Via
"""What a process can be called: a name on its host, or a registry's."""

Address = Pid | str | tuple[str, HostId]
"""A pid, a name on this host, or a name on another."""

Target = Address | Via
"""Where to send: an address, or a registry's name for a pid."""

CURRENT: Final[contextvars.ContextVar[Process | None]] = contextvars.ContextVar("process", default=None)
"""The process whose code is running."""


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
        letters: The responses in its mailbox, by the request's number, or None when there were never any.
        idle: The timer that wakes it if no message comes.
        watches: What it monitors itself: target and what the watcher called it, by number.
        names: The names it is registered under.
        parent: Who started it with a link; its exit signal always ends a server.
        task: The asyncio task of its `async` code, while there is one.
        work: The user's coroutine that the task awaits.
        reason: Why it ended.
        ended_by: Whose exit signal ended it.
        handled: How many messages and continuations it has handled.
    """

    __slots__ = (
        "__weakref__", "alive", "ended_by", "handled", "idle", "letters", "links", "mailbox", "monitors",
        "names", "parent", "pid", "queued", "reason", "runtime", "task", "trapping", "watches", "work",
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
        self.idle: Timer | None = None
        self.watches: dict[int, tuple[Any, Any]] | None = None
        self.letters: dict[int, Letter] | None = None
        self.names: list[str] | None = None
        self.parent: Pid | None = None
        self.task: asyncio.Task[None] | None = None
        self.work: Any = None
        self.reason: Reason = None
        self.ended_by: Pid | None = None
        self.handled = 0

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

    def sealed(self, message: Response | Down) -> Letter:
        """Return a response as it is put into the mailbox."""
        letter = Letter(message.ref.number, message)
        if self.letters is None:
            self.letters = {letter.number: letter}
        else:
            self.letters[letter.number] = letter
        return letter

    def opened(self, letter: Letter) -> Response | Down | None:
        """Return the response of a letter whose turn it is, None if it was taken before."""
        if letter.message is not None and self.letters is not None:
            self.letters.pop(letter.number, None)
        return letter.message

    def take_response(self, number: int) -> Response | Down | None:
        """Take the response to a request out of turn, whatever else is in the mailbox; None if it is not."""
        letter = self.letters.pop(number, None) if self.letters else None
        if letter is None:
            return None
        message, letter.message = letter.message, None
        mailbox = self.mailbox
        while mailbox and is_empty(mailbox[-1]):
            mailbox.pop()
        while mailbox and is_empty(mailbox[0]):
            mailbox.popleft()
        return message

    def backlog(self) -> int:
        """Return how many messages wait to be handled."""
        return len(self.mailbox or ())

    def is_idle(self) -> bool:
        """Return whether it waits for a message and not for anything in its own code."""
        return self.task is None

    async def drive_end(self, work: Any, reason: Reason, over: Callable[[Reason], None]) -> None:
        """Await the last of its code, in its task, and end it.

        Args:
            work: The code.
            reason: Why it ends if that returns.
            over: Ends it.
        """
        try:
            await work
        except BaseException as error:  # as in `run`: what its code raises is why it ends
            if isinstance(error, KeyboardInterrupt):
                raise
            reason = of_exception(error)
        if self.alive:  # else it was cancelled because it has ended
            self.task = None
            over(reason)

    def label(self) -> str:
        """Return what kind of process this is, for lists and logs."""
        raise NotImplementedError


class Inbox:
    """Where responses go while their process waits for one of them in its code.

    Attributes:
        future: Who waits, or None.
        arrived: Requests whose responses came while nobody waited and went to the mailbox, oldest first.
    """

    __slots__ = ("arrived", "future")

    def __init__(self) -> None:
        self.future: asyncio.Future[Any] | None = None
        self.arrived: deque[Ref] = deque()

    def take(self, message: Response | Down) -> bool:
        """Hand a message to who waits; return whether somebody did."""
        if self.future is None or self.future.done():
            self.arrived.append(message.ref)
            return False
        self.future.set_result(message)
        return True


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
        inbox: Where a message for `process` goes first; only there when there is no future.
    """

    __slots__ = ("for_end", "future", "host", "inbox", "name", "number", "process", "target", "timer")

    inbox: Inbox | None

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
