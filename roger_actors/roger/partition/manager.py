"""Which partitions this node runs, and which wait.

Holds what is wanted (from the configuration, and from `StartPartition` at run time) and brings the
partition supervisor in line with it. A partition whose tree has ended, or whose queues cannot be
opened, is *waiting* and tried again every second.

Source:
    `Roger.Partition`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

from roger_actors.broker import Change
from roger_actors.errors import BrokerError, ConfigError, PartitionNotRunning, ProcessError, RogerActorsError
from roger_actors.otp import Down, DynamicSupervisor, GenServer, NoReply, Ok, Pid, Reply, process
from roger_actors.roger import queue
from roger_actors.roger.connection import BrokerDown, BrokerUp
from roger_actors.roger.global_state import flags, lanes, queue_key
from roger_actors.roger.kernel import PARTITIONS, Kernel, ask_consumers, consumer_name, tell
from roger_actors.roger.partition import lane, side_lanes
from roger_actors.roger.partition.consumer import LaneNeeded, Quiesce, Reconfigure, Snapshot
from roger_actors.roger.partition.opening import CONNECTING, Opened, Waiting, close_subscriptions
from roger_actors.roger.partition.remembered import recall, remember
from roger_actors.roger.partition.supervisor import partition_child

AGAIN = 1.0
"""Seconds between two tries to start what is waiting."""
CALL_LIMIT = 30.0
"""Seconds for a consumer to answer."""
LANES_EVERY = 5
"""How many such tries go by between two looks for lanes of which this node was not told."""


# -- messages ------------------------------------------------------------------------------------


class StartPartition(NamedTuple):
    """Run a partition with a complete set of queues, or reconfigure it if it runs."""

    partition: str
    queues: Mapping[str, int]


class StopPartition(NamedTuple):
    """Stop a partition; `safe` lets its running jobs finish first."""

    partition: str
    safe: bool = False


class DeletePartition(NamedTuple):
    """Stop a partition and delete all it owns: queues, buried jobs, keys, flags.

    Attributes:
        partition: Which; it need not run.
        queue_types: Its queues, where this node does not know them; those it knows are deleted anyway.
    """

    partition: str
    queue_types: tuple[str, ...] = ()


class Replace(NamedTuple):
    """Run exactly these partitions: those left out are stopped safely (a reload)."""

    partitions: Mapping[str, Mapping[str, int]]


class Drain(NamedTuple):
    """Take nothing more, anywhere; answered with the number of jobs still held."""


class Info(NamedTuple):
    """Ask for every partition's snapshot."""


class Again(NamedTuple):
    """Look again at what is wanted and does not run."""


# -- state ---------------------------------------------------------------------------------------


class State:
    """What the manager holds."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.wanted = kernel.partitions
        self.running: dict[str, Pid] = {}
        self.waiting = kernel.waiting
        self.expect_all()
        self.recalled = False
        self.looks = 0

    def expect_all(self) -> None:
        """Let everything that is wanted count as not open yet."""
        self.waiting.clear()
        self.waiting.update(dict.fromkeys(self.wanted, CONNECTING))


class Manager(GenServer[State]):
    """Starts, stops and reconfigures partitions; see the module."""

    def init(self, kernel: Kernel) -> Ok[State]:
        """Start what the configuration lists."""
        return Ok(State(kernel), then="start")

    async def handle_continue(self, step: str, state: State) -> NoReply[State]:
        """Start everything that is wanted and does not run."""
        if step == "start":
            await _end_unknown()
            process.send_after(AGAIN, process.self(), Again())
        if state.kernel.broker.is_connected and (state.recalled or await _recall(state)):
            await _start_wanted(state)
        return NoReply(state)

    async def handle_call(self, request: Any, sender: Any, state: State) -> Reply[State]:
        """Carry out one change, or answer what there is; refusals are answered as text."""
        try:
            answer = await _REQUESTS[request.__class__](state, request)
            if request.__class__ in _CHANGES:
                await remember(state.kernel, state.wanted)
        except RogerActorsError as error:
            return Reply({"error": str(error)}, state)
        return Reply(answer, state)

    def handle_info(self, message: Any, state: State) -> NoReply[State]:
        """Note what the partitions and the connection say of themselves."""
        match message:
            case Opened():
                state.waiting.pop(message.partition, None)
            case Waiting():
                _note_waiting(state, message.partition, message.reason)
            case Down():
                _note_end(state, message.process, message.reason)
            case BrokerUp():
                _open_waiting(state)
                return NoReply(state, then="again")
            case BrokerDown():
                state.waiting.update(dict.fromkeys(state.running, message.reason))
            case Again():
                return _again(state, message)
        return NoReply(state)


# -- helpers that act ----------------------------------------------------------------------------


async def _start_partition(state: State, request: StartPartition) -> str:
    return await _start(state, request.partition, dict(request.queues))


async def _stop_partition(state: State, request: StopPartition) -> str:
    return await _stop(state, request.partition, safe=request.safe)


async def _replace(state: State, request: Replace) -> str:
    for partition, queues in request.partitions.items():
        _check(partition, queues)
    for partition in set(state.wanted) - set(request.partitions):
        await _stop(state, partition, safe=True)
    for partition, queues in request.partitions.items():
        await _start(state, partition, dict(queues))
    return "ok"


async def _drain(state: State, _: Drain) -> int:
    return sum((await ask_consumers(state.running, Quiesce(), CALL_LIMIT)).values())


async def _recall(state: State) -> bool:
    """Take up what this node was told at run time, before its kernel host or itself was started again."""
    try:
        wanted = await recall(state.kernel)
    except BrokerError as error:
        state.kernel.log.warning("cannot read which partitions were wanted: %s; trying again", error)
        return False
    state.recalled = True
    if wanted is not None:
        state.kernel.log.info(
            "the partitions are as they were left at run time: %s", ", ".join(wanted) or "none"
        )
        state.wanted.clear()
        state.wanted.update(wanted)
        state.expect_all()
    return True


def _again(state: State, message: Again) -> NoReply[State]:
    process.send_after(AGAIN, process.self(), message)
    state.looks += 1
    if state.looks % LANES_EVERY == 0 and state.kernel.broker.is_connected:
        process.spawn(_look_for_lanes, state.kernel, frozenset(state.running))
    return NoReply(state, then="again")


async def _look_for_lanes(kernel: Kernel, partitions: frozenset[str]) -> None:
    """Tell partitions of their lanes: the word of who opened one may be lost. A process of its own."""
    limit = LANES_EVERY * AGAIN
    try:
        entries = await kernel.broker.tables.scan(lanes.TABLE, "", limit)
        aside = await kernel.broker.tables.scan(side_lanes.TABLE, "", limit) if entries else {}
    except BrokerError as error:
        kernel.log.debug("cannot look which partitions have lanes: %s", error)
        return
    for partition in {lanes.partition_of(key) for key in entries} & partitions:
        tell(consumer_name(partition), LaneNeeded())
    for partition in {lanes.partition_of(key) for key in aside} & partitions:
        tell(consumer_name(partition), side_lanes.Wake())


def _open_waiting(state: State) -> None:
    """Have the partitions that wait for the broker look again."""
    for partition in set(state.running) & set(state.waiting):
        tell(consumer_name(partition), "open")


async def _end_unknown() -> None:
    """End the trees that a predecessor of this process started."""
    for child in await DynamicSupervisor.which_children(PARTITIONS):
        if isinstance(child.pid, Pid):
            await DynamicSupervisor.terminate_child(PARTITIONS, child.pid)


async def _start_wanted(state: State) -> None:
    for partition in list(state.wanted):
        if partition not in state.running:
            await _start_tree(state, partition)


async def _start(state: State, partition: str, queues: dict[str, int]) -> str:
    _check(partition, queues)
    previous = state.wanted.get(partition)
    state.wanted[partition] = queues
    if partition not in state.running:
        state.waiting[partition] = "starting"
        await _start_tree(state, partition)
    elif previous != queues:
        await _ask(partition, Reconfigure(queues))
    return "ok"


def _check(partition: str, queues: Mapping[str, int]) -> None:
    """Refuse what could not be a partition; raises ConfigError."""
    queue.partition_id(partition)
    for queue_type, workers in queues.items():
        queue.queue_type(queue_type)
        if workers < 0:
            raise ConfigError(
                key=f"{partition}.{queue_type}", value=workers, expected="max_workers of 0 or more"
            )


async def _start_tree(state: State, partition: str) -> None:
    try:
        pid = await DynamicSupervisor.start_child(PARTITIONS, partition_child(state.kernel, partition))
    except RogerActorsError as error:
        _note_waiting(state, partition, str(error))
        return
    assert pid is not None
    process.monitor(pid)
    state.running[partition] = pid


async def _stop(state: State, partition: str, *, safe: bool) -> str:
    pid = state.running.get(partition)
    if pid is None and partition not in state.wanted:
        raise PartitionNotRunning(partition=partition)
    state.wanted.pop(partition, None)
    state.waiting.pop(partition, None)
    if pid is None:
        return "ok"  # it waited to be started, and does so no more
    if safe:
        process.spawn(_stop_when_idle, state.kernel, partition, pid)
    else:
        await _end_tree(state.kernel, partition, pid)
        state.running.pop(partition, None)
    return "ok"


async def _stop_when_idle(kernel: Kernel, partition: str, pid: Pid) -> None:
    """Let a partition's running jobs finish, up to `shutdown_timeout`, then stop it. A process of its own."""
    deadline = kernel.clock.monotonic() + kernel.config.shutdown_timeout
    while kernel.clock.monotonic() < deadline and await _ask(partition, Quiesce()) > 0:
        await process.sleep(0.05)
    await _end_tree(kernel, partition, pid)


async def _end_tree(kernel: Kernel, partition: str, pid: Pid) -> None:
    """Stop a partition's tree; a consumer that was too slow was killed, and closed nothing."""
    await DynamicSupervisor.terminate_child(PARTITIONS, pid)
    await close_subscriptions(kernel, partition)


async def _delete(state: State, request: DeletePartition) -> str:
    partition = request.partition
    types = {*request.queue_types, *state.wanted.get(partition, {})}
    if not types:
        raise PartitionNotRunning(partition=partition)
    names = [queue.make_name(partition, queue_type) for queue_type in sorted(types)]
    if partition in state.wanted:
        await _stop(state, partition, safe=False)
    broker, limit = state.kernel.broker, state.kernel.config.enqueue_timeout
    sides = [queue.side_lane_name(partition, number) for number in range(queue.SIDE_LANES)]
    for name in (*names, queue.lane_name(partition), queue.buried_name(partition)):
        await broker.delete(name)
    await asyncio.gather(*map(broker.delete, sides))
    for table in _TABLES:
        entries = await broker.tables.scan(table, flags.table_key(partition, ""), limit)
        changes = [Change(table, key, value, None) for key, value in entries.items()]
        if changes:
            await broker.tables.change(changes, limit)
    return "ok"


def _note_waiting(state: State, partition: str, reason: str) -> None:
    if state.waiting.get(partition) != reason and reason != CONNECTING:
        state.kernel.log.warning("partition %s is waiting: %s", partition, reason)
    state.waiting[partition] = reason


def _note_end(state: State, pid: Pid, reason: Any) -> None:
    for partition, tree in list(state.running.items()):
        if tree == pid:
            del state.running[partition]
            if partition in state.wanted:
                _note_waiting(state, partition, f"its supervisor ended: {reason}")


async def _ask(partition: str, request: Any) -> Any:
    try:
        return await GenServer.call(consumer_name(partition), request, timeout=CALL_LIMIT)
    except ProcessError:
        return 0  # it is being restarted, and starts from what is wanted


async def _info(state: State, _: Info) -> dict[str, Any]:
    snapshots = await ask_consumers(state.running, Snapshot(), CALL_LIMIT)
    return {"partitions": snapshots, "waiting": dict(state.waiting)}


_REQUESTS: Mapping[type, Callable[[State, Any], Awaitable[Any]]] = {
    StartPartition: _start_partition,
    StopPartition: _stop_partition,
    DeletePartition: _delete,
    Replace: _replace,
    Drain: _drain,
    Info: _info,
}
"""What the manager can be asked."""

_TABLES = (
    queue_key.TABLE,
    flags.CANCELLED,
    flags.DELAYED,
    flags.PAUSED,
    lane.TABLE,
    lanes.TABLE,
    side_lanes.TABLE,
)
"""Tables with entries of partitions, which go with them."""

_CHANGES = frozenset({StartPartition, StopPartition, DeletePartition, Replace})
"""What is remembered through a restart of the kernel host, and of the node."""
