"""A cancel that was not heard is met all the same."""

from __future__ import annotations

import asyncio
import secrets
import time
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
import roger_test_jobs as jobs

from roger_actors import Config, Node
from roger_actors.broker import open_broker
from roger_actors.roger.global_state import flags

pytestmark = [pytest.mark.live, pytest.mark.fault]


async def write_down_a_cancel(config: Config, job_id: str) -> None:
    """Do the first half of a cancel, as a client does that dies before it has told the nodes."""
    broker = open_broker(config.broker, prefix=config.prefix, name="client", heartbeat=config.heartbeat)
    await broker.connect(10.0)
    try:
        (answer,) = await broker.tables.change([flags.cancelling("acme", job_id, time.time())], 10.0)
    finally:
        await broker.close()
    assert answer.done


def test_a_node_that_may_have_missed_a_cancel_starts_nothing_before_it_has_looked_it_up(
    rabbit: Any, amqp_url: str, events: Any
) -> None:
    node = {
        "name": f"deaf-{secrets.token_hex(4)}",
        "broker": amqp_url,
        "jobs": ["roger_test_jobs"],
        "hooks": "roger_test_jobs:TellingHooks",
    }
    partitions = {"acme": {"queues": {"default": 1}}}
    config = Config.from_mapping({"node": node, "logging": {"level": "ERROR"}, "partitions": partitions})
    vhost = unquote(urlsplit(amqp_url).path[1:])
    with Node.start(config) as running:
        first, second = jobs.Slow.create({"seconds": 1.5}), jobs.Tell.create("never")
        running.enqueue(first, "acme")
        events.next("begun", id=first.id)
        running.enqueue(second, "acme")
        asyncio.run(write_down_a_cancel(config, second.id))

        deleted = rabbit.eval(
            f'length([rabbit_amqqueue:delete(Q, false, false, <<"test">>)'
            f' || Q <- rabbit_amqqueue:list(<<"{vhost}">>),'
            f' binary:match(element(4, amqqueue:get_name(Q)), <<"roger.bus.">>) =/= nomatch])'
        )
        assert deleted == "1"

        events.next("ran", id=first.id)
        events.next("on_cancel", id=second.id)
        events.none("ran", within=0.3, id=second.id)
        assert running.health()["ready"]
