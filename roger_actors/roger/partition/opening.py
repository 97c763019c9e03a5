"""Opening, closing, pausing and resuming a partition's queues. Runs in the consumer's process.

Source:
    `Roger.Partition.Consumer` (`reconfigure`, `pause`, `resume`).
"""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from roger_actors.broker import Delivery, QueueSpec
from roger_actors.errors import BrokerError
from roger_actors.otp import DynamicSupervisor, Pid, process
from roger_actors.roger import queue
from roger_actors.roger.global_state import flags, lanes
from roger_actors.roger.kernel import MANAGER, POOL, Kernel, tell, workers_name
from roger_actors.roger.partition import side_lanes, subscriptions
from roger_actors.roger.partition.holding import Source, State
from roger_actors.roger.partition.lane import give_up
from roger_actors.roger.partition.worker import GiveBack
from roger_actors.roger.worker_pool.message import Reclaim, Reclaimed

REREAD = "reread"
"""The step that looks up what is cancelled and paused."""
OPEN_AGAIN = 1.0
"""Seconds after which subscriptions that could not be opened are tried again."""
RECLAIM_LIMIT = 10.0
"""Seconds for the pool to say that a dead Worker's job has ended."""
CONNECTING = "connecting to the broker"
"""Why a partition waits that waits for nothing else."""
LANE_WINDOW = 500
"""Deliveries of a lane that may be held at once, waiting ones included."""


class Arrived(NamedTuple):
    """A delivery came."""

    source: Source
    delivery: Delivery


class Reset(NamedTuple):
    """What a subscription had delivered will be delivered again."""

    source: Source
    reason: str


class Opened(NamedTuple):
    """To the manager: every queue of the partition is consumed."""

    partition: str


class Waiting(NamedTuple):
    """To the manager: the partition cannot be consumed yet, and why."""

    partition: str
    reason: str


async def close_subscriptions(kernel: Kernel, partition: str) -> None:
    """Close all that a partition's consumer has open: what is unacked goes back to the broker.

    Also called for one that was killed, and so could not do it itself.
    """
    opened = kernel.subscriptions.pop(partition, ())
    await asyncio.gather(*[subscription.close() for subscription in opened])


async def end_orphans(state: State) -> None:
    """End the Workers of a predecessor and their jobs, and only then what it had subscribed to."""
    fence = state.kernel.fence
    fence.lanes -= {proof for proof in fence.lanes if proof.partition == state.partition}
    fence.running -= {hold for hold in fence.running if hold.proof.partition == state.partition}
    supervisor = workers_name(state.partition)
    orphans = [child.pid for child in await DynamicSupervisor.which_children(supervisor)]
    workers = [pid for pid in orphans if isinstance(pid, Pid)]
    for worker in workers:
        await DynamicSupervisor.terminate_child(supervisor, worker)
    if workers:
        ended = process.here().loop.create_future()
        process.spawn(_reclaim, workers, ended)
        await ended
    await close_subscriptions(state.kernel, state.partition)


async def _reclaim(workers: list[Pid], ended: asyncio.Future[None]) -> None:
    """Wait until nothing of these Workers' jobs runs. A process of its own."""
    for worker in workers:
        tell(POOL, Reclaim(worker, process.self()))
    left = set(workers)
    while left and isinstance(answer := await process.receive(RECLAIM_LIMIT), Reclaimed):
        left.discard(answer.worker)
    ended.set_result(None)


async def open_queues(state: State) -> None:
    """Bring the subscriptions in line with what is wanted; tried again while the broker is away."""
    if not state.kernel.broker.is_connected:
        tell(MANAGER, Waiting(state.partition, state.kernel.broker_error or CONNECTING))
        return  # the manager says when it is there
    try:
        await _prepare(state)
        await _follow(state)
    except BrokerError as error:
        tell(MANAGER, Waiting(state.partition, str(error)))
        process.send_after(OPEN_AGAIN, process.self(), "open")
        return
    state.open = True
    tell(MANAGER, Opened(state.partition))


async def _prepare(state: State) -> None:
    """Declare and look up, all at the same time, and see all of it end before the first failure is raised."""
    steps = (_declare(state), read_flags(state), _look_for_lane(state))
    for failure in await asyncio.gather(*steps, return_exceptions=True):
        if failure is not None:
            raise failure
    if state.lane_spec is not None:
        await state.kernel.broker.declare([state.lane_spec])


async def _declare(state: State) -> None:
    kind = state.kernel.config.queue_kind
    specs = [QueueSpec(queue.make_name(state.partition, name), kind) for name in state.wanted]
    await state.kernel.broker.declare(specs)


async def _look_for_lane(state: State) -> None:
    """Find out whether the partition has a lane; one that somebody has told of gets its entry here."""
    kernel, tables = state.kernel, state.kernel.broker.tables
    limit = kernel.config.enqueue_timeout
    if state.needs_lane:
        change = lanes.needing(state.partition, kernel.config.queue_kind)
        value = (await tables.change([change], limit))[0].current
    else:
        value = await tables.get(lanes.TABLE, lanes.table_key(state.partition), limit)
    if value is not None:
        state.lane_spec = lanes.spec(queue.lane_name(state.partition), value)


async def _follow(state: State) -> None:
    current = {name: source.max_workers for name, source in state.sources.items() if not source.closing}
    plan = subscriptions.plan(current, state.wanted)
    for name in plan.close:
        state.sources[name].closing = True
    for name, workers in plan.change.items():
        source = state.sources[name]
        source.max_workers = workers
        if source.subscription is not None:
            source.subscription.set_prefetch(source.prefetch)
    for source in [source for source in state.sources.values() if source.closing]:
        await _close(state, source)
    for name, workers in plan.open.items():
        if name not in state.sources:
            state.sources[name] = Source(queue.make_name(state.partition, name), name, workers)
    if state.lane is None and state.lane_spec is not None and state.sources:
        state.lane = Source(state.lane_spec.name, "", 1)
    await align(state)


async def _close(state: State, source: Source) -> None:
    """Take nothing more; the subscription goes when the last running job has been acked."""
    if source.subscription is not None:
        if source.held > 0:
            await source.subscription.pause()
            return
        state.kernel.subscriptions[state.partition].remove(source.subscription)
        await source.subscription.close()
    del state.sources[source.queue_type]
    wanted = state.wanted.get(source.queue_type, 0)
    if wanted > 0:
        state.sources[source.queue_type] = Source(source.name, source.queue_type, wanted)


async def _subscribe(state: State, source: Source) -> None:
    me = process.self()
    runtime = process.here()
    source.subscription = await state.kernel.broker.consume(
        source.name,
        prefetch=_window(state, source),
        on_delivery=lambda delivery: runtime.send(me, Arrived(source, delivery)),
        on_reset=lambda reason: runtime.send(me, Reset(source, reason)),
    )
    state.kernel.subscriptions[state.partition].append(source.subscription)


def _window(state: State, source: Source) -> int:
    if source is state.lane:
        return LANE_WINDOW
    return side_lanes.WINDOW if source.is_serial else source.prefetch


async def read_flags(state: State) -> None:
    """Look up which jobs are cancelled and which queues are paused."""
    kernel = state.kernel
    limit = kernel.config.enqueue_timeout
    prefix = flags.table_key(state.partition, "")
    at = kernel.clock.monotonic()
    cancelled, paused = await asyncio.gather(
        *[kernel.broker.tables.scan(table, prefix, limit) for table in (flags.CANCELLED, flags.PAUSED)]
    )
    state.cancelled = {flags.name_of(key) for key in cancelled}
    state.paused = {flags.name_of(key) for key in paused}
    state.flags_read_at = at


async def align(state: State) -> None:
    """Consume what is to be consumed; a paused queue is not even subscribed to."""
    closing, state.closing = state.closing, []
    for source in closing:
        if source.subscription is not None:
            state.kernel.subscriptions[state.partition].remove(source.subscription)
            await source.subscription.close()
    await asyncio.gather(*[_align_source(state, source) for source in state.all_sources()])
    for held in state.held.values():
        if state.quiet or held.header.queue_type in state.paused:
            process.send(held.worker, GiveBack())


async def try_to_align(state: State) -> bool:
    """Do the same; False if the broker did not answer."""
    try:
        await align(state)
    except BrokerError as error:
        state.kernel.log.warning("partition %s: %s", state.partition, error)
        return False
    return True


async def reread(state: State) -> None:
    """Look up cancels and pauses again; tried until the broker answers."""
    try:
        await read_flags(state)
        await align(state)
    except BrokerError as error:
        state.kernel.log.warning("partition %s: cannot look up what is cancelled: %s", state.partition, error)
        process.send_after(OPEN_AGAIN, process.self(), REREAD)


async def _align_source(state: State, source: Source) -> None:
    if source.is_serial and state.quiet:
        return  # lane and side lanes have their own way of leaving
    paused = source.queue_type in state.paused or state.quiet or source.is_full
    if source.closing:
        return
    if source.subscription is None:
        if not paused:
            await _subscribe(state, source)
    elif source.paused != paused:
        await (source.subscription.pause() if paused else source.subscription.resume())
    source.paused = paused


async def quiesce(state: State) -> None:
    """Stop taking deliveries, and give back those whose job has not begun.

    The lane is kept until none of its jobs runs here: another node would begin the next one of the key.
    """
    state.quiet = True
    await align(state)
    unsure, state.unsure = state.unsure, []
    for source, delivery in unsure:
        if source.subscription is not None:
            source.subscription.nack(delivery)
    lane = state.lane
    if lane is None or lane.subscription is None or lane.paused or state.runs_of_lane:
        return
    for source in (lane, *state.sides.values()):
        if source.subscription is not None:
            await source.subscription.pause()
        source.paused = True
    for delivery in state.forget_waiting():
        subscription = state.source_of(delivery).subscription
        if subscription is not None:
            subscription.nack(delivery)
    await leave_lane(state)


async def leave_lane(state: State) -> None:
    """Write down that the lane is not ours any more, if it was: its next holder need not wait."""
    if not state.lane_is_ours:
        return
    state.forget_lane()
    try:
        await give_up(state.kernel, state.partition)
    except BrokerError as error:
        state.kernel.log.warning(
            "partition %s: %s; the lane's next holder will wait for this one", state.partition, error
        )
