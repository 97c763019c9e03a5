"""Where a job is, and waiting for its end: `client.jobs.status("4wz…", "acme")`.

The nodes answer from memory: what they run, what waits for its execution key, what became of jobs
lately. What they do not know is looked for on the shelves and among the cancels. A job that nobody has
seen is in its queue, delayed, or does not exist: RabbitMQ cannot be asked which.

Source:
    New here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any, Literal

import attrs

from roger_actors.broker import Broker
from roger_actors.clock import Clock
from roger_actors.errors import JobError
from roger_actors.roger import queue
from roger_actors.roger.client.blocking import Blocking, blocking
from roger_actors.roger.client.partition import AskNodes
from roger_actors.roger.global_state import flags
from roger_actors.roger.shelf import shelf
from roger_actors.roger.shelf.shelf import Shelved

JobState = Literal[
    "running", "waiting", "taken", "retrying", "done", "failed", "buried", "parked", "cancelled", "dropped",
    "unseen",
]  # fmt: skip
"""`running` in a worker host; `waiting` for its execution key; `taken` by a node, for its next free worker
host; `retrying`: an attempt has failed, another follows; `done`, `failed`, `buried`, `parked`, `cancelled`;
`dropped` as a duplicate; `unseen`: in its queue, delayed, unknown, or gone long ago."""

LEFT: frozenset[JobState] = frozenset({"done", "failed", "buried", "cancelled", "dropped"})
"""The states of jobs that have left for good."""
RANK: tuple[JobState, ...] = ("running", "taken", "waiting")
"""What one node says that counts more than what another remembers."""
LOOKED_AT = 10_000
"""Jobs on a shelf that are looked through."""
SLICE = 1.0
"""Seconds for which nodes are asked to wait, again and again: a job may move to another node."""
ANSWER_LIMIT = 10.0
"""Seconds for nodes to answer."""


class JobNotEnded(JobError, TimeoutError):
    """A job had not left when the time to wait for it was over. Data: `job`, `seconds`, `state`."""

    template = "job {job} has not ended within {seconds} s; it is {state}"


@attrs.frozen(kw_only=True)
class JobStatus:
    """Where a job is.

    Attributes:
        id: The job's.
        partition: Its tenant.
        state: See `JobState`.
        node: Which node says so; empty where it is known from the broker.
        since: Since when, in seconds since the epoch; 0 where unknown.
        retry_count: Of the attempt that is meant.
        next_at: Before when the next attempt does not start, in seconds since the epoch; 0 if there is none.
        cause: Why it was buried or parked.
    """

    id: str
    partition: str
    state: JobState
    node: str = ""
    since: float = 0.0
    retry_count: int = 0
    next_at: float = 0.0
    cause: str = ""

    @property
    def has_left(self) -> bool:
        """Whether the job has left for good."""
        return self.state in LEFT


def best(answers: Iterable[JobStatus]) -> JobStatus | None:
    """Return what counts of what several nodes say: who has it, else who saw it last."""
    known = [answer for answer in answers if answer.state != "unseen"]
    if not known:
        return None
    having = [answer for answer in known if answer.state in RANK]
    if having:
        return min(having, key=lambda answer: RANK.index(answer.state))
    return max(known, key=lambda answer: answer.since)


class AsyncJobs:
    """Looks for jobs; see `Jobs`."""

    def __init__(self, broker: Broker, ask_nodes: AskNodes, clock: Clock, timeout: float) -> None:
        self._broker = broker
        self._ask = ask_nodes
        self._clock = clock
        self._timeout = timeout

    async def status(self, job_id: str, partition: str) -> JobStatus:
        """Return where a job is.

        Args:
            job_id: The job's id.
            partition: Its tenant.

        Raises:
            BrokerError: The broker, or the owner of its tables, did not answer.
        """
        answers = await self._ask("status", ANSWER_LIMIT, partition=partition, job_id=job_id)
        told = best(_statuses(job_id, partition, answers.values))
        if told is not None and told.state not in ("buried", "parked", "retrying"):
            return told
        for name, state in ((queue.buried_name(partition), "buried"), (queue.PARKED, "parked")):
            for kept in await self._on_shelf(name):
                if kept.message_id == job_id and kept.partition == partition:
                    return _of_shelf(kept, "buried" if state == "buried" else "parked")
        key = flags.table_key(partition, job_id)
        if await self._broker.tables.get(flags.CANCELLED, key, self._timeout) is not None:
            return JobStatus(id=job_id, partition=partition, state="cancelled")
        if told is not None and told.state == "retrying":
            return told
        return JobStatus(id=job_id, partition=partition, state="unseen")

    async def wait(self, job_id: str, partition: str, timeout: float) -> JobStatus:
        """Return how a job has left, when it has: done, failed, buried, cancelled or dropped.

        Args:
            job_id: The job's id.
            partition: Its tenant.
            timeout: Seconds to wait at most.

        Raises:
            JobNotEnded: It had not left by then; says where it was.
            BrokerError: The broker did not answer.
        """
        deadline = self._clock.monotonic() + timeout
        while True:
            found = await self.status(job_id, partition)
            left = deadline - self._clock.monotonic()
            if found.has_left:
                return found
            if left <= 0:
                raise JobNotEnded(job=job_id, seconds=timeout, state=found.state)
            limit = min(SLICE, left)
            answers = await self._ask(
                "wait_for", limit + ANSWER_LIMIT, partition=partition, job_id=job_id, limit=limit
            )
            if not answers.values:
                await asyncio.sleep(limit)  # no node runs now

    async def _on_shelf(self, name: str) -> list[Shelved]:
        counts = await self._broker.counts(name)
        return await shelf.look(self._broker, name, LOOKED_AT) if counts and counts.messages else []


def _statuses(job_id: str, partition: str, values: Mapping[str, Any]) -> list[JobStatus]:
    return [
        JobStatus(id=job_id, partition=partition, node=node, **said)
        for node, said in values.items()
        if isinstance(said, dict)
    ]


def _of_shelf(kept: Shelved, state: Literal["buried", "parked"]) -> JobStatus:
    return JobStatus(
        id=kept.message_id,
        partition=kept.partition,
        state=state,
        since=kept.at,
        retry_count=max(0, kept.attempts - 1),
        cause=kept.cause,
    )


class Jobs(Blocking):
    """Where jobs are: `client.jobs.status(id, "acme")`, `client.jobs.wait(id, "acme", 10.0)`."""

    status = blocking(AsyncJobs.status)
    wait = blocking(AsyncJobs.wait)
