"""What a partition's consumer holds: subscriptions, deliveries in hand, execution keys.

Mutable, because thousands of deliveries a second pass through it; only the consumer's own process
touches it.

Source:
    The state of `Roger.Partition.Consumer`.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from math import inf
from typing import Any

from roger_actors.broker import Consumer as Subscription
from roger_actors.broker import Delivery, QueueSpec
from roger_actors.otp import Pid
from roger_actors.roger import queue
from roger_actors.roger.jobs import retry
from roger_actors.roger.jobs.codec import JobHeader
from roger_actors.roger.jobs.lately import Ended
from roger_actors.roger.kernel import Kernel
from roger_actors.roger.partition import subscriptions
from roger_actors.roger.partition.side_lanes import Aside
from roger_actors.roger.worker_host.fence import Hold, Proof

MEASURED_EVERY = 50
"""Jobs between two looks at whether a queue's prefetch still fits."""
SETTLED_KEPT = 10_000
"""Finished jobs with a stale delivery that are remembered, to ack their redelivery unrun."""


class Source:
    """A subscription: a queue type's, or the lane's (`queue_type` empty)."""

    __slots__ = (
        "closing",
        "held",
        "long",
        "max_workers",
        "mean",
        "measured",
        "name",
        "paused",
        "queue_type",
        "subscription",
    )

    def __init__(self, name: str, queue_type: str, max_workers: int) -> None:
        self.name = name
        self.queue_type = queue_type
        self.max_workers = max_workers
        self.subscription: Subscription | None = None
        self.paused = False
        self.closing = False
        self.held = 0
        self.long = 0
        self.mean: float | None = None
        self.measured = 0

    @property
    def is_serial(self) -> bool:
        """Whether it is the lane's, or a side lane's."""
        return self.queue_type == ""

    @property
    def is_full(self) -> bool:
        """Whether jobs that are written down have all its workers: then nothing is taken."""
        return not self.is_serial and self.long >= self.max_workers

    @property
    def prefetch(self) -> int:
        """How many deliveries to hold beside the jobs that are written down."""
        return subscriptions.prefetch(max(1, self.max_workers - self.long), self.mean)

    def take_long(self, number: int) -> None:
        """Count jobs that are written down, or no more, and let the prefetch follow."""
        self.long += number
        self.fit()

    def measure(self, seconds: float) -> None:
        """Let the prefetch follow the length of the jobs."""
        if self.queue_type == "":
            return
        self.mean = seconds if self.mean is None else self.mean + (seconds - self.mean) * 0.1
        self.measured += 1
        if self.measured % MEASURED_EVERY == 5:
            self.fit()

    def fit(self) -> None:
        """Bring the prefetch in line with the workers that are left and the jobs' length."""
        if not self.is_serial and self.subscription is not None and not self.closing:
            self.subscription.set_prefetch(self.prefetch)

    @property
    def is_consumed(self) -> bool:
        """Whether the broker has confirmed the subscription and has not ended it since."""
        return self.subscription is not None and self.subscription.is_consuming


class Held:
    """A delivery that a Worker has in hand; with what says that it may, if the lane delivered it."""

    __slots__ = ("delivery", "header", "hold", "record", "since", "source", "stale", "worker")

    worker: Pid

    def __init__(self, source: Source, delivery: Delivery, header: JobHeader, since: float) -> None:
        self.source = source
        self.delivery = delivery
        self.header = header
        self.since = since
        self.stale = False
        self.hold: Hold | None = None
        self.record = ""

    def shown(self, now: float) -> dict[str, Any]:
        """Return what is told of a running job."""
        return {
            "id": self.header.id,
            "class": self.header.class_name,
            "queue_type": self.header.queue_type,
            "retry_count": self.header.retry_count,
            "execution_key": self.header.execution_key,
            "held_for": round(now - self.since, 3),
            "worker": str(self.worker),
        }


class State:
    """What one partition's consumer holds."""

    def __init__(self, kernel: Kernel, partition: str) -> None:
        self.kernel = kernel
        self.partition = partition
        self.wanted = dict(kernel.partitions.get(partition, {}))
        self.sources: dict[str, Source] = {}
        self.lane: Source | None = None
        self.needs_lane = self.lane_is_ours = False
        self.lane_spec: QueueSpec | None = None
        self.sides: dict[int, Source] = {}
        self.closing: list[Source] = []
        self.aside = Aside()
        self.held: dict[int, Held] = {}
        self.numbers: dict[Pid, int] = {}
        self.running: dict[str, int] = {}
        self.lost: dict[Pid, Held] = {}
        self.number = 0
        self.keys: dict[str, deque[tuple[Delivery, JobHeader]]] = {}
        self.cancelled: set[str] = set()
        self.paused: set[str] = set()
        self.held_back: list[tuple[Delivery, JobHeader]] = []
        self.proof: Proof | None = None
        self.settled: OrderedDict[tuple[str, int], None] = OrderedDict()
        self.counts: Counter[str] = Counter()
        self.quiet = self.open = False
        self.flags_read_at = -inf
        self.unsure: list[tuple[Source, Delivery]] = []

    def all_sources(self) -> list[Source]:
        """Return every subscription; the lane's and its side lanes' last."""
        lane = [self.lane] if self.lane is not None else []
        return [*self.sources.values(), *lane, *self.sides.values()]

    def source_of(self, delivery: Delivery) -> Source:
        """Return the subscription that a job with an execution key came through."""
        for side in self.sides.values():
            if side.name == delivery.queue:
                return side
        assert self.lane is not None
        return self.lane

    def unconsumed(self) -> list[str]:
        """Return the names of the queues that should be consumed now and are not."""
        if self.quiet:
            return []
        wanted = [name for name, workers in self.wanted.items() if workers > 0 and name not in self.paused]
        idle = [name for name in wanted if not self._is_served(name)]
        names = [queue.make_name(self.partition, name) for name in idle]
        lanes = self.all_sources()[len(self.sources) :]
        return names + [lane.name for lane in lanes if not lane.is_consumed]

    def _is_served(self, name: str) -> bool:
        source = self.sources.get(name)
        return source is not None and (source.is_consumed or source.is_full)

    @property
    def knows_cancels(self) -> bool:
        """Whether no cancel can have been missed: a job that comes now may start."""
        return self.kernel.hearing.covers(self.flags_read_at, self.kernel.clock.monotonic())

    def note_end(self, held: Held, outcome: str) -> None:
        """Count an outcome, and remember it for who asks where the job is."""
        header, now = held.header, self.kernel.clock.wall()
        self.counts[outcome] += 1
        levels = header.retry_levels or self.kernel.config.retry_levels
        delay = retry.next_delay(levels, header.retry_count) if outcome == "retried" else None
        next_at = 0.0 if delay is None else now + delay
        self.kernel.lately.note(self.partition, header.id, Ended(outcome, now, header.retry_count, next_at))

    def where(self, job_id: str) -> dict[str, Any] | None:
        """Return what this partition has of a job: its Worker if it has one, whether it waits for its key."""
        held = self.held.get(self.running.get(job_id, 0))
        if held is not None:
            seconds = self.kernel.clock.monotonic() - held.since
            return {"worker": str(held.worker), "held_for": seconds, "retry_count": held.header.retry_count}
        return {"worker": ""} if job_id in self.waiting_ids() else None

    def waiting_ids(self) -> set[str]:
        """Return the ids of the jobs that wait here for their execution key."""
        lines = (*self.keys.values(), self.held_back, self.aside.moving, self.aside.early)
        return {header.id for line in lines for _, header in line}

    @property
    def may_serve_lane(self) -> bool:
        """Whether a job of the lane may be begun now."""
        now = self.kernel.clock.monotonic()
        return self.lane_is_ours and not self.quiet and self.proof is not None and self.proof.is_good(now)

    @property
    def runs_of_lane(self) -> bool:
        """Whether a job of the lane runs here."""
        return any(held.source.is_serial for held in (*self.held.values(), *self.lost.values()))

    def forget_lane(self) -> None:
        """Count as not having the lane: its subscription was reset, or ended."""
        if self.proof is not None:
            self.kernel.fence.lanes.discard(self.proof)
        self.proof, self.lane_is_ours = None, False

    def remember_settled(self, header: JobHeader) -> None:
        """Note that an attempt is over although its delivery could not be acked: it will come again."""
        self.settled[header.id, header.retry_count] = None
        if len(self.settled) > SETTLED_KEPT:
            self.settled.popitem(last=False)

    def forget_waiting(self) -> list[Delivery]:
        """Let go of every job with an execution key that has not begun, and return what was held."""
        forgotten = self.aside.forget()
        for delivery, header in self.held_back:
            forgotten.append(delivery)
            forgotten.extend(delivery for delivery, _ in self.keys.pop(header.execution_key or "", ()))
        self.held_back.clear()
        for waiting in self.keys.values():
            forgotten.extend(delivery for delivery, _ in waiting)
            waiting.clear()
        return forgotten


async def shown(state: State) -> dict[str, Any]:
    """Return what is told of a partition."""
    broker = state.kernel.broker
    queues = {}
    for name, workers in state.wanted.items():
        counts = await broker.counts(queue.make_name(state.partition, name)) if broker.is_connected else None
        queues[name] = {
            "max_workers": workers,
            "paused": name in state.paused,
            "message_count": counts.messages if counts else None,
            "consumer_count": counts.consumers if counts else None,
        }
    return {
        "partition": state.partition,
        "queues": queues,
        "open": state.open,
        "running": [held.shown(state.kernel.clock.monotonic()) for held in state.held.values()],
        "waiting_on_keys": sum(len(waiting) for waiting in state.keys.values()),
        "keys_aside": len(state.aside.keys),
        "counts": dict(state.counts),
    }
