"""Consuming: prefetch, ack, nack, places kept, stale tags dropped."""

from __future__ import annotations

import asyncio

import pytest

from roger_actors.broker import Message, QueueCounts, QueueSpec
from roger_actors.errors import Unroutable


async def _filled(brokers, *bodies, name="test"):
    broker = await brokers.open(name, queues=("jobs",))
    await broker.publish_many([Message("jobs", body) for body in bodies], 5.0)
    return broker


async def _counts(broker, queue, messages, consumers):
    """Wait until a queue is so full; acks are told to the broker without an answer."""
    async with asyncio.timeout(5.0):
        while await broker.counts(queue) != QueueCounts(messages, consumers):  # noqa: ASYNC110 - the broker tells nobody
            await asyncio.sleep(0.01)


async def test_an_acked_delivery_does_not_come_again(brokers, inbox):
    broker = await _filled(brokers, b"one")

    box = await inbox().consume(broker, "jobs")
    await box.ack(1)
    await box.consumer.close()

    await _counts(broker, "jobs", 0, 0)


async def test_what_was_not_acked_comes_again_redelivered_and_in_its_place(brokers, inbox):
    broker = await _filled(brokers, b"1", b"2", b"3", b"4")

    first = await inbox().consume(broker, "jobs", prefetch=3)
    await first.wait(3)
    assert first.consumer.ack(first.deliveries[1])
    await first.wait(4)
    await first.consumer.close()
    # RabbitMQ gives back a moment after the channel is closed; who comes in between gets what is younger.
    await _counts(broker, "jobs", 3, 0)
    again = await inbox().consume(broker, "jobs")
    await again.wait(3)

    assert again.bodies == [b"1", b"3", b"4"]
    assert [delivery.redelivered for delivery in again.deliveries] == [True, True, True]


async def test_no_more_than_the_prefetch_is_outstanding(brokers, inbox):
    broker = await _filled(brokers, *[b"x"] * 10)

    box = await inbox().consume(broker, "jobs", prefetch=3)
    await box.wait(3)
    await _counts(broker, "jobs", 7, 1)
    box.consumer.ack(box.deliveries[0])
    await box.wait(4)

    await _counts(broker, "jobs", 6, 1)
    assert len(box.deliveries) == 4


async def test_a_greater_prefetch_takes_effect(brokers, inbox):
    broker = await _filled(brokers, *[b"x"] * 10)
    box = await inbox().consume(broker, "jobs", prefetch=2)
    await box.wait(2)

    box.consumer.set_prefetch(8)

    await box.wait(8)
    assert all(box.consumer.ack(delivery) for delivery in box.deliveries[:2])


async def test_a_nacked_delivery_goes_back_to_its_place(brokers, inbox):
    broker = await _filled(brokers, b"1", b"2")
    box = await inbox().consume(broker, "jobs", prefetch=1)
    await box.wait(1)

    assert box.consumer.nack(box.deliveries[0])

    await box.wait(2)
    assert box.bodies == [b"1", b"1"]
    assert box.deliveries[1].redelivered


async def test_a_delivery_nacked_without_requeue_is_gone(brokers, inbox):
    broker = await _filled(brokers, b"1")
    box = await inbox().consume(broker, "jobs")
    await box.wait(1)

    assert box.consumer.nack(box.deliveries[0], requeue=False)
    await box.consumer.close()

    await _counts(broker, "jobs", 0, 0)


async def test_a_second_ack_of_a_delivery_does_nothing(brokers, inbox):
    broker = await _filled(brokers, b"1", b"2")
    box = await inbox().consume(broker, "jobs")
    await box.wait(2)

    assert box.consumer.ack(box.deliveries[0])
    assert not box.consumer.ack(box.deliveries[0])
    assert not box.consumer.nack(box.deliveries[0])
    assert box.consumer.ack(box.deliveries[1])


async def test_scattered_acks_are_all_honoured(brokers, inbox):
    broker = await _filled(brokers, *[str(n).encode() for n in range(100)])
    box = await inbox().consume(broker, "jobs", prefetch=100)
    await box.wait(100)

    for delivery in box.deliveries[1::2]:
        assert box.consumer.ack(delivery)
        await asyncio.sleep(0)
    for delivery in box.deliveries[::4]:
        assert box.consumer.ack(delivery)
    await box.consumer.close()

    await _counts(broker, "jobs", 25, 0)
    again = await inbox().consume(broker, "jobs", prefetch=100)
    await again.wait(25)
    assert again.bodies == [str(n).encode() for n in range(2, 100, 4)]


async def test_a_closed_consumer_ignores_acks(brokers, inbox):
    broker = await _filled(brokers, b"1")
    box = await inbox().consume(broker, "jobs")
    await box.wait(1)

    await box.consumer.close()

    assert not box.consumer.ack(box.deliveries[0])
    await _counts(broker, "jobs", 1, 0)


async def test_acks_said_just_before_close_are_honoured(brokers, inbox):
    broker = await _filled(brokers, b"1", b"2")
    box = await inbox().consume(broker, "jobs")
    await box.wait(2)

    box.consumer.ack(box.deliveries[0])
    await broker.close()

    other = await brokers.open("other")
    assert await (await inbox().consume(other, "jobs")).ack(1) == [b"2"]


async def test_a_paused_consumer_gets_nothing_and_keeps_what_it_has(brokers, inbox):
    broker = await _filled(brokers, b"1", b"2", b"3")
    box = await inbox().consume(broker, "jobs", prefetch=1)
    await box.wait(1)

    await box.consumer.pause()
    await box.consumer.pause()
    assert not box.consumer.is_consuming
    assert box.consumer.ack(box.deliveries[0])
    await _counts(broker, "jobs", 2, 0)
    assert len(box.deliveries) == 1
    await box.consumer.resume()

    await box.wait(2)
    assert box.bodies == [b"1", b"2"]
    assert box.consumer.is_consuming


async def test_consuming_from_a_queue_that_is_not_there_is_refused(brokers, inbox):
    broker = await brokers.open()

    with pytest.raises(Unroutable):
        await inbox().consume(broker, "nowhere")


async def test_two_consumers_share_a_queue(brokers, inbox):
    broker = await brokers.open(queues=("jobs",))
    left = await inbox().consume(broker, "jobs", prefetch=5)
    right = await inbox().consume(await brokers.open("other"), "jobs", prefetch=5)

    await broker.publish_many([Message("jobs", str(n).encode()) for n in range(10)], 5.0)

    await left.wait(5)
    await right.wait(5)
    assert sorted(left.bodies + right.bodies) == [str(n).encode() for n in range(10)]


async def test_a_single_active_queue_serves_one_consumer_and_then_the_next(brokers, inbox):
    broker = await brokers.open()
    await broker.declare([QueueSpec("lane", single_active=True)])
    first = await inbox().consume(broker, "lane")
    second = await inbox().consume(await brokers.open("other"), "lane")
    await broker.publish_many([Message("lane", b"1"), Message("lane", b"2")], 5.0)
    await first.wait(2)
    first.consumer.ack(first.deliveries[0])

    await first.consumer.close()

    await second.wait(1)
    assert second.bodies == [b"2"]
    assert second.deliveries[0].redelivered


async def test_a_deleted_queue_resets_its_consumer_and_is_declared_and_consumed_again(brokers, inbox):
    broker = await _filled(brokers, b"old")
    await broker.declare([QueueSpec("bystander")])
    bystander = await inbox().consume(broker, "bystander")
    box = await inbox().consume(broker, "jobs")
    await box.wait(1)

    other = await brokers.open("other")
    await other.delete("jobs")
    await box.wait_reset()
    async with asyncio.timeout(10.0):
        again = [Message("jobs", b"new")]
        while isinstance((await other.publish_many(again, 5.0))[0], Unroutable):  # noqa: ASYNC110 - the broker tells nobody
            await asyncio.sleep(0.05)

    assert not box.consumer.ack(box.deliveries[0])
    await box.wait(2)
    assert box.bodies == [b"old", b"new"]
    assert box.consumer.ack(box.deliveries[1])
    assert bystander.resets == []


async def test_a_delivery_comes_only_when_the_caller_has_its_consumer(brokers):
    broker = await _filled(brokers, *[b"x"] * 50)
    acked = asyncio.Event()
    seen = []

    def on_delivery(delivery):
        seen.append(consumer.ack(delivery))
        if len(seen) == 50:
            acked.set()

    consumer = await broker.consume(
        "jobs", prefetch=100, on_delivery=on_delivery, on_reset=lambda reason: None
    )

    await asyncio.wait_for(acked.wait(), 5.0)
    assert all(seen)


async def test_deliveries_of_a_closed_broker_return_to_others(brokers, inbox):
    broker = await _filled(brokers, b"1")
    await (await inbox().consume(broker, "jobs")).wait(1)

    await broker.close()

    other = await brokers.open("other")
    box = await inbox().consume(other, "jobs")
    assert (await box.wait(1))[0].redelivered
