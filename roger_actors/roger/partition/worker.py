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

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec

from roger_actors.broker import Change, Delivery, Message, QueueSpec
from roger_actors.errors import BrokerError, Unroutable
from roger_actors.otp import GenServer, NoReply, Ok, Pid, Stop, process
from roger_actors.otp.reason import SHUTDOWN, ExitStatus, Signal
from roger_actors.roger import queue
from roger_actors.roger.global_state import flags, queue_key
from roger_actors.roger.global_state.queue_key import Verdict
from roger_actors.roger.jobs import retry
from roger_actors.roger.jobs.codec import JobHeader, with_retry
from roger_actors.roger.kernel import POOL, Kernel
from roger_actors.roger.shelf import shelf
from roger_actors.roger.shelf.shelf import Shelved
from roger_actors.roger.worker_host.protocol import Done, Failure
from roger_actors.roger.worker_pool.pool import Begun, HostDied, Kill, Lend, UnknownClass, Withdraw, Withdrawn

HOOK_LIMIT = 30.0
"""Seconds that a hook which runs after its job's end may take."""
TRY_AGAIN = 1.0
"""Seconds between two tries of a follow-up that the broker did not take."""


# -- messages ------------------------------------------------------------------------------------


class Assignment(NamedTuple):
    """What a Worker is started with.

    Attributes:
        number: The consumer's number for it.
        kernel: The node's kernel.
        partition: The tenant.
        consumer: Whom to tell `Finished`.
        delivery: The job as it arrived.
        header: What the kernel needs of it.
        queue: Its queue, for the limit and for taking turns.
        limit: `max_workers` of that queue.
        cancelled: Whether it must not run, only be told off.
    """

    number: int
    kernel: Kernel
    partition: str
    consumer: Pid
    delivery: Delivery
    header: JobHeader
    queue: str
    limit: int
    cancelled: bool = False


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


# -- state ---------------------------------------------------------------------------------------


class Run:
    """A job on its way; mutable, because there are thousands a second."""

    __slots__ = ("claim", "ending", "failure", "given", "outcome", "seconds")

    def __init__(self, given: Assignment) -> None:
        self.given = given
        self.claim: bytes | None = None
        self.ending = ""
        self.failure: Failure | None = None
        self.outcome = ""
        self.seconds = 0.0


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
    return NoReply(run, then=_failed)


def _begun(run: Run, _: Begun) -> Any:
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
    watch = header.max_execution_time is not None and not hook
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
        ),
    )
    if hook:
        process.send_after(HOOK_LIMIT, process.self(), HookOvertime())


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
    if not header.retryable:
        run.outcome = "failed"
        return _after_hook(run, "on_error")
    if retry.next_delay(_levels(run), header.retry_count) is None:
        return _bury
    return _retry


async def _retry(run: Run) -> Any:
    """Record the failed attempt, then publish the next one with its delay."""
    given, header = run.given, run.given.header
    while header.queue_key is not None:
        if queue_key.verdict(run.claim, header.id, header.retry_count) is not Verdict.RUN:
            break  # the key was taken over, or this failure is on record already
        assert run.claim is not None
        change = queue_key.failing(given.partition, header.queue_key, run.claim, header.retry_count)
        (answer,) = await given.kernel.broker.tables.change([change], given.kernel.config.enqueue_timeout)
        run.claim = answer.current
        if answer.done:
            break  # else the record has changed meanwhile, by its enqueuer's second phase for instance
    return _republish_retry


async def _republish_retry(run: Run) -> Any:
    given, header = run.given, run.given.header
    delay = retry.next_delay(_levels(run), header.retry_count)
    body = with_retry(given.delivery.body, header.retry_count + 1)
    await _publish(run, Message(given.delivery.queue, body, header.id, given.partition, delay=delay or 0.0))
    run.outcome = "retried"
    return _after_hook(run, "on_error")


async def _bury(run: Run) -> Any:
    """Keep the job aside with its cause."""
    given, header = run.given, run.given.header
    failure = run.failure or Failure("error", "", "unknown cause", "")
    name = queue.buried_name(given.partition)
    buried = Shelved(
        message_id=header.id,
        queue=given.delivery.queue,
        partition=given.partition,
        cause=f"{failure.type}: {failure.message}" if failure.type else failure.message,
        kind=failure.kind,
        stack=failure.stack,
        attempts=header.retry_count + 1,
        node=given.kernel.node,
        at=given.kernel.clock.wall(),
        body=given.delivery.body,
    )
    await given.kernel.broker.declare([QueueSpec(name, given.kernel.config.queue_kind)])
    await _publish(run, buried.to_message(name))
    await _bound_buried(run, name)
    run.outcome = "buried"
    return _after_hook(run, "on_buried")


async def _bound_buried(run: Run, name: str) -> None:
    """Delete the oldest buried jobs over the bound that the user set, and say so."""
    kernel = run.given.kernel
    if kernel.config.max_buried is None:
        return
    counts = await kernel.broker.counts(name)
    over = counts.messages - kernel.config.max_buried if counts else 0
    if over > 0:
        oldest = {shelved.message_id for shelved in await shelf.look(kernel.broker, name, over)}
        gone = await shelf.remove(kernel.broker, name, lambda shelved: shelved.message_id in oldest)
        kernel.log.warning(
            "partition %s: deleted %d buried jobs over max_buried=%d: %s",
            run.given.partition,
            len(gone),
            kernel.config.max_buried,
            ", ".join(sorted(shelved.message_id for shelved in gone)),
        )


async def _park(run: Run) -> Any:
    """Put a job of an unknown class where nodes of another release find it."""
    given, header = run.given, run.given.header
    parked = Shelved(
        message_id=header.id,
        queue=given.delivery.queue,
        partition=given.partition,
        cause=f"no job class is registered as {header.class_name!r} on node {given.kernel.node}",
        kind="class",
        attempts=header.retry_count,
        node=given.kernel.node,
        at=given.kernel.clock.wall(),
        body=given.delivery.body,
    )
    await _publish(run, parked.to_message(queue.PARKED))
    run.outcome = "parked"
    return _finish


async def _cancelled(run: Run) -> Any:
    """Tell the user's hook, then let the job go."""
    run.outcome = "cancelled"
    return _after_hook(run, "on_cancel", always=True)


async def _leave(run: Run) -> Any:
    """The job has left for good (or waits for its retry): free what it held."""
    given, header = run.given, run.given.header
    if run.outcome == "cancelled":
        await _remove(run, flags.CANCELLED, flags.table_key(given.partition, header.id), lambda _: True)
    if header.queue_key is not None and run.outcome != "retried":
        key = queue_key.table_key(given.partition, header.queue_key)
        await _remove(run, queue_key.TABLE, key, lambda held: queue_key.is_held_by(held, header.id))
    return _finish


async def _remove(run: Run, table: str, key: str, mine: Callable[[bytes], bool]) -> None:
    """Delete a table's entry if it is ours, whatever it is changed to meanwhile."""
    kernel = run.given.kernel
    limit = kernel.config.enqueue_timeout
    current = await kernel.broker.tables.get(table, key, limit)
    while current is not None and mine(current):
        (answer,) = await kernel.broker.tables.change([Change(table, key, current, None)], limit)
        current = None if answer.done else answer.current


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
    if run.ending == "timeout":
        run.failure = Failure("timeout", "JobTimeout", f"ran longer than max_execution_time of {limit} s", "")
        return NoReply(run, then=_failed)
    run.failure = _failure_of(died.reason)
    return NoReply(run, then=_run_again)


def _unknown_class(run: Run, _: UnknownClass) -> Any:
    return NoReply(run, then=_park)


async def _run_again(run: Run) -> Any:
    """The host died under the job: count it, and run the attempt again or bury it."""
    given, header = run.given, run.given.header
    deaths = int(given.delivery.headers.get("deaths", 0)) + 1
    if deaths >= given.kernel.config.max_deaths:
        failure = run.failure
        assert failure is not None
        run.failure = msgspec.structs.replace(
            failure, message=f"{failure.message}; it was the {deaths}. worker host this job ended"
        )
        return _bury
    delay = 0.0 if deaths == 1 else float(deaths)
    again = Message(
        given.delivery.queue, given.delivery.body, header.id, given.partition, {"deaths": deaths}, delay
    )
    await _publish(run, again)
    run.outcome = "retried"
    return _after_hook(run, "on_error")


def _failure_of(reason: Any) -> Failure:
    match reason:
        case Signal(number):
            return Failure("signal", "", f"its worker host was ended by signal {number}", "")
        case ExitStatus(status):
            return Failure("status", "", f"its worker host ended with status {status}", "")
    return Failure("status", "", f"its worker host ended: {reason}", "")


def _levels(run: Run) -> Any:
    return run.given.header.retry_levels or run.given.kernel.config.retry_levels


async def _publish(run: Run, message: Message) -> None:
    """Publish until it is confirmed; the delivery is not acked before, so nothing can be lost."""
    kernel = run.given.kernel
    while True:
        try:
            await kernel.broker.publish(message, kernel.config.enqueue_timeout)
        except Unroutable as error:
            kernel.log.warning("job %s: %s; it goes to quarantine", message.message_id, error)
            message = _to_quarantine(run, message, str(error))
        except BrokerError as error:
            kernel.log.warning("job %s: %s; trying again", message.message_id, error)
            await asyncio.sleep(TRY_AGAIN)
        else:
            return


def _to_quarantine(run: Run, message: Message, cause: str) -> Message:
    given = run.given
    shelved = Shelved(
        message_id=message.message_id,
        queue=message.queue,
        partition=given.partition,
        cause=cause,
        kind="payload",
        node=given.kernel.node,
        at=given.kernel.clock.wall(),
        body=message.body,
    )
    return shelved.to_message(queue.QUARANTINE)


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
