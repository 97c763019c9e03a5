"""Deliveries in, Workers out: one process per partition.

It holds the subscriptions of the partition's queues and of its lane, starts a Worker for each
delivery, and acks when the Worker says `Finished`. It decides who may start (paused, cancelled,
execution key busy) and leaves everything about the job itself to the Worker. Started by the
partition's supervisor; when it dies its subscriptions are closed, what was unacked goes back to the
broker, and its successor first ends the Workers that are left.

Jobs with an execution key come through the partition's *lane*, a queue with one active consumer in
the whole cluster: their order is the queue's, and those that must wait are held here, unacked, so
that no crash can lose or reorder them, or are moved to side lanes when they are many (`side_lanes`). Before
the first of them begins, whatever the lane's last consumer may still run has been waited for (`lane`).

Source:
    `Roger.Partition.Consumer`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from roger_actors.broker import Delivery
from roger_actors.errors import UndecodableJob
from roger_actors.otp import (
    Down,
    GenServer,
    NoReply,
    Ok,
    Reply,
    process,
)
from roger_actors.roger.jobs.codec import JobHeader, decode_header
from roger_actors.roger.kernel import LONG_JOBS, POOL, Kernel, tell
from roger_actors.roger.partition.holding import Held, Source, State, shown
from roger_actors.roger.partition.lane import LaneTaken
from roger_actors.roger.partition.moving import (
    ALIGN,
    loaded,
    look_at_ends,
    look_at_waiting,
    lose_side_lane,
    move_again,
    moved,
    take_marker,
    take_serial,
    wake,
)
from roger_actors.roger.partition.opening import (
    REREAD,
    Arrived,
    Reset,
    align,
    close_subscriptions,
    end_orphans,
    leave_lane,
    open_queues,
    quiesce,
    read_flags,
    reread,
    try_to_align,
)
from roger_actors.roger.partition.run import Overflowed
from roger_actors.roger.partition.side_lanes import MARKER, Loaded, LookAtWaiting, MoveAgain, Moved, Wake
from roger_actors.roger.partition.starting import (
    cancel,
    lane_taken,
    meet_cancels,
    next_of_key,
    start,
    start_held_back,
    take_lane,
)
from roger_actors.roger.partition.worker import Finished
from roger_actors.roger.shelf.quarantining import quarantine
from roger_actors.roger.worker_pool.fencing import Proven
from roger_actors.roger.worker_pool.long_jobs import Drop, Keep, Kept, LongRunning, PutBack, record_of
from roger_actors.roger.worker_pool.message import Reclaim, Reclaimed

# -- messages ------------------------------------------------------------------------------------


class Reconfigure(NamedTuple):
    """Ask for another, complete set of queues."""

    queues: Mapping[str, int]


class Cancel(NamedTuple):
    """Ask for a job's end."""

    job_id: str


class Reread(NamedTuple):
    """Ask to look up what is paused and cancelled now."""


class HeardAgain(NamedTuple):
    """The node hears what is broadcast, and had not before: a cancel may have been missed."""


class Quiesce(NamedTuple):
    """Ask to take nothing more and to give back what has not begun."""


class Snapshot(NamedTuple):
    """Ask for what this partition does."""


class Where(NamedTuple):
    """Ask what this partition has of a job."""

    job_id: str

    def look(self, state: State) -> Any:
        """Return the answer."""
        return state.where(self.job_id)


class Unconsumed(NamedTuple):
    """Ask for the queues that should be consumed now and are not."""

    def look(self, state: State) -> Any:
        """Return the answer."""
        return state.unconsumed()


class LaneNeeded(NamedTuple):
    """The partition has, or is about to get, jobs with an execution key."""


class Consumer(GenServer[State]):
    """Takes a partition's deliveries; see the module."""

    def init(self, kernel: Kernel, partition: str) -> Ok[State]:
        """Return at once; declaring and subscribing is the first message to itself."""
        process.trap_exit(True)
        return Ok(State(kernel, partition), then="start")

    async def handle_continue(self, step: str, state: State) -> NoReply[State]:
        """End what a predecessor left behind, then open."""
        if step == "start":
            await end_orphans(state)
        if step == REREAD:
            await reread(state)
        elif step != ALIGN or not await try_to_align(state):
            await open_queues(state)
        _start_what_may(state)
        return NoReply(state)

    async def handle_call(self, request: Any, sender: Any, state: State) -> Reply[State]:
        """Answer the manager and the system bus."""
        match request:
            case Cancel():
                return Reply(cancel(state, request.job_id), state)
            case Quiesce():
                await quiesce(state)
                return Reply(len(state.held), state)
            case Unconsumed() | Where():
                return Reply(request.look(state), state)
            case Snapshot():
                return Reply(await shown(state), state)
            case Reconfigure():
                state.wanted = dict(request.queues)
                await open_queues(state)
            case Reread():
                await read_flags(state)
                await align(state)
            case _:
                raise ValueError(f"unknown request {request!r}")
        _start_what_may(state)
        return Reply("ok", state)

    def handle_info(self, message: Any, state: State) -> NoReply[State]:
        """Take one message."""
        act = _NEWS.get(message.__class__)
        then = None if act is None else act(state, message)
        return NoReply(state) if then is None else NoReply(state, then=then)

    async def terminate(self, reason: Any, state: State) -> None:
        """Close the subscriptions: what is unacked goes back to the broker."""
        may_leave = not state.runs_of_lane
        await close_subscriptions(state.kernel, state.partition)
        if may_leave:
            await leave_lane(state)
        state.forget_lane()


# -- deliveries ----------------------------------------------------------------------------------


def _arrived(state: State, arrived: Arrived) -> None:
    source, delivery = arrived
    if not state.knows_cancels:
        state.unsure.append((source, delivery))
        return
    if source.queue_type == "" and source not in state.all_sources():
        return  # a side lane that is being closed: it goes back
    if source.queue_type == "" and MARKER in delivery.headers:
        take_marker(state, source, delivery)
        return
    try:
        header = decode_header(delivery.body)
    except UndecodableJob as error:
        if source.subscription is not None:
            outcome = quarantine(state.kernel, state.partition, source.subscription, delivery, error)
            state.counts[outcome] += 1
        return
    if delivery.redelivered and _is_known(state, source, delivery, header):
        return
    if source.queue_type == "" and header.execution_key is not None:
        take_serial(state, source, delivery, header)
    else:
        start(state, source, delivery, header)


def _is_known(state: State, source: Source, delivery: Delivery, header: JobHeader) -> bool:
    """Recognise a job that came again after a reconnect while, or after, it ran here."""
    if (header.id, header.retry_count) in state.settled:
        _ack(source, delivery)
        return True
    held = state.held.get(state.running.get(header.id, 0))
    if held is not None and held.stale and held.header.retry_count == header.retry_count:
        held.delivery = delivery
        held.stale = False
        held.source = source
        source.held += 1
        if held.hold is not None and state.proof is not None and state.lane_is_ours:
            held.hold.proof = state.proof
        elif held.hold is not None and state.proof is None:
            take_lane(state)
        return True
    return False


def _finished(state: State, message: Finished) -> str | None:
    held = state.held.pop(message.number, None)
    if held is None:
        return None
    source, header = held.source, held.header
    _unfence(state, held)
    state.note_end(held, message.outcome)
    state.numbers.pop(held.worker, None)
    if state.running.get(header.id) == message.number:
        del state.running[header.id]
    if message.outcome == "cancelled":
        state.cancelled.discard(header.id)
    _leave_delivery(state, held)
    if message.outcome == "done":
        source.measure(message.seconds)
    if source.queue_type == "" and header.execution_key is not None:
        next_of_key(state, header.execution_key)
        look_at_ends(state)
    if source.closing and source.held == 0:
        return "open"
    return ALIGN if held.record else None


def _leave_delivery(state: State, held: Held) -> None:
    """Ack what has ended, or delete what is written down of it."""
    if held.record:
        tell(LONG_JOBS, Drop(held.record))
        held.source.take_long(-1)
        return
    if held.stale or not _ack(held.source, held.delivery):
        state.remember_settled(held.header)
    if not held.stale:
        held.source.held -= 1


def _keep_long(state: State, message: LongRunning) -> None:
    """Have the jobs that run for long written down."""
    for number, held in state.held.items():
        worker = str(held.worker)
        if worker in message.workers and not held.stale and not held.record:
            record = record_of(state.kernel, state.partition, held.delivery, held.header)
            tell(LONG_JOBS, Keep(process.self(), number, worker, record))


def _kept(state: State, message: Kept) -> str | None:
    """Ack a job that is written down; if it has ended, or will be delivered again, the record goes."""
    held = state.held.get(message.number)
    if held is not None and held.record:
        return None
    if held is None or held.stale or not _ack(held.source, held.delivery):
        tell(LONG_JOBS, Drop(message.key))
        return None
    held.record = message.key
    held.source.held -= 1
    held.source.take_long(1)
    return ALIGN


def _unfence(state: State, held: Held) -> None:
    if held.hold is not None:
        state.kernel.fence.running.discard(held.hold)


def _down(state: State, down: Down) -> None:
    """A Worker died before it had finished: give its delivery back once nothing of it runs."""
    held = state.held.pop(state.numbers.pop(down.process, 0), None)
    if held is not None:
        state.lost[held.worker] = held
        process.send(POOL, Reclaim(held.worker, process.self()))


def _give_back(state: State, reclaimed: Reclaimed) -> None:
    held = state.lost.pop(reclaimed.worker, None)
    if held is not None:
        _let_go(state, held)


def _let_go(state: State, held: Held) -> None:
    """Return a delivery whose job does not run to its queue."""
    source, header = held.source, held.header
    _unfence(state, held)
    if state.running.get(header.id) not in state.held:
        state.running.pop(header.id, None)
    if held.record:
        tell(LONG_JOBS, PutBack(held.record))
        source.take_long(-1)
        process.send(process.self(), ALIGN)
    elif not held.stale:
        source.held -= 1
        if source.subscription is not None:
            source.subscription.nack(held.delivery)
    if source.queue_type == "" and header.execution_key is not None:
        next_of_key(state, header.execution_key)
        look_at_ends(state)


def _reset(state: State, reset: Reset) -> str | None:
    """Everything this subscription delivered will come again; running jobs go on and are recognised."""
    source, reason = reset
    state.kernel.log.warning("partition %s: queue %s was reset: %s", state.partition, source.name, reason)
    lost = [source, *state.sides.values()] if source is state.lane else [source]
    state.unsure = [arrived for arrived in state.unsure if arrived[0] not in lost]
    for held in state.held.values():
        if held.source in lost and not held.stale and not held.record:
            held.stale = True
            held.source.held -= 1
    if source is state.lane:
        state.forget_waiting()
        state.forget_lane()
        state.closing += state.sides.values()
        state.sides.clear()
        return ALIGN
    if source.queue_type == "":
        lose_side_lane(state, source)
    return None


def _ack(source: Source, delivery: Delivery) -> bool:
    return source.subscription is not None and source.subscription.ack(delivery)


def _lane_needed(state: State, _: LaneNeeded) -> str | None:
    """Open the lane: somebody has told of it."""
    if state.lane_spec is not None:
        return None
    state.needs_lane = True
    return "open"


def _overflowed(state: State, message: Overflowed) -> None:
    state.counts["buried_dropped"] += message.number


def _next_step(_: State, step: str) -> str:
    return step


def _heard_again(state: State, _: HeardAgain) -> str | None:
    """Look up the cancels, unless that was done since the node hears; then start what waits for it."""
    if not state.knows_cancels:
        return REREAD
    _start_what_may(state)
    return None


def _start_what_may(state: State) -> None:
    """Start what waited for a pause to end, for the lane, or for the certainty that it is not cancelled."""
    start_held_back(state)
    if not state.knows_cancels:
        return
    meet_cancels(state)
    unsure, state.unsure = state.unsure, []
    for source, delivery in unsure:
        _arrived(state, Arrived(source, delivery))


_NEWS: Mapping[type, Callable[[State, Any], str | None]] = {
    Arrived: _arrived,
    Finished: _finished,
    Down: _down,
    Overflowed: _overflowed,
    Reclaimed: _give_back,
    Reset: _reset,
    LaneNeeded: _lane_needed,
    LaneTaken: lane_taken,
    Proven: start_held_back,
    HeardAgain: _heard_again,
    Loaded: loaded,
    LongRunning: _keep_long,
    Kept: _kept,
    LookAtWaiting: look_at_waiting,
    MoveAgain: move_again,
    Moved: moved,
    Wake: wake,
    str: _next_step,
}
"""What the consumer does with each message; what it returns is the step to take after it."""
