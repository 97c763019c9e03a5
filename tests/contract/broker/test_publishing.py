"""Publishing: stored when confirmed, in order, unroutable said so."""

from __future__ import annotations

import asyncio

import pytest

from roger_actors.broker import Message, QueueCounts, QueueSpec
from roger_actors.errors import BrokerError, Unroutable


async def test_a_confirmed_message_is_in_its_queue(brokers):
    broker = await brokers.open(queues=("jobs",))

    await broker.publish(Message("jobs", b"one"), 5.0)

    assert await broker.counts("jobs") == QueueCounts(messages=1, consumers=0)


async def test_what_travels_beside_the_body_arrives_as_published(brokers, inbox):
    broker = await brokers.open(queues=("jobs",))
    sent = Message(
        "jobs",
        b"\x00body",
        message_id="id-1",
        partition="acme",
        headers={"cause": "übel", "attempts": 3},
        reply_to="answers",
        correlation_id="c-7",
    )

    await broker.publish(sent, 5.0)
    got = (await (await inbox().consume(broker, "jobs")).wait(1))[0]

    assert (got.body, got.message_id, got.partition, got.headers) == (
        sent.body,
        sent.message_id,
        sent.partition,
        sent.headers,
    )
    assert (got.reply_to, got.correlation_id, got.queue, got.redelivered) == ("answers", "c-7", "jobs", False)


@pytest.mark.parametrize("size", [0, 1, 131_063, 131_064, 131_065, 3_000_000])
async def test_bodies_of_any_size_arrive_whole(brokers, inbox, size):
    broker = await brokers.open(queues=("jobs",))
    body = bytes(range(256)) * (size // 256) + b"z" * (size % 256)

    await broker.publish(Message("jobs", body), 10.0)

    assert (await (await inbox().consume(broker, "jobs")).wait(1))[0].body == body


async def test_messages_arrive_in_the_order_in_which_they_were_published(brokers, inbox):
    broker = await brokers.open(queues=("jobs",))
    bodies = [str(number).encode() for number in range(500)]

    singles = [broker.publish(Message("jobs", body), 10.0) for body in bodies[:250]]
    await broker.publish_many([Message("jobs", body) for body in bodies[250:]], 10.0)
    await asyncio.gather(*singles)

    box = await inbox().consume(broker, "jobs", prefetch=1000)
    await box.wait(500)
    assert box.bodies == bodies


async def test_publishing_to_a_queue_that_is_not_there_is_unroutable(brokers):
    broker = await brokers.open()

    with pytest.raises(Unroutable, match="'nowhere' does not exist"):
        await broker.publish(Message("nowhere", b""), 5.0)


async def test_publish_many_answers_for_each_message_in_order(brokers):
    broker = await brokers.open(queues=("jobs",))
    queues = ["jobs", "nowhere", "jobs", "nowhere", "nowhere", "jobs"]

    results = await broker.publish_many([Message(queue, b"same") for queue in queues], 5.0)

    assert [type(result) for result in results] == [
        type(None) if queue == "jobs" else Unroutable for queue in queues
    ]
    assert (await broker.counts("jobs")).messages == 3


async def test_publishing_nothing_answers_nothing(brokers):
    broker = await brokers.open()

    assert await broker.publish_many([], 5.0) == []


async def test_many_more_messages_than_fit_the_window_are_all_confirmed(brokers):
    broker = await brokers.open(queues=("jobs",))

    results = await broker.publish_many([Message("jobs", b"x") for _ in range(6000)], 20.0)

    assert set(results) == {None}
    assert (await broker.counts("jobs")).messages == 6000


async def test_two_systems_with_different_prefixes_do_not_meet(brokers):
    ours = await brokers.open(prefix="ours.", queues=("jobs",))
    theirs = await brokers.open(prefix="theirs.", queues=("jobs",))

    await ours.publish(Message("jobs", b"mine"), 5.0)

    assert (await theirs.counts("jobs")).messages == 0
    assert (await ours.counts("jobs")).messages == 1


async def test_a_prefix_does_not_show_in_deliveries_or_errors(brokers, inbox):
    broker = await brokers.open(prefix="shop.", queues=("jobs",))
    await broker.publish(Message("jobs", b""), 5.0)

    assert (await (await inbox().consume(broker, "jobs")).wait(1))[0].queue == "jobs"
    with pytest.raises(Unroutable, match="'nowhere'"):
        await broker.publish(Message("nowhere", b""), 5.0)


async def test_after_close_publishing_fails_at_once(brokers):
    broker = await brokers.open(queues=("jobs",))
    await broker.close()

    with pytest.raises(BrokerError):
        await asyncio.wait_for(broker.publish(Message("jobs", b""), 20.0), 5.0)


async def test_queues_of_either_kind_carry_messages(brokers, inbox):
    broker = await brokers.open()
    await broker.declare([QueueSpec("classic", kind="classic"), QueueSpec("quorum")])

    for queue in ("classic", "quorum"):
        await broker.publish(Message(queue, b"x"), 5.0)
        assert await (await inbox().consume(broker, queue)).ack(1) == [b"x"]
