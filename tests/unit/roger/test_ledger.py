"""Who gets a worker host next, and what the books say after each event."""

from __future__ import annotations

import pytest

from roger_actors.otp import Pid
from roger_actors.roger.worker_host.mark import Mark
from roger_actors.roger.worker_pool.entries import AHEAD, Host, Ticket
from roger_actors.roger.worker_pool.ledger import STALL, UNHEARD, Ledger
from roger_actors.transport import HostId


def worker(number: int) -> Pid:
    return Pid("node", 1, number)


def host(number: int) -> Host:
    return Host(Pid("node", number, 0), os_pid=number, classes=frozenset(), now=0.0)


def open_tickets(ledger: Ledger, count: int, *, queue: str = "a-default", limit: int = 2) -> list[Ticket]:
    first = len(ledger.tickets)
    return [ledger.open(worker(first + n + 1), queue, limit, "a", b"{}") for n in range(count)]


def place_all(ledger: Ledger, now: float = 1.0) -> list[tuple[int, int]]:
    placed = []
    while (pair := ledger.next_placement(now)) is not None:
        placed.append((pair.ticket.number, pair.host.host))
    return placed


@pytest.fixture
def ledger() -> Ledger:
    return Ledger(max_hosts=None)


def make_short(ledger: Ledger, queue: str = "a-default") -> None:
    """Teach the books that a queue's jobs take no time."""
    for _ in range(10):
        ledger.measure(queue, "", 0.0)


def test_a_queue_never_has_more_hosts_than_its_limit(ledger: Ledger) -> None:
    for number in range(5):
        ledger.add_host(host(number + 2))
    open_tickets(ledger, 5, limit=2)

    placed = place_all(ledger)

    assert len(placed) == 2
    assert len({where for _, where in placed}) == 2


def test_hosts_are_asked_for_up_to_the_limits_of_the_queues(ledger: Ledger) -> None:
    open_tickets(ledger, 5, queue="a-default", limit=2)
    open_tickets(ledger, 1, queue="b-default", limit=10)

    assert ledger.wanted_hosts() == 3


def test_hosts_on_their_way_are_not_asked_for_again(ledger: Ledger) -> None:
    open_tickets(ledger, 5, limit=3)
    ledger.starting = 2

    assert ledger.wanted_hosts() == 1


def test_no_more_hosts_are_asked_for_than_the_node_may_have() -> None:
    ledger = Ledger(max_hosts=2)
    ledger.add_host(host(2))
    open_tickets(ledger, 9, limit=9)
    place_all(ledger)

    assert ledger.wanted_hosts() == 1


def test_queues_take_turns_when_hosts_are_scarce(ledger: Ledger) -> None:
    ledger.add_host(host(2))
    flood = open_tickets(ledger, 3, queue="flood-default", limit=9)
    single = open_tickets(ledger, 1, queue="quiet-default", limit=9)

    order = []
    for now in range(1, 5):
        ((number, _),) = place_all(ledger, now)
        order.append(number)
        ledger.finished(number, 1.0, now)

    assert order.index(single[0].number) <= 1
    assert sorted(order) == sorted(ticket.number for ticket in [*flood, *single])


def test_short_jobs_are_sent_ahead_to_hosts_of_their_own_queue(ledger: Ledger) -> None:
    ledger.add_host(host(2))
    make_short(ledger)
    open_tickets(ledger, 100, limit=1)

    assert len(place_all(ledger)) == AHEAD


def test_long_jobs_are_never_sent_ahead(ledger: Ledger) -> None:
    ledger.add_host(host(2))
    for _ in range(10):
        ledger.measure("a-default", "", 1.0)
    open_tickets(ledger, 3, limit=1)

    assert len(place_all(ledger)) == 1


def test_a_job_that_turns_out_long_has_those_behind_it_recalled_once(ledger: Ledger) -> None:
    ledger.add_host(host(2))
    make_short(ledger)
    open_tickets(ledger, 3, limit=1)
    place_all(ledger, now=1.0)

    early = ledger.stalled(1.0 + STALL / 2)
    late = ledger.stalled(1.0 + STALL * 2)
    again = ledger.stalled(1.0 + STALL * 3)

    assert early == []
    assert [(each.host, asked) for each, asked in late] == [(2, [2, 3])]
    assert again == []


def test_recalled_jobs_wait_at_the_front_in_their_old_order(ledger: Ledger) -> None:
    ledger.add_host(host(2))
    make_short(ledger)
    first, second, third = open_tickets(ledger, 3, limit=2)
    place_all(ledger)
    (fourth,) = open_tickets(ledger, 1, limit=2)

    ledger.given_back([second.number, third.number], [], now=2.0)

    waiting = list(ledger.lines["a-default"].waiting)
    assert waiting == [second, third, fourth]
    assert first.host == 2


def test_when_a_host_dies_only_its_first_job_was_running(ledger: Ledger) -> None:
    ledger.add_host(host(2))
    make_short(ledger)
    first, second, third = open_tickets(ledger, 3, limit=1)
    place_all(ledger)

    died = ledger.remove_host(first.host)  # type: ignore[arg-type]

    assert died is first
    assert list(ledger.lines["a-default"].waiting) == [second, third]
    assert first.number not in ledger.tickets


def test_a_job_behind_the_victim_of_a_kill_is_not_charged_with_it(ledger: Ledger) -> None:
    ledger.add_host(host(2))
    make_short(ledger)
    first, second = open_tickets(ledger, 2, limit=1)
    place_all(ledger)
    ledger.doom(ledger.hosts[first.host], first.worker)  # type: ignore[index]
    where = first.host
    ledger.finished(first.number, 0.1, now=2.0)

    died = ledger.remove_host(where)  # type: ignore[arg-type]

    assert died is None
    assert list(ledger.lines["a-default"].waiting) == [second]


def test_a_doomed_host_is_given_nothing_more(ledger: Ledger) -> None:
    ledger.add_host(host(2))
    (first,) = open_tickets(ledger, 1, limit=2)
    place_all(ledger)
    ledger.doom(ledger.hosts[first.host], first.worker)  # type: ignore[index]
    ledger.finished(first.number, 0.1, now=2.0)
    open_tickets(ledger, 1, limit=2)

    assert place_all(ledger) == []


def test_a_host_without_jobs_is_idle_and_serves_any_queue(ledger: Ledger) -> None:
    ledger.add_host(host(2))
    (first,) = open_tickets(ledger, 1, queue="a-default")
    place_all(ledger)
    ledger.finished(first.number, 1.0, now=2.0)
    (second,) = open_tickets(ledger, 1, queue="b-default")

    assert place_all(ledger, 3.0) == [(second.number, 2)]


def test_a_ticket_closed_while_it_waits_is_never_placed(ledger: Ledger) -> None:
    (ticket,) = open_tickets(ledger, 1)
    ledger.close(ticket)
    ledger.add_host(host(2))

    assert place_all(ledger) == []
    assert ledger.tickets == {}
    assert ledger.by_worker == {}


def test_a_class_that_nobody_knows_yet_is_not_sent_ahead(ledger: Ledger) -> None:
    make_short(ledger)
    ledger.add_host(host(2))
    known, unknown = open_tickets(ledger, 2, limit=1)
    unknown.class_name = "unknown"

    placed = place_all(ledger)

    assert placed == [(known.number, 2)]


def sent_ahead(ledger: Ledger, count: int) -> list[Ticket]:
    ledger.add_host(host(2))
    make_short(ledger)
    tickets = open_tickets(ledger, count, limit=1)
    place_all(ledger)
    return tickets


def test_a_host_s_death_is_told_to_the_job_that_ran_by_its_own_account(ledger: Ledger) -> None:
    first, second, third = sent_ahead(ledger, 3)

    died = ledger.remove_host(HostId(2), Mark(running=second.number, ended=first.number))

    assert died is second
    assert list(ledger.lines["a-default"].waiting) == [first, third]


def test_a_job_that_ended_a_moment_before_its_host_died_is_not_charged(ledger: Ledger) -> None:
    first, second = sent_ahead(ledger, 2)

    assert ledger.remove_host(HostId(2), Mark(running=0, ended=first.number)) is None
    assert list(ledger.lines["a-default"].waiting) == [first, second]


def test_a_host_that_died_before_anything_began_charges_nobody(ledger: Ledger) -> None:
    (first,) = sent_ahead(ledger, 1)

    assert ledger.remove_host(HostId(2), Mark(running=0, ended=0)) is None
    assert list(ledger.lines["a-default"].waiting) == [first]


def test_a_job_whose_hosts_die_right_after_its_end_again_and_again_is_blamed_at_last(ledger: Ledger) -> None:
    (ticket,) = open_tickets(ledger, 1)
    told = []
    for number in range(UNHEARD):
        ledger.add_host(host(number + 2))
        place_all(ledger)
        told.append(ledger.remove_host(HostId(number + 2), Mark(running=0, ended=ticket.number)))

    assert told == [*[None] * (UNHEARD - 1), ticket]


def test_a_hook_that_has_ended_is_not_called_again(ledger: Ledger) -> None:
    (ticket,) = open_tickets(ledger, 1)
    ticket.hook = "on_cancel"
    ledger.add_host(host(2))
    place_all(ledger)

    assert ledger.remove_host(HostId(2), Mark(running=0, ended=ticket.number)) is ticket


def test_a_hook_has_a_host_of_its_own(ledger: Ledger) -> None:
    sent_ahead(ledger, 3)
    (hook,) = open_tickets(ledger, 1, queue="b-default")
    hook.hook = "on_cancel"

    assert place_all(ledger) == []


def test_whom_a_host_is_killed_for_is_told_and_the_job_that_ran_there_waits_again(ledger: Ledger) -> None:
    first, second = sent_ahead(ledger, 2)
    ledger.doom(ledger.hosts[HostId(2)], first.worker)

    died = ledger.remove_host(HostId(2), Mark(running=second.number, ended=first.number))

    assert died is first
    assert list(ledger.lines["a-default"].waiting) == [second]
