"""Queue keys and cancels on the tables of both brokers: who holds a key, and how long a cancel lasts."""

from __future__ import annotations

import pytest

from roger_actors.broker import Changed
from roger_actors.clock import ManualClock
from roger_actors.roger.global_state import flags, queue_key
from roger_actors.roger.global_state.queue_key import LAPSE

DAY = 86_400.0
TEN_MINUTES = 600.0


async def _open(brokers, name, clock):
    broker = await brokers.open(name)
    broker.tables.now = clock.monotonic
    await broker.serve_tables()
    return broker.tables


async def _claim(tables, job_id: str, wall: float) -> Changed:
    (answer,) = await tables.change([queue_key.claiming("acme", "k", job_id, wall)], 10.0)
    return answer


async def test_a_client_whose_clock_is_ahead_takes_no_claim_before_its_time(brokers):
    clock = ManualClock()
    ours = await _open(brokers, "ours", clock)
    theirs = (await brokers.open("theirs")).tables
    theirs.now = clock.monotonic
    wall = 1_700_000_000.0

    assert (await _claim(ours, "job-1", wall)).done
    clock.advance(LAPSE - 1)
    early = await _claim(theirs, "job-2", wall + TEN_MINUTES)
    clock.advance(1)
    late = await _claim(theirs, "job-2", wall - TEN_MINUTES)

    assert not early.done
    assert queue_key.is_held_by(early.current, "job-1")
    assert late.done


async def test_a_claim_that_was_published_never_lapses(brokers):
    clock = ManualClock()
    tables = await _open(brokers, "node", clock)
    claim = queue_key.claiming("acme", "k", "job-1", 0.0)
    await tables.change([claim, queue_key.publishing(claim)], 10.0)

    clock.advance(365 * DAY)

    assert not (await _claim(tables, "job-2", 0.0)).done


async def test_a_key_is_freed_by_its_job_alone(brokers):
    tables = await _open(brokers, "node", ManualClock())
    claim = queue_key.claiming("acme", "k", "job-1", 0.0)
    published = queue_key.publishing(claim)
    failed = queue_key.failing("acme", "k", published.new, 0)
    await tables.change([claim, published, failed], 10.0)

    answers = await tables.change([queue_key.releasing("acme", "k", job) for job in ("job", "job-1")], 5.0)

    assert [answer.done for answer in answers] == [False, True]
    assert (await _claim(tables, "job-2", 0.0)).done


@pytest.mark.roger_fault("cancels of nobody")
async def test_the_cancel_of_a_job_that_never_comes_is_deleted_after_a_week(brokers):
    clock = ManualClock()
    tables = await _open(brokers, "node", clock)
    await tables.change([flags.cancelling("acme", "nobody", 0.0)], 10.0)

    clock.advance(7 * DAY - 1)
    assert len(await tables.scan(flags.CANCELLED, "acme/", 5.0)) == 1
    clock.advance(1)

    await tables.change([flags.pausing("acme", "mail", 0.0)], 5.0)
    assert await tables.scan(flags.CANCELLED, "acme/", 5.0) == {}


async def test_the_cancel_of_a_job_that_is_delayed_for_thirty_days_is_there_when_it_comes(brokers):
    clock = ManualClock()
    tables = await _open(brokers, "node", clock)
    delayed = flags.delaying("acme", "job", 30 * DAY)
    await tables.change([delayed], 10.0)
    delay = await tables.get(flags.DELAYED, "acme/job", 5.0)
    await tables.change([flags.cancelling("acme", "job", 0.0, delay)], 5.0)

    clock.advance(30 * DAY + 3600)
    assert set(await tables.scan(flags.CANCELLED, "acme/", 5.0)) == {"acme/job"}
    clock.advance(8 * DAY)

    await tables.change([flags.pausing("acme", "mail", 0.0)], 5.0)
    assert await tables.scan(flags.CANCELLED, "acme/", 5.0) == {}
    assert await tables.scan(flags.DELAYED, "acme/", 5.0) == {}


@pytest.mark.roger_fault("cancels of nobody")
async def test_cancels_of_nobody_are_numbered_and_bounded(brokers, monkeypatch):
    monkeypatch.setattr(flags, "MOST_CANCELS", 1000)
    tables = await _open(brokers, "node", ManualClock())
    for first in range(0, 3000, 500):
        cancels = [flags.cancelling("acme", f"job-{n}", 0.0) for n in range(first, first + 500)]
        await tables.change(cancels, 10.0)

    found = await tables.scan(flags.CANCELLED, "acme/", 5.0)

    numbers = sorted(map(flags.number_of, found.values()))
    assert 985 <= len(found) <= 1000
    assert numbers == list(range(3001 - len(found), 3001))
