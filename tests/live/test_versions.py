"""Old jobs meet new classes, and new jobs old nodes: nothing is lost, on both brokers."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest
import roger_test_new_release as new
import roger_test_old_release as old

from roger_actors import Client, Node
from roger_actors.broker import Message
from roger_actors.errors import DuplicateJob
from roger_actors.roger.jobs.codec import encode

pytestmark = pytest.mark.timeout(120)

Until = Callable[..., Any]
OLD, NEW = ("roger_test_old_release",), ("roger_test_new_release",)


class Release:
    """Nodes of one release or the other, on one broker, with one partition."""

    def __init__(self, config: Any, url: str) -> None:
        queues = {"acme": {"default": 2}}
        self._config = attrs.evolve(config, broker=url, partitions=queues, hooks=None)

    def node(self, jobs: tuple[str, ...]) -> Node:
        return Node.start(attrs.evolve(self._config, name=f"n{secrets.token_hex(4)}", jobs=jobs))


@pytest.fixture
def release(node: Node, events: Any, request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """Starts nodes on a broker of their own, of the same kind as the module's."""
    if node.config.broker.startswith("embedded:"):
        yield Release(node.config, f"embedded:{tmp_path}/roger.db")
        return
    with request.getfixturevalue("rabbit").vhost() as url:
        yield Release(node.config, url)


def counts(node: Node, outcome: str) -> int:
    return int(node.node_info()["partitions"]["acme"]["counts"].get(outcome, 0))


def parked(client: Client) -> list[str]:
    return [kept.message_id for kept in client.parked()]


async def _publish(broker: Any, message: Message) -> None:
    await broker.publish(message, 5.0)


def test_a_job_of_an_older_version_is_run_by_a_node_of_the_new_one_at_every_attempt(
    release: Any, events: Any, wait_until: Until
) -> None:
    with release.node(NEW) as node:
        job = attrs.evolve(old.Report.create(7), retryable=True, retry_levels=(0,))
        node.enqueue(job, "acme")

        tries = [events.next("new", id=job.id) for _ in range(2)]
        assert [told["retry_count"] for told in tries] == [0, 1]
        assert [told["args"] for told in tries] == [{"number": 7, "from": 1, "fail": 0}] * 2
        wait_until(lambda: counts(node, "done") == 1)
        node.enqueue(new.Report.create({}), "acme")  # its key is free


def test_a_job_of_a_newer_version_waits_for_a_node_that_knows_it_and_keeps_its_key(
    release: Any, events: Any, wait_until: Until
) -> None:
    with release.node(OLD) as node:
        job = node.enqueue(new.Report.create({"number": 7}), "acme")

        wait_until(lambda: parked(node) == [job.id])
        (kept,) = node.parked()
        assert "'report' has version 1 on this node, and the job needs version 2" in kept.cause
        with pytest.raises(DuplicateJob):
            node.enqueue(old.Report.create(7), "acme")
        assert (counts(node, "parked"), counts(node, "failed")) == (1, 0)

    with release.node(NEW) as node:
        assert events.next("new", id=job.id)["args"] == {"number": 7}
        wait_until(lambda: counts(node, "done") == 1)
        assert node.parked() == []
        node.enqueue(new.Report.create({"number": 8}), "acme")
    events.none("old", within=0.0, id=job.id)


def test_a_job_in_a_newer_format_is_parked_as_it_is_and_its_neighbours_run(
    release: Any, events: Any, wait_until: Until
) -> None:
    newer = encode(old.Report.create(7)).replace(b'"v":1', b'"v":2')
    with release.node(OLD) as node:
        service = node.service()
        for name, body in (("same-shape", newer), ("another-shape", b'{"v":2,"job":{}}')):
            service.wait(_publish(service.broker, Message("acme-default", body, name, "acme")))
        neighbour = node.enqueue(old.Report.create(8), "acme")

        events.next("old", id=neighbour.id)
        wait_until(lambda: sorted(parked(node)) == ["another-shape", "same-shape"])
        kept = {each.message_id: each for each in node.parked()}
        assert kept["same-shape"].body == newer
        assert (kept["same-shape"].queue, kept["same-shape"].kind) == ("acme-default", "format")
        assert "format version is 2, and this release reads 1" in kept["same-shape"].cause
        assert node.quarantine() == []


def test_jobs_that_nobody_knows_stand_in_the_way_of_none_that_are_known(
    release: Any, events: Any, wait_until: Until
) -> None:
    strangers = [
        attrs.evolve(old.Report.create(n), module=f"no.Such{n}", queue_key=None) for n in range(1200)
    ]
    with release.node(OLD) as node:
        node.enqueue_many(strangers, "acme")
        wait_until(lambda: counts(node, "parked") == 1200, 60.0)
        job = node.enqueue(new.Report.create({"number": 7}), "acme")
        wait_until(lambda: counts(node, "parked") == 1201)

    with release.node(NEW) as node:
        events.next("new", id=job.id)
        wait_until(lambda: len(node.parked(2000)) == 1200)
