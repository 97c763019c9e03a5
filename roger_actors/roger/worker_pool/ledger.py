"""Who has which worker host, and who gets one next. Pure bookkeeping: sends nothing, starts nothing.

The rules:

- At most `limit` hosts hold jobs of one queue at the same time, and each runs one job at a time: so
  `max_workers` jobs of a queue run at once, never more.
- An idle host goes to the queue whose turn it is; queues take turns, so one tenant's flood does not
  keep another waiting.
- Jobs of a class that has been short lately are sent ahead to hosts that hold their queue already,
  up to `AHEAD` of them, to hide the round trip. If the running one turns out long, those behind it
  are recalled and go elsewhere. A class that nobody knows yet, or that ends its hosts, is never sent
  ahead: its host's death would be charged to the job before it, whose end was not reported yet.
- When a host dies, its first ticket is the one that was running; the others had not begun and wait
  again at the front, uncharged.
"""

from __future__ import annotations

from collections import OrderedDict, deque

from roger_actors.otp import Pid
from roger_actors.transport import HostId

AHEAD = 32
"""Jobs that a host may hold, the running one included, when jobs are very short."""

SHORT = 0.005
"""Mean seconds of a class's jobs in a queue below which they are sent ahead."""

STALL = 0.05
"""Seconds that a job may run before those sent behind it are recalled."""

SETTLED_AFTER = 3
"""Results that a class must have had before its mean says anything."""

LINES_KEPT = 10_000
"""Queues whose durations are remembered although nothing waits in them."""


class Ticket:
    """One job's claim on a worker host."""

    __slots__ = (
        "begun",
        "class_name",
        "hook",
        "host",
        "limit",
        "number",
        "partition",
        "payload",
        "queue",
        "watch",
        "withdrawn",
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
        self.hook: object = None
        self.watch = False
        self.withdrawn = False
        self.host: HostId | None = None
        self.begun = 0.0


class Host:
    """A worker host that has said that it is ready."""

    __slots__ = (
        "classes",
        "done",
        "doomed",
        "host",
        "idle_since",
        "os_pid",
        "pid",
        "queue",
        "recalled",
        "rss",
        "tickets",
    )

    def __init__(self, pid: Pid, os_pid: int, classes: frozenset[str], now: float) -> None:
        self.pid = pid
        self.host = HostId(pid.host)
        self.os_pid = os_pid
        self.classes = classes
        self.tickets: deque[Ticket] = deque()
        self.queue: str | None = None
        self.done = 0
        self.rss = 0
        self.idle_since = now
        self.recalled = False
        self.doomed: Pid | None = None


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
    def depth(self) -> int:
        """How many jobs a host may hold with one of these at the end."""
        if self.results < SETTLED_AFTER or self.mean > SHORT:
            return 1
        return max(1, min(AHEAD, int(2 * SHORT / max(self.mean, 1e-6))))


class Line:
    """What waits for one queue's turn, and how long its jobs have been lately, by class."""

    __slots__ = ("hosts", "in_turn", "name", "paces", "waiting")

    def __init__(self, name: str) -> None:
        self.name = name
        self.waiting: deque[Ticket] = deque()
        self.hosts: dict[HostId, Host] = {}
        self.paces: dict[str, Pace] = {}
        self.in_turn = False

    def measure(self, seconds: float, class_name: str = "") -> None:
        """Take one more job's duration into its class's mean."""
        pace = self.paces.get(class_name)
        if pace is None:
            pace = self.paces[class_name] = Pace()
        pace.measure(seconds)

    @property
    def depth(self) -> int:
        """How many jobs a host of this queue may hold, the next one included."""
        pace = self.paces.get(self.waiting[0].class_name) if self.waiting else None
        return pace.depth if pace is not None else 1


class Ledger:
    """The books of one worker pool.

    Args:
        max_hosts: Worker hosts that may exist, None for as many as the queues' limits ask for.
    """

    def __init__(self, max_hosts: int | None) -> None:
        self.max_hosts = max_hosts
        self.hosts: dict[HostId, Host] = {}
        self.tickets: dict[int, Ticket] = {}
        self.by_worker: dict[Pid, Ticket] = {}
        self.idle: OrderedDict[HostId, Host] = OrderedDict()
        self.lines: dict[str, Line] = {}
        self.turn: deque[Line] = deque()
        self.starting = 0
        self._number = 0

    # -- tickets ---------------------------------------------------------------------------------

    def open(self, worker: Pid, queue: str, limit: int, partition: str, payload: bytes) -> Ticket:
        """Put a job in its queue's line."""
        self._number += 1
        ticket = Ticket(self._number, worker, queue, limit, partition=partition, payload=payload)
        self.tickets[ticket.number] = ticket
        self.by_worker[worker] = ticket
        self._queue_up(ticket, first=False)
        return ticket

    def close(self, ticket: Ticket) -> None:
        """Forget a ticket that waits, or that its host has answered."""
        self.tickets.pop(ticket.number, None)
        self.by_worker.pop(ticket.worker, None)
        line = self.lines.get(ticket.queue)
        if ticket.host is None and line is not None:
            with_out = deque(t for t in line.waiting if t is not ticket)
            line.waiting = with_out

    def next_placement(self, now: float) -> tuple[Ticket, Host] | None:
        """Assign the next ticket whose turn it is to a host, None if none can be placed now."""
        for _ in range(len(self.turn)):
            line = self.turn.popleft()
            if not line.waiting:
                line.in_turn = False
                self._forget(line)
                continue
            self.turn.append(line)
            host = self._host_for(line)
            if host is not None:
                ticket = line.waiting.popleft()
                self._assign(ticket, host, line, now)
                return ticket, host
        return None

    def is_behind(self, queue: str) -> bool:
        """Whether a queue's newest ticket waits behind others for which nothing can be done now."""
        line = self.lines.get(queue)
        return line is not None and len(line.waiting) > 1 and len(line.hosts) >= line.waiting[0].limit

    def wanted_hosts(self) -> int:
        """How many more hosts to start now."""
        wanted = 0
        for line in self.turn:
            if line.waiting:
                room = line.waiting[0].limit - len(line.hosts)
                wanted += max(0, min(room, len(line.waiting)))
        wanted -= len(self.idle) + self.starting
        if self.max_hosts is not None:
            wanted = min(wanted, self.max_hosts - len(self.hosts) - self.starting)
        return max(0, wanted)

    def finished(self, number: int, seconds: float, now: float) -> Ticket | None:
        """Take a result: the host's first ticket is answered, the next one has begun."""
        ticket = self.tickets.get(number)
        if ticket is None or ticket.host is None:
            return None
        host = self.hosts[ticket.host]
        host.tickets.remove(ticket)
        host.done += 1
        line = self._line(ticket.queue)
        if ticket.hook is None:
            line.measure(seconds, ticket.class_name)
        self.close(ticket)
        self._settle(host, now)
        return ticket

    def recalled(self, numbers: list[int], now: float) -> None:
        """Put tickets that a host gave back, not begun, at the front of their line."""
        for number in reversed(numbers):
            ticket = self.tickets.get(number)
            if ticket is not None and ticket.host is not None:
                host = self.hosts[ticket.host]
                host.tickets.remove(ticket)
                self._wait_again(ticket)
                self._settle(host, now)

    def to_recall(self, now: float) -> list[Host]:
        """Return the hosts whose running job holds others back."""
        stalled = []
        for host in self.hosts.values():
            if len(host.tickets) > 1 and not host.recalled and now - host.tickets[0].begun > STALL:
                host.recalled = True
                stalled.append(host)
        return stalled

    # -- hosts -----------------------------------------------------------------------------------

    def add_host(self, host: Host) -> None:
        """Take a host that is ready."""
        self.starting = max(0, self.starting - 1)
        self.hosts[host.host] = host
        self.idle[host.host] = host

    def retire_host(self, host: Host) -> None:
        """Take a host out of service that has nothing to do."""
        self.idle.pop(host.host, None)
        self.hosts.pop(host.host, None)

    def doom(self, host: Host, victim: Pid) -> None:
        """Give a host nothing more: it is being killed for the sake of one Worker's job."""
        host.doomed = victim
        self.idle.pop(host.host, None)

    def remove_host(self, host_id: HostId) -> Ticket | None:
        """Take a dead host off the books.

        Returns:
            The ticket whose job died with it, closed; None if there is none. Jobs that had not begun,
            and one that only had the bad luck to follow a victim, wait again.
        """
        host = self.hosts.pop(host_id, None)
        self.idle.pop(host_id, None)
        if host is None:
            return None
        if host.queue is not None:
            self._line(host.queue).hosts.pop(host_id, None)
        running = host.tickets[0] if host.tickets else None
        if running is not None and host.doomed in (None, running.worker):
            host.tickets.popleft()
        else:
            running = None
        for ticket in reversed(host.tickets):
            self._wait_again(ticket)
        if running is not None:
            self.close(running)
        return running

    def idle_longer_than(self, seconds: float, now: float) -> list[Host]:
        """Return hosts that have had nothing to do for `seconds`."""
        return [host for host in self.idle.values() if now - host.idle_since > seconds]

    # -- inside ----------------------------------------------------------------------------------

    def _line(self, queue: str) -> Line:
        line = self.lines.get(queue)
        if line is None:
            line = self.lines[queue] = Line(queue)
        return line

    def _queue_up(self, ticket: Ticket, *, first: bool) -> None:
        line = self._line(ticket.queue)
        if first:
            line.waiting.appendleft(ticket)
        else:
            line.waiting.append(ticket)
        if not line.in_turn:
            line.in_turn = True
            self.turn.append(line)

    def _forget(self, line: Line) -> None:
        """Drop an empty line where there are so many that keeping their means costs memory."""
        if not line.hosts and len(self.lines) > LINES_KEPT:
            del self.lines[line.name]

    def _host_for(self, line: Line) -> Host | None:
        limit = line.waiting[0].limit
        if len(line.hosts) < limit and self.idle:
            _, host = self.idle.popitem(last=True)
            return host
        depth = line.depth
        if depth > 1 and line.hosts:
            least = min(line.hosts.values(), key=lambda host: len(host.tickets))
            if len(least.tickets) < depth and not least.recalled and least.doomed is None:
                return least
        return None

    def _assign(self, ticket: Ticket, host: Host, line: Line, now: float) -> None:
        ticket.host = host.host
        host.queue = line.name
        line.hosts[host.host] = host
        host.tickets.append(ticket)
        if len(host.tickets) == 1:
            ticket.begun = now

    def _wait_again(self, ticket: Ticket) -> None:
        ticket.host = None
        ticket.begun = 0.0
        self._queue_up(ticket, first=True)

    def _settle(self, host: Host, now: float) -> None:
        """After a host's tickets changed: the first one runs now, or the host is idle."""
        if host.tickets:
            if not host.tickets[0].begun:
                host.tickets[0].begun = now
            if len(host.tickets) == 1:
                host.recalled = False
            return
        host.recalled = False
        if host.queue is not None:
            self._line(host.queue).hosts.pop(host.host, None)
            host.queue = None
        host.idle_since = now
        if host.doomed is None:
            self.idle[host.host] = host
