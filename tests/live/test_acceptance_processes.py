"""What Roger's own tests assert of processes that end and connections that are lost, on both brokers."""

from __future__ import annotations

import os
import re
import secrets
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import roger_test_jobs as jobs

from roger_actors import Node
from roger_actors.errors import ProcessError, TransportDown

pytestmark = pytest.mark.timeout(90)

Until = Callable[..., Any]


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the module's nodes log."""
    return tmp_path_factory.mktemp("log") / "node.log"


@pytest.fixture(scope="module")
def node(
    broker_url: str, nothing_survives_the_module: None, session_events: Any, log: Path
) -> Iterator[Node]:
    """A node with a process of the user's that ends others on request."""
    tables = {
        "node": {
            "name": f"test-{secrets.token_hex(4)}",
            "broker": broker_url,
            "jobs": ["roger_test_jobs"],
            "enqueue_timeout": 10.0,
        },
        "logging": {
            "version": 1,
            "disable_existing_loggers": False,
            "handlers": {"file": {"class": "logging.FileHandler", "filename": str(log)}},
            "root": {"level": "WARNING", "handlers": ["file"]},
        },
        "children": [{"id": "reaper", "start": "roger_test_jobs:Reaper"}],
    }
    with Node.start(tables) as node:
        yield node


def pids_of(node: Node, partition: str) -> tuple[str, str]:
    """Return the pids of a partition's supervisor and consumer, empty while there is none."""

    def look(part: Any) -> tuple[str, str] | None:
        for child in part["children"]:
            if child.get("name") == f"consumer:{partition}":
                return part["pid"], child["pid"]
            if found := look(child):
                return found
        return None

    return look(node.tree()["tree"]) or ("", "")


def end(node: Node, how: str, pid: str) -> None:
    found = re.fullmatch(r"<.*\.(\d+)\.(\d+)>", pid)
    assert found, pid
    assert node.call("reaper", [how, int(found[1]), int(found[2])]) == "ok"


@pytest.mark.roger_line(14)
def test_a_pause_survives_the_end_of_the_consumer(tenant: Any, events: Any, wait_until: Until) -> None:
    node = tenant.node
    node.pause("default", tenant.name)
    _, consumer = pids_of(node, tenant.name)

    end(node, "kill", consumer)

    wait_until(lambda: pids_of(node, tenant.name)[1] not in ("", consumer))
    wait_until(lambda: tenant.info().get("open"))
    job = node.enqueue(jobs.Tell.create({}), tenant.name)
    assert tenant.info()["queues"]["default"]["paused"]
    events.none("ran", within=0.3, id=job.id)
    node.resume("default", tenant.name)
    events.next("ran", id=job.id)


def test_a_consumer_that_was_killed_leaves_no_subscription_behind(
    tenant: Any, events: Any, wait_until: Until
) -> None:
    node = tenant.node
    _, consumer = pids_of(node, tenant.name)

    end(node, "kill", consumer)

    wait_until(lambda: pids_of(node, tenant.name)[1] not in ("", consumer))
    wait_until(lambda: tenant.info().get("open"))
    assert tenant.info()["queues"]["other"]["consumer_count"] == 1
    node.enqueue_many([jobs.Tell.create(n) for n in range(40)], tenant.name)
    assert sorted(told["args"] for told in events.take(40, "ran")) == list(range(40))


@pytest.mark.roger_line(19)
@pytest.mark.parametrize(("how", "reason"), [("stop", "normal"), ("kill", "killed")])
def test_a_partition_whose_supervisor_ended_waits_and_runs_again_within_four_seconds(
    tenant: Any, events: Any, wait_until: Until, log: Path, how: str, reason: str
) -> None:
    node = tenant.node
    supervisor, _ = pids_of(node, tenant.name)

    end(node, how, supervisor)

    wait_until(lambda: pids_of(node, tenant.name)[0] not in ("", supervisor), 4.0)
    wait_until(lambda: tenant.name in node.node_info.running_partition_ids(), 4.0)
    assert f"partition {tenant.name} is waiting: its supervisor ended: {reason}" in log.read_text()
    events.next("ran", id=node.enqueue(jobs.Tell.create({}), tenant.name).id)
    assert tenant.info()["queues"]["other"]["consumer_count"] == 1


@pytest.mark.roger_line(19)
def test_a_partition_is_started_stopped_and_started_with_three_queues(
    tenant: Any, events: Any, wait_until: Until
) -> None:
    partition, info = tenant.node.partition, tenant.node.node_info
    assert tenant.name in info.running_partition_ids()

    partition.stop(tenant.name)
    assert tenant.name not in {**info.partitions()["running"], **info.partitions()["waiting"]}

    partition.start(tenant.name, {"a": 1, "b": 2, "c": 3})
    wait_until(lambda: tenant.name in info.running_partition_ids())
    queues = info.running_partitions()[tenant.name]
    assert {name: queue["max_workers"] for name, queue in queues.items()} == {"a": 1, "b": 2, "c": 3}
    job = tenant.node.enqueue(jobs.Tell.create({}), tenant.name, override_queue="c")
    events.next("ran", id=job.id)


@pytest.mark.roger_line(12)
def test_a_job_runs_although_the_connection_was_killed_10_ms_after_its_enqueue(
    tenant: Any, events: Any, wait_until: Until, request: pytest.FixtureRequest
) -> None:
    node = tenant.node
    job = node.enqueue(jobs.Tell.create({}), tenant.name)
    threading.Event().wait(0.01)
    begun = time.monotonic()

    if node.config.broker.startswith("amqp"):
        request.getfixturevalue("rabbit").close_connections()
    else:  # a file has no connection: what holds it is the kernel host
        (kernel,) = [host["os_pid"] for host in node.hosts().values() if host["role"] == "kernel"]
        os.kill(kernel, signal.SIGKILL)

    events.next("ran", limit=10.0, id=job.id)
    assert time.monotonic() - begun < 10.0
    following = node.enqueue(jobs.Tell.create({}), tenant.name)
    events.next("ran", limit=10.0, id=following.id)
    wait_until(lambda: is_open(tenant))


def is_open(tenant: Any) -> bool:
    try:
        return tenant.name in tenant.node.node_info.running_partition_ids()
    except (ProcessError, TransportDown):
        return False
