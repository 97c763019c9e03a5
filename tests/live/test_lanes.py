"""A partition's lane is made for its first job with an execution key, and no node leaves it unconsumed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import roger_test_jobs as jobs

from roger_actors import AsyncClient, JobRecord, Node
from roger_actors.broker import Broker, QueueCounts, QueueSpec, open_broker
from roger_actors.roger import queue
from roger_actors.roger.config import Config

pytestmark = [pytest.mark.live, pytest.mark.timeout(90)]

Until = Callable[..., Any]


async def on_broker(config: Config, act: Callable[[Broker], Any]) -> Any:
    broker = open_broker(config.broker, prefix=config.prefix, name="test", heartbeat=config.heartbeat)
    await broker.connect(10.0)
    try:
        return await act(broker)
    finally:
        await broker.close()


def lane(node: Node, partition: str) -> QueueCounts | None:
    found: QueueCounts | None = asyncio.run(
        on_broker(node.config, lambda broker: broker.counts(queue.lane_name(partition)))
    )
    return found


def serial(n: int) -> JobRecord:
    return jobs.Serial.create({"key": "k", "n": n})


def test_only_the_first_job_with_an_execution_key_makes_the_lane_which_goes_with_its_partition(
    node: Node, tenant: Any, events: Any
) -> None:
    node.enqueue(jobs.Tell.create("plain"), tenant.name)
    events.next("ran", args="plain")
    assert lane(node, tenant.name) is None

    node.enqueue(serial(1), tenant.name)
    events.next("stop", n=1)
    assert lane(node, tenant.name) == QueueCounts(messages=0, consumers=1)

    tenant.delete()
    tenant.start(default=1)
    assert lane(node, tenant.name) is None
    node.enqueue(serial(2), tenant.name)
    events.next("stop", n=2)


def test_a_lane_whose_opening_no_node_heard_of_is_consumed_all_the_same(
    node: Node, tenant: Any, events: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unheard(topic: str, body: bytes) -> None:
        return

    async def act(broker: Broker) -> None:
        monkeypatch.setattr(broker, "broadcast", unheard)
        client = AsyncClient(broker, max_payload=10_000, enqueue_timeout=10.0)
        await client.enqueue(serial(1), tenant.name)

    asyncio.run(on_broker(node.config, act))
    events.next("stop", n=1)


def test_a_lane_without_its_entry_in_the_tables_is_consumed_from_the_next_job_on(
    node: Node, tenant: Any, events: Any
) -> None:
    async def act(broker: Broker) -> None:
        await broker.declare([QueueSpec(queue.lane_name(tenant.name), single_active=True)])

    asyncio.run(on_broker(node.config, act))
    node.enqueue(serial(1), tenant.name)
    events.next("stop", n=1)


HOT = 700
"""More jobs of one key than a lane's consumer may hold."""


def gated(key: str, n: int, **more: Any) -> JobRecord:
    return jobs.Gated.create({"key": key, "n": n, **more})


def passed(events: Any, count: int) -> list[tuple[str, int]]:
    return [(told["key"], told["n"]) for told in events.take(count, "passed")]


def test_a_busy_key_with_more_jobs_than_a_lane_holds_keeps_its_order_and_stops_no_other_key(
    node: Node, tenant: Any, events: Any, tmp_path: Path, wait_until: Until
) -> None:
    gate = tmp_path / "gate"
    node.enqueue(gated("hot", 0, gate=str(gate)), tenant.name)
    events.next("begun")
    node.enqueue_many([gated("hot", n) for n in range(1, HOT)], tenant.name)

    cold = [(f"cold-{n % 20}", n) for n in range(40)]
    node.enqueue_many([gated(key, n) for key, n in cold], tenant.name)
    assert sorted(passed(events, len(cold))) == sorted(cold)
    assert tenant.info()["keys_aside"] == 1

    gate.touch()
    assert passed(events, HOT) == [("hot", n) for n in range(HOT)]
    wait_until(lambda: tenant.info()["keys_aside"] == 0)
    node.enqueue(gated("hot", HOT), tenant.name)
    assert passed(events, 1) == [("hot", HOT)]
    assert tenant.info()["waiting_on_keys"] == 0


def test_jobs_in_side_lanes_are_served_in_their_order_by_whoever_comes_next(
    node: Node, tenant: Any, events: Any, tmp_path: Path, wait_until: Until
) -> None:
    gate = tmp_path / "gate"
    node.enqueue(gated("hot", 0, gate=str(gate)), tenant.name)
    events.next("begun")
    node.enqueue_many([gated("hot", n) for n in range(1, HOT)], tenant.name)
    wait_until(lambda: tenant.info()["keys_aside"] == 1)

    tenant.stop()
    gate.touch()
    tenant.start(default=10)

    last = events.next("passed", n=HOT - 1)
    ran = [told["n"] for told in [*events.all("passed"), last]]
    assert ran.count(0) in (1, 2)  # it may have run on while the partition was stopped
    assert [n for n in ran if n] == list(range(1, HOT))
