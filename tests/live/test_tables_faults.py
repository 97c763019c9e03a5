"""The owner of the tables and a broker that closes the channel of a consumer that does not acknowledge."""

from __future__ import annotations

import asyncio
import logging

import pytest

from roger_actors.broker import Change, Changed, open_broker
from roger_actors.testing.rabbitmq import RabbitNode

pytestmark = [pytest.mark.live, pytest.mark.rabbitmq]

TIMEOUT = 4.0


class Elections(logging.Handler):
    """Counts how often the owner was elected."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0
        self.again = asyncio.Event()

    def emit(self, record: logging.LogRecord) -> None:
        if "owns the tables" in record.getMessage():
            self.count += 1
            if self.count > 1:
                self.again.set()


def test_after_the_first_consumer_timeout_the_owner_renews_what_it_holds_in_time(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    node = RabbitNode(tmp_path_factory.mktemp("rabbitmq"))
    try:
        node.start()
        node.eval(f"application:set_env(rabbit, consumer_timeout, {int(TIMEOUT * 1000)})")
        node.eval("application:set_env(rabbit, channel_tick_interval, 300)")
        asyncio.run(_own_the_tables(node.url()))
    finally:
        node.destroy()


async def _own_the_tables(url: str) -> None:
    elections = Elections()
    log = logging.getLogger("roger_actors.broker.amqp.owner")
    log.addHandler(elections)
    log.setLevel(logging.INFO)
    broker = open_broker(url, name="owner")
    await broker.connect(10.0)
    try:
        await broker.serve_tables()
        assert await broker.tables.change([Change("keys", "p/a", None, b"1")], 10.0) == [Changed(True, b"1")]
        async with asyncio.timeout(6 * TIMEOUT):
            await elections.again.wait()

        await asyncio.sleep(4 * TIMEOUT)  # in which nothing may happen

        assert elections.count == 2
        assert await broker.tables.get("keys", "p/a", 10.0) == b"1"
    finally:
        log.removeHandler(elections)
        await broker.close()
