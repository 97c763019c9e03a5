"""Jobs that start later: at their time, cancelled before it, or with nowhere to go, on both brokers."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import roger_test_jobs as jobs

from roger_actors.errors import InvalidTime, Unroutable

pytestmark = pytest.mark.timeout(120)

Until = Callable[..., Any]


def in_seconds(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


def test_a_job_starts_at_its_moment_and_not_before(tenant: Any, events: Any) -> None:
    moment = in_seconds(1.0)
    late = tenant.node.enqueue(jobs.Tell.create({}), tenant.name, at=moment)

    events.next("ran", id=late.id)

    assert moment <= datetime.now(UTC) < moment + timedelta(seconds=10)


def test_a_moment_that_has_passed_is_now(tenant: Any, events: Any) -> None:
    job = tenant.node.enqueue(jobs.Tell.create({}), tenant.name, at=in_seconds(-3600))

    events.next("ran", id=job.id)


def test_a_job_a_year_ahead_holds_back_none_that_is_due_before_it(tenant: Any, events: Any) -> None:
    in_a_year = [jobs.Tell.create({}), jobs.Serial.create({"n": 1, "key": "k"})]
    tenant.node.enqueue_many(in_a_year, tenant.name, at=in_seconds(365 * 86_400))
    soon = tenant.node.enqueue(jobs.Tell.create({}), tenant.name, delay=0.5)
    serial = jobs.Serial.create({"n": 2, "key": "k"})
    tenant.node.enqueue(serial, tenant.name, at=in_seconds(0.5))

    events.next("ran", id=soon.id)
    events.next("stop", n=2)


def test_a_moment_without_a_zone_is_refused_and_nothing_is_enqueued(tenant: Any) -> None:
    naive = datetime(2030, 1, 1)  # noqa: DTZ001 that is the point
    with pytest.raises(InvalidTime, match="time zone"):
        tenant.node.enqueue(jobs.Unique.create({"n": 1}), tenant.name, at=naive)
    with pytest.raises(InvalidTime, match="366 days"):
        tenant.node.enqueue_many([jobs.Unique.create({"n": 1})], tenant.name, delay=367 * 86_400)

    tenant.node.enqueue(jobs.Unique.create({"n": 1}), tenant.name)


@pytest.mark.parametrize("job", [jobs.Tell.create({}), jobs.Serial.create({"n": 1, "key": "k"})])
def test_a_delayed_job_for_a_queue_that_was_never_started_is_refused_at_once(tenant: Any, job: Any) -> None:
    with pytest.raises(Unroutable, match="'nobody-default' does not exist"):
        tenant.node.enqueue(job, "nobody", delay=60.0)
    with pytest.raises(Unroutable, match="does not exist"):
        tenant.node.enqueue(job, tenant.name, override_queue="nosuchqueue", at=in_seconds(60))

    assert tenant.node.quarantine() == []


def test_of_many_delayed_jobs_those_without_a_queue_are_refused_and_their_keys_are_free(
    tenant: Any, events: Any
) -> None:
    class Elsewhere(jobs.Unique):
        queue_type = "nosuchqueue"
        job_name = "elsewhere"

    lost, kept = tenant.node.enqueue_many(
        [Elsewhere.create({"n": 1}), jobs.Tell.create({})], tenant.name, delay=0.3
    )

    assert isinstance(lost, Unroutable)
    events.next("ran", id=kept.id)
    tenant.node.enqueue(jobs.Unique.create({"n": 1}), tenant.name)


@pytest.mark.parametrize(
    "make",
    [
        lambda: jobs.Tell.create({}),
        lambda: jobs.Unique.create({"n": 1}),
        lambda: jobs.UniqueAndSerial.create({"n": 1, "key": "k"}),
    ],
    ids=["plain", "unique", "unique-and-serial"],
)
def test_a_job_cancelled_while_it_is_delayed_never_starts_and_frees_its_keys(
    tenant: Any, events: Any, wait_until: Until, make: Any
) -> None:
    job = tenant.node.enqueue(make(), tenant.name, delay=1.0)

    answers = tenant.node.cancel(job.id, tenant.name)

    assert answers.missing == ()
    events.next("on_cancel", id=job.id)
    wait_until(lambda: tenant.counts("cancelled") == 1)
    again = tenant.node.enqueue(make(), tenant.name)
    events.next("after_run", id=again.id)
    events.none("before_run", within=0.2, id=job.id)


def test_a_job_cancelled_while_it_waits_for_its_retry_never_starts_again_and_frees_its_key(
    tenant: Any, events: Any, wait_until: Until
) -> None:
    job = tenant.node.enqueue(jobs.UniqueFailingLate.create({}), tenant.name)
    events.next("on_error", id=job.id, retry_count=0)
    wait_until(lambda: tenant.counts("retried") == 1)

    tenant.node.cancel(job.id, tenant.name)

    events.next("on_cancel", id=job.id)
    wait_until(lambda: tenant.counts("cancelled") == 1)
    events.none("on_error", within=0.3, id=job.id)
    assert tenant.node.buried(tenant.name) == []
    tenant.node.enqueue(jobs.UniqueFailing.create({}), tenant.name)


def test_a_retry_comes_no_sooner_than_its_level_and_no_later_than_its_jitter_allows(
    tenant: Any, events: Any
) -> None:
    job = tenant.node.enqueue(jobs.UniqueFailingLate.create({}), tenant.name)
    events.next("on_error", id=job.id)
    failed = time.monotonic()

    events.next("on_buried", id=job.id)

    assert 1.4 < time.monotonic() - failed < 10.0


def test_a_deleted_partition_s_delayed_jobs_go_to_quarantine_and_stop_nobody(
    tenant: Any, events: Any, wait_until: Until
) -> None:
    gone = type(tenant)(tenant.node, f"gone{secrets.token_hex(4)}")
    gone.start(default=1)
    records = [jobs.Tell.create({"n": n}) for n in range(40)]
    tenant.node.enqueue_many(records, gone.name, delay=1.0)
    gone.delete()
    neighbour = tenant.node.enqueue(jobs.Tell.create({}), tenant.name, delay=1.0)

    events.next("ran", id=neighbour.id)
    ids = {record.id for record in records}
    wait_until(lambda: ids <= {kept.message_id for kept in tenant.node.quarantine(1000)})

    gone.start(default=1)
    moved = {kept for kept in tenant.node.requeue_quarantine() if kept.message_id in ids}
    assert {(kept.partition, kept.queue) for kept in moved} == {(gone.name, f"{gone.name}-default")}
    assert {events.next("ran", id=job)["id"] for job in ids} == ids
    gone.delete()
