"""One job on its way through a Worker, as a value that its steps share.

Source:
    The state of `Roger.Partition.Worker`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from roger_actors.broker import Delivery
from roger_actors.otp import Pid
from roger_actors.roger import queue
from roger_actors.roger.jobs.codec import JobHeader
from roger_actors.roger.kernel import Kernel
from roger_actors.roger.worker_host.fence import Hold
from roger_actors.roger.worker_host.protocol import Failure


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
        hold: What says that a job of the lane may run; None for every other.
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
    hold: Hold | None = None


class Overflowed(NamedTuple):
    """To the consumer: so many buried jobs were deleted, because there were more than `max_buried`."""

    number: int


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

    @property
    def levels(self) -> Sequence[float]:
        """Seconds of its retry levels: its class's, or the node's."""
        return self.given.header.retry_levels or self.given.kernel.config.retry_levels

    @property
    def home(self) -> str:
        """Name of the queue that the job is published to, whatever side lane it came through."""
        header = self.given.header
        return queue.of_job(self.given.partition, header.queue_type, header.execution_key)

    @property
    def jitter(self) -> float:
        """Part of a retry's delay that is added at random: its class's, or the node's."""
        own = self.given.header.retry_jitter
        return self.given.kernel.config.retry_jitter if own is None else own
