"""What is kept aside, moved and mended; and queues that are emptied. On both brokers."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
import roger_test_jobs as jobs

from roger_actors import Client, Node
from roger_actors.broker import QUARANTINE
from roger_actors.errors import DuplicateJob, InvalidJob, JobNotFound
from roger_actors.roger import Shelved
from roger_actors.roger.jobs.codec import encode

pytestmark = pytest.mark.timeout(120)

Until = Callable[..., Any]


@pytest.fixture
def buried(tenant: Any, events: Any, wait_until: Until) -> list[str]:
    """Ids of three buried jobs, oldest first."""
    ids = []
    for n in range(3):
        job = tenant.node.enqueue(jobs.FailsWhenTold.create({"n": n, "fail": True}), tenant.name)
        ids.append(job.id)
        wait_until(lambda: tenant.counts("buried") == len(ids))
    return ids


def ids_of(kept: list[Any]) -> list[str]:
    return [each.message_id for each in kept]


# -- requeue and delete ---------------------------------------------------------------------------


def test_several_buried_jobs_are_requeued_and_the_others_stay(
    tenant: Any, events: Any, wait_until: Until, buried: list[str]
) -> None:
    moved = tenant.node.requeue_buried(tenant.name, [buried[2], buried[0], "nosuchid"])

    assert ids_of(moved) == [buried[0], buried[2]]
    wait_until(lambda: tenant.counts("buried") == 5)
    assert ids_of(tenant.node.buried(tenant.name)) == [buried[1], buried[0], buried[2]]


@pytest.mark.roger_fault("buried silently dropped")
def test_all_buried_jobs_are_requeued_once_though_they_fail_at_once(
    tenant: Any, events: Any, wait_until: Until, buried: list[str]
) -> None:
    assert ids_of(tenant.node.requeue_buried(tenant.name)) == buried

    wait_until(lambda: tenant.counts("buried") == 6)
    assert sorted(ids_of(tenant.node.buried(tenant.name))) == sorted(buried)


def test_a_buried_job_whose_key_is_taken_stays_and_the_others_go(
    tenant: Any, events: Any, wait_until: Until, buried: list[str]
) -> None:
    tenant.node.pause("default", tenant.name)
    holder = tenant.node.enqueue(jobs.FailsWhenTold.create({"n": 1, "fail": False}), tenant.name)

    assert ids_of(tenant.node.requeue_buried(tenant.name)) == [buried[0], buried[2]]
    assert ids_of(tenant.node.buried(tenant.name)) == [buried[1]]

    tenant.node.resume("default", tenant.name)
    events.next("ran", id=holder.id)


def test_several_buried_jobs_are_deleted(tenant: Any, buried: list[str]) -> None:
    assert ids_of(tenant.node.delete_buried(tenant.name, buried[:2])) == buried[:2]

    assert ids_of(tenant.node.buried(tenant.name)) == buried[2:]


# -- edit -----------------------------------------------------------------------------------------


def test_an_edited_job_runs_with_its_new_arguments_and_keys_from_its_first_attempt(
    tenant: Any, events: Any, wait_until: Until, buried: list[str]
) -> None:
    tenant.node.pause("default", tenant.name)

    queued = tenant.node.edit_buried(tenant.name, buried[1], {"n": 7, "fail": False})

    assert (queued.id, queued.queue_key, queued.execution_key) == (buried[1], "told-7", "told-7")
    assert ids_of(tenant.node.buried(tenant.name)) == [buried[0], buried[2]]
    with pytest.raises(DuplicateJob):
        tenant.node.enqueue(jobs.FailsWhenTold.create({"n": 7, "fail": False}), tenant.name)
    tenant.node.resume("default", tenant.name)
    assert events.next("ran", id=buried[1]) == {
        "event": "ran",
        "id": buried[1],
        "args": {"n": 7, "fail": False},
        "retry_count": 0,
    }
    wait_until(lambda: tenant.counts("done") == 1)


def test_an_edited_job_is_refused_where_its_new_key_is_taken_and_stays_buried(
    tenant: Any, buried: list[str]
) -> None:
    tenant.node.pause("default", tenant.name)
    tenant.node.enqueue(jobs.FailsWhenTold.create({"n": 7, "fail": False}), tenant.name)

    with pytest.raises(DuplicateJob):
        tenant.node.edit_buried(tenant.name, buried[1], {"n": 7, "fail": False})
    with pytest.raises(InvalidJob):
        tenant.node.edit_buried(tenant.name, buried[1], {"n": 8, "fail": {1, 2}})
    with pytest.raises(JobNotFound, match=f"nosuchid is not in {tenant.name}'s buried jobs"):
        tenant.node.edit_buried(tenant.name, "nosuchid", {})

    assert ids_of(tenant.node.buried(tenant.name)) == buried


def test_a_client_without_the_class_edits_the_arguments_and_keeps_the_keys(
    tenant: Any, events: Any, buried: list[str]
) -> None:
    with Client(attrs.evolve(tenant.node.config, jobs=())) as client:
        queued = client.edit_buried(tenant.name, buried[0], {"n": 7, "fail": False})

    assert (queued.queue_key, queued.execution_key) == ("told-0", "told-0")
    assert events.next("ran", id=buried[0])["args"] == {"n": 7, "fail": False}


# -- the bound ------------------------------------------------------------------------------------


@pytest.fixture
def bounded(node: Node, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Node]:
    """A node with a bound, alone on a broker of the same kind."""
    with contextlib.ExitStack() as stack:
        url = f"embedded:{tmp_path}/roger.db"
        if not node.config.broker.startswith("embedded:"):
            url = stack.enter_context(request.getfixturevalue("rabbit").vhost())
        config = attrs.evolve(node.config, name="bounded", broker=url, max_buried=5)
        yield stack.enter_context(Node.start(config))


@pytest.mark.roger_fault("buried silently dropped")
def test_the_oldest_buried_jobs_over_the_bound_are_deleted_and_counted_in_each_partition(
    tenant: Any, bounded: Node, wait_until: Until
) -> None:
    many, few = (type(tenant)(bounded, f"t{secrets.token_hex(4)}") for _ in range(2))
    for partition in (many, few):
        partition.start(default=4)
    oldest = [jobs.FailsWhenTold.create({"n": n, "fail": True}) for n in range(9)]
    newest = [jobs.FailsWhenTold.create({"n": n, "fail": True}) for n in range(10, 15)]

    bounded.enqueue_many(oldest, many.name)
    wait_until(lambda: many.counts("buried") == 9)
    bounded.enqueue_many(newest[:3], few.name)
    bounded.enqueue_many(newest, many.name)
    wait_until(lambda: many.counts("buried") == 14 and few.counts("buried") == 3)

    wait_until(lambda: len(bounded.buried(many.name)) == 5)
    assert set(ids_of(bounded.buried(many.name))) == {record.id for record in newest}
    wait_until(lambda: many.counts("buried_dropped") == 9)
    assert len(bounded.buried(few.name)) == 3
    assert few.counts("buried_dropped") == 0
    for partition in (many, few):
        partition.delete()


@pytest.mark.roger_fault("buried silently dropped")
def test_without_a_bound_all_are_kept(tenant: Any, events: Any, wait_until: Until) -> None:
    records = [jobs.FailsWhenTold.create({"n": n, "fail": True}) for n in range(120)]
    tenant.node.enqueue_many(records, tenant.name)

    events.take(120, "on_buried")
    wait_until(lambda: tenant.counts("buried") == 120)

    assert len(tenant.node.buried(tenant.name, 1000)) == 120
    assert tenant.counts("buried_dropped") == 0


# -- what leaves frees its key --------------------------------------------------------------------


def test_purged_jobs_free_their_queue_keys(tenant: Any, events: Any) -> None:
    tenant.node.pause("default", tenant.name)
    records = [jobs.Unique.create({"n": n}) for n in range(450)]
    tenant.node.enqueue_many([*records, jobs.Tell.create({})], tenant.name)

    assert tenant.node.purge(tenant.name, "default") == 451

    assert tenant.node.queued_jobs(tenant.name, "default") == []
    again = tenant.node.enqueue_many([jobs.Unique.create({"n": n}) for n in range(450)], tenant.name)
    assert {type(outcome).__name__ for outcome in again} == {"JobRecord"}
    assert tenant.node.purge(tenant.name, "default") == 450


def test_purging_leaves_the_keys_of_other_jobs_alone(tenant: Any, events: Any) -> None:
    tenant.node.pause("default", tenant.name)
    running = tenant.node.enqueue(jobs.Unique.create({"n": 1}), tenant.name, override_queue="other")
    events.next("ran", id=running.id)
    waiting = tenant.node.enqueue(jobs.Unique.create({"n": 2}), tenant.name, delay=3600)
    tenant.node.enqueue(jobs.Unique.create({"n": 3}), tenant.name)

    assert tenant.node.purge(tenant.name, "default") == 1

    with pytest.raises(DuplicateJob) as refused:
        tenant.node.enqueue(jobs.Unique.create({"n": 2}), tenant.name)
    assert refused.value.holder == waiting.id
    tenant.node.enqueue(jobs.Unique.create({"n": 3}), tenant.name)


def test_what_is_deleted_from_quarantine_frees_its_queue_key(tenant: Any, events: Any) -> None:
    job = tenant.node.enqueue(jobs.Unique.create({"n": 1}), tenant.name, delay=3600)
    lost = Shelved(message_id=job.id, queue="gone", partition=tenant.name, body=encode(job))
    service = tenant.node.service()
    service.wait(_publish(service.broker, lost.to_message(QUARANTINE)))
    with pytest.raises(DuplicateJob):
        tenant.node.enqueue(jobs.Unique.create({"n": 1}), tenant.name)

    assert ids_of(tenant.node.delete_quarantine(job.id)) == [job.id]

    events.next("ran", id=tenant.node.enqueue(jobs.Unique.create({"n": 1}), tenant.name).id)


async def _publish(broker: Any, message: Any) -> None:
    await broker.publish(message, 5.0)
