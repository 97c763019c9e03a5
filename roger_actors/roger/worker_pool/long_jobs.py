"""Jobs that run for long are written down, so that their deliveries need not wait for their end.

A delivery that is not acknowledged for long pins the broker's log, and RabbitMQ closes the channel that
has it. So a job that has run for `long_after` seconds gets a record in a durable table, and its delivery
is acknowledged; at the job's end the record is deleted. The record says which kernel host runs the job.
Each kernel host with records keeps an entry with a lease; where there is none any more, another node
publishes the job to its queue again and deletes the record.

Started by the kernel's root supervisor before the partitions: when this process dies, they, and the jobs
that run, are started anew.

Source:
    New here; in Roger a long job holds its delivery.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import msgspec

from roger_actors.broker import Change, Delivery, Message
from roger_actors.errors import BrokerError, ProcessError, Unroutable
from roger_actors.otp import Down, GenServer, NoReply, Ok, Pid, process
from roger_actors.roger import queue
from roger_actors.roger.jobs.codec import JobHeader
from roger_actors.roger.kernel import POOL, Kernel, consumer_name, tell
from roger_actors.roger.worker_pool.message import Snapshot

RECORDS = "long_jobs"
"""Table of the jobs, by partition and job id."""
KERNELS = "kernels"
"""Table of the kernel hosts that have records, by node and incarnation."""
LEASE = 5.0
"""Seconds after which a kernel host's entry is deleted unless it was renewed."""
LOOK = 1.5
"""Seconds between two looks for jobs whose kernel host is gone, and between two renewals."""
STOP_LIMIT = 3.0
"""Seconds for the broker to take back what a node that ends had."""


# -- values --------------------------------------------------------------------------------------


class Record(msgspec.Struct, frozen=True, array_like=True):
    """A job that runs for long.

    Attributes:
        queue: Where it goes if its kernel host is gone.
        partition: Its tenant.
        job_id: The job.
        body: Its payload.
        headers: What travelled with it.
        node: Name of the node that runs it.
        run: That node's run.
        incarnation: Its kernel host.
    """

    queue: str
    partition: str
    job_id: str
    body: bytes
    headers: dict[str, str | int]
    node: str
    run: str
    incarnation: str

    @property
    def key(self) -> str:
        """Its key in the table."""
        return f"{self.partition}/{self.job_id}"

    @property
    def kernel_key(self) -> str:
        """The key of its kernel host's entry."""
        return f"{self.node}/{self.incarnation}"

    def to_message(self) -> Message:
        """Return the message that brings the job back to its queue."""
        return Message(self.queue, self.body, self.job_id, self.partition, self.headers)


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Record).decode


def record_of(kernel: Kernel, partition: str, delivery: Delivery, header: JobHeader) -> Record:
    """Return the record of a job that runs here."""
    return Record(
        queue.of_job(partition, header.queue_type, header.execution_key),
        partition,
        header.id,
        delivery.body,
        dict(delivery.headers),
        kernel.node,
        kernel.run,
        kernel.incarnation,
    )


def orphans(
    records: Iterable[Record], kernels: Iterable[str], me: Kernel, mine: Iterable[str]
) -> list[Record]:
    """Return the records whose jobs run nowhere any more.

    Args:
        records: All there are.
        kernels: Keys of the kernel hosts that are alive, read after the records.
        me: This kernel.
        mine: Keys of the records that it knows to be its own.
    """
    alive, known = frozenset(kernels), frozenset(mine)

    def is_orphan(record: Record) -> bool:
        if record.incarnation == me.incarnation:
            return record.key not in known
        is_predecessor = record.node == me.node and record.run == me.run
        return is_predecessor or record.kernel_key not in alive

    return [record for record in records if is_orphan(record)]


# -- messages ------------------------------------------------------------------------------------


class LongRunning(NamedTuple):
    """To the consumers: these Workers' jobs have run for long."""

    workers: frozenset[str]


class Keep(NamedTuple):
    """A consumer wants a job written down; answered with `Kept`."""

    consumer: Pid
    number: int
    worker: str
    record: Record


class Kept(NamedTuple):
    """To the consumer: the job with this number is written down."""

    number: int
    key: str


class Drop(NamedTuple):
    """A job has ended: delete its record."""

    key: str


class PutBack(NamedTuple):
    """A job does not run any more and has not ended: bring it back to its queue."""

    key: str


class State:
    """What is written down, and what is to be done."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.records: dict[str, Keep] = {}
        self.keep: list[Keep] = []
        self.drop: list[Record] = []
        self.back: list[Record] = []
        self.watched: set[Pid] = set()
        self.is_listed = False
        self.suspects: frozenset[str] = frozenset()

    @property
    def limit(self) -> float:
        """Seconds to wait for the broker."""
        return self.kernel.config.enqueue_timeout


class LongJobs(GenServer[State]):
    """Keeps the records of this kernel host, and looks after those of dead ones; see the module."""

    def init(self, kernel: Kernel) -> Ok[State]:
        """Look for the first time soon."""
        process.trap_exit(True)
        process.send_after(LOOK, process.self(), "look")
        return Ok(State(kernel))

    def handle_info(self, message: Any, state: State) -> NoReply[State]:
        """Note what is to be done, then do it."""
        match message:
            case Keep():
                state.keep.append(message)
            case Drop():
                _take_out(state, message.key, state.drop)
            case PutBack():
                _take_out(state, message.key, state.back)
            case Down():
                state.watched.discard(message.process)
                for key in [key for key, kept in state.records.items() if kept.consumer == message.process]:
                    _take_out(state, key, state.back)
            case "look":
                process.send_after(LOOK, process.self(), "look")
                return NoReply(state, then="look")
        return NoReply(state, then="work")

    async def handle_continue(self, step: str, state: State) -> NoReply[State]:
        """Do what is to be done; what the broker did not take is tried again at the next look."""
        try:
            if step == "look":
                await _find_long(state)
                await _look(state)
            await _work(state)
        except BrokerError as error:
            state.kernel.log.warning("cannot write down which jobs run for long: %s; trying again", error)
        return NoReply(state)

    async def terminate(self, reason: Any, state: State) -> None:
        """Bring back what has not ended: nothing of it runs any more."""
        state.back += [kept.record for kept in state.records.values()]
        state.records.clear()
        state.keep.clear()
        try:
            await _work(state, STOP_LIMIT)
            if state.is_listed:
                change = Change(KERNELS, _own_key(state), state.kernel.run.encode(), None)
                await state.kernel.broker.tables.change([change], STOP_LIMIT)
        except BrokerError as error:
            state.kernel.log.warning("%s; other nodes bring back the long jobs of this one", error)


# -- helpers that act ----------------------------------------------------------------------------


def _take_out(state: State, key: str, to: list[Record]) -> None:
    kept = state.records.pop(key, None)
    if kept is not None:
        to.append(kept.record)


async def _find_long(state: State) -> None:
    """Tell the consumers which jobs have run for long and are not written down."""
    try:
        pool = await GenServer.call(POOL, Snapshot(), timeout=LOOK)
    except ProcessError:
        return  # it is being restarted, and its jobs with it
    known = {kept.worker for kept in state.records.values()}
    long_after = state.kernel.config.long_after
    running: Mapping[str, float] = pool["running_for"]
    workers = frozenset(worker for worker, seconds in running.items() if seconds >= long_after) - known
    if workers:
        for partition in list(state.kernel.partitions):
            tell(consumer_name(partition), LongRunning(workers))


async def _look(state: State) -> None:
    """Renew the lease, and bring back the jobs of kernel hosts that are gone."""
    if not state.kernel.broker.is_connected:
        return
    if state.records:
        await _renew(state)
    tables = state.kernel.broker.tables
    found = await tables.scan(RECORDS, "", state.limit)
    kernels = await tables.scan(KERNELS, "", state.limit) if found else {}
    records = orphans(map(_decode, found.values()), kernels, state.kernel, state.records)
    suspects, state.suspects = state.suspects, frozenset(record.key for record in records)
    for record in records:
        if record.key in suspects:  # else its kernel host may only be late to renew its lease
            await _adopt(state, record)


async def _adopt(state: State, record: Record) -> None:
    """Bring back a job of a kernel host that is gone, unless another node does."""
    kernel = state.kernel
    mine = msgspec.structs.replace(record, node=kernel.node, run=kernel.run, incarnation=kernel.incarnation)
    change = Change(RECORDS, record.key, _encode(record), _encode(mine))
    (answer,) = await kernel.broker.tables.change([change], state.limit)
    if answer.done:
        text = "job %s ran on node %s, which is gone: it goes back to %s"
        kernel.log.warning(text, record.job_id, record.node, record.queue)
        state.back.append(mine)


async def _renew(state: State) -> None:
    """Say that this kernel host is alive."""
    run = state.kernel.run.encode()
    change = Change(KERNELS, _own_key(state), run, run, lease=LEASE)
    answers = await state.kernel.broker.tables.change([change, change._replace(expected=None)], state.limit)
    if state.records and not answers[0].done:
        state.kernel.log.warning(
            "node %s was silent for more than %s s: its long jobs may run a second time elsewhere",
            *(state.kernel.node, LEASE),
        )
    state.is_listed = True


def _own_key(state: State) -> str:
    return f"{state.kernel.node}/{state.kernel.incarnation}"


async def _work(state: State, limit: float | None = None) -> None:
    limit = state.limit if limit is None else limit
    if state.keep:
        await _keep(state, limit)
    if state.back:
        await _bring_back(state)
    tables = state.kernel.broker.tables
    if state.drop:
        gone = list(state.drop)
        await tables.change([Change(RECORDS, r.key, _encode(r), None) for r in gone], limit)
        del state.drop[: len(gone)]


async def _keep(state: State, limit: float) -> None:
    """Write down jobs, after the entry that says that their kernel host is alive."""
    if not state.is_listed or not state.records:
        await _renew(state)
    asked = list(state.keep)
    values = [_encode(ask.record) for ask in asked]
    changes = [Change(RECORDS, ask.record.key, None, value) for ask, value in zip(asked, values, strict=True)]
    answers = await state.kernel.broker.tables.change(changes, limit)
    del state.keep[: len(asked)]
    for ask, value, answer in zip(asked, values, answers, strict=True):
        if not (answer.done or answer.current == value):
            continue  # an older record of the same job is still to be brought back
        if ask.consumer not in state.watched:
            state.watched.add(ask.consumer)
            process.monitor(ask.consumer)
        state.records[ask.record.key] = ask
        process.send(ask.consumer, Kept(ask.number, ask.record.key))


async def _bring_back(state: State) -> None:
    """Publish jobs to their queues, then have their records deleted."""
    broker = state.kernel.broker
    while state.back:
        record = state.back[0]
        try:
            await broker.publish(record.to_message(), state.limit)
        except Unroutable as error:
            state.kernel.log.warning("job %s: %s; it goes to quarantine", record.job_id, error)
            await broker.publish(record.to_message()._replace(queue=queue.QUARANTINE), state.limit)
        state.back.remove(record)
        state.drop.append(record)
