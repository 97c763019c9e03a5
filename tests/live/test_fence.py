"""Two nodes on one RabbitMQ: what one runs of a lane ends before the other begins it again."""

from __future__ import annotations

import os
import secrets
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import roger_test_ticks as ticks

from roger_actors import Node

pytestmark = [pytest.mark.live, pytest.mark.rabbitmq, pytest.mark.fault, pytest.mark.timeout(120)]

FENCE_AFTER = 2.0
SLICE = 0.02
"""Seconds between two ticks of a job, and more than that in doubt when it was killed."""


@pytest.fixture
def nodes(amqp_url: str) -> Iterator[Callable[[], Node]]:
    """Start one more node with the partition `acme`."""
    with ExitStack() as stack:

        def start() -> Node:
            node = {
                "name": f"fence-{secrets.token_hex(4)}",
                "broker": f"{amqp_url}?heartbeat=2",
                "jobs": ["roger_test_ticks"],
                "fence_after": FENCE_AFTER,
                "shutdown_timeout": 10.0,
                "enqueue_timeout": 5.0,  # how long a question to the tables may be lost with a connection
            }
            partitions = {"acme": {"queues": {"default": 4}}}
            tables = {"node": node, "logging": {"level": "ERROR"}, "partitions": partitions}
            return stack.enter_context(Node.start(tables))

        yield start


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with suppress(ProcessLookupError):  # it was killed while it was stopped
            os.kill(pid, signal.SIGCONT)


def os_pid(node: Node, role: str) -> int:
    return next(int(host["os_pid"]) for host in node.hosts().values() if host["role"] == role)


def read(path: Path) -> list[tuple[str, str, int, float]]:
    """Return what the jobs wrote: event, label, process, time; in the order of the file."""
    lines = [line.split() for line in path.read_text().splitlines()] if path.exists() else []
    return [(event, label, int(pid), float(at)) for event, label, pid, at in lines]


def begun(path: Path, label: str) -> list[int]:
    return [pid for event, of, pid, _ in read(path) if (event, of) == ("begin", label)]


def assert_no_overlap(path: Path) -> None:
    """See that no run of the key ticks after another has begun."""
    current = None
    for event, label, pid, at in read(path):
        if event == "begin":
            current = (label, pid)
        assert current == (label, pid), f"{label} of process {pid} goes on at {at} beside {current}"


@pytest.mark.long
@pytest.mark.parametrize("frozen", ["kernel", "worker"])
def test_a_job_whose_node_is_frozen_is_dead_before_another_node_runs_it_again(
    nodes: Callable[[], Node], tmp_path: Path, wait_until: Any, frozen: str
) -> None:
    path = tmp_path / "ticks"
    first = nodes()
    for label in ("one", "two"):
        first.enqueue(
            ticks.Ticks.create(
                {"path": str(path), "label": label, "seconds": 30.0 if label == "one" else 0.1}
            ),
            "acme",
        )
    wait_until(lambda: begun(path, "one"))
    (victim,) = begun(path, "one")
    second = nodes()
    kernel = os_pid(first, "kernel")

    with ExitStack() as stack:
        stack.enter_context(stopped(kernel))
        if frozen == "worker":
            stack.enter_context(stopped(victim))
        wait_until(lambda: len(begun(path, "one")) == 2, 40.0)
        survivors = [line for line in read(path) if line[2] == victim]
        again = next(at for event, _, pid, at in read(path) if event == "begin" and pid != victim)
        assert survivors[-1][3] < again
    assert second.is_alive
    (rerun,) = [pid for pid in begun(path, "one") if pid != victim]
    second_job = second.node_info()["partitions"]["acme"]["running"][0]["id"]
    assert second.cancel(second_job, "acme")
    wait_until(lambda: begun(path, "two"))
    wait_until(lambda: first.is_alive and first.health()["ready"])

    assert begun(path, "one") == [victim, rerun]
    assert_no_overlap(path)


def test_a_lane_that_was_left_in_order_is_served_by_the_next_node_at_once(
    nodes: Callable[[], Node], tmp_path: Path, wait_until: Any
) -> None:
    path = tmp_path / "ticks"
    first = nodes()
    first.enqueue(ticks.Ticks.create({"path": str(path), "label": "one", "seconds": 0.5}), "acme")
    wait_until(lambda: begun(path, "one"))
    second = nodes()
    for _ in range(3):
        first.enqueue(ticks.Ticks.create({"path": str(path), "label": "two", "seconds": 0.05}), "acme")

    assert first.stop() == []

    wait_until(lambda: len(begun(path, "two")) == 3)
    assert_no_overlap(path)
    end = next(at for event, label, _, at in read(path) if (event, label) == ("end", "one"))
    again = next(at for event, label, _, at in read(path) if (event, label) == ("begin", "two"))
    assert second.is_alive
    assert again - end < FENCE_AFTER
