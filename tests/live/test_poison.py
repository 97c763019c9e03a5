"""Whom the death of a worker host is charged to: the job that ran there, and nobody else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import roger_test_jobs as jobs

pytestmark = pytest.mark.timeout(90)

Until = Callable[..., Any]

DEATHS = 3
"""The default of `max_deaths`."""


def test_of_jobs_that_share_a_host_only_the_one_that_ends_it_is_charged(
    tenant: Any, events: Any, wait_until: Until
) -> None:
    batch = [jobs.MayKill.create({"kills": number % 40 == 39}) for number in range(200)]
    killers = {job.id for job in batch if job.args["kills"]}

    tenant.node.enqueue_many(batch, tenant.name)
    errors = events.take(len(killers) * (DEATHS - 1), "on_error")
    buried = events.take(len(killers), "on_buried")
    wait_until(lambda: tenant.counts("done") == len(batch) - len(killers))

    assert {told["id"] for told in errors} == {told["id"] for told in buried} == killers
    assert tenant.counts("retried") == len(errors)
    assert tenant.counts("buried") == len(killers)
    shelf = tenant.node.buried(tenant.name)
    assert {shelved.message_id for shelved in shelf} == killers
    assert all(f"worker host number {DEATHS}" in shelved.cause for shelved in shelf)


@pytest.mark.roger_fault("pausing counts")
@pytest.mark.roger_fault("listing disturbs")
def test_pausing_returning_and_listing_cost_no_attempt(tenant: Any, events: Any) -> None:
    for _ in range(2 * DEATHS):
        tenant.node.pause("default", tenant.name)
        job = jobs.Tell.create(1)
        tenant.node.enqueue(job, tenant.name)
        tenant.node.queued_jobs(tenant.name, "default")
        tenant.node.resume("default", tenant.name)
        assert events.next("ran", id=job.id)["retry_count"] == 0
    assert tenant.counts("retried") == tenant.counts("buried") == 0
