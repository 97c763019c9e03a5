"""Which of the jobs that came may start, and starting their Workers. Runs in the consumer's process.

A job without an execution key starts as it comes. One with a key came through the lane, or one of its
side lanes: it starts when it is certain that the lane is ours, its queue is not paused and nobody else
has its key.

Source:
    `Roger.Partition.Consumer`, `Roger.Partition.Worker` (the part that waits for the execution key).
"""

from __future__ import annotations

from math import inf

import msgspec

from roger_actors.broker import Delivery
from roger_actors.otp import DynamicSupervisor, process
from roger_actors.roger import queue
from roger_actors.roger.jobs.codec import JobHeader
from roger_actors.roger.kernel import workers_name
from roger_actors.roger.partition.holding import Held, Source, State
from roger_actors.roger.partition.lane import LaneTaken, take_over
from roger_actors.roger.partition.run import Assignment
from roger_actors.roger.partition.worker import CancelRun, Worker
from roger_actors.roger.worker_host.fence import Hold, Proof
from roger_actors.roger.worker_pool.fencing import Proven


def start(state: State, source: Source, delivery: Delivery, header: JobHeader) -> None:
    """Start a job's Worker."""
    kernel = state.kernel
    counted = state.sources.get(header.queue_type) if source.queue_type == "" else source
    limit = counted.max_workers if counted is not None else 1
    state.number += 1
    assignment = Assignment(
        state.number,
        kernel,
        state.partition,
        process.self(),
        delivery,
        header,
        queue.make_name(state.partition, header.queue_type),
        limit,
        cancelled=header.id in state.cancelled,
        hold=Hold(state.proof) if source.is_serial and state.proof is not None else None,
    )
    held = Held(source, delivery, header, kernel.clock.monotonic())
    held.hold = assignment.hold
    state.held[state.number] = held
    state.running[header.id] = state.number
    source.held += 1
    held.worker = DynamicSupervisor.start_temporary(workers_name(state.partition), Worker, assignment)
    state.numbers[held.worker] = state.number
    process.monitor(held.worker)


def start_serial(state: State, source: Source, delivery: Delivery, header: JobHeader) -> None:
    """Start a job of the lane, unless it is not certain that the lane is ours, or its own queue is paused.

    Then it waits and keeps its key.
    """
    if state.proof is None and not state.quiet:
        take_lane(state)
    if header.queue_type in state.paused or not state.may_serve_lane:
        state.held_back.append((delivery, header))
    else:
        start(state, source, delivery, header)


def take_lane(state: State) -> None:
    """Have the lane's last holder waited for: this is the first delivery, so we are its consumer."""
    subscription = state.lane.subscription if state.lane is not None else None
    if subscription is None:
        return
    state.proof = Proof(state.partition, subscription)
    if not state.kernel.broker.hands_over:
        state.proof.until = inf
    state.kernel.fence.lanes.add(state.proof)
    process.spawn(take_over, state.kernel, state.proof, process.self())


def lane_taken(state: State, taken: LaneTaken) -> None:
    """Serve the lane; what it delivered again to us while it ran on here may go on."""
    if taken.proof is not state.proof:
        return
    state.lane_is_ours = True
    for held in state.held.values():
        if held.hold is not None and not held.stale:
            held.hold.proof = taken.proof
    start_held_back(state)


def start_held_back(state: State, _: Proven | None = None) -> None:
    """Start what the lane had held for a queue that was paused, or because the lane was not ours."""
    held_back, state.held_back = state.held_back, []
    for delivery, header in held_back:
        start_serial(state, state.source_of(delivery), delivery, header)


def next_of_key(state: State, key: str) -> None:
    """Start the job that waits longest for an execution key, or free the key."""
    waiting = state.keys.get(key)
    if waiting is None:
        return
    if not waiting:
        del state.keys[key]
        return
    delivery, header = waiting.popleft()
    start_serial(state, state.source_of(delivery), delivery, header)


def start_cancelled(state: State, delivery: Delivery, header: JobHeader) -> None:
    """Tell off a job that waits for its execution key, without touching the key."""
    start(state, state.source_of(delivery), delivery, msgspec.structs.replace(header, execution_key=None))


def cancel(state: State, job_id: str) -> str:
    """Make sure that a job does not start any more, and ends if it runs."""
    state.cancelled.add(job_id)
    held = state.held.get(state.running.get(job_id, 0))
    if held is not None:
        process.send(held.worker, CancelRun())
        return "running"
    for waiting in state.keys.values():
        for delivery, header in waiting:
            if header.id == job_id:
                waiting.remove((delivery, header))
                start_cancelled(state, delivery, header)
                return "waiting"
    return "noted"


def meet_cancels(state: State) -> None:
    """End what is written down as cancelled and runs, or waits, here."""
    for job_id in state.cancelled & (state.running.keys() | state.waiting_ids()):
        cancel(state, job_id)
