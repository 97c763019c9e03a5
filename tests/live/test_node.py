"""A node as a whole: its own children, what it does without a broker, and how it is reloaded."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import roger_test_jobs as jobs

from roger_actors import Node
from roger_actors.broker import QueueSpec, open_broker
from roger_actors.errors import (
    CallTimeout,
    NoProcess,
    ProcessError,
    PublishUnconfirmed,
    ServerExited,
    TransportDown,
)

pytestmark = pytest.mark.timeout(90)

Until = Callable[..., Any]


def tables(broker: str, **more: Any) -> dict[str, Any]:
    return {
        "node": {
            "name": f"node-{secrets.token_hex(4)}",
            "broker": broker,
            "jobs": ["roger_test_jobs"],
            "enqueue_timeout": 2.0,
            "shutdown_timeout": 3.0,
        },
        "logging": {"level": "ERROR"},
        **more,
    }


@pytest.fixture
def embedded(tmp_path: Path) -> str:
    return f"embedded:{tmp_path}/roger.db"


def test_the_user_s_own_processes_answer_and_are_restarted_in_the_same_tree(embedded: str) -> None:
    children = [
        {"id": "counter", "start": "roger_test_jobs:Counter", "args": {"start": 5}},
        {"id": "alone", "start": "roger_test_jobs:Counter", "args": [7], "host": "own"},
    ]

    with Node.start(tables(embedded, children=children)) as node:
        assert node.call("counter", "next") == 6
        assert node.call("counter", "next") == 7
        with pytest.raises(ServerExited, match="ZeroDivisionError"):
            node.call("counter", "crash")
        assert node.call("counter", "next") == 6
        assert node.call("alone", "next") == 8
        with pytest.raises(NoProcess):
            node.call("nobody", "next")


def test_supervisors_of_a_file_run_where_it_says_and_every_child_is_found_by_its_name(embedded: str) -> None:
    def counter(id_: str, start: int, **more: Any) -> dict[str, Any]:
        return {"id": id_, "start": "roger_test_jobs:Counter", "args": [start], **more}

    flags = {"start": "Supervisor", "strategy": "one_for_one"}
    children = [
        {"id": "near", **flags, "children": [counter("a", 1), counter("far", 2, host="own", name="b")]},
        {"id": "apart", **flags, "host": "own", "children": [counter("c", 3)]},
        {"id": "many", "start": "DynamicSupervisor"},
    ]
    env = {"name": "test", "env": {"step": 10}}

    with Node.start(tables(embedded, children=children, application=env)) as node:
        assert [node.call(name, "next") for name in ("a", "b", "c")] == [2, 3, 4]
        assert [node.call(name, "env") for name in ("a", "b", "c")] == [10, 10, 10]
        app = next(host for host in node.tree()["tree"]["children"] if host["id"] == "app")
        near, apart, many = app["children"]
        assert [child["id"] for child in near["children"]] == ["a", "far"]
        assert [child["id"] for child in apart["children"]] == ["c"]
        assert many["children"] == []
        assert len({child["host"] for child in (app, near["children"][1], apart)}) == 3


def test_a_child_that_cannot_be_imported_is_named_when_the_node_starts(embedded: str) -> None:
    children = [{"id": "ghost", "start": "roger_test_jobs:Ghost"}]

    with pytest.raises(TransportDown):
        Node.start(tables(embedded, children=children), timeout=8.0)


def test_a_node_whose_broker_is_away_runs_and_says_why(tmp_path: Path) -> None:
    config = tables("amqp://guest:geheim@127.0.0.1:1/", partitions={"acme": {"queues": {"default": 1}}})

    with Node.start(config) as node:
        info = node.node_info()

        assert "cannot connect to amqp://127.0.0.1:1/" in info["broker_error"]
        assert "geheim" not in str(info)
        assert "\n" not in info["broker_error"]
        assert list(info["waiting"]) == ["acme"]


def test_an_enqueue_while_the_broker_is_away_ends_at_its_deadline() -> None:
    config = tables("amqp://guest:guest@127.0.0.1:1/", partitions={"acme": {"queues": {"default": 1}}})

    with Node.start(config) as node, pytest.raises((PublishUnconfirmed, Exception), match=r"127\.0\.0\.1:1"):
        node.enqueue(jobs.Tell.create({}), "acme", timeout=1.0)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda url: url.replace("roger:", "roger:wrong"), "password"),
        (lambda url: url + "x", "no vhost"),
    ],
    ids=["password", "vhost"],
)
def test_a_broker_that_refuses_is_told_on_one_line(
    amqp_url: str, change: Callable[[str], str], says: str, wait_until: Until
) -> None:
    with Node.start(tables(change(amqp_url), partitions={"acme": {"queues": {"default": 1}}})) as node:
        error = wait_until(lambda: node.node_info()["broker_error"])

        assert says in error
        assert "\n" not in error


def test_a_queue_declared_with_other_arguments_stops_its_own_tenant_only(
    amqp_url: str, events: Any, wait_until: Until
) -> None:
    async def declare_classic() -> None:
        broker = open_broker(amqp_url, name="test")
        await broker.connect(5.0)
        await broker.declare([QueueSpec("bad-default", kind="classic")])
        await broker.close()

    asyncio.run(declare_classic())
    partitions = {"bad": {"queues": {"default": 1}}, "good": {"queues": {"default": 1}}}
    with Node.start(tables(amqp_url, partitions=partitions)) as node:
        job = node.enqueue(jobs.Tell.create({}), "good")
        events.next("ran", id=job.id)

        waiting = wait_until(lambda: node.node_info()["waiting"])
        assert list(waiting) == ["bad"]
        assert "bad-default" in waiting["bad"]


def test_reloading_runs_exactly_the_partitions_of_the_new_configuration(
    embedded: str, events: Any, wait_until: Until
) -> None:
    config = tables(embedded, partitions={"a": {"queues": {"default": 1}}, "b": {"queues": {"default": 1}}})

    with Node.start(config) as node:
        config["partitions"] = {"b": {"queues": {"default": 3}}, "c": {"queues": {"default": 1}}}
        node.reload(config)

        wait_until(lambda: set(node.node_info()["partitions"]) == {"b", "c"})
        assert node.node_info()["partitions"]["b"]["queues"]["default"]["max_workers"] == 3
        wait_until(lambda: not node.node_info()["waiting"])
        events.next("ran", id=node.enqueue(jobs.Tell.create({}), "c").id)


def test_stopping_lets_running_jobs_finish_and_names_those_that_do_not(embedded: str, events: Any) -> None:
    config = tables(embedded, partitions={"a": {"queues": {"default": 2}}})
    node = Node.start(config)
    short = node.enqueue(jobs.Slow.create({"seconds": 0.5}), "a")
    long = node.enqueue(jobs.Slow.create({"seconds": 60}), "a")
    events.next("begun", id=short.id)
    events.next("begun", id=long.id)

    left = node.stop(2.0)

    assert left == [long.id]
    events.next("ran", id=short.id)
    assert not node.is_alive
    with Node.start(config):
        events.next("begun", id=long.id)


def test_a_node_that_is_being_stopped_is_not_ready_and_says_so(
    embedded: str, events: Any, wait_until: Until
) -> None:
    node = Node.start(tables(embedded, partitions={"a": {"queues": {"default": 1}}}))
    job = node.enqueue(jobs.Slow.create({"seconds": 1.0}), "a")
    events.next("begun", id=job.id)
    assert node.health()["ready"]

    with ThreadPoolExecutor(1) as stopping:
        left = stopping.submit(node.stop)
        wait_until(lambda: node.health()["draining"])
        assert not node.health()["ready"]
        assert left.result() == []
    events.next("ran", id=job.id)


def test_a_running_node_can_be_asked_from_another_thread_and_a_slow_answer_has_a_limit(embedded: str) -> None:
    children = [{"id": "counter", "start": "roger_test_jobs:Counter", "args": {"start": 0}}]

    with Node.start(tables(embedded, children=children)) as node, pytest.raises(CallTimeout):
        node.call("counter", "silence", timeout=0.2)


def test_what_was_changed_at_run_time_survives_a_killed_kernel_host(
    broker_url: str, events: Any, wait_until: Until
) -> None:
    partitions = {"stays": {"queues": {"default": 1}}, "goes": {"queues": {"default": 1}}}
    with Node.start(tables(broker_url, partitions=partitions)) as node:
        node.ask_nodes("start_partition", partition="comes", queues={"default": 2})
        node.ask_nodes("stop_partition", partition="goes")
        hosts = node.hosts()
        (kernel,) = [host["os_pid"] for host in hosts.values() if host["role"] == "kernel"]

        os.kill(kernel, signal.SIGKILL)

        def is_back() -> bool:
            try:
                info = node.node_info()
            except (ProcessError, TransportDown):
                return False
            return set(info["partitions"]) == {"stays", "comes"} and not info["waiting"]

        wait_until(is_back)
        events.next("ran", id=node.enqueue(jobs.Tell.create({}), "comes").id)


def test_a_job_reads_the_application_s_environment(embedded: str, events: Any) -> None:
    tables_ = tables(
        embedded,
        partitions={"acme": {"queues": {"default": 1}}},
        application={"name": "test", "env": {"step": 10}},
    )

    with Node.start(tables_) as node:
        node.enqueue(jobs.TellEnv.create({}), "acme")
        assert events.next("env")["step"] == 10
