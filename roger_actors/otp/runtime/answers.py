"""Waiting, later, for the answers to requests that were sent without waiting.

Such a request is a `Pending` without a future: its answer goes to the asker's mailbox as a `Response`, its
server's end as a `Down`. Who waits gives it a future for that time, so that no mailbox is searched for an
answer that has not come, and takes the future back afterwards.

Source: Erlang `receive` with a fresh reference, as Elixir's `Task.await` uses it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from typing import Any

from roger_actors.errors import NoProcess
from roger_actors.otp.message import Down, Response
from roger_actors.otp.pid import Ref
from roger_actors.otp.reason import NOPROC
from roger_actors.otp.runtime.records import Pending, Process

Answer = Response | Down


def spent(process: Process, refs: Iterable[Ref]) -> set[Ref]:
    """Return those requests whose answer was taken already, or given up."""
    missing = _come(process, refs)
    return missing - {one.ref for one in process.mailbox or () if _is_answer(one)} if missing else missing


def take(process: Process, refs: Iterable[Ref]) -> dict[Ref, Answer]:
    """Take what has come of the answers to some requests out of the asker's mailbox."""
    wanted = _come(process, refs)
    found = {one.ref: one for one in process.mailbox or () if _is_answer(one) and one.ref in wanted}
    if found:
        process.mailbox = deque(
            one for one in process.mailbox or () if not (_is_answer(one) and one.ref in found)
        )
    return found


def give_up(process: Process, refs: Iterable[Ref]) -> None:
    """Want no answer to these requests any more: none will come."""
    for ref in refs:
        pending = process.runtime.calls.get(ref.number)
        if pending is not None:
            process.runtime.forget(pending)


def _come(process: Process, refs: Iterable[Ref]) -> set[Ref]:
    return {ref for ref in refs if ref.number not in process.runtime.calls}


def _is_answer(message: Any) -> bool:
    return message.__class__ is Response or message.__class__ is Down


async def wait(
    process: Process, refs: Iterable[Ref], timeout: float | None, *, enough: int, until_down: bool = False
) -> dict[Ref, Answer]:
    """Wait for answers; those that have not come keep their way into the mailbox.

    Args:
        process: The current process, which has asked.
        refs: Its requests, none of them spent.
        timeout: Seconds, None for no limit.
        enough: How many answers are wanted.
        until_down: Whether the first `Down` ends the wait too.

    Returns:
        What has come, by request.
    """
    refs = dict.fromkeys(refs)
    waiting = _Waiting(process, enough, until_down=until_down)
    for ref, answer in take(process, refs).items():
        waiting.keep(ref, answer)
    for ref in refs.keys() - waiting.found.keys():
        waiting.add(ref)
    try:
        await waiting.wait(timeout)
    except BaseException:
        # Cancelled: what has come is not lost, whoever asks next finds it in the mailbox.
        for answer in waiting.close().values():
            if process.alive:
                process.runtime.deliver(process, answer)
        raise
    return waiting.close()


class _Waiting:
    """One wait for several answers."""

    def __init__(self, process: Process, enough: int, *, until_down: bool) -> None:
        self.found: dict[Ref, Answer] = {}
        self._process = process
        self._enough = enough
        self._until_down = until_down
        self._pending: dict[Ref, Pending] = {}
        self._over: asyncio.Future[None] = process.runtime.loop.create_future()

    def add(self, ref: Ref) -> None:
        """Have an answer come here instead of to the mailbox."""
        pending = self._pending[ref] = self._process.runtime.calls[ref.number]
        pending.future = self._process.runtime.loop.create_future()
        pending.future.add_done_callback(lambda _: self._came(ref))

    def _came(self, ref: Ref) -> None:
        pending = self._pending.pop(ref, None)
        if pending is not None:
            self._read(ref, pending)

    def _read(self, ref: Ref, pending: Pending) -> None:
        future, pending.future = pending.future, None
        if future is None or not future.done():
            return
        if self._process.watches is not None:
            self._process.watches.pop(ref.number, None)
        error = future.exception()
        if error is None:
            self.keep(ref, Response(ref, future.result()))
        else:
            reason = NOPROC if isinstance(error, NoProcess) else getattr(error, "reason", None)
            self.keep(ref, Down(ref, pending.name, reason))

    def keep(self, ref: Ref, answer: Answer) -> None:
        """Take an answer, and end the wait if it was the last one wanted."""
        self.found[ref] = answer
        if len(self.found) >= self._enough or (self._until_down and answer.__class__ is Down):
            self._end()

    def _end(self, _: None = None) -> None:
        if not self._over.done():
            self._over.set_result(None)

    async def wait(self, timeout: float | None) -> None:
        """Wait until there is enough, or the time is over."""
        if self._over.done() or not self._enough or (timeout is not None and timeout <= 0):
            return
        timers = self._process.runtime.timers
        timer = None if timeout is None else timers.start(timeout, self._end, None)
        try:
            await self._over
        finally:
            if timer is not None:
                timers.cancel(timer)

    def close(self) -> dict[Ref, Answer]:
        """Return what has come, and let the rest come to the mailbox again."""
        pending, self._pending = self._pending, {}
        for ref, one in pending.items():
            self._read(ref, one)
        return self.found
