"""The job thread: it runs the user's code, one job at a time, in the order given.

The loop thread of a worker host must answer whatever a job does, so jobs have a thread of their own.
It takes orders from a queue, runs them, and hands outcomes back in batches: one call on the loop
thread for all that ended since the last. An `async def perform` runs on an asyncio loop of the job
thread, the same for all jobs of the host, so that pools opened in `worker_start` fit.

What a job raises ends the job. What it does to the process (a segfault, `os._exit`) ends the host, and
nothing else; a process that no longer works (all its descriptors closed) is ended from here.

Source:
    `Roger.Partition.Worker` and `Roger.Partition.Worker.Callback`, as far as they run the user's code.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import os
import queue
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Sequence
from types import CoroutineType
from typing import Any, Final

import attrs

from roger_actors.errors import InvalidJob, JobError
from roger_actors.roger.jobs import retry
from roger_actors.roger.jobs.codec import decode
from roger_actors.roger.jobs.hooks import Hooks
from roger_actors.roger.jobs.job import Job, JobRecord, execute
from roger_actors.roger.jobs.registry import Registry
from roger_actors.roger.worker_host.failure import (
    exception_of,
    failure_of,
    kind_of,
    one_line,
    refusal_of,
    stack_of,
)
from roger_actors.roger.worker_host.mark import Marker
from roger_actors.roger.worker_host.protocol import Done, HookDone, Run, RunHook

BROKEN: Final = 70
"""Exit status of a host whose process a job has broken."""

HOLD: Final = 0.001
"""Seconds that results wait for company while more jobs are to be run; the last one never waits."""

logger = logging.getLogger(__name__)


@attrs.frozen
class Loaded:
    """The modules are imported, the hooks made. Attributes: `classes`, what the registry knows."""

    classes: list[str]


@attrs.frozen
class Refused:
    """The user's modules or hooks could not be loaded. Attributes: `detail`, one line."""

    detail: str


@attrs.frozen
class TooLate:
    """A job of a lane was not begun: this node may hold that lane no more. Attributes: `ticket`."""

    ticket: int


@attrs.frozen
class Stopped:
    """The job thread has ended: after `stop`, or after `Refused`."""


Outcome = Loaded | Refused | Done | HookDone | TooLate | Stopped


class Executor:
    """Owns the job thread.

    Args:
        jobs: Modules with the job classes, imported on the job thread.
        hooks: `module:Class` of the user's hooks, empty for none.
        retry_levels: Seconds of each retry level, for jobs without their own.
        on_results: Called with what has happened since the last call, in order: first `Loaded` or
            `Refused`, then `Done` and `HookDone`, at last `Stopped`.
        post: Runs a function on the thread that `on_results` belongs to: `loop.call_soon_threadsafe`.
        later: The same after some seconds; called on that thread: `loop.call_later`.
        is_intact: Asked after every job whether this process still works.
        end_process: Ends it with a status, at once.

    Process:
        Every method is for the thread of `on_results` and returns at once.
    """

    def __init__(
        self,
        *,
        jobs: Sequence[str],
        on_results: Callable[[list[Outcome]], None],
        post: Callable[[Callable[[], None]], object],
        later: Callable[[float, Callable[[], None]], object],
        hooks: str = "",
        retry_levels: Sequence[float] = retry.LEVELS,
        is_intact: Callable[[], bool] = lambda: True,
        end_process: Callable[[int], object] = os._exit,
    ) -> None:
        self._jobs = jobs
        self._hooks_path = hooks
        self._retry_levels = retry_levels
        self._on_results = on_results
        self._post = post
        self._later = later
        self._marker = Marker("", 0)
        self._is_intact = is_intact
        self._end_process = end_process
        self._orders: queue.SimpleQueue[Run | RunHook | None] = queue.SimpleQueue()
        self._waiting: dict[int, Run | RunHook] = {}
        self._outcomes: deque[Outcome] = deque()
        self._posted = False
        self._held = False
        self._registry = Registry()
        self._hooks = Hooks()
        self._runner: asyncio.Runner | None = None
        self._thread = threading.Thread(target=self._main, name="job thread", daemon=True)

    def start(self, marker: Marker | None = None) -> None:
        """Start the job thread; `Loaded` or `Refused` follows.

        Args:
            marker: Where it notes what it runs.
        """
        self._marker = marker or self._marker
        self._thread.start()

    def submit(self, order: Run | RunHook) -> None:
        """Have a job or a hook run after those submitted before."""
        self._waiting[order.ticket] = order
        self._orders.put(order)

    def recall(self, tickets: Iterable[int]) -> list[int]:
        """Drop orders that have not begun.

        Returns:
            Those that were dropped; none of them will begin.
        """
        # dict.pop is atomic: of this and the job thread, one gets the order
        return [ticket for ticket in tickets if self._waiting.pop(ticket, None) is not None]

    def stop(self) -> list[int]:
        """Let the running job finish, drop the others, call `worker_stop`; `Stopped` follows.

        Returns:
            The tickets that were dropped.
        """
        dropped = self.recall(list(self._waiting))
        self._orders.put(None)
        return dropped

    def join(self, timeout: float) -> bool:
        """Wait for the job thread's end, `timeout` seconds at most; whether it has ended."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    # -- the job thread --------------------------------------------------------------------------

    def _main(self) -> None:
        try:
            if self._load():
                self._work()
                self._call_hook("worker_stop")
            self._close_runner()
            self._emit(Stopped())
        except BaseException:
            logger.critical("the job thread failed, this worker host ends", exc_info=True)
            self._end_process(BROKEN)
            raise

    def _load(self) -> bool:
        step = "the job modules"
        try:
            for step in self._jobs:
                self._registry.add_module(step)
            if self._hooks_path:
                step = self._hooks_path
                self._hooks = load_hooks(step)
            step = "worker_start"
            self._settle(self._hooks.worker_start())
        except BaseException as error:  # noqa: BLE001 the user's modules run here, and may raise anything
            logger.error("worker host cannot start, %s raised\n%s", step, stack_of(error))  # noqa: TRY400 text is safe
            self._emit(Refused(f"{step}: {one_line(error)}"))
            return False
        self._emit(Loaded(self._registry.known))
        return True

    def _work(self) -> None:
        while (order := self._orders.get()) is not None:
            # a ticket that was recalled and sent again runs where it stands now, not where it stood
            if self._waiting.get(order.ticket) is not order or self._waiting.pop(order.ticket, None) is None:
                continue
            until = order.until if isinstance(order, Run) else None
            self._marker.begin(order.ticket, until)
            if until is not None and not (self._marker.can_fence and time.monotonic() < until):
                self._marker.end(order.ticket)
                self._emit(TooLate(order.ticket))
                continue
            outcome = self._run(order) if isinstance(order, Run) else self._run_hook(order)
            _flush()
            if not self._is_intact():
                self._end_process(BROKEN)
            self._marker.end(order.ticket)
            self._emit(outcome)

    def _emit(self, outcome: Outcome) -> None:
        self._outcomes.append(outcome)
        if not self._posted or (self._held and not self._waiting):
            self._posted, self._held = True, False
            try:
                self._post(self._drain)
            except RuntimeError:  # the loop is closed: the host is ending, and nobody waits for this
                logger.debug("an outcome came after the loop's end: %r", outcome)

    # on the loop thread

    def _drain(self) -> None:
        if self._waiting:
            self._held = True
            self._later(HOLD, self._deliver)
        else:
            self._deliver()

    def _deliver(self) -> None:
        # first the flags, so that what is appended from now on is posted again
        self._posted = self._held = False
        outcomes = self._outcomes
        batch = [outcomes.popleft() for _ in range(len(outcomes))]
        if batch:
            self._on_results(batch)

    # -- a job -----------------------------------------------------------------------------------

    def _run(self, run: Run) -> Done:
        started_at = int(time.time() * 1000)
        try:
            record = decode(run.payload, started_at=started_at)
            job_class = self._registry.find(record.module, record.version)
        except JobError as error:
            return Done(run.ticket, False, started_at, 0.0, refusal_of(error))
        before_state = self._call_hook("before_run", run.partition, record)
        began = time.perf_counter()
        try:
            result = self._perform(job_class, record)
        except BaseException as error:  # noqa: BLE001 the job's run: whatever it raises is its failure
            seconds = time.perf_counter() - began
            failure = failure_of(error)
            # the exception is held by no local here, or it and this frame would keep one another alive
            how = (kind_of(error), error), failure.stack, before_state
            self._call_hook(self._failed(record), run.partition, record, *how)
            del how
            return Done(run.ticket, False, started_at, seconds, failure)
        seconds = time.perf_counter() - began
        self._call_hook("after_run", run.partition, record, result, before_state)
        return Done(run.ticket, True, started_at, seconds)

    def _perform(self, job_class: type[Job], record: JobRecord) -> Any:
        return self._settle(execute(job_class, record))

    def _failed(self, record: JobRecord) -> str:
        levels = record.retry_levels or self._retry_levels
        buried = retry.is_buried(retryable=record.retryable, levels=levels, retry_count=record.retry_count)
        return "on_buried" if buried else "on_error"

    # -- hooks -----------------------------------------------------------------------------------

    def _run_hook(self, order: RunHook) -> HookDone:
        try:
            record = decode(order.payload)
        except JobError as error:
            logger.warning("hook %s was not called: %s", order.hook, error)
            return HookDone(order.ticket)
        if order.failure is None:
            self._call_hook(order.hook, order.partition, record)
        else:
            details = order.failure.kind, exception_of(order.failure, record)
            self._call_hook(order.hook, order.partition, record, details, order.failure.stack, None)
        return HookDone(order.ticket)

    def _call_hook(self, name: str, *args: Any) -> Any:
        hook = getattr(type(self._hooks), name)
        if hook is getattr(Hooks, name):
            return None
        try:
            return self._settle(hook(self._hooks, *args))
        except BaseException as error:  # noqa: BLE001 the user's hook: whatever it raises harms nothing
            about = f" for job {args[1].id} of partition {args[0]}" if args else ""
            logger.error("hook %s failed%s\n%s", name, about, stack_of(error))  # noqa: TRY400 text is safe
            return None

    # -- async -----------------------------------------------------------------------------------

    def _settle(self, value: Any) -> Any:
        """Return a value, or what a coroutine returns, run on the job thread's own loop."""
        if type(value) is not CoroutineType:
            return value
        if self._runner is None:
            self._runner = asyncio.Runner()
        raised: list[BaseException] = []
        result = self._runner.run(_guarded(value, raised))
        if raised:
            raise raised.pop()
        return result

    def _close_runner(self) -> None:
        if self._runner is not None:
            self._runner.close()


async def _guarded(coroutine: Coroutine[Any, Any, Any], raised: list[BaseException]) -> Any:
    """Run a coroutine and end the tasks it leaves behind.

    A SystemExit must not reach asyncio, which would let it through its loop; so what it raises is put
    aside. Not as the task's result: task, error, its traceback and the frames there would keep one
    another alive, and with them all that the job had in its hands.
    """
    mine = asyncio.all_tasks()
    try:
        return await coroutine
    except BaseException as error:  # noqa: BLE001 it is raised again outside the loop
        raised.append(error)
        return None
    finally:
        left = asyncio.all_tasks() - mine
        mine.clear()  # it has this task, and a traceback may keep this frame
        for task in left:
            task.cancel()
        if left:
            await asyncio.gather(*left, return_exceptions=True)


def load_hooks(path: str) -> Hooks:
    """Return an object of the class that `module:Class` names.

    Raises:
        InvalidJob: There is no such class, or it is no `Hooks`.
        Exception: Whatever its module or its constructor raises.
    """
    module, _, name = path.partition(":")
    found = getattr(importlib.import_module(module), name, None)
    if not (isinstance(found, type) and issubclass(found, Hooks)):
        raise InvalidJob(job=path, detail="is no subclass of roger_actors.Hooks")
    return found()


def _flush() -> None:
    """Let what a job has printed be seen before its outcome is."""
    try:
        sys.stdout.flush()
    except Exception:  # noqa: BLE001 the job may have closed it, or put anything in its place
        logger.debug("standard output cannot be flushed")
