"""What follows a job's end, made safe in the broker before the job is acked.

Each function returns when what it does is durable, however long the broker is away: the delivery is
not acked before, so nothing can be lost; and should it come again meanwhile, the consumer recognises
it. Runs in the job's Worker.

Source:
    `Roger.Partition.Retry`, `Roger.Partition.Worker`.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from roger_actors.broker import Change, Changed, Message, QueueSpec
from roger_actors.errors import BrokerError, UnknownJobClass, Unroutable
from roger_actors.otp import process
from roger_actors.roger import queue
from roger_actors.roger.global_state import flags, queue_key
from roger_actors.roger.global_state.queue_key import Verdict
from roger_actors.roger.jobs import retry
from roger_actors.roger.jobs.codec import with_retry
from roger_actors.roger.partition.run import Overflowed, Run
from roger_actors.roger.shelf import shelf
from roger_actors.roger.shelf.shelf import Shelved
from roger_actors.roger.worker_host.protocol import Failure

T = TypeVar("T")

TRY_AGAIN = 1.0
"""Seconds between two tries of what the broker did not take."""


async def record_failure(run: Run) -> None:
    """Record on its queue key that this attempt has failed, before its retry is published."""
    given, header = run.given, run.given.header
    while header.queue_key is not None:
        if queue_key.verdict(run.claim, header.id, header.retry_count) is not Verdict.RUN:
            return  # the key was taken over, or this failure is on record already
        assert run.claim is not None
        change = queue_key.failing(given.partition, header.queue_key, run.claim, header.retry_count)
        answer = await _change(run, change)
        run.claim = answer.current
        if answer.done:
            return  # else the record has changed meanwhile, by its enqueuer's second phase for instance


async def publish_retry(run: Run) -> None:
    """Publish the next attempt with its delay."""
    given, header = run.given, run.given.header
    level = retry.next_delay(run.levels, header.retry_count) or 0.0
    delay = retry.with_jitter(level, run.jitter, random.random())  # noqa: S311 nothing secret hangs on it
    body = with_retry(given.delivery.body, header.retry_count + 1)
    await _publish(run, Message(run.home, body, header.id, given.partition, delay=delay))


async def publish_again(run: Run, deaths: int) -> None:
    """Publish the same attempt again, with the number of worker hosts that it has ended."""
    given = run.given
    delay = 0.0 if deaths == 1 else float(deaths)
    headers = {"deaths": deaths}
    message = Message(run.home, given.delivery.body, given.header.id, given.partition, headers, delay)
    await _publish(run, message)


async def bury(run: Run) -> None:
    """Keep the job aside with its cause."""
    given, config = run.given, run.given.kernel.config
    failure = run.failure or Failure("error", "", "unknown cause", "")
    name = queue.buried_name(given.partition)
    cause = f"{failure.type}: {failure.message}" if failure.type else failure.message
    buried = _shelved(run, cause, failure.kind, stack=failure.stack, attempts=given.header.retry_count + 1)
    await _until_taken(run, lambda: given.kernel.broker.declare([QueueSpec(name, config.queue_kind)]))
    await _publish(run, buried.to_message(name))
    if config.max_buried is not None:
        await _bound(run, name, config.max_buried)


async def park(run: Run) -> None:
    """Put a job of a class, or a version of it, that is unknown where nodes of another release find it."""
    given = run.given
    known = run.failure or Failure("class", message=str(UnknownJobClass(name=given.header.class_name)))
    cause = f"{known.message} ({given.kernel.node})"
    parked = _shelved(run, cause, "class", attempts=given.header.retry_count)
    await _publish(run, parked.to_message(queue.PARKED))


async def release(run: Run) -> None:
    """Free what the job held: its queue key, and the note that it was cancelled."""
    given, header = run.given, run.given.header
    if run.outcome == "cancelled":
        await _remove(run, flags.CANCELLED, flags.table_key(given.partition, header.id), lambda _: True)
    if header.queue_key is not None and run.outcome != "retried":
        key = queue_key.table_key(given.partition, header.queue_key)
        await _remove(run, queue_key.TABLE, key, lambda held: queue_key.is_held_by(held, header.id))


# -- helpers that act ----------------------------------------------------------------------------


async def _remove(run: Run, table: str, key: str, mine: Callable[[bytes], bool]) -> None:
    """Delete a table's entry if it is ours, whatever it is changed to meanwhile."""
    kernel = run.given.kernel
    current = await _until_taken(
        run, lambda: kernel.broker.tables.get(table, key, kernel.config.enqueue_timeout)
    )
    while current is not None and mine(current):
        answer = await _change(run, Change(table, key, current, None))
        current = None if answer.done else answer.current


async def _change(run: Run, change: Change) -> Changed:
    kernel = run.given.kernel
    (answer,) = await _until_taken(
        run, lambda: kernel.broker.tables.change([change], kernel.config.enqueue_timeout)
    )
    return answer


async def _publish(run: Run, message: Message) -> None:
    """Publish until it is confirmed; what has no queue any more goes to quarantine."""
    kernel = run.given.kernel
    try:
        await _until_taken(run, lambda: kernel.broker.publish(message, kernel.config.enqueue_timeout))
    except Unroutable as error:
        kernel.log.warning("job %s: %s; it goes to quarantine", message.message_id, error)
        aside = _shelved(run, str(error), "payload").to_message(queue.QUARANTINE)
        await _until_taken(run, lambda: kernel.broker.publish(aside, kernel.config.enqueue_timeout))


async def _until_taken(run: Run, attempt: Callable[[], Awaitable[T]]) -> T:
    """Try until the broker has taken it.

    Raises:
        Unroutable: It never will.
    """
    while True:
        try:
            return await attempt()
        except Unroutable:
            raise
        except BrokerError as error:
            run.given.kernel.log.warning("job %s: %s; trying again", run.given.header.id, error)
            await process.sleep(TRY_AGAIN)


def _shelved(run: Run, cause: str, kind: str, *, stack: str = "", attempts: int = 0) -> Shelved:
    given = run.given
    return Shelved(
        message_id=given.header.id,
        queue=run.home,
        partition=given.partition,
        cause=cause,
        kind=kind,
        stack=stack,
        attempts=attempts,
        node=given.kernel.node,
        at=given.kernel.clock.wall(),
        body=given.delivery.body,
    )


async def _bound(run: Run, name: str, most: int) -> None:
    """Delete the oldest buried jobs over the bound that the user set, count them and say so."""
    given = run.given
    broker = given.kernel.broker
    gone: list[str] = []
    async with given.kernel.bounding[given.partition]:
        await _until_taken(
            run, lambda: shelf.keep_newest(broker, name, most, lambda old: gone.append(old.message_id))
        )
    if gone:
        process.send(given.consumer, Overflowed(len(gone)))
        given.kernel.log.warning(
            "partition %s: deleted %d buried jobs over max_buried=%d: %s",
            *(given.partition, len(gone), most, ", ".join(gone)),
        )
