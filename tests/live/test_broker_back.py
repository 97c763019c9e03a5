"""A broker that comes back: jobs flow again within seconds of its port being open."""

from __future__ import annotations

import os
import secrets
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import roger_test_jobs as jobs

from roger_actors import Node
from roger_actors.testing.rabbitmq import BrokerNotInstalled, RabbitNode

pytestmark = [pytest.mark.live, pytest.mark.rabbitmq, pytest.mark.fault, pytest.mark.timeout(120)]

FLOWING_WITHIN = 3.0
"""Seconds from the broker's port being open to a job that has run."""
NAMES_KEPT_AFTER = 2.0
"""Seconds after which RabbitMQ 3.10 finds a new queue's log again after kill -9; see `test_broker_faults`."""


@pytest.fixture
def rabbit_to_restart() -> Iterator[tuple[RabbitNode, ThreadPoolExecutor]]:
    """A RabbitMQ, and the thread that must start it: it dies with the thread that did."""
    rabbit = RabbitNode(Path(tempfile.mkdtemp(prefix="roger-back-", dir="/tmp")))
    with ThreadPoolExecutor(1) as starter:
        try:
            starter.submit(rabbit.start).result()
        except BrokerNotInstalled as error:
            if os.environ.get("CI"):
                raise
            pytest.skip(str(error))
        yield rabbit, starter
        rabbit.destroy()


@pytest.mark.parametrize("end", [RabbitNode.kill, RabbitNode.stop], ids=["killed", "stopped in order"])
def test_jobs_flow_within_three_seconds_of_the_broker_s_port_being_open(
    rabbit_to_restart: tuple[RabbitNode, ThreadPoolExecutor], events: Any, end: Any
) -> None:
    rabbit, starter = rabbit_to_restart
    node = {
        "name": f"back-{secrets.token_hex(4)}",
        "broker": rabbit.url(),
        "jobs": ["roger_test_jobs"],
        "enqueue_timeout": 60.0,
    }
    tenants = {"acme": {"queues": {"default": 2}}, "globex": {"queues": {"default": 2}}}
    tables = {"node": node, "logging": {"level": "CRITICAL"}, "partitions": tenants}
    with Node.start(tables) as running, ThreadPoolExecutor(1) as enqueuer:
        running.enqueue(jobs.Tell.create("before"), "acme")
        assert events.next("ran")["args"] == "before"
        threading.Event().wait(NAMES_KEPT_AFTER)  # nothing tells of it

        end(rabbit)
        late = enqueuer.submit(running.enqueue, jobs.Tell.create("during"), "acme")
        starter.submit(rabbit.start).result()  # returns when the port answers
        open_at = time.monotonic()

        assert events.next("ran")["args"] == "during"
        took = time.monotonic() - open_at
        late.result(10.0)
        running.enqueue(jobs.Tell.create("after"), "globex")
        assert events.next("ran")["args"] == "after"
        print(f"flowing {took:.2f} s after the port was open")
        assert took < FLOWING_WITHIN
        while running.health()["broker_error"]:  # jobs flow before the last of the connections is back
            assert time.monotonic() - open_at < 2 * FLOWING_WITHIN
            threading.Event().wait(0.02)


@pytest.mark.roger_fault("broker restarted under a node")
def test_retries_buried_and_waiting_jobs_are_there_after_the_broker_was_restarted(
    rabbit_to_restart: tuple[RabbitNode, ThreadPoolExecutor], events: Any
) -> None:
    rabbit, starter = rabbit_to_restart
    node = {
        "name": f"back-{secrets.token_hex(4)}",
        "broker": rabbit.url(),
        "jobs": ["roger_test_jobs"],
        "hooks": "roger_test_jobs:TellingHooks",
        "enqueue_timeout": 60.0,
    }
    tables = {
        "node": node,
        "logging": {"level": "CRITICAL"},
        "partitions": {"acme": {"queues": {"default": 10}}},
    }
    with Node.start(tables) as running:
        buried = {running.enqueue(jobs.FailingTwice.create(n), "acme").id for n in range(5)}
        assert {told["id"] for told in events.take(5, "on_buried")} == buried
        serial = [jobs.SerialSlow.create({"key": "k", "seconds": 2.5 if n == 0 else 0.05}) for n in range(6)]
        running.enqueue_many(serial, "acme")
        events.next("begun", id=serial[0].id)
        threading.Event().wait(NAMES_KEPT_AFTER)  # nothing tells of it
        retried = [jobs.FailsOnceLate.create({}) for _ in range(5)]
        running.enqueue_many(retried, "acme")
        events.take(5, "on_error")

        rabbit.stop()
        starter.submit(rabbit.start).result()

        for job in [*serial, *retried]:
            events.next("ran", id=job.id)
        assert {kept.message_id for kept in running.buried("acme")} == buried
