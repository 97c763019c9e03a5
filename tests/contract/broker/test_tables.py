"""Tables: compare-and-set in one order, durable, shared."""

from __future__ import annotations

import asyncio

import pytest

from roger_actors.broker import Change, Changed
from roger_actors.clock import ManualClock
from roger_actors.errors import BrokerError


async def _open(brokers, name="node", clock=None):
    broker = await brokers.open(name)
    if clock is not None:
        broker.tables.now = clock.monotonic
    await broker.serve_tables()
    return broker


async def test_a_change_is_made_if_the_value_is_as_expected(brokers):
    tables = (await _open(brokers)).tables

    results = await tables.change(
        [
            Change("keys", "a", None, b"1"),
            Change("keys", "a", None, b"2"),
            Change("keys", "a", b"1", b"3"),
            Change("keys", "b", b"x", None),
        ],
        10.0,
    )

    assert results == [Changed(True, b"1"), Changed(False, b"1"), Changed(True, b"3"), Changed(False, None)]
    assert await tables.get("keys", "a", 5.0) == b"3"


async def test_a_value_set_to_none_is_gone(brokers):
    tables = (await _open(brokers)).tables
    await tables.change([Change("keys", "a", None, b"1")], 10.0)

    assert await tables.change([Change("keys", "a", b"1", None)], 5.0) == [Changed(True, None)]

    assert await tables.get("keys", "a", 5.0) is None
    assert await tables.scan("keys", "", 5.0) == {}


async def test_a_scan_finds_the_keys_of_one_table_that_begin_so(brokers):
    tables = (await _open(brokers)).tables
    await tables.change(
        [
            Change(table, key, None, b"v")
            for table in ("keys", "other")
            for key in ("a-1", "a-2", "b-1", "a%")
        ],
        10.0,
    )

    assert set(await tables.scan("keys", "a-", 5.0)) == {"a-1", "a-2"}
    assert set(await tables.scan("keys", "a%", 5.0)) == {"a%"}
    assert len(await tables.scan("keys", "", 5.0)) == 4


async def test_of_many_who_want_the_same_key_one_gets_it(brokers):
    node = await _open(brokers)
    client = await brokers.open("client")

    results = await asyncio.gather(
        *(
            (node, client)[number % 2].tables.change([Change("keys", "k", None, b"%d" % number)], 10.0)
            for number in range(100)
        )
    )

    winners = [result.current for (result,) in results if result.done]
    assert len(winners) == 1
    assert await client.tables.get("keys", "k", 5.0) == winners[0]


async def test_many_clients_count_without_losing_a_step(brokers):
    node = await _open(brokers)
    others = [await brokers.open(f"client-{number}") for number in range(3)]

    async def count(broker) -> None:
        for _ in range(20):
            done = False
            while not done:
                now = await broker.tables.get("numbers", "n", 10.0)
                new = b"%d" % (int(now or b"0") + 1)
                done = (await broker.tables.change([Change("numbers", "n", now, new)], 10.0))[0].done

    await asyncio.gather(*(count(broker) for broker in (node, *others)))

    assert await node.tables.get("numbers", "n", 5.0) == b"80"


async def test_what_was_changed_is_there_after_everyone_has_gone(brokers):
    node = await _open(brokers)
    await node.tables.change([Change("keys", "a", None, b"1")], 10.0)
    await node.close()

    again = await _open(brokers, "again")

    assert await again.tables.get("keys", "a", 10.0) == b"1"


@pytest.mark.roger_fault("owner of the state dies")
async def test_another_takes_over_when_the_owner_has_gone(brokers):
    first = await _open(brokers, "first")
    client = await brokers.open("client")
    await client.tables.change([Change("keys", "a", None, b"1")], 10.0)
    await _open(brokers, "second")

    await first.close()

    assert await client.tables.change([Change("keys", "a", None, b"2")], 10.0) == [Changed(False, b"1")]


async def test_changing_nothing_answers_nothing(brokers):
    broker = await brokers.open()

    assert await broker.tables.change([], 5.0) == []


async def test_systems_with_different_prefixes_have_different_tables(brokers):
    ours = await brokers.open(prefix="ours.")
    theirs = await brokers.open(prefix="theirs.")
    await ours.serve_tables()
    await theirs.serve_tables()

    await ours.tables.change([Change("keys", "a", None, b"1")], 10.0)

    assert await theirs.tables.get("keys", "a", 10.0) is None


async def test_after_close_the_tables_answer_with_an_error(brokers):
    broker = await _open(brokers)
    await broker.close()

    with pytest.raises(BrokerError):
        await asyncio.wait_for(broker.tables.get("keys", "a", 1.0), 5.0)


async def test_an_entry_is_gone_when_its_lease_is_over(brokers):
    clock = ManualClock()
    tables = (await _open(brokers, clock=clock)).tables
    await tables.change(
        [Change("keys", "p/a", None, b"1", lease=60.0), Change("keys", "p/b", None, b"2")], 10.0
    )

    clock.advance(59.0)
    assert set(await tables.scan("keys", "p/", 5.0)) == {"p/a", "p/b"}
    clock.advance(1.0)

    assert await tables.change([Change("keys", "p/a", None, b"3")], 5.0) == [Changed(True, b"3")]
    clock.advance(1000.0)
    assert await tables.scan("keys", "p/", 5.0) == {"p/a": b"3", "p/b": b"2"}


async def test_an_entry_that_was_written_for_good_in_time_stays(brokers):
    clock = ManualClock()
    tables = (await _open(brokers, clock=clock)).tables
    await tables.change([Change("keys", "a", None, b"1", lease=60.0)], 10.0)
    await tables.change([Change("keys", "a", b"1", b"2")], 10.0)

    clock.advance(61.0)

    assert await tables.get("keys", "a", 5.0) == b"2"


async def test_a_lease_outlives_the_one_who_counts_it(brokers):
    clock = ManualClock()
    first = await _open(brokers, "first", clock)
    await first.tables.change([Change("keys", "a", None, b"1", lease=60.0)], 10.0)
    await first.close()
    second = await _open(brokers, "second", clock)
    assert await second.tables.get("keys", "a", 10.0) == b"1"

    clock.advance(60.0)

    assert await second.tables.change([Change("keys", "b", None, b"2")], 10.0) == [Changed(True, b"2")]
    assert await second.tables.get("keys", "a", 10.0) is None


async def test_an_entry_is_released_by_how_its_value_begins(brokers):
    tables = (await _open(brokers)).tables
    await tables.change([Change("keys", "a", None, b"me, attempt 2")], 10.0)

    results = await tables.change(
        [
            Change("keys", "a", b"you", None, begins=True),
            Change("keys", "a", b"me", None, begins=True),
            Change("keys", "a", b"me", None, begins=True),
        ],
        5.0,
    )

    assert results == [Changed(False, b"me, attempt 2"), Changed(True, None), Changed(False, None)]


async def test_a_scan_ends_where_its_prefix_ends(brokers):
    tables = (await _open(brokers)).tables
    keys = ["p/\U0010ffff", "p/\ud7ff", "p/\ud7ff/x", "p/z", "p0", "q"]
    await tables.change([Change("keys", key, None, b"v") for key in keys], 10.0)

    assert set(await tables.scan("keys", "p/", 5.0)) == set(keys[:4])
    assert set(await tables.scan("keys", "p/\U0010ffff", 5.0)) == {keys[0]}
    assert set(await tables.scan("keys", "p/\ud7ff", 5.0)) == {keys[1], keys[2]}


async def test_a_kept_entry_counts_as_absent_when_its_lease_is_over(brokers):
    clock = ManualClock()
    tables = (await _open(brokers, clock=clock)).tables
    claim = Change("keys", "p/a", None, b"1", lease=60.0, kept=True)
    await tables.change([claim], 10.0)

    clock.advance(59.0)
    assert await tables.change([claim._replace(new=b"2")], 5.0) == [Changed(False, b"1")]
    clock.advance(1.0)

    assert await tables.get("keys", "p/a", 5.0) == b"1"
    assert await tables.change([claim._replace(expected=b"0")], 5.0) == [Changed(False, b"1")]
    assert await tables.change([claim._replace(new=b"2")], 5.0) == [Changed(True, b"2")]
    assert await tables.change([claim._replace(new=b"3")], 5.0) == [Changed(False, b"2")]


async def test_a_log_numbers_its_entries_and_deletes_the_oldest(brokers):
    tables = (await _open(brokers)).tables
    names = ["z", "y", "x", "w", "v"]

    results = await tables.change([Change("log", f"p/{name}", None, b"v", log=3) for name in names], 10.0)
    (other,) = await tables.change([Change("log", "q/z", None, b"v", log=3)], 10.0)

    assert [result.current for result in results] == [b"%d v" % number for number in range(1, 6)]
    assert other == Changed(True, b"1 v")
    assert await tables.scan("log", "p/", 5.0) == {"p/x": b"3 v", "p/w": b"4 v", "p/v": b"5 v"}


async def test_a_log_goes_on_counting_under_another_owner(brokers):
    first = await _open(brokers, "first")
    await first.tables.change([Change("log", "p/a", None, b"v", log=3)], 10.0)
    await first.tables.change([Change("log", "p/a", b"1 v", None)], 10.0)
    await first.close()

    again = await _open(brokers, "again")

    assert await again.tables.change([Change("log", "p/b", None, b"w", log=3)], 10.0) == [
        Changed(True, b"2 w")
    ]
