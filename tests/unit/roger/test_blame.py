"""Who is told of a worker host's death: hundreds of deaths at random moments, from one seed each."""

from __future__ import annotations

import random

import pytest

from roger_actors.roger.worker_pool.entries import Ticket
from tests.unit.roger.played_hosts import PlayedPool

DEATHS = 200
HOSTS = 3


@pytest.mark.parametrize("seed", range(5))
def test_each_death_is_told_to_the_job_that_ran_and_to_nobody_else(seed: int) -> None:
    chance = random.Random(seed)
    shared = ended_unheard = 0
    pool = PlayedPool(HOSTS, lambda _: chance.uniform(0.0001, 0.006))
    done: list[Ticket] = []
    pool.on_done = done.append
    pool.on_begun = lambda ticket: pool.open(ticket.queue) and None
    for number in range(60):
        pool.open(f"q{number % 3}")

    for _ in range(DEATHS):
        at = pool.now + chance.uniform(0.0, 0.02)
        pool.after(at - pool.now, lambda: None)
        pool.run_until(lambda at=at: pool.now >= at)
        victim = chance.choice([host for host in pool.hosts.values() if host.alive])
        held: list[Ticket] = list(pool.ledger.hosts[victim.number].tickets)  # type: ignore[index]
        done.clear()

        told = pool.kill(victim.number)

        assert (told.number if told else 0) == victim.running
        assert all(ticket.number in pool.ledger.tickets for ticket in held if ticket not in [told, *done])
        shared += len(held) > 1
        ended_unheard += any(ticket.number == victim.ended for ticket in held if ticket not in done)

    assert shared > DEATHS / 10  # it did hit hosts with jobs sent ahead
    assert ended_unheard > 0  # and some between a job's end and its report


def test_what_a_death_did_not_charge_runs_to_its_end() -> None:
    chance = random.Random(7)
    pool = PlayedPool(HOSTS, lambda _: 0.0005)
    tickets = [pool.open(f"q{number % 2}") for number in range(400)]
    told = set()

    for _ in range(20):
        pool.after(0.003, lambda: None)
        at = pool.now + 0.003
        pool.run_until(lambda at=at: pool.now >= at)
        dead = pool.kill(chance.choice([host.number for host in pool.hosts.values() if host.alive]))
        told |= {dead.number} if dead else set()
    pool.run_until(lambda: not pool.ledger.tickets)

    assert {ticket.number for ticket in tickets} - told <= set(pool.begun)
