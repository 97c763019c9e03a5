"""Queues: declared, counted, looked into, emptied, deleted."""

from __future__ import annotations

import pytest

from roger_actors.broker import Message, QueueCounts, QueueSpec
from roger_actors.errors import TopologyMismatch


async def test_declaring_a_queue_twice_with_equal_settings_does_nothing(brokers):
    broker = await brokers.open(queues=("jobs",))
    await broker.publish(Message("jobs", b"x"), 5.0)

    await broker.declare([QueueSpec("jobs")])

    assert (await broker.counts("jobs")).messages == 1


@pytest.mark.parametrize("other", [QueueSpec("jobs", kind="classic"), QueueSpec("jobs", single_active=True)])
async def test_declaring_a_queue_with_other_settings_names_it_and_declares_the_rest(brokers, other):
    broker = await brokers.open(queues=("jobs",))

    with pytest.raises(TopologyMismatch, match=r"queue 'jobs' exists with other settings"):
        await broker.declare([QueueSpec("before"), other, QueueSpec("after")])

    assert await broker.counts("before") is not None
    assert await broker.counts("after") is not None


async def test_a_queue_that_is_not_there_has_no_counts(brokers):
    broker = await brokers.open()

    assert await broker.counts("nowhere") is None


async def test_a_purge_removes_what_is_ready_and_says_how_much(brokers):
    broker = await brokers.open(queues=("jobs",))
    await broker.publish_many([Message("jobs", b"x")] * 7, 5.0)

    assert await broker.purge("jobs") == 7
    assert (await broker.counts("jobs")).messages == 0
    assert await broker.purge("nowhere") == 0


async def test_a_deleted_queue_is_gone_and_deleting_it_again_is_silent(brokers):
    broker = await brokers.open(queues=("jobs",))

    await broker.delete("jobs")
    await broker.delete("jobs")

    assert await broker.counts("jobs") is None


@pytest.mark.roger_fault("listing disturbs")
async def test_a_look_into_a_queue_shows_the_oldest_first_and_leaves_them(brokers):
    broker = await brokers.open(queues=("jobs",))
    await broker.publish_many([Message("jobs", str(n).encode(), message_id=f"m{n}") for n in range(5)], 5.0)

    seen = await broker.peek("jobs", 3)
    again = await broker.peek("jobs", 100)

    assert [(d.body, d.message_id) for d in seen] == [(b"0", "m0"), (b"1", "m1"), (b"2", "m2")]
    assert [d.body for d in again] == [b"0", b"1", b"2", b"3", b"4"]
    assert await broker.peek("nowhere", 3) == []


async def test_one_message_is_taken_by_its_id_and_the_others_keep_their_places(brokers):
    broker = await brokers.open(queues=("jobs",))
    await broker.publish_many([Message("jobs", str(n).encode(), message_id=f"m{n}") for n in range(5)], 5.0)

    taken = await broker.take("jobs", "m2")

    assert taken is not None
    assert taken.body == b"2"
    assert [d.body for d in await broker.peek("jobs", 9)] == [b"0", b"1", b"3", b"4"]
    assert await broker.take("jobs", "m2") is None
    assert await broker.take("nowhere", "m2") is None


async def test_an_exclusive_queue_takes_replies_and_vanishes_with_its_owner(brokers, inbox):
    owner = await brokers.open("owner")
    await owner.declare([QueueSpec("answers", exclusive=True)])
    other = await brokers.open("other")
    box = await inbox().consume(owner, "answers")

    await other.publish(Message("answers", b"42"), 5.0)
    assert await box.ack(1) == [b"42"]
    await owner.close()

    assert await other.counts("answers") is None


async def test_many_queues_are_declared_at_once(brokers):
    broker = await brokers.open()

    await broker.declare([QueueSpec(f"q-{number}") for number in range(50)])

    assert await broker.counts("q-49") == QueueCounts(0, 0)
