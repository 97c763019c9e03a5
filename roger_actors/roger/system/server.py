"""The node's ear on the cluster's bus: answers what clients and other nodes ask of all nodes.

Started by the kernel's root supervisor. It holds who else is alive, and hands every operation to
the manager or to a partition's consumer; each answer is published when the operation is done, in a
process of its own, so that a slow one delays no other.

Source:
    `Roger.System`, `Roger.ApplySystem`, `Roger.NodeInfo`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import msgspec

from roger_actors.broker import Message
from roger_actors.errors import BrokerError, ProcessError, RogerActorsError
from roger_actors.otp import From, GenServer, NoReply, Ok, Pid, process
from roger_actors.otp import reason as reasons
from roger_actors.roger.connection import BrokerDown, BrokerUp
from roger_actors.roger.kernel import MANAGER, POOL, Kernel, consumer_name, tell
from roger_actors.roger.partition import consumer, manager
from roger_actors.roger.system import health
from roger_actors.roger.system.message import (
    NOT_ASKED,
    NOT_STARTED,
    TOPIC,
    Alive,
    Answer,
    Ask,
    Broadcast,
    Claim,
    LaneOpened,
    Leaving,
    Objection,
    decode_broadcast,
    encode,
)
from roger_actors.roger.system.naming import give_name_back, keep_name
from roger_actors.roger.system.peers import HEARTBEAT, Peers
from roger_actors.roger.worker_pool import message

CALL_LIMIT = 30.0
"""Seconds for a process of this node to do what was asked."""


class Heard(NamedTuple):
    """Something was broadcast."""

    body: bytes


class Gap(NamedTuple):
    """Something that was broadcast may have been missed, or may be until now."""


class State:
    """Who is alive, and the node's own identity."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.peers = Peers()
        self.claimant: Pid | None = None

    def names(self) -> list[str]:
        """Return the nodes that are alive, this one included."""
        now = self.kernel.clock.monotonic()
        for node, _ in self.peers.lost(now):
            self.kernel.log.warning("node %s has fallen silent; it is dead, frozen or cut off", node)
        return sorted({self.kernel.node, *self.peers.names(now)})


class System(GenServer[State]):
    """Answers the bus; see the module."""

    def init(self, kernel: Kernel) -> Ok[State]:
        """Listen as soon as the broker is there."""
        process.trap_exit(True)  # so that it says farewell
        kernel.listening = False
        return Ok(State(kernel), then="listen")

    async def handle_continue(self, step: str, state: State) -> NoReply[State]:
        """Subscribe, and say that this node is alive."""
        if not state.kernel.broker.is_connected:
            return NoReply(state)
        if step == "listen" and not state.kernel.listening:
            await _listen(state)
        await _broadcast(state.kernel, Alive(state.kernel.node, state.kernel.run))
        return NoReply(state)

    def handle_call(self, request: Any, sender: From, state: State) -> NoReply[State]:
        """Do what a process of this machine asks: `{"op": …, "args": …}`; answered when it is done."""
        process.spawn(_answer_here, state.kernel, request, sender)
        return NoReply(state)

    def handle_info(self, message: Any, state: State) -> NoReply[State]:
        """Hear what is broadcast, and beat."""
        match message:
            case Heard():
                _hear(state, message.body)
            case Gap():
                state.kernel.hearing.interrupted()
                return NoReply(state, then="listen")
            case BrokerUp():
                _settle_name(state)
                return NoReply(state, then="listen")
            case "beat":
                state.names()
                process.send_after(HEARTBEAT, process.self(), "beat")
                return NoReply(state, then="beat")
            case BrokerDown():
                state.peers.forget_all()
                state.kernel.hearing.interrupted()
        return NoReply(state)

    async def terminate(self, reason: Any, state: State) -> None:
        """Say farewell, so that nobody waits for this node's answers or for its name."""
        kernel = state.kernel
        if not kernel.broker.is_connected or reason != reasons.SHUTDOWN:
            return
        await _broadcast(kernel, Leaving(kernel.node, kernel.run))
        try:
            await give_name_back(kernel)
        except BrokerError as error:
            kernel.log.debug("the name of this node was not given back: %s", error)


async def _listen(state: State) -> None:
    """Subscribe once; the broker object renews it after every reconnect."""
    runtime, me = process.here(), process.self()
    try:
        await state.kernel.broker.subscribe(
            TOPIC, lambda body: runtime.send(me, Heard(body)), lambda: runtime.send(me, Gap())
        )
    except BrokerError as error:
        state.kernel.log.warning("cannot listen to the other nodes yet: %s; trying again", error)
        process.send_after(HEARTBEAT, me, BrokerUp())
        return
    state.kernel.listening = True
    process.send(me, "beat")
    _settle_name(state)


def _settle_name(state: State) -> None:
    """See to it that this node's name is its own, or that it ends: at its start, and when it hears again."""
    if state.kernel.listening:
        state.claimant = process.spawn(keep_name, state.kernel)


async def _answer_here(kernel: Kernel, request: dict[str, Any], sender: From) -> None:
    """Carry out what was asked over the node's own socket. A process of its own."""
    value, error = await carry_out(kernel, str(request.get("op")), dict(request.get("args", {})))
    GenServer.reply(sender, {"error": error} if error else {"value": value})


async def _broadcast(kernel: Kernel, message: Broadcast) -> None:
    try:
        await kernel.broker.broadcast(TOPIC, encode(message))
    except BrokerError as error:
        kernel.log.debug("nobody heard %r: %s", message, error)


def _alive(state: State, node: str, run: str) -> None:
    """Note a sign of life, and give one to a node that is new: it need not wait for the next beat."""
    kernel = state.kernel
    if state.peers.heard(node, run, kernel.clock.monotonic()):
        kernel.log.info("node %s is alive", node)
        process.spawn(_broadcast, kernel, Alive(kernel.node, kernel.run))


def _hear(state: State, body: bytes) -> None:
    kernel = state.kernel
    match decode_broadcast(body):
        case Alive() | Claim() | Objection() as said if said.node == kernel.node:
            _hear_namesake(state, said)
        case Alive(node, run):
            _alive(state, node, run)
        case Leaving(node, run):
            state.peers.left(node, run)
        case LaneOpened(partition):
            tell(consumer_name(partition), consumer.LaneNeeded())
        case Ask() as ask:
            process.spawn(_answer, kernel, ask, state.names())


def _hear_namesake(state: State, said: Alive | Claim | Objection) -> None:
    """Hear what is said under this node's own name: by itself, or by another run."""
    kernel, is_own = state.kernel, said.run == state.kernel.run
    match said:
        case Alive() if not is_own:
            _settle_name(state)
        case Alive():
            if kernel.hearing.heard(kernel.clock.monotonic()):
                for partition in kernel.partitions:
                    tell(consumer_name(partition), consumer.HeardAgain())
        case Claim() if not is_own and kernel.is_named:
            process.spawn(_broadcast, kernel, Objection(said.node, said.run))
        case Objection() if is_own and state.claimant is not None:
            process.send(state.claimant, said)


async def _answer(kernel: Kernel, ask: Ask, peers: list[str]) -> None:
    """Do what was asked and publish the answer. A process of its own."""
    value, error = await carry_out(kernel, ask.op, ask.args)
    if not ask.reply_to:
        if error:
            kernel.log.warning("what all nodes were told was not done here: %s", error)
        return
    answer = Answer(ask.id, kernel.node, peers, value, error)
    message = Message(ask.reply_to, encode(answer))
    try:
        await kernel.broker.publish(message, kernel.config.enqueue_timeout)
    except BrokerError as failure:
        kernel.log.debug("nobody waits for the answer to %s any more: %s", ask.op, failure)


async def carry_out(kernel: Kernel, op: str, args: dict[str, Any]) -> tuple[Any, str]:
    """Carry out one operation on this node.

    Args:
        kernel: The node's.
        op: One of `OPERATIONS`.
        args: Its arguments; wrong ones are an error, not a crash.

    Returns:
        The value and an empty string, or None and what was wrong, on one line.
    """
    operation = OPERATIONS.get(op)
    if operation is None:
        return None, f"node {kernel.node} knows no operation {op!r}"
    try:
        value = await operation(kernel, args)
    except (msgspec.ValidationError, KeyError, TypeError) as error:
        return None, f"{op}: wrong arguments: {error}"
    except RogerActorsError as error:
        return None, str(error)
    if isinstance(value, dict) and set(value) == {"error"}:
        return None, value["error"]
    return value, ""


async def _ping(_: Kernel, __: dict[str, Any]) -> Any:
    return "pong"


async def _cancel(kernel: Kernel, args: dict[str, Any]) -> Any:
    return await _of_consumer(kernel, str(args["partition"]), consumer.Cancel(str(args["job_id"])))


async def _flags(kernel: Kernel, args: dict[str, Any]) -> Any:
    return await _of_consumer(kernel, str(args["partition"]), consumer.Reread())


async def _of_consumer(kernel: Kernel, partition: str, request: Any) -> Any:
    """Have a partition's consumer do it, where this node has the partition."""
    try:
        return await GenServer.call(consumer_name(partition), request, timeout=CALL_LIMIT)
    except ProcessError:
        return "not running here" if partition in kernel.partitions else NOT_STARTED


async def _info(kernel: Kernel, _: dict[str, Any]) -> Any:
    partitions = await GenServer.call(MANAGER, manager.Info(), timeout=CALL_LIMIT)
    workers = await GenServer.call(POOL, message.Snapshot(), timeout=CALL_LIMIT)
    running_for = workers.pop("running_for")
    for partition in partitions["partitions"].values():
        for job in partition["running"]:
            seconds = running_for.get(job.pop("worker"))
            job["started_at"] = 0 if seconds is None else int((kernel.clock.wall() - seconds) * 1000)
    return {
        "node": kernel.node,
        "incarnation": kernel.incarnation,
        "broker": kernel.broker.address,
        "broker_error": kernel.broker_error,
        "listening": kernel.listening,
        "workers": workers,
        **partitions,
    }


async def _status(kernel: Kernel, args: dict[str, Any]) -> Any:
    """Say where a job is, as far as this node knows: the fields of a `JobStatus`."""
    partition, job_id = str(args["partition"]), str(args["job_id"])
    found = await _of_consumer(kernel, partition, consumer.Where(job_id))
    now = kernel.clock.wall()
    if isinstance(found, dict) and not found["worker"]:
        return {"state": "waiting"}
    if isinstance(found, dict):
        workers = await GenServer.call(POOL, message.Snapshot(), timeout=CALL_LIMIT)
        running_for = workers["running_for"].get(found["worker"])
        since = now - (found["held_for"] if running_for is None else running_for)
        state = "taken" if running_for is None else "running"
        return {"state": state, "since": since, "retry_count": found["retry_count"]}
    ended = kernel.lately.find(partition, job_id)
    if ended is None:
        return {"state": "unseen"}
    state = "retrying" if ended.outcome == "retried" else ended.outcome
    return {"state": state, "since": ended.at, "retry_count": ended.retry_count, "next_at": ended.next_at}


async def _wait_for(kernel: Kernel, args: dict[str, Any]) -> Any:
    """Answer when a job has left here, or when the limit is over."""
    limit = msgspec.convert(args["limit"], float)
    ended = await kernel.lately.wait(str(args["partition"]), str(args["job_id"]), limit)
    return "left" if ended is not None else "not here"


async def _ready(kernel: Kernel, _: dict[str, Any]) -> Any:
    return health.ready(kernel)


async def _health(kernel: Kernel, _: dict[str, Any]) -> Any:
    return await health.health(kernel)


async def _start_partition(kernel: Kernel, args: dict[str, Any]) -> Any:
    queues = msgspec.convert(args["queues"], dict[str, int])
    request = manager.StartPartition(str(args["partition"]), queues)
    return await _of_manager(kernel, args, request)


async def _reconfigure_partition(kernel: Kernel, args: dict[str, Any]) -> Any:
    if args.get("node") in (None, kernel.node) and str(args["partition"]) not in kernel.partitions:
        return NOT_STARTED
    return await _start_partition(kernel, args)


async def _stop_partition(kernel: Kernel, args: dict[str, Any]) -> Any:
    request = manager.StopPartition(str(args["partition"]), safe=bool(args.get("safe", False)))
    return await _of_manager(kernel, args, request)


async def _delete_partition(kernel: Kernel, args: dict[str, Any]) -> Any:
    types = msgspec.convert(args.get("queue_types", ()), tuple[str, ...])
    return await _of_manager(kernel, args, manager.DeletePartition(str(args["partition"]), types))


async def _reload(kernel: Kernel, args: dict[str, Any]) -> Any:
    partitions = msgspec.convert(args["partitions"], dict[str, dict[str, int]])
    return await _of_manager(kernel, args, manager.Replace(partitions))


async def _of_manager(kernel: Kernel, args: dict[str, Any], request: Any) -> Any:
    """Have the manager do it, on the node named in the arguments or on every node."""
    if args.get("node") not in (None, kernel.node):
        return NOT_ASKED
    return await GenServer.call(MANAGER, request, timeout=CALL_LIMIT * 2)


OPERATIONS: dict[str, Callable[[Kernel, dict[str, Any]], Awaitable[Any]]] = {
    "ping": _ping,
    "cancel": _cancel,
    "flags": _flags,
    "info": _info,
    "ready": _ready,
    "status": _status,
    "wait_for": _wait_for,
    "health": _health,
    "start_partition": _start_partition,
    "reconfigure_partition": _reconfigure_partition,
    "stop_partition": _stop_partition,
    "delete_partition": _delete_partition,
    "reload": _reload,
}
"""What a node can be asked, by name; nothing else is ever run."""
