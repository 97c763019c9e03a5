"""Several nodes on one broker: their names, and who answers."""

from __future__ import annotations

import os
import secrets
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from roger_actors import Node
from roger_actors.errors import NodeNameTaken
from roger_actors.roger.system.peers import LOST_AFTER

pytestmark = [pytest.mark.live, pytest.mark.timeout(90)]

Starter = Callable[..., Node]


@pytest.fixture
def start(broker_url: str) -> Iterator[Starter]:
    """Start a node; every node is ended at the end, however it is."""
    with ExitStack() as stack:

        def start_node(name: str, **more: Any) -> Node:
            node = {"name": name, "broker": broker_url, "jobs": ["roger_test_jobs"], **more}
            tables = {"node": node, "logging": {"level": "CRITICAL"}}
            return stack.enter_context(Node.start(tables))

        yield start_node


@pytest.fixture
def name() -> str:
    return f"cluster-{secrets.token_hex(4)}"


def os_pid(node: Node, role: str) -> int:
    return next(int(host["os_pid"]) for host in node.hosts().values() if host["role"] == role)


def freeze(node: Node) -> list[int]:
    pids = [int(host["os_pid"]) for host in node.hosts().values()]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    return pids


def test_a_second_living_node_of_a_name_is_refused_and_the_first_goes_on(start: Starter, name: str) -> None:
    first = start(name)

    with pytest.raises(NodeNameTaken, match=f"node {name} did not start: its name is taken by OS process"):
        start(name)

    assert first.is_alive
    assert first.ask_nodes("ping").values == {name: "pong"}


def test_a_node_that_was_killed_is_started_again_under_its_name_at_once(start: Starter, name: str) -> None:
    first = start(name)
    for host in first.hosts().values():
        os.kill(host["os_pid"], signal.SIGKILL)
    first.wait(10.0)
    begun = time.monotonic()

    second = start(name)

    assert second.ask_nodes("ping").values == {name: "pong"}
    print(f"again after {time.monotonic() - begun:.2f} s")


def test_a_name_that_was_given_back_is_free(start: Starter, name: str) -> None:
    start(name).stop()

    assert start(name).is_alive


def test_who_does_not_answer_in_time_is_named(start: Starter, name: str) -> None:
    first, second = start(f"{name}-a"), start(f"{name}-b")
    answers = first.ask_nodes("ping")
    assert answers.values == {f"{name}-a": "pong", f"{name}-b": "pong"}
    kernel = os_pid(second, "kernel")
    os.kill(kernel, signal.SIGSTOP)
    try:
        answers = first.ask_nodes("ping", 1.0)
    finally:
        os.kill(kernel, signal.SIGCONT)

    assert answers.values == {f"{name}-a": "pong"}
    assert answers.missing == (f"{name}-b",)


def test_a_node_that_left_in_order_is_not_waited_for(start: Starter, name: str) -> None:
    first, second = start(f"{name}-a"), start(f"{name}-b")
    second.stop()
    begun = time.monotonic()

    answers = first.ask_nodes("ping", 20.0)

    assert (answers.values, answers.missing) == ({f"{name}-a": "pong"}, ())
    assert time.monotonic() - begun < LOST_AFTER / 2


def test_a_dead_node_is_waited_for_only_until_it_is_known_to_be_lost(start: Starter, name: str) -> None:
    first, second = start(f"{name}-a"), start(f"{name}-b")
    for host in second.hosts().values():
        os.kill(host["os_pid"], signal.SIGKILL)
    second.wait(10.0)
    begun = time.monotonic()

    answers = first.ask_nodes("ping", 60.0)

    assert answers.values == {f"{name}-a": "pong"}
    assert time.monotonic() - begun < 30.0
    assert first.ask_nodes("ping", 60.0).missing == ()


def test_what_is_changed_at_run_time_is_so_after_a_restart_until_the_configuration_changes(
    broker_url: str, name: str, wait_until: Any
) -> None:
    def started(**partitions: dict[str, int]) -> Node:
        tables = {name: {"queues": queues} for name, queues in partitions.items()}
        node = {"name": name, "broker": broker_url, "jobs": ["roger_test_jobs"]}
        return Node.start({"node": node, "logging": {"level": "CRITICAL"}, "partitions": tables})

    def queues(node: Node) -> dict[str, dict[str, int]]:
        partitions = node.node_info()["partitions"].items()
        return {
            partition: {queue: of["max_workers"] for queue, of in told["queues"].items()}
            for partition, told in partitions
        }

    with started(acme={"default": 2}, old={"default": 1}) as node:
        node.ask_nodes("start_partition", partition="acme", queues={"default": 5, "mail": 1})
        node.ask_nodes("start_partition", partition="beta", queues={"default": 3})
        node.ask_nodes("stop_partition", partition="old")
        changed = queues(node)
        assert changed == {"acme": {"default": 5, "mail": 1}, "beta": {"default": 3}}

    with started(acme={"default": 2}, old={"default": 1}) as node:
        wait_until(lambda: queues(node) == changed)

    with started(acme={"default": 4}) as node:
        wait_until(lambda: queues(node) == {"acme": {"default": 4}})
