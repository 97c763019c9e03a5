"""One job, one process: it owns the delivery, the time limit and the outcome.

A Worker lives in the kernel host and runs nothing of the user's: it is lent a worker host by the
pool, waits for what becomes of the job there, does what follows (retry, bury, release the key) and
only when that is confirmed tells the consumer to ack. Started by its partition's worker supervisor;
if it dies before it has finished, the consumer gives the delivery back and the job runs again.

The order that loses nothing: outcome recorded (for jobs with a queue key) → follow-up published and
confirmed → hooks → key released → ack.

Source:
    `Roger.Partition.Worker`, `Roger.Partition.Worker.Callback`, `Roger.Partition.Retry`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec

from roger_actors.otp import GenServer, NoReply, Ok, Stop, process
from roger_actors.otp.reason import SHUTDOWN, ExitStatus, Signal
from roger_actors.roger.global_state import queue_key
from roger_actors.roger.global_state.queue_key import Verdict
from roger_actors.roger.jobs import retry
from roger_actors.roger.kernel import POOL
from roger_actors.roger.partition import follow_up
from roger_actors.roger.partition.run import Assignment, Run
from roger_actors.roger.worker_host.protocol import Done, Failure
from roger_actors.roger.worker_pool.message import (
    Begun,
    HostDied,
    Kill,
    Lend,
    UnknownClass,
    Withdraw,
    Withdrawn,
)

HOOK_LIMIT = 30.0
"""Seconds that a hook which runs after its job's end may take."""


# -- messages ------------------------------------------------------------------------------------


class Finished(NamedTuple):
    """The job has left, or its follow-up is safe: ack it.

    Attributes:
        number: The assignment's.
        outcome: `done`, `failed`, `retried`, `buried`, `cancelled`, `parked` or `dropped`.
        seconds: How long it ran, 0 where it did not.
    """

    number: int
    outcome: str
    seconds: float = 0.0


class CancelRun(NamedTuple):
    """Kill the job if it runs, do not start it if it waits."""


class GiveBack(NamedTuple):
    """Return the job to its queue if it has not begun: the queue is paused, or the node stops."""


class Overtime(NamedTuple):
    """The job has run as long as it may."""


class HookOvertime(NamedTuple):
    """A hook has run as long as it may."""


class Worker(GenServer[Run]):
    """Sees one job through; see the module."""

    def init(self, given: Assignment) -> Ok[Run]:
        """Ask for a worker host at once, unless the job's key must be looked at first."""
        run = Run(given)
        if given.cancelled:
            return Ok(run, then=_cancelled)
        if given.header.queue_key is not None:
            return Ok(run, then=_check_key)
        _lend(run)
        return Ok(run)

    async def handle_continue(self, step: Any, run: Run) -> Any:
        """Take the next step; each is a function of this module that returns the one after it."""
        while step is not None:
            step = await step(run)
            if step is _finish:
                return _finish(run)
        return NoReply(run)

    def handle_info(self, message: Any, run: Run) -> Any:
        """Take the word of the pool, of the clock or of somebody who cancels."""
        act = _ACTS.get(message.__class__)
        return NoReply(run) if act is None else act(run, message)


# -- what messages mean ---------------------------------------------------------------------------


def _done(run: Run, done: Done) -> Any:
    if run.outcome:
        return NoReply(run, then=_leave)  # it was a hook: what it was about is settled
    run.seconds = done.seconds
    if done.ok:
        run.outcome = "done"
        return _finish(run) if run.given.header.queue_key is None else NoReply(run, then=_leave)
    run.failure = done.failure
    is_unknown = done.failure is not None and done.failure.kind == "class"
    return NoReply(run, then=_park if is_unknown else _failed)


def _begun(run: Run, _: Begun) -> Any:
    if run.outcome:
        process.send_after(HOOK_LIMIT, process.self(), HookOvertime())
        return NoReply(run)
    limit = run.given.header.max_execution_time
    if limit is not None:
        process.send_after(limit, process.self(), Overtime())
    return NoReply(run)


def _end_it(run: Run, message: Overtime | CancelRun) -> Any:
    """Have the job killed, unless it has ended, or is being ended, already."""
    if not run.ending and not run.outcome:
        run.ending = "timeout" if isinstance(message, Overtime) else "cancelled"
        process.send(POOL, Kill(process.self()))
    return NoReply(run)


def _end_hook(run: Run, _: HookOvertime) -> Any:
    process.send(POOL, Kill(process.self()))
    return NoReply(run)


def _ask_back(run: Run, _: GiveBack) -> Any:
    process.send(POOL, Withdraw(process.self()))
    return NoReply(run)


def _withdrawn(run: Run, _: Withdrawn) -> Any:
    return Stop(SHUTDOWN, run)  # without a word: the consumer gives the delivery back


# -- steps: each acts, and returns the next -------------------------------------------------------


def _lend(run: Run, hook: str = "", failure: Failure | None = None) -> None:
    given = run.given
    header = given.header
    watch = header.max_execution_time is not None or bool(hook)
    process.send(
        POOL,
        Lend(
            process.self(),
            given.queue,
            given.limit,
            given.partition,
            header.class_name,
            given.delivery.body,
            watch,
            hook,
            failure,
            None if hook else given.hold,
        ),
    )


async def _check_key(run: Run) -> Any:
    """Ask the record of the queue key whether this attempt may run."""
    given, header = run.given, run.given.header
    assert header.queue_key is not None
    key = queue_key.table_key(given.partition, header.queue_key)
    tables, limit = given.kernel.broker.tables, given.kernel.config.enqueue_timeout
    run.claim = await tables.get(queue_key.TABLE, key, limit)
    match queue_key.verdict(run.claim, header.id, header.retry_count):
        case Verdict.RUN:
            _lend(run)
            return None
        case Verdict.REPUBLISH_RETRY:
            return _republish_retry
        case Verdict.DROP:
            run.outcome = "dropped"
            return _finish


async def _failed(run: Run) -> Any:
    """The attempt failed where it ran, and its hook was called there: retry, bury or let go."""
    header = run.given.header
    _log_failure(run)
    if not header.retryable:
        run.outcome = "failed"
        return _after_hook(run, "on_error")
    if retry.next_delay(run.levels, header.retry_count) is None:
        return _bury
    return _retry


def _log_failure(run: Run) -> None:
    given, failure = run.given, run.failure
    given.kernel.log.warning(
        "partition %s: job %s (%s), attempt %d failed: %s %s",
        given.partition,
        given.header.id,
        given.header.class_name,
        given.header.retry_count + 1,
        failure.type if failure else "",
        failure.message.splitlines()[0][:200] if failure and failure.message else "",
    )


async def _retry(run: Run) -> Any:
    """Record the failed attempt, then publish the next one with its delay."""
    await follow_up.record_failure(run)
    return _republish_retry


async def _republish_retry(run: Run) -> Any:
    await follow_up.publish_retry(run)
    run.outcome = "retried"
    return _after_hook(run, "on_error")


async def _bury(run: Run) -> Any:
    await follow_up.bury(run)
    run.outcome = "buried"
    return _after_hook(run, "on_buried")


async def _park(run: Run) -> Any:
    await follow_up.park(run)
    run.outcome = "parked"
    return _finish


async def _run_again(run: Run) -> Any:
    """The host died under the job: count it, and run the attempt again or bury it."""
    _log_failure(run)
    deaths = int(run.given.delivery.headers.get("deaths", 0)) + 1
    if deaths < run.given.kernel.config.max_deaths:
        await follow_up.publish_again(run, deaths)
        run.outcome = "retried"
        return _after_hook(run, "on_error")
    assert run.failure is not None
    charge = f"{run.failure.message}; it was worker host number {deaths} that this job ended"
    run.failure = msgspec.structs.replace(run.failure, message=charge)
    return _bury


async def _leave(run: Run) -> Any:
    """The job has left for good (or waits for its retry): free what it held."""
    await follow_up.release(run)
    return _finish


async def _cancelled(run: Run) -> Any:
    """Tell the user's hook, then let the job go."""
    run.outcome = "cancelled"
    return _after_hook(run, "on_cancel", always=True)


def _finish(run: Run) -> Stop[Run]:
    process.send(run.given.consumer, Finished(run.given.number, run.outcome, run.seconds))
    return Stop(state=run)


# -- what the steps use ---------------------------------------------------------------------------


def _after_hook(run: Run, hook: str, *, always: bool = False) -> Any:
    """Run a hook on another worker host where the job's own could not, then leave."""
    if run.given.kernel.config.hooks and (always or run.ending or _host_is_gone(run)):
        _lend(run, hook, run.failure)
        return None
    return _leave


def _host_is_gone(run: Run) -> bool:
    return run.failure is not None and run.failure.kind in ("signal", "status", "timeout")


def _host_died(run: Run, died: HostDied) -> Any:
    """Decide what the death of the job's host means."""
    limit = run.given.header.max_execution_time
    if run.outcome:
        return NoReply(run, then=_leave)  # a hook's host died: what it was about is settled
    if run.ending == "cancelled":
        return NoReply(run, then=_cancelled)
    if _is_fenced(run):
        return Stop(SHUTDOWN, run)  # without a word: it runs again where its lane is now
    if run.ending == "timeout":
        run.failure = Failure("timeout", "JobTimeout", f"ran longer than max_execution_time of {limit} s", "")
        return NoReply(run, then=_failed)
    run.failure = _failure_of(died.reason)
    return NoReply(run, then=_run_again)


def _is_fenced(run: Run) -> bool:
    """Whether the job was killed because its lane may have gone to another node."""
    given = run.given
    return given.hold is not None and not given.hold.is_good(given.kernel.clock.monotonic())


def _failure_of(reason: Any) -> Failure:
    match reason:
        case Signal(number):
            return Failure("signal", "", f"its worker host was ended by signal {number}", "")
        case ExitStatus(status):
            return Failure("status", "", f"its worker host ended with status {status}", "")
    return Failure("status", "", f"its worker host ended: {reason}", "")


def _unknown_class(run: Run, _: UnknownClass) -> Any:
    return NoReply(run, then=_park)


_ACTS: Mapping[type, Callable[[Run, Any], Any]] = {
    Done: _done,
    Begun: _begun,
    Overtime: _end_it,
    CancelRun: _end_it,
    HookOvertime: _end_hook,
    GiveBack: _ask_back,
    Withdrawn: _withdrawn,
    HostDied: _host_died,
    UnknownClass: _unknown_class,
}
"""What a Worker makes of each message."""
