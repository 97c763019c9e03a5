"""Requests and replies: sending them, waiting, giving up, and telling that the server ended."""

from __future__ import annotations

import asyncio
from time import perf_counter
from typing import Any

from roger_actors.errors import CallingSelf, CallTimeout, NoProcess, ServerExited, Undeliverable
from roger_actors.otp.message import CallRequest, Down, From, Refusal, Response, SystemRequest
from roger_actors.otp.pid import Pid
from roger_actors.otp.reason import NOPROC, Reason
from roger_actors.otp.runtime.records import CURRENT, Address, Pending, Process, Target
from roger_actors.otp.runtime.signals import Signals
from roger_actors.otp.via import Via

_make = tuple.__new__


class Calls(Signals):
    """Signals, and calls on top of them: a call is a request with a monitor and a time limit.

    Replies go straight to whoever waits, never through its mailbox, so a huge backlog slows no call and
    a late reply finds nobody.
    """

    def ask(  # noqa: PLR0912, PLR0915 - the hot path, in one piece
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
        if target.__class__ is Pid:
            here, process = target[1] == self.host, self.processes.get(target[2])
        elif target.__class__ is str:
            here, process = True, self.names.get(target)
        else:
            target, here, process = self._found(pending, target)
        if here:
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
        return pending if future is not None else self._answered_by_message(pending)

    def _found(self, pending: Pending, target: Target) -> tuple[Address, bool, Process | None]:
        """Look up what is neither a pid nor a name of this host."""
        if isinstance(target, Via):
            target = pending.name = target.pid()
        return target, self.is_here(target), self.find(target)

    def _answered_by_message(self, pending: Pending) -> Pending:
        """Let the process that asked, if it is one, get what comes of it as a message."""
        caller = pending.process
        if caller is not None:
            if caller.watches is None:
                caller.watches = {}
            caller.watches[pending.number] = pending.name, pending.name
            pending.inbox = None
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
        except asyncio.CancelledError:
            if future.done() and not future.cancelled():
                future.exception()  # it came too late for anybody: say that it was seen
            raise
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
        if isinstance(target, Via):
            pid = target.whereis()
            if pid is None:
                self.call_down(pending, NOPROC)
                return pending
            target = pending.name = pid
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

    def reply_or_refuse(self, sender: From, value: Any) -> None:
        """Answer a request; an answer that cannot travel becomes an `Undeliverable` of the asker's."""
        try:
            self.reply(sender, value)
        except Undeliverable as error:
            self.reply(sender, Refusal(Undeliverable.__name__, error.data))

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
        else:
            self._hand_over(pending, Response(self.ref(number), value))

    def call_down(self, pending: Pending, reason: Reason) -> None:
        """The one that was asked has ended."""
        if self.calls.pop(pending.number, None) is None:
            return
        if pending.timer is not None:
            self.timers.cancel(pending.timer)
        future = pending.future
        if future is None:
            watches = None if pending.process is None else pending.process.watches
            if watches is not None and watches.pop(pending.number, None) is not None:
                self._hand_over(pending, Down(self.ref(pending.number), pending.name, reason))
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
        else:
            self._hand_over(pending, Response(self.ref(pending.number), error))

    def _hand_over(self, pending: Pending, message: Response | Down) -> None:
        """Give the asking process a message, in its code if it waits there, else in its mailbox."""
        process = pending.process
        if (
            process is not None
            and process.alive
            and (pending.inbox is None or not pending.inbox.take(message))
        ):
            self.deliver_response(process, message)

    def deliver_response(self, process: Process, message: Response | Down) -> None:
        """Append a response to a live local process's mailbox, where it can be found by its request."""
        self.deliver(process, process.sealed(message))
