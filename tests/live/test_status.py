"""Where a job is, and waiting for its end, on both brokers."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
import roger_test_jobs as jobs

from roger_actors.roger import JobNotEnded

pytestmark = [pytest.mark.live, pytest.mark.timeout(60)]


def state(tenant: Any, job_id: str) -> str:
    return str(tenant.node.jobs.status(job_id, tenant.name).state)


def test_a_job_is_running_until_it_is_done(tenant: Any, events: Any) -> None:
    job = tenant.node.enqueue(jobs.Slow.create({"seconds": 0.5}), tenant.name)
    events.next("begun", id=job.id)
    begun = time.time()

    running = tenant.node.jobs.status(job.id, tenant.name)
    done = tenant.node.jobs.wait(job.id, tenant.name, 10.0)

    assert (running.state, running.node) == ("running", tenant.node.config.name)
    assert abs(running.since - begun) < 5.0
    assert (done.state, done.has_left) == ("done", True)
    assert state(tenant, job.id) == "done"


def test_a_job_with_an_own_id_that_waits_for_its_execution_key_is_waiting(tenant: Any, events: Any) -> None:
    first = jobs.SerialSlow.create({"seconds": 0.5, "key": "k"})
    second = jobs.SerialSlow.create({"seconds": 0.0, "key": "k"}, "order-17")
    tenant.node.enqueue(first, tenant.name)
    tenant.node.enqueue(second, tenant.name)
    events.next("begun", id=first.id)

    assert state(tenant, "order-17") == "waiting"
    assert tenant.node.jobs.wait("order-17", tenant.name, 10.0).state == "done"


def test_a_job_that_nobody_has_seen_is_said_to_be_unseen_and_waiting_for_it_ends(tenant: Any) -> None:
    tenant.node.pause("default", tenant.name)
    queued = tenant.node.enqueue(jobs.Tell.create("later"), tenant.name)

    assert state(tenant, queued.id) == "unseen"
    assert state(tenant, "no-such-job") == "unseen"
    with pytest.raises(JobNotEnded, match="it is unseen"):
        tenant.node.jobs.wait(queued.id, tenant.name, 0.3)


def test_a_job_that_was_cancelled_before_anybody_saw_it_is_cancelled(tenant: Any) -> None:
    tenant.node.pause("default", tenant.name)
    queued = tenant.node.enqueue(jobs.Tell.create("never"), tenant.name)

    tenant.node.cancel(queued.id, tenant.name)

    assert tenant.node.jobs.wait(queued.id, tenant.name, 5.0).state == "cancelled"


def test_who_waits_is_answered_when_the_job_ends_and_not_at_the_next_look(tenant: Any, events: Any) -> None:
    job = tenant.node.enqueue(jobs.Waits.create({}), tenant.name)
    events.next("begun", id=job.id)
    found: list[Any] = []
    waiting = threading.Thread(target=lambda: found.append(tenant.node.jobs.wait(job.id, tenant.name, 20.0)))
    waiting.start()

    tenant.node.cancel(job.id, tenant.name)
    waiting.join(20.0)

    assert [status.state for status in found] == ["cancelled"]


def test_a_job_that_failed_is_retrying_until_its_next_attempt_and_buried_after_its_last(
    tenant: Any, events: Any, wait_until: Any
) -> None:
    job = tenant.node.enqueue(jobs.FailingByTheSecond.create({}), tenant.name)
    events.next("on_error", id=job.id)
    wait_until(lambda: state(tenant, job.id) == "retrying")  # the hook is told before the follow-up is safe

    retrying = tenant.node.jobs.status(job.id, tenant.name)
    buried = tenant.node.jobs.wait(job.id, tenant.name, 20.0)

    assert (retrying.state, retrying.retry_count) == ("retrying", 0)
    assert 0 < retrying.next_at - retrying.since < 2.0
    assert (buried.state, buried.retry_count) == ("buried", 3)
    assert "Error" in buried.cause
