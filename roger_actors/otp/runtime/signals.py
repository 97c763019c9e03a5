"""Links, monitors, exit signals, and the end of a process."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

from roger_actors.otp.message import Down, Exit
from roger_actors.otp.pid import Pid, Ref
from roger_actors.otp.reason import NOPROC, Reason
from roger_actors.otp.runtime.links import Effect, Verdict, on_exit_request, on_link_exit
from roger_actors.otp.runtime.records import Address, Pending, Process, Target
from roger_actors.otp.runtime.scheduler import Scheduler
from roger_actors.otp.runtime.timers import Timers
from roger_actors.otp.via import Via
from roger_actors.transport import Endpoint


class Signals(Scheduler):
    """A scheduler whose processes are linked, watch one another, and end.

    Args:
        endpoint: The host's view of its node.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__(endpoint)
        self.timers = Timers(self.loop)
        self.calls: dict[int, Pending] = {}
        self._dying: deque[Process] = deque()
        self._reaping = False

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
            process.ended_by = sender
            self.end(process, verdict.reason)

    def monitor(self, watcher: Process, target: Target) -> Ref:
        """Watch a process; the watcher gets exactly one `Down`, at once if there is no such process."""
        number = self.new_number()
        if watcher.watches is None:
            watcher.watches = {}
        if isinstance(target, Via):
            return self._monitor_via(watcher, number, target)
        label = target if target.__class__ is Pid or target.__class__ is not str else (target, self.host)
        here = self.is_here(target)
        watcher.watches[number] = target, label
        if not here:
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

    def _monitor_via(self, watcher: Process, number: int, name: Via) -> Ref:
        pid = name.whereis()
        if pid is not None:
            return self.monitor(watcher, pid)
        assert watcher.watches is not None
        watcher.watches[number] = name, name
        self.watched_down(watcher, number, NOPROC)
        return self.ref(number)

    def demonitor(self, watcher: Process, ref: Ref, *, flush: bool = False) -> None:
        """Stop watching; with `flush` a `Down` that is queued already is taken out too."""
        watch = watcher.watches.pop(ref.number, None) if watcher.watches else None
        if watch is not None:
            self._unwatch(ref.number, watch[0])
        elif flush and watcher.letters and ref.number in watcher.letters:
            if watcher.letters[ref.number].message.__class__ is Down:
                watcher.take_response(ref.number)
        elif flush and watcher.mailbox:
            kept = [
                message for message in watcher.mailbox if message.__class__ is not Down or message.ref != ref
            ]
            watcher.mailbox.clear()
            watcher.mailbox.extend(kept)

    def _unwatch(self, number: int, target: Address) -> None:
        pending = self.calls.get(number)
        if pending is not None:
            self.forget(pending)
            return
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

    def _reap(self, process: Process) -> None:  # noqa: C901, PLR0912 - the order of the steps is the point
        process.mailbox = None
        if process.task is not None:
            self._cancel(process.task, process.work)
            process.task = process.work = None
        if process.idle is not None:
            self.timers.cancel(process.idle)
            process.idle = None
        if process.watches is not None:
            watches, process.watches = process.watches, None
            for number, (target, _) in watches.items():
                self._unwatch(number, target)
        pid, reason = process.pid, process.reason
        if process.links is not None:
            # The parent last: children that obey at once are gone before it starts their successors.
            parent = process.parent
            for other in process.links:
                if other != parent:
                    self._tell_link(process, pid, other, reason)
            if parent in process.links:
                self._tell_link(process, pid, parent, reason)
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

    def call_down(self, pending: Pending, reason: Reason) -> None:
        """The one that was asked has ended."""
        raise NotImplementedError

    def forget(self, pending: Pending) -> None:
        """Take back everything that waits for a reply."""
        raise NotImplementedError
