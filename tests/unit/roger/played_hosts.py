"""Worker hosts played on paper: a ledger, hosts that take their orders in turn, and time that is a number."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable
from functools import partial

from roger_actors.otp import Pid
from roger_actors.roger.worker_host.mark import Mark
from roger_actors.roger.worker_pool.entries import Host, Ticket
from roger_actors.roger.worker_pool.ledger import STALL, Ledger
from roger_actors.transport import HostId

LATENCY = 0.0002
"""Seconds that an order or a report is on its way."""

HOLD = 0.0005
"""Seconds that a host keeps a report while it has more to run."""


class PlayedHost:
    """Runs what it is sent, one after another."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.orders: deque[int] = deque()
        self.running = 0
        self.ended = 0
        self.alive = True


class PlayedPool:
    """The pool's part: it asks the ledger after every event and carries orders and reports.

    Args:
        hosts: How many there are, ready at once.
        seconds: How long a ticket's job takes.
    """

    def __init__(self, hosts: int, seconds: Callable[[Ticket], float]) -> None:
        self.now = 1.0
        self.ledger = Ledger(hosts)
        self.hosts: dict[int, PlayedHost] = {}
        self.opened: dict[int, float] = {}
        self.begun: dict[int, float] = {}
        self.ran: list[str] = []
        self.on_begun: Callable[[Ticket], None] = lambda _: None
        self.on_done: Callable[[Ticket], None] = lambda _: None
        self._seconds = seconds
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0
        for _ in range(hosts):
            self.add_host()
        self.after(STALL, self._look_for_stalls)

    def add_host(self) -> None:
        number = len(self.hosts) + 2
        self.hosts[number] = PlayedHost(number)
        self.ledger.add_host(Host(Pid("n", number, 0), number, frozenset(), self.now))

    def open(self, queue: str, limit: int = 99, class_name: str = "") -> Ticket:
        self._count += 1
        ticket = self.ledger.open(
            Pid("n", 1, self._count), queue, limit, queue, b"", class_name=class_name or f"Of_{queue}"
        )
        self.opened[ticket.number] = self.now
        self._place()
        return ticket

    def after(self, seconds: float, act: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._events, (self.now + seconds, self._count, act))

    def run_until(self, over: Callable[[], bool], limit: float = 1e4) -> None:
        while not over():
            assert self.now < limit, "nothing moves any more"
            self.now, _, act = heapq.heappop(self._events)
            act()
            self._place()

    def kill(self, number: int) -> Ticket | None:
        """End a host and run until its end is told, after what it had sent; whom the ledger tells."""
        played = self.hosts[number]
        played.alive = False
        told: list[Ticket | None] = []

        def down() -> None:
            told.append(self.ledger.remove_host(HostId(number), Mark(played.running, played.ended)))
            self.add_host()

        self.after(LATENCY, down)
        self.run_until(lambda: bool(told))
        return told[0]

    # -- the kernel's side -----------------------------------------------------------------------

    def _place(self) -> None:
        while (placed := self.ledger.next_placement(self.now)) is not None:
            number = placed.host.host
            if placed.asked_back:
                self.after(LATENCY, partial(self._recall, number, list(placed.asked_back)))
            self.after(LATENCY, partial(self._take, number, placed.ticket.number))

    def _look_for_stalls(self) -> None:
        for host, asked in self.ledger.stalled(self.now):
            self.after(LATENCY, partial(self._recall, host.host, asked))
        self.after(STALL, self._look_for_stalls)

    def _reported(self, ticket: Ticket, seconds: float) -> None:
        if self.ledger.finished(ticket.number, seconds, self.now) is not None:
            self.on_done(ticket)

    # -- a host's side ---------------------------------------------------------------------------

    def _take(self, number: int, ticket: int) -> None:
        played = self.hosts[number]
        if played.alive:
            played.orders.append(ticket)
            if not played.running:
                self._begin(played)

    def _recall(self, number: int, asked: list[int]) -> None:
        played = self.hosts[number]
        if played.alive:
            dropped = [ticket for ticket in asked if ticket in played.orders]
            for ticket in dropped:
                played.orders.remove(ticket)
            begun = [ticket for ticket in asked if ticket not in dropped]
            self.after(LATENCY, lambda: self.ledger.given_back(dropped, begun, self.now) and None)

    def _begin(self, played: PlayedHost) -> None:
        played.running = played.orders.popleft()
        ticket = self.ledger.tickets[played.running]
        self.begun[ticket.number] = self.now
        self.ran.append(ticket.queue)
        self.on_begun(ticket)
        seconds = self._seconds(ticket)
        self.after(seconds, partial(self._end, played, ticket, seconds))

    def _end(self, played: PlayedHost, ticket: Ticket, seconds: float) -> None:
        if not played.alive:
            return
        played.running, played.ended = 0, ticket.number
        if played.orders:
            self.after(HOLD, partial(self._report, played, ticket, seconds))
            self._begin(played)
        else:
            self._report(played, ticket, seconds)

    def _report(self, played: PlayedHost, ticket: Ticket, seconds: float) -> None:
        if played.alive:
            self.after(LATENCY, partial(self._reported, ticket, seconds))
