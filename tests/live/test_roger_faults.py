"""Faults of Roger's that are not here, on both brokers: of a node that goes on."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import roger_test_jobs as jobs

from roger_actors.errors import PublishUnconfirmed, Unroutable

pytestmark = pytest.mark.timeout(90)

Until = Callable[..., Any]


@pytest.mark.roger_fault("worker killed from outside")
def test_a_worker_killed_from_outside_is_gone_with_its_job_before_that_starts_again(
    tenant: Any, events: Any, wait_until: Until
) -> None:
    job = tenant.node.enqueue(jobs.Waits.create({}), tenant.name).id
    first = events.next("begun", id=job)

    os.kill(first["pid"], signal.SIGKILL)

    again = events.next("begun", id=job)
    assert again["pid"] != first["pid"]
    assert not Path(f"/proc/{first['pid']}").exists()
    wait_until(lambda: not Path(f"/proc/{first['child']}").exists())
    tenant.node.cancel(job, tenant.name)
    events.next("on_cancel", id=job)
    events.none("begun", within=0.2, id=job)


@pytest.mark.roger_fault("queue deleted")
def test_a_queue_that_is_deleted_under_its_partition_is_declared_again_or_an_enqueue_says_so(
    tenant: Any, events: Any, wait_until: Until
) -> None:
    service = tenant.node.service()
    service.wait(service.broker.delete(f"{tenant.name}-default"))

    def is_taken() -> bool:
        try:
            tenant.node.enqueue(jobs.Tell.create({"after": "deletion"}), tenant.name)
        except (Unroutable, PublishUnconfirmed):  # the second while the broker is at it
            return False
        return True

    wait_until(is_taken, 5.0)
    assert events.next("ran", 5.0)["args"] == {"after": "deletion"}


@pytest.mark.roger_fault("reconfigured while it runs")
def test_a_job_whose_queue_is_closed_while_it_runs_is_acknowledged_once(
    tenant: Any, events: Any, wait_until: Until
) -> None:
    job = tenant.node.enqueue(jobs.Slow.create({"seconds": 0.5}), tenant.name, override_queue="other").id
    events.next("begun", id=job)

    tenant.start(default=1)
    tenant.start(default=1, other=3)

    events.next("ran", id=job)
    following = tenant.node.enqueue(jobs.Tell.create({}), tenant.name, override_queue="other").id
    events.next("ran", id=following)
    wait_until(lambda: tenant.counts("done") == 2)
    assert tenant.info()["queues"]["other"]["message_count"] == 0
    events.none("begun", within=0.2, id=job)
