"""What Roger's own tests assert of the cluster and of configured partitions, on both brokers."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import roger_test_jobs as jobs

from roger_actors import Node
from roger_actors.errors import PartitionNotStarted

pytestmark = pytest.mark.timeout(90)

Until = Callable[..., Any]

QUEUES = {"default": 3, "mail": 2, "idle": 0}


def tables(broker: str, **queues: int) -> dict[str, Any]:
    return {
        "node": {
            "name": f"test-{secrets.token_hex(4)}",
            "broker": broker,
            "jobs": ["roger_test_jobs"],
            "enqueue_timeout": 10.0,
        },
        "logging": {"level": "ERROR"},
        "partitions": {"acme": {"queues": queues}},
    }


@pytest.fixture(scope="module")
def pair(
    broker_url: str, nothing_survives_the_module: None, session_events: Any, wait_until: Until
) -> Iterator[tuple[Node, Node]]:
    """Two nodes with one partition, whose queues are not all on both."""
    with Node.start(tables(broker_url, **QUEUES)) as one, Node.start(tables(broker_url, default=1)) as two:
        wait_until(lambda: all(len(node.ask_nodes("ping").values) == 2 for node in (one, two)), 1.0)
        yield one, two


@pytest.mark.roger_line(20)
def test_configured_partitions_start_with_the_node_with_all_their_queues(pair: tuple[Node, Node]) -> None:
    started = [node.node_info.running_partitions()["acme"] for node in pair]

    workers = [{name: queue["max_workers"] for name, queue in queues.items()} for queues in started]
    assert workers == [QUEUES, {"default": 1}]


@pytest.mark.roger_line(21)
def test_every_node_answers_a_ping_with_pong(pair: tuple[Node, Node]) -> None:
    for node in pair:
        answers = node.system.ping()

        assert answers.values == {each.config.name: "pong" for each in pair}
        assert (answers.errors, answers.missing) == ({}, ())


@pytest.mark.roger_line(21)
def test_a_cast_is_taken_by_every_node_and_waited_for_by_nobody(
    pair: tuple[Node, Node], wait_until: Until
) -> None:
    one, two = pair

    assert one.system.cast("start_partition", partition="told", queues={"default": 1}) is None

    for node in pair:
        wait_until(lambda node=node: "told" in node.node_info.running_partition_ids())
    two.partition.delete("told")


def test_a_partition_is_reconfigured_only_where_it_is(pair: tuple[Node, Node], wait_until: Until) -> None:
    one, two = pair
    with pytest.raises(PartitionNotStarted):
        two.partition.reconfigure("some", {"default": 2})
    one.partition.start("some", {"default": 1}, node=one.config.name)
    wait_until(lambda: "some" in one.node_info.running_partition_ids())

    two.partition.reconfigure("some", {"default": 2})

    assert one.node_info.running_partitions()["some"]["default"]["max_workers"] == 2
    assert "some" not in {**two.node_info.partitions()["running"], **two.node_info.waiting_partitions()}
    with pytest.raises(PartitionNotStarted):
        one.partition.reconfigure("some", {"default": 3}, node=two.config.name)
    one.partition.delete("some")


@pytest.mark.roger_line(14)
def test_a_pause_holds_on_every_node_of_the_cluster(pair: tuple[Node, Node], events: Any) -> None:
    one, two = pair
    one.pause("default", "acme")
    for node in pair:
        assert node.node_info.running_partitions()["acme"]["default"]["paused"]
    job = two.enqueue(jobs.Tell.create({}), "acme")
    events.none("ran", within=0.3, id=job.id)

    two.resume("default", "acme")

    for node in pair:
        assert not node.node_info.running_partitions()["acme"]["default"]["paused"]
    events.next("ran", id=job.id)
