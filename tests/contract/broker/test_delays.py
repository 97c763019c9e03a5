"""Delays: not before their time, none held back by another, nothing lost without a queue."""

from __future__ import annotations

import asyncio
import time

import pytest

from roger_actors.broker import QUARANTINE, Message


async def test_a_delayed_message_does_not_come_before_its_time_nor_much_after(brokers, inbox):
    broker = await brokers.open(queues=("jobs",))
    box = await inbox().consume(broker, "jobs")
    await broker.publish(Message("jobs", b"warm", delay=0.01), 10.0)
    await box.ack(1)

    start = time.monotonic()
    await broker.publish(Message("jobs", b"late", delay=0.5), 5.0)
    assert await broker.counts("jobs") is not None
    await box.wait(1)
    waited = time.monotonic() - start

    assert 0.5 <= waited < 1.5


async def test_a_long_delay_holds_back_no_short_one(brokers, inbox):
    broker = await brokers.open(queues=("jobs",))
    box = await inbox().consume(broker, "jobs")
    delays = [366 * 86400.0, 86400.0 * 100, 3600.0, 1.5, 1.0, 0.5, 0.25]

    results = await broker.publish_many(
        [Message("jobs", str(delay).encode(), delay=delay) for delay in delays], 10.0
    )

    assert set(results) == {None}
    assert await box.ack(4) == [b"0.25", b"0.5", b"1.0", b"1.5"]


async def test_a_delayed_message_keeps_what_travels_with_it_and_nothing_else(brokers, inbox):
    broker = await brokers.open(queues=("jobs",))
    sent = Message("jobs", b"x", message_id="m", partition="acme", headers={"attempts": 2}, delay=0.3)
    await broker.publish(sent, 5.0)

    got = (await (await inbox().consume(broker, "jobs")).wait(1))[0]

    assert (got.message_id, got.partition, got.headers, got.queue) == ("m", "acme", {"attempts": 2}, "jobs")
    assert not got.redelivered


async def test_a_message_can_be_delayed_again_and_again(brokers, inbox):
    broker = await brokers.open(queues=("jobs",))
    box = await inbox().consume(broker, "jobs")
    message = Message("jobs", b"x", delay=0.3, headers={"attempts": 0})

    for attempt in range(4):
        await broker.publish(message._replace(headers={"attempts": attempt}), 5.0)
        delivery = (await box.wait(attempt + 1))[attempt]
        assert delivery.headers == {"attempts": attempt}
        box.consumer.ack(delivery)


async def test_more_unroutable_messages_than_would_stop_a_level_go_to_quarantine(brokers, inbox):
    broker = await brokers.open(queues=("jobs", "gone"))
    await broker.publish_many([Message("gone", b"x", message_id=str(n), delay=0.4) for n in range(40)], 5.0)
    await broker.delete("gone")

    await broker.publish(Message("jobs", b"neighbour", delay=0.5), 5.0)

    assert await (await inbox().consume(broker, "jobs")).ack(1) == [b"neighbour"]
    async with asyncio.timeout(10.0):
        while (counts := await broker.counts(QUARANTINE)) is None or counts.messages < 40:  # noqa: ASYNC110
            await asyncio.sleep(0.05)  # the broker tells nobody


@pytest.mark.parametrize("delay", [366 * 86400.0 + 1])
async def test_a_delay_over_the_limit_is_refused(brokers, delay):
    broker = await brokers.open(queues=("jobs",))

    with pytest.raises(ValueError, match="not between"):
        broker.publish(Message("jobs", b"", delay=delay), 5.0)
    with pytest.raises(ValueError, match="not between"):
        await broker.publish_many([Message("jobs", b"", delay=delay)], 5.0)
