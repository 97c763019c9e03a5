"""The running half of a GenServer: takes messages from the mailbox, calls the callbacks, keeps the state.

Plain callbacks run straight from the run queue. A callback that is a coroutine function runs in an
asyncio task of its own while the process takes no other message.
"""

from __future__ import annotations

import asyncio
from collections import deque
from types import CoroutineType
from typing import TYPE_CHECKING, Any, Final

from roger_actors.otp.message import CallRequest, CastRequest, Exit, From, Letter, SystemRequest, is_empty
from roger_actors.otp.reason import NORMAL, Crash, Fault, Reason, is_clean, of_exception, shown
from roger_actors.otp.result import UNSET, After, Ignore, NoReply, Ok, Reply, Stop
from roger_actors.otp.runtime import CURRENT, Log, Process, Runtime
from roger_actors.otp.serving import system
from roger_actors.otp.serving.crash_report import log_crash
from roger_actors.otp.serving.idle import is_disturbed, wait_of
from roger_actors.otp.serving.long_mailbox import LONG, warn
from roger_actors.otp.serving.rest_of_coroutine import Rest
from roger_actors.otp.serving.status import Status, formatted

if TYPE_CHECKING:
    from roger_actors.otp.gen_server import GenServer

_log = Log("roger_actors.otp.gen_server")

_OWN: Final = frozenset({SystemRequest, Exit, Letter})

_LONGEST: Final = 2000
"""Characters of a bad result that its exit reason tells."""

STARTING: Final = "starting"
RUNNING: Final = "running"
IGNORED: Final = "ignored"
FAILED: Final = "failed"
STOPPING: Final = "stopping"


class ServerProcess(Process):
    """A process that runs a GenServer.

    Attributes:
        server: The behaviour's instance.
        state: Its state.
        phase: STARTING, RUNNING, STOPPING, or how the start ended: IGNORED, FAILED.
        awaited: Whether somebody waits for the start and will be told, so that no exit signal need be.
        began: Resolved when an asynchronous `init` is over, for whoever waits for it.
        failure: Why the start failed.
        then: The token of the continuation that comes before any message.
        held: While it is suspended, the messages that came, in order; else None.
    """

    __slots__ = ("awaited", "began", "failure", "held", "phase", "server", "state", "then")

    def __init__(self, runtime: Runtime, server: GenServer[Any]) -> None:
        super().__init__(runtime)
        self.server = server
        self.state: Any = None
        self.phase = STARTING
        self.awaited = True
        self.began: asyncio.Future[None] | None = None
        self.failure: Reason = None
        self.then: Any = UNSET
        self.held: deque[Any] | None = None
        self.trapping = server.trap_exit

    def label(self) -> str:
        """Return the server's class name."""
        return type(self.server).__qualname__

    # ---------------------------------------------------------------- start

    def begin(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Run `init`; afterwards `phase` tells how it went, STARTING if it is a coroutine still under way."""
        self.queued = True
        token = CURRENT.set(self)
        try:
            result = self.server.init(*args, **kwargs)
            if result.__class__ is CoroutineType:
                self._await(result, None)
            else:
                self._began(result)
        except BaseException as error:  # noqa: BLE001 - whatever init raises is why the start failed
            _reraise_fatal(error)
            self._start_failed(of_exception(error))
        finally:
            CURRENT.reset(token)

    def _began(self, result: Any) -> None:
        if not self.alive:
            self._start_over(FAILED, self.reason)
            return
        kind = result.__class__
        if kind is Ok:
            self.phase = RUNNING
            self._keep(result)
            self.failure = None
            if self.began is not None and not self.began.done():
                self.began.set_result(None)
            self.rest()
        elif kind is Ignore:
            self._start_over(IGNORED, NORMAL)
        elif kind is Stop:
            self._start_over(FAILED, result.reason)
        else:
            self._start_over(FAILED, Fault("bad_return_value", shown(result, _LONGEST)))

    def _start_failed(self, reason: Reason) -> None:
        if reason.__class__ is Crash:
            _log.error(
                "init of %s failed: %s\n%s", self.label(), reason, reason.traceback, extra={"pid": self.pid}
            )
        self._start_over(FAILED, reason)

    def _start_over(self, phase: str, reason: Reason) -> None:
        """The start did not lead to a running server: nothing of it remains, and no EXIT is told.

        Whoever waits for the start is told instead; without one, links and monitors are told as usual.
        """
        self.phase = phase
        self.failure = reason
        if self.parent is not None and self.awaited:
            self.runtime.unlink(self, self.parent)
        self.runtime.end(self, reason)
        if self.began is not None and not self.began.done():
            self.began.set_result(None)

    # ---------------------------------------------------------------- messages

    def rest(self) -> None:
        """Leave the run queue unless there is a continuation or a message."""
        if self.mailbox or self.then is not UNSET:
            if self.mailbox and len(self.mailbox) > LONG:
                warn(self)
            self.runtime.requeue(self)
        else:
            self.mailbox = None
            self.queued = False

    def run(self, limit: int) -> int:  # noqa: C901, PLR0912, PLR0915 - the hot loop, in one piece
        """Handle the continuation and up to `limit` messages."""
        if self.held is not None:
            return self.run_suspended()
        server = self.server
        handled = 0
        message: Any = None
        while handled < limit:
            try:
                if self.then is not UNSET:
                    message, token, self.then = None, self.then, UNSET
                    self._stop_idling()
                    result: Any = server.handle_continue(token, self.state)
                elif not self.mailbox:
                    break
                else:
                    message = self.mailbox.popleft()
                    kind = message.__class__
                    if self.idle is not None and is_disturbed((message,)):
                        self._stop_idling()
                    if kind is CallRequest:
                        result = server.handle_call(message.request, message.sender, self.state)
                    elif kind is CastRequest:
                        result = server.handle_cast(message.request, self.state)
                    elif kind in _OWN and self._is_own(message):
                        handled += 1
                        if not self._attend(message):
                            return handled
                        continue
                    else:
                        info = self.opened(message) if kind is Letter else message
                        result = server.handle_info(info, self.state)
                handled += 1
                if not self._settle(result, message):
                    return handled
            except BaseException as error:  # noqa: BLE001 - the process loop: whatever a callback raises is its exit reason
                _reraise_fatal(error)
                self._failed(error, message)
                return handled + 1
        self.rest()
        return handled

    def _stop_idling(self) -> None:
        if self.idle is not None:
            self.runtime.timers.cancel(self.idle)
            self.idle = None

    def _is_own(self, message: Any) -> bool:
        """Return whether a message is none of the callbacks': see `_attend`."""
        kind = message.__class__
        return kind is SystemRequest or (message.pid == self.parent if kind is Exit else is_empty(message))

    def _attend(self, message: Any) -> bool:
        """Act on a system request, the parent's exit or an empty letter; return whether to take the next."""
        if message.__class__ is Exit:
            self.stop(message.reason, message)
            return False
        if message.__class__ is Letter:
            return True
        self.answer(message)
        if self.held is not None:
            self.run_suspended()
            return False
        return self.phase is RUNNING and self.alive

    def _settle(self, result: Any, message: Any) -> bool:
        """Act on a callback's result; return whether the next message may be taken."""
        kind = result.__class__
        if not self.alive:
            if kind is CoroutineType:
                result.close()
            return False
        if kind is Reply and message.__class__ is CallRequest:
            self.runtime.reply(message.sender, result.value)
        elif kind is CoroutineType:
            self._await(result, message)
            return False
        elif kind is Stop:
            self.state = result.state
            sender = message.sender if message.__class__ is CallRequest else None
            self.stop(result.reason, message, result.reply, sender)
            return False
        elif kind is not NoReply:
            self.stop(Fault("bad_return_value", shown(result, _LONGEST)), message)
            return False
        self.state = result.state
        if result.timeout is not None or result.then is not UNSET:
            self._keep(result)
        return True

    def _keep(self, result: Ok[Any] | Reply[Any] | NoReply[Any]) -> None:
        self.state = result.state
        self.then = result.then
        if result.timeout is not None:
            self._idle_for(result.timeout)

    def _idle_for(self, timeout: float | After) -> None:
        wait = wait_of(timeout, self.runtime.loop.time())
        if not wait.first:
            self.idle = self.runtime.timers.start(wait.seconds, self._idle_out, wait.message)
        elif self.mailbox is None:
            self.runtime.deliver(self, wait.message)
        else:
            self.mailbox.appendleft(wait.message)

    def _idle_out(self, message: Any) -> None:
        self.idle = None
        if self.alive and not self.held and not is_disturbed(self.mailbox or ()):
            self.runtime.deliver(self, message)

    # ---------------------------------------------------------------- coroutines

    def _await(self, work: CoroutineType[Any, Any, Any], message: Any) -> None:
        if self.server.eager:
            try:
                first = work.send(None)
            except StopIteration as stop:
                self._resume(stop.value, message)
                return
            rest = Rest(work, first)
            self.runtime.start_task(self, self._drive(rest, message), rest)
            return
        self.runtime.start_task(self, self._drive(work, message), work)

    async def _drive(self, work: Any, message: Any) -> None:
        try:
            result = await work
            self.task = None
            self._resume(result, message)
        except BaseException as error:  # as in run: the coroutine's end is this process's end
            if isinstance(error, KeyboardInterrupt):
                raise
            if self.alive:
                self.task = None
                if self.phase is STARTING:
                    self._start_failed(of_exception(error))
                else:
                    self._failed(error, message)

    def _resume(self, result: Any, message: Any) -> None:
        if self.phase is STARTING:
            self._began(result)
        elif self._settle(result, message):
            self.rest()

    # ---------------------------------------------------------------- the end

    def _failed(self, error: BaseException, message: Any) -> None:
        if not self.alive:
            return
        self.stop(of_exception(error), message)

    def stop(self, reason: Reason, message: Any, reply: Any = UNSET, sender: From | None = None) -> None:
        """End in order: `terminate`, the reply, then links and monitors."""
        self.resume()
        self.phase = STOPPING
        self.queued = True
        self._stop_idling()
        if self.server.has_terminate:
            try:
                result: Any = self.server.terminate(reason, self.state)
            except BaseException as error:  # noqa: BLE001 - what terminate raises becomes the reason
                _reraise_fatal(error)
                reason = of_exception(error)
            else:
                if result.__class__ is CoroutineType:
                    if not self.alive:
                        result.close()
                        return
                    end = self.drive_end(
                        result, reason, lambda reason: self._finish(reason, message, reply, sender)
                    )
                    self.runtime.start_task(self, end, result)
                    return
        self._finish(reason, message, reply, sender)

    def _finish(self, reason: Reason, message: Any, reply: Any, sender: From | None) -> None:
        if not self.alive:
            return
        if not is_clean(reason):
            log_crash(self, reason, message)
        if reply is not UNSET and sender is not None:
            self.runtime.reply_or_refuse(sender, reply)
        self.runtime.end(self, reason)

    # ---------------------------------------------------------------- system requests

    def answer(self, message: SystemRequest) -> None:
        """Answer a system request."""
        system.answer(self, message)

    def shown(self, status: Status) -> Status:
        """Return a status as `format_status` shows it; if that fails, it says so."""
        return formatted(self.server, status)

    @property
    def suspended(self) -> bool:
        """Whether only system requests are answered."""
        return self.held is not None

    def backlog(self) -> int:
        """Return how many messages wait to be handled, those of a suspended server too."""
        return len(self.mailbox or ()) + len(self.held or ())

    def suspend(self) -> None:
        """Let messages queue up."""
        if self.held is None:
            self.held = deque()

    def resume(self) -> None:
        """Take messages again, in the order in which they came."""
        held, self.held = self.held, None
        if held and self.mailbox is not None:
            self.mailbox.extendleft(reversed(held))
        elif held:
            self.mailbox = held

    def run_suspended(self) -> int:
        """Answer system requests and the parent's exit; everything else is held."""
        handled = 0
        while self.mailbox and self.held is not None:
            message = self.mailbox.popleft()
            kind = message.__class__
            if kind is SystemRequest:
                handled += 1
                self.answer(message)
            elif kind is Exit and message.pid == self.parent:
                self.stop(message.reason, message)
                return handled + 1
            else:
                self.held.append(message)
        if self.alive and self.phase is RUNNING:
            self.rest()
        return handled


def _reraise_fatal(error: BaseException) -> None:
    """Ctrl-C belongs to the loop, not to the process that happened to run."""
    if isinstance(error, KeyboardInterrupt):
        raise error
