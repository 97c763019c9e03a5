"""More consumers than one connection may have channels, and a broker that allows too few of either."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from roger_actors.broker import Broker, Message, QueueSpec, open_broker
from roger_actors.errors import ChannelLimit, ConnectionFailed
from roger_actors.testing.rabbitmq import BrokerNotInstalled, RabbitNode

pytestmark = [pytest.mark.live, pytest.mark.rabbitmq, pytest.mark.timeout(120)]

RESERVED = 40
"""Channels of each connection that no consumer gets."""


@pytest.fixture(scope="module")
def node() -> Iterator[RabbitNode]:
    """A RabbitMQ whose limits may be changed."""
    node = RabbitNode(Path(tempfile.mkdtemp(prefix="roger-narrow-", dir="/tmp")))
    try:
        node.start()
    except BrokerNotInstalled as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))
    yield node
    node.destroy()


@pytest.fixture
def url(node: RabbitNode) -> Iterator[str]:
    with node.vhost() as url:
        yield url


@contextmanager
def channels_allowed(node: RabbitNode, count: int) -> Iterator[None]:
    """Let the broker allow so many channels on each connection opened from now on."""
    before = node.eval("application:get_env(rabbit, channel_max)").removeprefix("{ok,").removesuffix("}")
    node.eval(f"application:set_env(rabbit, channel_max, {count})")
    try:
        yield
    finally:
        node.eval(f"application:set_env(rabbit, channel_max, {before})")


def connections(node: RabbitNode) -> int:
    return int(node.eval("length(rabbit_networking:connections())"))


async def consume_all(broker: Broker, count: int, arrived: Callable[[str], None]) -> list:
    """Consume `count` times from ten queues, all at once."""
    queues = [f"q{number}" for number in range(10)]
    await broker.declare([QueueSpec(queue, "classic") for queue in queues])
    return await asyncio.gather(
        *(
            broker.consume(
                queues[number % 10],
                prefetch=1,
                on_delivery=lambda delivery: arrived(delivery.queue),
                on_reset=lambda reason: None,
            )
            for number in range(count)
        )
    )


@pytest.mark.roger_fault("many partitions")
@pytest.mark.parametrize(("allowed", "consumers"), [(2047, 2100), (100, 250)])
def test_consumers_share_as_few_connections_as_the_broker_s_channels_allow(
    node: RabbitNode, url: str, allowed: int, consumers: int
) -> None:
    async def scenario() -> None:
        broker = open_broker(url, name="many")
        await broker.connect(10.0)
        seen: set[str] = set()
        all_seen = asyncio.Event()

        def arrived(queue: str) -> None:
            seen.add(queue)
            if len(seen) == 10:
                all_seen.set()

        standing = await consume_all(broker, consumers, arrived)
        room = min(1000, allowed - RESERVED)
        assert await asyncio.to_thread(connections, node) == -(-consumers // room) + 1
        assert all(consumer.is_consuming for consumer in standing)
        assert sum([(await broker.counts(f"q{n}")).consumers for n in range(10)]) == consumers
        await broker.publish_many([Message(f"q{n}", b"x") for n in range(10)], 10.0)
        async with asyncio.timeout(10.0):
            await all_seen.wait()
        await broker.close()

    with channels_allowed(node, allowed):
        asyncio.run(scenario())


def test_room_that_closed_consumers_leave_is_taken_again_before_another_connection_is_opened(
    node: RabbitNode, url: str
) -> None:
    async def scenario() -> None:
        broker = open_broker(url, name="again")
        await broker.connect(10.0)
        first = await consume_all(broker, 100, lambda queue: None)
        before = await asyncio.to_thread(connections, node)
        for _ in range(3):
            await asyncio.gather(*(consumer.close() for consumer in first))
            first = await consume_all(broker, 100, lambda queue: None)
        assert await asyncio.to_thread(connections, node) == before == 3
        await broker.close()

    with channels_allowed(node, 100):
        asyncio.run(scenario())


@pytest.mark.roger_fault("many partitions")
def test_a_broker_that_allows_too_few_channels_is_refused_by_name(node: RabbitNode, url: str) -> None:
    async def scenario() -> None:
        await open_broker(url, name="narrow").connect(10.0)

    with channels_allowed(node, 20), pytest.raises(ChannelLimit, match="allows 20 channels per connection"):
        asyncio.run(scenario())


@pytest.mark.roger_fault("channel opens too slowly")
def test_a_consumer_whose_connection_is_refused_says_so_and_can_be_tried_again(
    node: RabbitNode, url: str
) -> None:
    vhost = url.rpartition("/")[2]

    def limit(count: int) -> None:
        node.eval(f'rabbit_vhost_limit:set(<<"{vhost}">>, [{{<<"max-connections">>, {count}}}], none)')

    async def scenario() -> None:
        broker = open_broker(url, name="refused")
        await broker.connect(10.0)
        await asyncio.to_thread(limit, 2)
        standing = await consume_all(broker, 60, lambda queue: None)
        tries = [broker.consume("q0", prefetch=1, on_delivery=print, on_reset=print) for _ in range(3)]
        for error in await asyncio.gather(*tries, return_exceptions=True):
            assert isinstance(error, ConnectionFailed)
            assert "connection limit (2) is reached" in str(error)
        await asyncio.to_thread(limit, -1)
        more = await broker.consume("q0", prefetch=1, on_delivery=print, on_reset=print)
        assert more.is_consuming
        assert all(consumer.is_consuming for consumer in standing)
        await broker.close()

    with channels_allowed(node, 100):
        asyncio.run(scenario())
