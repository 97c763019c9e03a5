"""The process that the kernel talks to in a worker host: it hands orders to the job thread, and tells.

Started as the only child of the host's tree and registered as `job_runner`. It holds the `Executor`,
whose thread imports the user's modules as its first work: after the fork, and beside a loop that goes
on answering. When it exits, its host ends with it; when a job has broken the process so that nothing
works any more, it ends the process at once with status 70.

Source:
    New here: on the BEAM a job is a process like any other.
"""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Final, Protocol

from roger_actors.otp import SHUTDOWN, GenServer, NoReply, Ok, Runtime, Target, process
from roger_actors.roger.worker_host.executor import (
    BROKEN,
    Executor,
    Loaded,
    Outcome,
    Refused,
    Stopped,
    TooLate,
)
from roger_actors.roger.worker_host.mark import Marker
from roger_actors.roger.worker_host.protocol import (
    Done,
    HookDone,
    Ready,
    Recall,
    Recalled,
    Results,
    Run,
    RunHook,
    StartRefused,
)
from roger_actors.transport import HostId

CHECK: Final = 1.0
"""Seconds between two looks at whether the process still works."""
RSS_AGE: Final = 0.5
"""Seconds that a measured memory size is good for, unless memory has grown to a new peak."""
OOM_SCORE: Final = 500
"""Makes the kernel's out-of-memory killer take a worker host before the node's other processes."""

logger = logging.getLogger(__name__)

_TICK: Final = "is the process intact?"


class Given(Protocol):
    """What a worker host is started with.

    Attributes:
        kernel: Number of the kernel host.
        pool: Registered name of the pool there, which everything is told to.
        jobs: Modules to import.
        hooks: `module:Class` of the user's hooks, empty for none.
        retry_levels: Seconds of each retry level, for jobs without their own.
    """

    kernel: int
    pool: str
    jobs: list[str]
    hooks: str
    retry_levels: list[float]


class Vitals:
    """Whether this OS process still works, and how large it is.

    It holds one descriptor that nobody else knows: a job that closed all descriptors closed this one.
    """

    def __init__(self) -> None:
        self._descriptor, other = os.pipe()
        os.close(other)
        self._identity = self._look()
        self._rss = 0
        self._peak = 0
        self._measured_at = -RSS_AGE

    def are_intact(self) -> bool:
        """Whether the descriptor is still there and still the same. Safe from any thread, under 1 µs."""
        return self._look() == self._identity

    def rss(self) -> int:
        """Return the resident memory in bytes; 0 where it cannot be read.

        It is measured again when it has peaked (which is cheap to see), or after `RSS_AGE`.
        """
        now, peak = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        if peak != self._peak or now - self._measured_at >= RSS_AGE:
            self._measured_at, self._peak = now, peak
            self._rss = _resident()
        return self._rss

    def close(self) -> None:
        """Give the descriptor back."""
        if self.are_intact():
            os.close(self._descriptor)

    def _look(self) -> tuple[int, int] | None:
        try:
            found = os.fstat(self._descriptor)
        except OSError:
            return None
        return found.st_dev, found.st_ino


class JobRunner(GenServer["Runner"]):
    """The server of a worker host; see the module."""

    trap_exit: ClassVar[bool] = True

    def init(self, given: Given) -> Ok[Runner]:
        """Start the job thread; `Ready` or `StartRefused` goes to the pool once it knows."""
        runner = Runner(given)
        runner.start()
        process.send_after(CHECK, process.self(), _TICK)
        return Ok(runner)

    def handle_info(self, message: Any, runner: Runner) -> NoReply[Runner]:
        """Take an order of the pool, or the clock's word."""
        match message:
            case Run() | RunHook():
                runner.executor.submit(message)
            case Recall():
                dropped = runner.executor.recall(message.tickets)
                begun = [ticket for ticket in message.tickets if ticket not in dropped]
                process.send(runner.pool, Recalled(dropped, begun))
            case str() if message == _TICK:
                runner.check()
                process.send_after(CHECK, process.self(), _TICK)
        return NoReply(runner)

    async def terminate(self, reason: Any, runner: Runner) -> None:
        """Let the running job finish and `worker_stop` run; the supervisor says how long that may take."""
        dropped = runner.executor.stop()
        if dropped:
            process.send(runner.pool, Recalled(dropped))
        await runner.stopped
        runner.vitals.close()


class Runner:
    """The executor with what it needs of the host; the state of `JobRunner`.

    Attributes:
        pool: Whom everything is told to.
        vitals: Whether the process still works.
        executor: Owns the job thread.
        stopped: Done when the job thread has ended.
    """

    def __init__(self, given: Given) -> None:
        self._runtime: Runtime = process.here()
        self._me = process.self()
        self.pool: Target = (given.pool, HostId(given.kernel))
        self.vitals = Vitals()
        self.stopped: asyncio.Future[None] = self._runtime.loop.create_future()
        self.executor = Executor(
            jobs=given.jobs,
            hooks=given.hooks,
            retry_levels=given.retry_levels,
            on_results=self._tell,
            post=self._runtime.loop.call_soon_threadsafe,
            later=self._runtime.loop.call_later,
            is_intact=self.vitals.are_intact,
        )

    def start(self) -> None:
        """Start the job thread."""
        self.executor.start(Marker(self._runtime.endpoint.directory, self._runtime.host))

    def check(self) -> None:
        """End a process that no longer works: a job has closed all its descriptors."""
        if not self.vitals.are_intact():
            logger.critical("a job closed the worker host's descriptors, it ends")
            os._exit(BROKEN)

    def _tell(self, outcomes: Sequence[Outcome]) -> None:
        """Pass on what has happened; also while the server waits for the job thread in `terminate`."""
        results = [outcome for outcome in outcomes if isinstance(outcome, Done)]
        for outcome in outcomes:
            match outcome:
                case Loaded():
                    self._send(Ready(self._runtime.host, os.getpid(), outcome.classes))
                case Refused():
                    self._send(StartRefused(outcome.detail))
                    self._runtime.exit(self._me, self._runtime.host_pid, SHUTDOWN)
                case HookDone():
                    self._send(outcome)
                case TooLate():
                    self._send(Recalled([outcome.ticket]))
                case Stopped() if not self.stopped.done():
                    self.stopped.set_result(None)
        if results:
            self._send(Results(results, self.vitals.rss(), self._runtime.host))

    def _send(self, message: Any) -> None:
        self._runtime.send(self.pool, message)


def prepare_process() -> None:
    """Make this OS process one that jobs may run in; called by the worker role before its loop runs.

    Lines that a job prints are seen at once, and when memory runs out it is a worker host that goes.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(line_buffering=True)
    try:
        Path("/proc/self/oom_score_adj").write_text(str(OOM_SCORE), encoding="ascii")
    except OSError as error:
        logger.debug("cannot set the out-of-memory score: %s", error)


def _resident() -> int:
    try:
        pages = Path("/proc/self/statm").read_bytes().split()[1]
    except (OSError, IndexError):
        return 0
    return int(pages) * os.sysconf("SC_PAGE_SIZE")
