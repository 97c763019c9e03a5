"""A queue never waits long for a worker host because of another's flood, and many queues cost little."""

from __future__ import annotations

import itertools
import statistics
import time
from collections import deque

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from roger_actors.otp import Pid
from roger_actors.roger.worker_pool.entries import Host, Ticket
from roger_actors.roger.worker_pool.ledger import Ledger
from tests.unit.roger.played_hosts import HOLD, LATENCY, PlayedPool

SECONDS = st.floats(-4.0, -1.3).map(lambda power: 10**power)
"""0.1 to 50 ms, as many below 2 ms as above."""
KEPT_WAITING = 40
WARM = 20


@st.composite
def floods(draw: st.DrawFn) -> dict[str, list[float]]:
    """Queues that are never empty, each with the seconds that its jobs take, one after another."""
    found = {}
    for number in range(draw(st.integers(1, 4))):
        mean = draw(SECONDS)
        found[f"flood-{number}"] = [mean * draw(st.floats(0.5, 2.0)) for _ in range(5)]
    return found


def flood(pool: PlayedPool, queues: list[str], limit: int) -> None:
    """Keep queues full: each job that begins brings another."""

    def refill(ticket: Ticket) -> None:
        if ticket.queue in queues:
            pool.open(ticket.queue, limit)

    pool.on_begun = refill
    for queue, _ in itertools.product(queues, range(KEPT_WAITING)):
        pool.open(queue, limit)


@settings(max_examples=60, deadline=None)
@given(floods(), st.integers(1, 4), st.integers(1, 6), st.lists(SECONDS, min_size=1, max_size=4))
@example({"flood-0": [0.0042] * 5, "flood-1": [0.0001] * 5}, 1, 2, [0.01, 0.01])
def test_a_job_of_a_quiet_queue_waits_for_two_jobs_of_each_other_queue_at_most(
    flooded: dict[str, list[float]], hosts: int, limit: int, guests: list[float]
) -> None:
    turns = {queue: itertools.cycle(seconds) for queue, seconds in flooded.items()}
    pool = PlayedPool(hosts, lambda t: guests[0] if t.queue == "guest" else next(turns[t.queue]))
    flood(pool, list(flooded), limit)
    pool.run_until(lambda: len(pool.begun) > WARM * len(flooded))

    longest = [max(seconds) for seconds in flooded.values()]
    orders = (2 * LATENCY + HOLD) * (len(flooded) + 2)
    for _ in range(len(guests)):
        ticket = pool.open("guest", 1)
        pool.run_until(lambda number=ticket.number: number in pool.begun)
        waited = pool.begun[ticket.number] - pool.opened[ticket.number]
        assert waited <= 2 * sum(longest) + orders  # seldom more than one: 3 of 3,000 examples
        pool.run_until(lambda number=ticket.number: number not in pool.ledger.tickets)
        guests.append(guests.pop(0))


@settings(max_examples=30, deadline=None)
@given(SECONDS, SECONDS, st.integers(1, 3))
def test_of_two_floods_none_gets_more_than_twice_the_jobs_of_the_other(
    first: float, second: float, hosts: int
) -> None:
    seconds = {"a": first, "b": second}
    pool = PlayedPool(hosts, lambda ticket: seconds[ticket.queue])
    flood(pool, ["a", "b"], limit=9)

    pool.run_until(lambda: len(pool.ran) == 600)

    assert 200 <= pool.ran.count("a") <= 400


@settings(max_examples=40, deadline=None)
@given(floods(), st.integers(1, 4), st.integers(1, 3))
def test_no_queue_has_more_jobs_running_than_its_limit(
    flooded: dict[str, list[float]], hosts: int, limit: int
) -> None:
    turns = {queue: itertools.cycle(seconds) for queue, seconds in flooded.items()}
    pool = PlayedPool(hosts, lambda ticket: next(turns[ticket.queue]))
    flood(pool, list(flooded), limit)
    refill, most = pool.on_begun, 0

    def look(ticket: Ticket) -> None:
        nonlocal most
        running = [pool.ledger.tickets[host.running].queue for host in pool.hosts.values() if host.running]
        most = max(most, running.count(ticket.queue))
        refill(ticket)

    pool.on_begun = look
    pool.run_until(lambda: len(pool.begun) > 200)

    assert most <= limit


def test_short_jobs_of_many_queues_share_hosts_and_hide_the_round_trip() -> None:
    def throughput(queues: int) -> float:
        pool = PlayedPool(4, lambda _: 0.0002)
        for queue, _ in itertools.product(range(queues), range(1200 // queues)):
            pool.open(f"q{queue}", 2, class_name="Short")
        begun = pool.now
        pool.run_until(lambda: not pool.ledger.tickets)
        return 1200 / (pool.now - begun)

    assert throughput(400) >= 0.7 * throughput(1)


def test_what_an_event_costs_does_not_grow_with_the_queues_that_wait() -> None:
    def seconds_a_job(queues: int) -> float:
        ledger = Ledger(max_hosts=8)
        for number in range(8):
            ledger.add_host(Host(Pid("n", number + 2, 0), 1, frozenset(), 0.0))
        for number in range(3000):
            ledger.open(Pid("n", 1, number), f"q{number % queues}", 2, "a", b"")
        running: deque[int] = deque()
        began = time.process_time()
        while ledger.tickets:
            while (placed := ledger.next_placement(1.0)) is not None:
                running.append(placed.ticket.number)
            ledger.wanted_hosts()
            ledger.finished(running.popleft(), 0.01, 1.0)
        return (time.process_time() - began) / 3000

    ratios = [seconds_a_job(1000) / seconds_a_job(10) for _ in range(5)]
    assert statistics.median(ratios) < 3.0


@pytest.mark.parametrize("queues", [1, 3])
def test_a_queue_at_its_limit_goes_on_once_one_of_its_jobs_has_ended(queues: int) -> None:
    pool = PlayedPool(3, lambda _: 0.02)
    tickets = [pool.open(f"q{number % queues}", 1) for number in range(30)]

    pool.run_until(lambda: not pool.ledger.tickets)

    assert set(pool.begun) == {ticket.number for ticket in tickets}
