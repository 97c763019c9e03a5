"""A consumer that the broker has ended is consumed again within seconds, and `health` is false until then."""

from __future__ import annotations

import os
import secrets
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import roger_test_jobs as jobs

from roger_actors import Node
from roger_actors.cli.app import main
from roger_actors.errors import PublishUnconfirmed
from roger_actors.testing.rabbitmq import BrokerNotInstalled, RabbitNode

pytestmark = [pytest.mark.live, pytest.mark.rabbitmq, pytest.mark.fault, pytest.mark.timeout(120)]

Until = Callable[..., Any]
AGAIN_WITHIN = 5.0
"""Seconds after which a queue must be consumed again."""


class Victim:
    """A RabbitMQ, one vhost of it, and what can be done there to the consumer of one queue."""

    def __init__(self, rabbit: RabbitNode, vhost: str) -> None:
        self.rabbit = rabbit
        self.vhost = vhost

    def _find(self, queue: str) -> str:
        name = f'rabbit_misc:r(<<"{self.vhost}">>, queue, <<"{queue}">>)'
        return f"{{ok, Q}} = rabbit_amqqueue:lookup({name})"

    def channel(self, queue: str) -> str:
        """Return the channel that consumes a queue, as the broker shows it."""
        return self.rabbit.eval(f"{self._find(queue)}, [element(1, C) || C <- rabbit_amqqueue:consumers(Q)]")

    def close_channel(self, queue: str) -> None:
        self.rabbit.eval(
            f"{self._find(queue)}, [rabbit_channel:do(element(1, C), {{'basic.ack', 999999, false}})"
            " || C <- rabbit_amqqueue:consumers(Q)]"
        )

    def delete_queue(self, queue: str) -> None:
        self.rabbit.eval(f'{self._find(queue)}, rabbit_amqqueue:delete(Q, false, false, <<"test">>), ok')

    @contextmanager
    def refusing(self, queue: str) -> Iterator[None]:
        """Let nobody subscribe to a queue."""
        self._may_read(f"^(?!{queue}$)")
        try:
            yield
        finally:
            self._may_read(".*")

    def _may_read(self, pattern: str) -> None:
        self.rabbit.eval(
            "ok = rabbit_auth_backend_internal:set_permissions("
            f'<<"roger">>, <<"{self.vhost}">>, <<".*">>, <<".*">>, <<"{pattern}">>, <<"test">>)'
        )

    @contextmanager
    def impatient(self, seconds: int = 1) -> Iterator[None]:
        """Let the channels opened now close when a delivery is not acknowledged for some seconds."""
        self.rabbit.eval(f"application:set_env(rabbit, consumer_timeout, {seconds * 1000})")
        try:
            yield
        finally:
            self.rabbit.eval("application:set_env(rabbit, consumer_timeout, 1800000)")


@pytest.fixture(scope="module")
def rabbit_to_hurt() -> Iterator[RabbitNode]:
    rabbit = RabbitNode(Path(tempfile.mkdtemp(prefix="roger-health-", dir="/tmp")))
    try:
        rabbit.start()
    except BrokerNotInstalled as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))
    rabbit.eval("application:set_env(rabbit, channel_tick_interval, 200)")  # how often timeouts are looked at
    yield rabbit
    rabbit.destroy()


@pytest.fixture
def victim(rabbit_to_hurt: RabbitNode) -> Iterator[Victim]:
    with rabbit_to_hurt.vhost() as url:
        yield Victim(rabbit_to_hurt, url.rpartition("/")[2])


def start(victim: Victim, kind: str = "quorum", **more: Any) -> Node:
    node = {
        **more,
        "name": f"health-{secrets.token_hex(4)}",
        "broker": victim.rabbit.url(victim.vhost),
        "jobs": ["roger_test_jobs"],
        "enqueue_timeout": 10.0,
        "queue_kind": kind,
    }
    queues = {"default": 2, "other": 2}
    tenants = {name: {"queues": queues} for name in ("acme", "globex")}
    running = Node.start({"node": node, "logging": {"level": "ERROR"}, "partitions": tenants})
    for name in tenants:  # a lane is there from the first serial job on
        running.enqueue(jobs.Serial.create({"key": "k", "n": 0}), name)
    return running


def seconds_until_ready(node: Node, until: Until) -> float:
    begun = time.monotonic()
    until(lambda: node.health()["ready"])
    return time.monotonic() - begun


HURT = "acme-default"
BYSTANDERS = ("acme-other", "acme.lane", "globex-default", "globex-other", "globex.lane")


@pytest.mark.roger_fault("queue deleted")
@pytest.mark.parametrize(
    ("kind", "hurt"),
    [
        ("quorum", Victim.close_channel),
        ("quorum", Victim.delete_queue),
        ("classic", Victim.delete_queue),
    ],
    ids=["channel closed", "cancelled: queue deleted", "cancelled: classic queue deleted"],
)
def test_only_the_queue_whose_consumer_was_ended_is_idle_and_it_is_consumed_again_within_seconds(
    victim: Victim,
    events: Any,
    wait_until: Until,
    capsys: pytest.CaptureFixture[str],
    kind: str,
    hurt: Callable[[Victim, str], None],
) -> None:
    with start(victim, kind) as node:
        name = node.config.name
        assert main(["health", name]) == 0
        events.take(2, "stop")
        before = {queue: victim.channel(queue) for queue in BYSTANDERS}

        with victim.refusing(HURT):
            hurt(victim, HURT)
            wait_until(lambda: not node.health()["ready"])
            assert node.health()["unconsumed"] == [HURT]
            assert main(["health", name]) == 1
            assert main(["health", name, "--live"]) == 0
            assert f"queue {HURT} is not consumed" in capsys.readouterr().err
            node.enqueue(jobs.Tell.create("bystander"), "globex")
            assert events.next("ran")["args"] == "bystander"
        assert seconds_until_ready(node, wait_until) < AGAIN_WITHIN

        assert main(["health", name]) == 0
        node.enqueue(jobs.Tell.create("again"), "acme")
        assert events.next("ran", AGAIN_WITHIN)["args"] == "again"
        assert {queue: victim.channel(queue) for queue in BYSTANDERS} == before


def test_a_job_beyond_the_consumer_timeout_costs_its_own_queue_a_moment_and_runs_once(
    victim: Victim, events: Any, wait_until: Until
) -> None:
    with start(victim) as node:
        events.take(2, "stop")
        with victim.impatient():
            patient = victim.channel(HURT)
            victim.close_channel(HURT)
            wait_until(lambda: victim.channel(HURT) not in (patient, "[]"))
            impatient = victim.channel(HURT)
        before = {queue: victim.channel(queue) for queue in BYSTANDERS}
        with victim.refusing(HURT):
            job = jobs.Slow.create({"seconds": 6.0})
            node.enqueue(job, "acme")
            wait_until(lambda: node.health()["unconsumed"] == [HURT])
        assert seconds_until_ready(node, wait_until) < AGAIN_WITHIN
        assert victim.channel(HURT) != impatient

        node.enqueue(jobs.Tell.create("next"), "acme")
        assert events.next("ran", AGAIN_WITHIN, args="next")
        assert events.next("ran", id=job.id)
        assert events.next("begun", id=job.id)
        events.none("begun", 1.0, id=job.id)
        assert {queue: victim.channel(queue) for queue in BYSTANDERS} == before


def test_jobs_beyond_the_consumer_timeout_that_are_written_down_close_no_channel_and_run_once(
    victim: Victim, events: Any, tmp_path: Path, wait_until: Until
) -> None:
    gate = tmp_path / "gate"
    with victim.impatient(5), start(victim, long_after=1.0) as node:
        events.take(2, "stop")
        before = {queue: victim.channel(queue) for queue in (HURT, "acme.lane")}
        begun = time.monotonic()
        node.enqueue(jobs.GatedPlain.create({"key": "", "n": 1, "gate": str(gate)}), "acme")
        node.enqueue(jobs.Gated.create({"key": "k", "n": 2, "gate": str(gate)}), "acme")
        events.take(2, "begun")
        wait_until(lambda: time.monotonic() - begun > 8.0)
        assert {queue: victim.channel(queue) for queue in before} == before

        gate.touch()
        assert sorted(told["n"] for told in events.take(2, "passed")) == [1, 2]
        assert not events.all("begun")


@contextmanager
def alarm(rabbit: RabbitNode, resource: str) -> Iterator[None]:
    """Have the broker believe for a while that its memory or its disk is used up."""
    rabbit.eval(f"rabbit_alarm:set_alarm({{{{resource_limit, {resource}, node()}}, []}})")
    try:
        yield
    finally:
        rabbit.eval(f"rabbit_alarm:clear_alarm({{resource_limit, {resource}, node()}})")


@pytest.mark.parametrize("resource", ["memory", "disk"])
def test_under_an_alarm_jobs_run_and_are_acked_and_enqueuing_waits_up_to_its_deadline(
    victim: Victim, events: Any, resource: str
) -> None:
    with start(victim) as node, ThreadPoolExecutor(1) as enqueuer:
        events.take(2, "stop")
        for _ in range(2):  # both workers are busy, and the others wait behind them
            node.enqueue(jobs.Slow.create({"seconds": 1.0}), "acme")
        node.enqueue_many([jobs.Tell.create(number) for number in range(6)], "acme")
        events.take(2, "begun")

        with alarm(victim.rabbit, resource):
            # RabbitMQ blocks a connection at the first or second thing that it publishes.
            late = [enqueuer.submit(node.enqueue, jobs.Tell.create(f"late {n}"), "acme") for n in range(3)]
            # No more are delivered than there are workers, so the last ones came because of acks.
            for number in range(6):
                events.next("ran", args=number)
            with pytest.raises(PublishUnconfirmed):
                node.enqueue(jobs.Tell.create("too late"), "acme", timeout=0.5)
            assert not late[2].done()
            assert node.health()["ready"]

        for n, waiting in enumerate(late):
            waiting.result(10.0)
            assert events.next("ran", args=f"late {n}")


def test_a_node_without_its_broker_is_live_and_not_ready(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    node = {"name": f"away-{secrets.token_hex(4)}", "broker": "amqp://u:secret@127.0.0.1:1/"}
    tables = {"node": node, "logging": {"level": "CRITICAL"}, "partitions": {"acme": {"queues": {"a": 1}}}}
    with Node.start(tables) as running:
        assert main(["health", running.config.name, "--live"]) == 0
        assert main(["health", running.config.name]) == 1
        said = capsys.readouterr().err
        assert "broker: cannot connect to amqp://127.0.0.1:1/" in said
        assert "secret" not in said


def test_a_node_that_does_not_run_is_neither_live_nor_ready(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["health", "nobody"]) == main(["health", "nobody", "--live"]) == 1
    assert "nobody" in capsys.readouterr().err
