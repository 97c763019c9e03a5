"""A job that runs for long is off its delivery: it runs once to its end, and is lost by no death."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
import roger_test_jobs as jobs

from roger_actors import JobRecord, Node
from roger_actors.broker import open_broker
from roger_actors.roger.worker_pool.long_jobs import RECORDS

pytestmark = [pytest.mark.live, pytest.mark.timeout(120)]

Until = Callable[..., Any]


@pytest.fixture
def start() -> Iterator[Callable[[str], Node]]:
    """Start nodes whose jobs count as long after a second."""
    with ExitStack() as stack:

        def start(url: str) -> Node:
            node = {
                "name": f"long-{secrets.token_hex(4)}",
                "broker": url,
                "jobs": ["roger_test_jobs"],
                "long_after": 1.0,
                "shutdown_timeout": 2.0,
            }
            tables = {
                "node": node,
                "logging": {"level": "ERROR"},
                "partitions": {"acme": {"queues": {"default": 1}}},
            }
            return stack.enter_context(Node.start(tables))

        yield start


def gated(gate: Path) -> JobRecord:
    return jobs.GatedPlain.create({"key": "", "n": 0, "gate": str(gate)})


def written_down(node: Node) -> list[str]:
    async def look() -> list[str]:
        config = node.config
        broker = open_broker(config.broker, prefix=config.prefix, name="test", heartbeat=config.heartbeat)
        await broker.connect(10.0)
        try:
            return list(await broker.tables.scan(RECORDS, "", 10.0))
        finally:
            await broker.close()

    return asyncio.run(look())


def kernel_of(node: Node) -> int:
    return next(int(host["os_pid"]) for host in node.hosts().values() if host["role"] == "kernel")


def test_a_long_job_keeps_its_worker_and_not_its_delivery_and_leaves_no_record(
    broker_url: str, start: Callable[[str], Node], events: Any, tmp_path: Path, wait_until: Until
) -> None:
    gate = tmp_path / "gate"
    node = start(broker_url)
    job = node.enqueue(gated(gate), "acme")
    events.next("begun", id=job.id)
    wait_until(lambda: written_down(node) == [f"acme/{job.id}"])

    node.enqueue(jobs.Tell.create("next"), "acme")
    events.none("ran", 0.5, args="next")
    assert node.node_info()["partitions"]["acme"]["queues"]["default"]["message_count"] == 1
    assert node.health()["ready"]

    gate.touch()
    events.next("passed")
    events.next("ran", args="next")
    wait_until(lambda: written_down(node) == [])
    assert not events.all("begun")


def test_a_long_job_of_a_killed_kernel_host_runs_again(
    broker_url: str, start: Callable[[str], Node], events: Any, tmp_path: Path, wait_until: Until
) -> None:
    gate = tmp_path / "gate"
    node = start(broker_url)
    job = node.enqueue(gated(gate), "acme")
    events.next("begun", id=job.id)
    wait_until(lambda: written_down(node))

    os.kill(kernel_of(node), signal.SIGKILL)

    events.next("begun", id=job.id)
    gate.touch()
    events.next("passed")
    wait_until(lambda: written_down(node) == [])
    assert not events.all("passed")


@pytest.mark.rabbitmq
def test_a_long_job_of_a_node_that_stops_is_in_its_queue_again(
    amqp_url: str, start: Callable[[str], Node], events: Any, tmp_path: Path, wait_until: Until
) -> None:
    gate = tmp_path / "gate"
    first = start(amqp_url)
    job = first.enqueue(gated(gate), "acme")
    events.next("begun", id=job.id)
    wait_until(lambda: written_down(first))
    first.stop()

    second = start(amqp_url)
    events.next("begun", limit=5.0, id=job.id)
    gate.touch()
    events.next("passed")
    wait_until(lambda: written_down(second) == [])


@pytest.mark.rabbitmq
@pytest.mark.fault
def test_a_long_job_of_a_frozen_node_runs_elsewhere_within_seconds(
    amqp_url: str, start: Callable[[str], Node], events: Any, tmp_path: Path, wait_until: Until
) -> None:
    gate = tmp_path / "gate"
    frozen = start(f"{amqp_url}?heartbeat=2")
    job = frozen.enqueue(gated(gate), "acme")
    events.next("begun", id=job.id)
    wait_until(lambda: written_down(frozen))
    other = start(f"{amqp_url}?heartbeat=2")
    kernel = kernel_of(frozen)

    os.kill(kernel, signal.SIGSTOP)
    try:
        events.next("begun", limit=25.0, id=job.id)
    finally:
        with suppress(ProcessLookupError):  # its root host kills it when it has been silent for long
            os.kill(kernel, signal.SIGKILL)
    wait_until(lambda: frozen.is_alive and frozen.health()["ready"])
    gate.touch()
    events.next("passed")
    wait_until(lambda: written_down(other) == [])
