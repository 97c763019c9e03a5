"""Who has which worker host, and who gets one next. Pure bookkeeping: sends nothing, starts nothing.

The rules:

- At most `limit` hosts hold jobs of one queue at the same time, and each runs one job at a time: so
  `max_workers` jobs of a queue run at once, never more.
- Queues take turns in rounds, one job each: one that has had none in this round comes first. While the
  first cannot be served, nobody gets ahead of it. So a queue never waits for more than about one job of
  each other queue, whatever flood there is.
- An idle host goes to the queue whose turn it is. Without an idle one, jobs of a class that has been
  short lately are *sent ahead*, behind other short ones, to hide the round trip: those of several
  queues on one host if need be. A host never holds more than `AHEAD` of them, nor much more than `SHORT`
  seconds of work.
- A queue with nothing on its way that finds no idle host takes the place of several jobs of another
  queue: those are asked back, and its own goes behind the one that runs. If a running job turns out
  long, those behind it are asked back and go elsewhere.
- When a host dies, only the job that ran is told (`Mark`); those that had not begun, and those whose
  end was not reported yet, wait again at the front. A hook never shares a host.

Each event costs the same however many queues wait: a queue that has reached its limit leaves the turn
until one of its jobs ends.

Source:
    New here.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from math import inf
from typing import NamedTuple

from roger_actors.otp import Pid
from roger_actors.roger.worker_host.mark import Mark
from roger_actors.roger.worker_pool.entries import SETTLED_AFTER, Host, Line, Pace, Stage, Ticket
from roger_actors.transport import HostId

STALL = 0.05
"""Seconds that a job may run before those sent behind it are asked back."""

LINES_KEPT = 10_000
"""Queues whose durations are remembered although nothing waits in them."""

UNHEARD = 3
"""Hosts that may die right after one job's end, before it was reported, until that job is blamed."""


class Placement(NamedTuple):
    """A ticket and where it goes. Attributes: `asked_back`, numbers that the host must drop before."""

    ticket: Ticket
    host: Host
    asked_back: Sequence[int] = ()


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
        self.starting = 0
        self.need = 0
        self._open: OrderedDict[HostId, Host] = OrderedDict()
        self._greedy: OrderedDict[HostId, Host] = OrderedDict()
        self._round = 1
        self._first: OrderedDict[str, Line] = OrderedDict()
        self._again: OrderedDict[str, Line] = OrderedDict()
        self._paces: dict[str, Pace] = {}
        self._number = 0

    # -- tickets ---------------------------------------------------------------------------------

    def open(
        self, worker: Pid, queue: str, limit: int, partition: str, payload: bytes, *, class_name: str = ""
    ) -> Ticket:
        """Put a job in its queue's line."""
        self._number += 1
        ticket = Ticket(self._number, worker, queue, limit, partition=partition, payload=payload)
        ticket.class_name = class_name
        self.tickets[ticket.number] = ticket
        self.by_worker[worker] = ticket
        line = self._line(queue)
        line.waiting.append(ticket)
        if len(line.waiting) == 1:
            self._take_turn(line)
        else:
            self._count_need(line)
        return ticket

    def close(self, ticket: Ticket) -> None:
        """Forget a ticket that waits, or that its host has answered."""
        self.tickets.pop(ticket.number, None)
        self.by_worker.pop(ticket.worker, None)
        if ticket.stage is Stage.WAITING:
            line = self._line(ticket.queue)
            line.waiting.remove(ticket)
            self._take_turn(line)
        ticket.stage = Stage.CLOSED

    def host_of(self, ticket: Ticket) -> Host:
        """Return the host that holds a ticket."""
        assert ticket.host is not None
        return self.hosts[ticket.host]

    def next_placement(self, now: float) -> Placement | None:
        """Assign the next ticket whose turn it is to a host, None if none can be placed now."""
        while turns := self._first or self._again:
            found = self._first_served(turns)
            if isinstance(found, Line):
                self._leave_turn(found)
                continue
            if found is None:
                return None
            line, host, asked_back = found
            ticket = line.waiting.popleft()
            self._assign(ticket, host, line, now)
            return Placement(ticket, host, asked_back)
        return None

    def _first_served(self, turns: Mapping[str, Line]) -> Line | tuple[Line, Host, Sequence[int]] | None:
        """Return the line that is served next and by whom, a line that has no room, or None.

        Nobody gets ahead of a line that has room, unless it has jobs sent ahead already.
        """
        for line in turns.values():
            host, asked_back = self._host_for(line)
            if host is not None:
                return line, host, asked_back
            if not line.room:
                return line
            if not line.ahead:
                return None
        return None

    def wanted_hosts(self) -> int:
        """How many more hosts to start now."""
        wanted = self.need - len(self.idle) - self.starting
        if self.max_hosts is not None:
            wanted = min(wanted, self.max_hosts - len(self.hosts) - self.starting)
        return max(0, wanted)

    def finished(self, number: int, seconds: float, now: float) -> Ticket | None:
        """Take a result: the host's ticket is answered, the next one has begun."""
        ticket = self.tickets.get(number)
        if ticket is None or ticket.host is None:
            return None
        host = self.host_of(ticket)
        if ticket.hook is None:
            self.measure(ticket.queue, ticket.class_name, seconds)
        host.done += 1
        host.stalled = False
        self._take_off(ticket, host, Stage.CLOSED)
        self.close(ticket)
        self._settle(host, now)
        return ticket

    def measure(self, queue: str, class_name: str, seconds: float) -> None:
        """Take one more job's duration into the means of its class, in its queue and in all."""
        for paces in (self._line(queue).paces, self._paces):
            pace = paces.get(class_name)
            if pace is None:
                pace = paces[class_name] = Pace()
            pace.measure(seconds)

    def ask_back(self, host: Host, tickets: Iterable[Ticket]) -> list[int]:
        """Note that a host is told to drop those of its tickets that have not begun; their numbers."""
        asked = []
        for ticket in tickets:
            if ticket.stage is Stage.AHEAD:
                self._move(ticket, host, Stage.ASKED_BACK)
                asked.append(ticket.number)
        self._sort_in(host)
        return asked

    def given_back(self, dropped: Iterable[int], begun: Iterable[int], now: float) -> list[Host]:
        """Take a host's answer: what it dropped waits at the front again, the rest has begun or ended."""
        answered: dict[HostId, Host] = {}
        for ticket, host in self._held(reversed([*dropped])):
            answered[host.host] = host
            self._take_off(ticket, host, Stage.WAITING)
            self._wait_again(ticket)
        for ticket, host in self._held(begun):
            answered[host.host] = host
            if ticket.stage is Stage.ASKED_BACK:
                self._move(ticket, host, Stage.AHEAD)
        for host in answered.values():
            self._settle(host, now)
        return list(answered.values())

    def stalled(self, now: float) -> list[tuple[Host, list[int]]]:
        """Ask back what waits behind jobs that run long; hosts, and numbers to drop."""
        found = []
        for host in self.hosts.values():
            if len(host.tickets) > 1 and not host.stalled and now - host.tickets[0].begun > STALL:
                host.stalled = True
                asked = self.ask_back(host, host.tickets)
                if asked:
                    found.append((host, asked))
        return found

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
        self._sort_in(host)

    def remove_host(self, host_id: HostId, mark: Mark | None = None) -> Ticket | None:
        """Take a dead host off the books.

        Args:
            host_id: Which.
            mark: Its account of what it was doing, None if there is none: then its first ticket ran.

        Returns:
            The ticket that must be told of the death, closed; None if there is none. All others wait
            again.
        """
        host = self.hosts.pop(host_id, None)
        self.idle.pop(host_id, None)
        if host is None:
            return None
        told = _told(host, mark)
        held = list(host.tickets)
        for ticket in reversed(held):
            self._take_off(ticket, host, Stage.CLOSED if ticket is told else Stage.WAITING)
            if ticket is not told:
                self._wait_again(ticket)
        self._open.pop(host_id, None)
        self._greedy.pop(host_id, None)
        if told is not None:
            self.close(told)
        return told

    def idle_longer_than(self, seconds: float, now: float) -> list[Host]:
        """Return hosts that have had nothing to do for `seconds`."""
        return [host for host in self.idle.values() if now - host.idle_since > seconds]

    # -- whose turn it is ------------------------------------------------------------------------

    def _line(self, queue: str) -> Line:
        line = self.lines.get(queue)
        if line is None:
            line = self.lines[queue] = Line(queue)
        return line

    def _take_turn(self, line: Line) -> None:
        """Put a line into the ring where it belongs after a change, or out of all."""
        turns = None
        if line.waiting:
            turns = self._again if line.round == self._round else self._first
        if line.turns is not turns:
            self._leave_turn(line)
            if turns is not None:
                turns[line.name] = line
                line.turns = turns
        self._count_need(line)
        if turns is None and not line.hosts and len(self.lines) > LINES_KEPT:
            self.lines.pop(line.name, None)

    def _begin_round(self) -> None:
        """Nobody waits any more who has had no job in this round."""
        self._round += 1
        self._first, self._again = self._again, self._first

    def _leave_turn(self, line: Line) -> None:
        if line.turns is not None:
            del line.turns[line.name]
            line.turns = None

    def _count_need(self, line: Line) -> None:
        need = min(line.room, len(line.waiting))
        self.need += need - line.need
        line.need = need

    def _host_for(self, line: Line) -> tuple[Host | None, Sequence[int]]:
        ticket, room = line.waiting[0], line.room
        ticket.expected = self._expected(ticket, line)
        if room and self.idle:
            return self.idle.popitem(last=True)[1], ()
        if ticket.hook is not None:
            return None, ()
        if room and not line.ahead and self._greedy:
            host = max(self._greedy.values(), key=_when_begun)
            return host, self.ask_back(host, host.tickets)
        if ticket.expected == inf:
            return None, ()
        hosts = self._open if room else line.hosts
        found = next((host for host in hosts.values() if host.is_open), None)
        if found is not None:
            hosts.move_to_end(found.host)
        return found, ()

    def _expected(self, ticket: Ticket, line: Line) -> float:
        if ticket.hook is not None:
            return inf
        for paces in (line.paces, self._paces):
            pace = paces.get(ticket.class_name)
            if pace is not None and pace.results >= SETTLED_AFTER:
                return pace.expected
        return inf

    # -- what is where ---------------------------------------------------------------------------

    def _assign(self, ticket: Ticket, host: Host, line: Line, now: float) -> None:
        ticket.host = host.host
        line.hosts[host.host] = host
        host.tickets.append(ticket)
        if line.turns is self._again:
            self._begin_round()
        self._leave_turn(line)
        line.round = self._round
        self._move(ticket, host, Stage.AHEAD if len(host.tickets) > 1 else Stage.RUNNING)
        ticket.begun = now
        self._take_turn(line)
        self._sort_in(host)

    def _move(self, ticket: Ticket, host: Host, stage: Stage) -> None:
        """Change the stage of a ticket that a host holds, and what is counted by stages."""
        old, ticket.stage = ticket.stage, stage
        was, is_ = old in _COUNTED, stage in _COUNTED
        if is_ and not was:
            host.count(ticket)
        elif was and not is_:
            host.discount(ticket)
        if (old is Stage.AHEAD) is not (stage is Stage.AHEAD):
            self._line(ticket.queue).ahead += 1 if stage is Stage.AHEAD else -1

    def _take_off(self, ticket: Ticket, host: Host, stage: Stage) -> None:
        """Take a ticket off its host; its line may have its turn again."""
        host.tickets.remove(ticket)
        self._move(ticket, host, stage)
        ticket.host = None
        line = self._line(ticket.queue)
        if not any(other.queue == ticket.queue for other in host.tickets):
            line.hosts.pop(host.host, None)
        elif host.host in line.hosts:
            line.hosts.move_to_end(host.host, last=False)
        self._take_turn(line)

    def _wait_again(self, ticket: Ticket) -> None:
        ticket.begun = 0.0
        ticket.told = False
        line = self._line(ticket.queue)
        line.round = 0  # what it had was taken back
        line.waiting.appendleft(ticket)
        self._take_turn(line)

    def _settle(self, host: Host, now: float) -> None:
        """After a host's tickets changed: the first one runs now, or the host is idle."""
        if not host.tickets:
            host.stalled = False
            host.idle_since = now
        elif host.tickets[0].stage is Stage.AHEAD:
            self._move(host.tickets[0], host, Stage.RUNNING)
            host.tickets[0].begun = now
        self._sort_in(host)

    def _sort_in(self, host: Host) -> None:
        """Keep a host among the idle, the open and the greedy ones as it is now."""
        if host.tickets or host.doomed is not None:
            self.idle.pop(host.host, None)
        else:
            self.idle[host.host] = host
        _keep(self._open, host, there=host.is_open)
        _keep(self._greedy, host, there=host.is_greedy)

    def _held(self, numbers: Iterable[int]) -> list[tuple[Ticket, Host]]:
        found = (self.tickets.get(number) for number in numbers)
        return [(ticket, self.host_of(ticket)) for ticket in found if ticket and ticket.host is not None]


_COUNTED = frozenset({Stage.RUNNING, Stage.AHEAD})


def _when_begun(host: Host) -> float:
    return host.tickets[0].begun


def _keep(hosts: OrderedDict[HostId, Host], host: Host, *, there: bool) -> None:
    if there:
        hosts[host.host] = host
    else:
        hosts.pop(host.host, None)


def _told(host: Host, mark: Mark | None) -> Ticket | None:
    """Return the ticket that a host's death is about: whom it was killed for, or else what ran."""
    if host.doomed is not None:
        return next((ticket for ticket in host.tickets if ticket.worker == host.doomed), None)
    if mark is None:
        return host.tickets[0] if host.tickets else None
    if mark.running:
        return next((ticket for ticket in host.tickets if ticket.number == mark.running), None)
    ended = next((ticket for ticket in host.tickets if ticket.number == mark.ended), None)
    if ended is None:
        return None
    ended.unheard += 1
    return ended if ended.hook is not None or ended.unheard >= UNHEARD else None
