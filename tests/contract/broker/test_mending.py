"""A queue that was declared otherwise than wanted is told apart and mended around its messages."""

from __future__ import annotations

import pytest

from roger_actors.broker import Message, QueueSpec
from roger_actors.errors import QueueInUse

KINDS = [
    (QueueSpec("jobs", "classic"), QueueSpec("jobs")),
    (QueueSpec("jobs"), QueueSpec("jobs", "classic")),
    (QueueSpec("jobs", "classic"), QueueSpec("jobs", "classic", single_active=True)),
    (QueueSpec("jobs", single_active=True), QueueSpec("jobs")),
]


async def test_a_queue_that_is_as_wanted_or_is_not_there_has_no_difference(brokers):
    broker = await brokers.open()
    await broker.declare([QueueSpec("jobs")])

    assert await broker.compare(QueueSpec("jobs")) is None
    assert await broker.compare(QueueSpec("other")) is None
    assert await broker.counts("other") is None
    assert await broker.mend(QueueSpec("jobs"), 10.0, is_quiet=True) == 0


@pytest.mark.parametrize(("before", "wanted"), KINDS)
async def test_a_mended_queue_is_as_wanted_and_has_its_messages_in_their_order(
    brokers, inbox, before, wanted
):
    broker, other = await brokers.open(), await brokers.open()
    await other.declare([before])
    messages = [
        Message(
            "jobs",
            b"%d" % number,
            f"id-{number}",
            "acme",
            {"n": number, "s": "x"},
            0.0,
            "reply",
            "correlation",
        )
        for number in range(250)
    ]
    assert await other.publish_many(messages, 20.0) == [None] * 250

    difference = await broker.compare(wanted)
    assert difference is not None
    assert difference.queue == "jobs"
    assert difference.wanted != difference.found

    assert await broker.mend(wanted, 20.0, is_quiet=True) == 250

    assert await broker.compare(wanted) is None
    assert await broker.counts("jobs.mend") is None
    box = await inbox().consume(broker, "jobs", prefetch=300)
    deliveries = await box.wait(250)
    assert [(each.body, each.message_id, each.partition, each.headers) for each in deliveries] == [
        (each.body, each.message_id, each.partition, each.headers) for each in messages
    ]
    assert {(each.reply_to, each.correlation_id) for each in deliveries} == {("reply", "correlation")}


async def test_a_queue_that_is_consumed_is_not_mended(brokers, inbox):
    broker, other = await brokers.open(), await brokers.open()
    await other.declare([QueueSpec("jobs", "classic")])
    await inbox().consume(other, "jobs", prefetch=1)

    with pytest.raises(QueueInUse, match="queue 'jobs' cannot be mended: 1 consumers are on it"):
        await broker.mend(QueueSpec("jobs"), 10.0, is_quiet=True)

    assert (await broker.compare(QueueSpec("jobs"))) is not None


async def test_messages_without_an_id_are_all_kept_though_they_are_alike(brokers, inbox):
    broker = await brokers.open()
    await broker.declare([QueueSpec("jobs", "classic")])
    await broker.publish_many([Message("jobs", b"same")] * 5, 10.0)

    assert await broker.mend(QueueSpec("jobs"), 10.0, is_quiet=True) == 5
    box = await inbox().consume(broker, "jobs", prefetch=10)
    assert len(await box.wait(5)) == 5
