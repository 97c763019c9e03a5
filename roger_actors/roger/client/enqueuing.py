"""How jobs get into the broker: checked, their keys claimed, published and confirmed, the claims settled.

Many jobs take the same few round trips as one. What is refused becomes an outcome in its place and
goes no further; the others are not held up by it.

Source:
    `Roger.Job.enqueue`.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from roger_actors.broker import Broker, Change, Message, QueueKind
from roger_actors.clock import Clock
from roger_actors.errors import DuplicateJob, RogerActorsError, Unroutable
from roger_actors.roger import queue
from roger_actors.roger.client.routes import Routes
from roger_actors.roger.global_state import flags, queue_key
from roger_actors.roger.jobs.codec import check_size, encode
from roger_actors.roger.jobs.job import JobRecord

Enqueued = JobRecord | RogerActorsError
"""What became of one record of `enqueue_many`: the stamped record, or why it was refused."""


class Enqueuer:
    """Puts records into one partition at a time.

    Args:
        broker: Where.
        max_payload: Largest encoded job in bytes.
        queue_kind: Of what kind a lane is that is opened here.
        clock: For stamps, and for how long a queue is known.
    """

    def __init__(self, broker: Broker, *, max_payload: int, queue_kind: QueueKind, clock: Clock) -> None:
        self._broker = broker
        self._max_payload = max_payload
        self._clock = clock
        self._routes = Routes(broker, queue_kind, clock)

    async def enqueue(
        self,
        records: Sequence[JobRecord],
        partition: str,
        *,
        override_queue: str | None = None,
        delay: float,
        limit: float,
    ) -> list[Enqueued]:
        """Put records into a partition; the outcomes are in their order.

        Args:
            records: What to enqueue.
            partition: The tenant.
            override_queue: Queue type instead of the records' own.
            delay: Seconds before they may start, 0 to `MAX_DELAY`.
            limit: Seconds to wait for the broker, at each step.
        """
        batch = _Batch(partition)
        now = self._clock.wall()
        for index, record in enumerate(records):
            stamped = attrs.evolve(
                record, queued_at=int(now * 1000), queue_type=override_queue or record.queue_type
            )
            batch.outcomes.append(stamped)
            try:
                batch.messages[index] = self._message(stamped, partition, delay)
            except RogerActorsError as error:
                batch.outcomes[index] = error
        await self._refuse_unroutable(batch, limit)
        lane = queue.lane_name(partition)
        if any(message.queue == lane for message in batch.messages.values()):
            await self._routes.open_lane(partition, limit)
        claims = await self._claim(batch, now, limit)
        await self._note_delays(batch, delay, limit)
        await self._publish(batch, lane, limit)
        await self._settle_claims(batch, claims, limit)
        return batch.outcomes

    def _message(self, record: JobRecord, partition: str, delay: float) -> Message:
        payload = encode(record)
        check_size(record, payload, self._max_payload)
        name = queue.of_job(partition, record.queue_type, record.execution_key)
        return Message(name, payload, record.id, partition, delay=delay)

    async def _refuse_unroutable(self, batch: _Batch, limit: float) -> None:
        """Refuse jobs whose queue type does not exist where the broker would not say so.

        That is: serial jobs, because the lane takes them all, and delayed ones, which are taken now and
        would have nowhere to go when they are due.
        """
        lane = queue.lane_name(batch.partition)
        for index, message in list(batch.messages.items()):
            if message.delay or message.queue == lane:
                name = queue.make_name(batch.partition, batch.record(index).queue_type)
                if not await self._routes.exists(name, limit):
                    batch.refuse(index, Unroutable(queue=name))

    async def _note_delays(self, batch: _Batch, delay: float, limit: float) -> None:
        """Write down long delays, so that a cancel is remembered for as long as the job can come."""
        changes = [flags.delaying(batch.partition, m.message_id, delay) for m in batch.messages.values()]
        noted = [change for change in changes if change is not None]
        if noted:
            await self._broker.tables.change(noted, limit)

    async def _claim(self, batch: _Batch, now: float, limit: float) -> dict[int, Change]:
        """Claim the queue keys; those refused become outcomes and are published no more."""
        won: dict[int, Change] = {}
        trying: dict[int, Change] = {}
        for index in batch.messages:
            record = batch.record(index)
            if record.queue_key is not None:
                trying[index] = queue_key.claiming(batch.partition, record.queue_key, record.id, now)
        while trying:
            answers = await self._broker.tables.change(list(trying.values()), limit)
            again: dict[int, Change] = {}
            for (index, change), answer in zip(trying.items(), answers, strict=True):
                if answer.done:
                    won[index] = change
                    continue
                following = queue_key.taking_over(change, answer.current)
                if following is not None:
                    again[index] = following
                    continue
                holder = queue_key.decode(answer.current)
                batch.refuse(
                    index,
                    DuplicateJob(
                        partition=batch.partition,
                        queue_key=batch.record(index).queue_key,
                        holder=holder.job_id if holder else "",
                    ),
                )
            trying = again
        return won

    async def _publish(self, batch: _Batch, lane: str, limit: float) -> None:
        """Publish all of a batch; a lane that went with its partition a moment ago is opened again."""
        sending = dict(batch.messages)
        for is_last in (False, True):
            failures = await self._broker.publish_many(list(sending.values()), limit)
            strays: dict[int, Message] = {}
            for (index, message), failure in zip(sending.items(), failures, strict=True):
                if isinstance(failure, Unroutable) and message.queue == lane and not is_last:
                    strays[index] = message
                elif failure is not None:
                    batch.outcomes[index] = failure
            if not strays:
                return
            self._routes.forget(lane)
            await self._routes.open_lane(batch.partition, limit)
            sending = strays

    async def _settle_claims(self, batch: _Batch, claims: dict[int, Change], limit: float) -> None:
        """Second phase: mark what was published, free what certainly was not, let the rest lapse."""
        outcomes = batch.outcomes
        changes: dict[int, Change] = {}
        for index, claim in claims.items():
            if isinstance(outcomes[index], JobRecord):
                changes[index] = queue_key.publishing(claim)
            elif isinstance(outcomes[index], Unroutable):
                changes[index] = claim._replace(expected=claim.new, new=None)
        if not changes:
            return
        answers = await self._broker.tables.change(list(changes.values()), limit)
        for (index, change), answer in zip(changes.items(), answers, strict=True):
            if not answer.done and change.new is not None:
                outcomes[index] = _overtaken(change, answer.current, outcomes[index])


class _Batch:
    """What is under way: an outcome for every record, a message for each that still goes on."""

    def __init__(self, partition: str) -> None:
        self.partition = partition
        self.outcomes: list[Enqueued] = []
        self.messages: dict[int, Message] = {}

    def record(self, index: int) -> JobRecord:
        """Return a record that still goes on."""
        record = self.outcomes[index]
        assert isinstance(record, JobRecord)
        return record

    def refuse(self, index: int, error: RogerActorsError) -> None:
        """Take a record out, and say why."""
        self.outcomes[index] = error
        del self.messages[index]


def _overtaken(change: Change, current: bytes | None, outcome: Enqueued) -> Enqueued:
    """Say what became of a published job whose claim is not as it was left."""
    mine = queue_key.decode(change.new)
    held = queue_key.decode(current)
    if held is None or mine is None or held.job_id == mine.job_id:
        return outcome  # it ran, and even ended, before its second phase was recorded
    partition, _, key = change.key.partition("/")
    return DuplicateJob(partition=partition, queue_key=key, holder=held.job_id)
