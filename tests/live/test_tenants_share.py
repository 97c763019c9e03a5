"""A tenant's flood keeps no other tenant waiting, with two worker hosts in all."""

from __future__ import annotations

import secrets
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import roger_test_naps as jobs

from roger_actors import Node

pytestmark = pytest.mark.timeout(90)

NAP = 0.0005
SINGLES = 25


@pytest.fixture
def nodes(session_events: Any, tmp_path: Path) -> Iterator[list[Node]]:
    """Two nodes with two worker hosts and two tenants each."""
    session_events.forget()
    started = []
    for number in range(2):
        node = {
            "name": f"share-{secrets.token_hex(4)}",
            "broker": f"embedded:{tmp_path}/{number}.db",
            "jobs": ["roger_test_naps"],
            "max_worker_hosts": 2,
        }
        partitions = {name: {"queues": {"default": 2}} for name in ("flood", "quiet")}
        started.append(Node.start({"node": node, "logging": {"level": "ERROR"}, "partitions": partitions}))
    yield started
    for each in started:
        each.stop()


def seconds_until_begun(node: Node, events: Any) -> float:
    job = jobs.Single.create(None)
    asked = time.monotonic()
    node.enqueue(job, "quiet")
    events.next("began", id=job.id)
    return time.monotonic() - asked


def test_single_jobs_start_as_promptly_beside_a_flood_as_on_an_idle_node(
    nodes: list[Node], session_events: Any
) -> None:
    flooded, idle = nodes
    flooded.enqueue_many([jobs.Naps.create({"seconds": NAP}) for _ in range(20_000)], "flood")
    both = [[seconds_until_begun(node, session_events) for node in (flooded, idle)] for _ in range(SINGLES)]

    left = flooded.node_info()["partitions"]["flood"]["queues"]["default"]["message_count"]
    beside, alone = (statistics.median(found) for found in zip(*both, strict=True))

    assert left > 0  # it has not waited for the end of the flood
    assert beside <= 20 * alone
