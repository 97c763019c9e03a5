"""What the ledger writes down: tickets, worker hosts, and the lines that queues wait in.

Mutable, because thousands of jobs a second pass through them. Only the `Ledger` changes them.

Source:
    New here.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from enum import Enum, auto
from math import inf
from typing import Literal

from roger_actors.otp import Pid
from roger_actors.roger.worker_host.fence import Hold
from roger_actors.roger.worker_host.protocol import RunHook
from roger_actors.transport import HostId

AHEAD = 32
"""Jobs that a host may hold, the running one included, when jobs are very short."""

SHORT = 0.005
"""Mean seconds below which jobs of a class are sent ahead, and what a host may hold before the next."""

SETTLED_AFTER = 3
"""Results that a class must have had before its mean says anything."""


class Stage(Enum):
    """How far a ticket has come."""

    WAITING = auto()
    """In its queue's line."""
    RUNNING = auto()
    """First on its host."""
    AHEAD = auto()
    """Sent to a host behind others."""
    ASKED_BACK = auto()
    """The host was told to drop it if it has not begun, and has not answered."""
    CLOSED = auto()
    """Off the books."""


class Ticket:
    """One job's claim on a worker host."""

    __slots__ = (
        "begun",
        "class_name",
        "expected",
        "hold",
        "hook",
        "host",
        "limit",
        "number",
        "partition",
        "payload",
        "queue",
        "stage",
        "told",
        "unheard",
        "unwanted",
        "watch",
        "worker",
    )

    def __init__(
        self, number: int, worker: Pid, queue: str, limit: int, *, partition: str, payload: bytes
    ) -> None:
        self.number = number
        self.worker = worker
        self.queue = queue
        self.limit = limit
        self.partition = partition
        self.payload = payload
        self.class_name = ""
        self.hook: RunHook | None = None
        self.hold: Hold | None = None
        self.watch = False
        self.unwanted: Literal["", "killed", "withdrawn"] = ""
        self.host: HostId | None = None
        self.stage = Stage.WAITING
        self.expected = inf
        self.begun = 0.0
        self.told = False
        self.unheard = 0


class Host:
    """A worker host that has said that it is ready.

    Attributes:
        tickets: What it was given, in its order; the first one runs.
        shares: How many of them, those asked back left out, each queue has here.
        doubles: Queues that have more than one.
        backlog: Seconds that the short ones are expected to take.
        long: How many are not known to be short.
        stalled: Its running job has run for so long that nothing more is sent behind it.
        doomed: The Worker for whose sake it is being killed.
    """

    __slots__ = (
        "backlog",
        "born",
        "classes",
        "done",
        "doomed",
        "doubles",
        "host",
        "idle_since",
        "long",
        "os_pid",
        "pid",
        "rss",
        "shares",
        "stalled",
        "tickets",
    )

    def __init__(self, pid: Pid, os_pid: int, classes: frozenset[str], now: float) -> None:
        self.pid = pid
        self.host = HostId(pid.host)
        self.os_pid = os_pid
        self.classes = classes
        self.tickets: deque[Ticket] = deque()
        self.shares: Counter[str] = Counter()
        self.doubles = 0
        self.backlog = 0.0
        self.long = 0
        self.done = 0
        self.rss = 0
        self.born = now
        self.idle_since = now
        self.stalled = False
        self.doomed: Pid | None = None

    @property
    def is_open(self) -> bool:
        """Whether one more short job may be sent behind those that it has."""
        return (
            self.backlog <= SHORT
            and 0 < len(self.tickets) < AHEAD
            and not self.long
            and not self.stalled
            and self.doomed is None
        )

    @property
    def is_greedy(self) -> bool:
        """Whether it holds several jobs of one queue, of which another queue need wait for one only."""
        return self.doubles > 0 and not self.stalled and self.doomed is None

    def count(self, ticket: Ticket) -> None:
        """Count a ticket that will run here."""
        share = self.shares[ticket.queue] = self.shares[ticket.queue] + 1
        self.doubles += share == 2
        if ticket.expected == inf:
            self.long += 1
        else:
            self.backlog += ticket.expected

    def discount(self, ticket: Ticket) -> None:
        """Take a counted ticket out: it has ended, or was asked back."""
        share = self.shares[ticket.queue] - 1
        self.doubles -= share == 1
        if share:
            self.shares[ticket.queue] = share
        else:
            del self.shares[ticket.queue]
        if ticket.expected == inf:
            self.long -= 1
        else:
            self.backlog = self.backlog - ticket.expected if self.shares else 0.0


class Pace:
    """How long the jobs of one class have been lately."""

    __slots__ = ("mean", "results")

    def __init__(self) -> None:
        self.mean = 0.0
        self.results = 0

    def measure(self, seconds: float) -> None:
        """Take one more job's duration into the moving mean."""
        self.results += 1
        weight = 0.2 if self.results > SETTLED_AFTER else 1.0 / self.results
        self.mean += (seconds - self.mean) * weight

    @property
    def expected(self) -> float:
        """Seconds that the next one will take, infinite unless it is known to be short."""
        return self.mean if self.mean <= SHORT else inf


class Line:
    """What waits for one queue's turn, and how long its jobs have been lately, by class.

    Attributes:
        hosts: Those that hold tickets of this queue; the one that ended a job last comes first.
        ahead: Tickets that were sent behind others and have not begun.
        round: In which it was given a host last.
        turns: The ring in which it waits for its turn.
        need: Hosts that it could use at once.
    """

    __slots__ = ("ahead", "hosts", "name", "need", "paces", "round", "turns", "waiting")

    def __init__(self, name: str) -> None:
        self.name = name
        self.waiting: deque[Ticket] = deque()
        self.hosts: OrderedDict[HostId, Host] = OrderedDict()
        self.paces: dict[str, Pace] = {}
        self.ahead = 0
        self.round = 0
        self.turns: OrderedDict[str, Line] | None = None
        self.need = 0

    @property
    def room(self) -> int:
        """How many more hosts may hold its jobs."""
        return max(0, self.waiting[0].limit - len(self.hosts)) if self.waiting else 0
