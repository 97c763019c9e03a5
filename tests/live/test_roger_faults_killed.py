"""Faults of Roger's that are not here, on both brokers: of a node that is killed and started again."""

from __future__ import annotations

import os
import secrets
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
import roger_test_jobs as jobs

from roger_actors import Node
from roger_actors.errors import DuplicateJob

pytestmark = pytest.mark.timeout(90)

Until = Callable[..., Any]


@attrs.frozen
class Killed:
    """A node that was killed and started again under its name, and what it had in hand."""

    node: Node
    running: str
    gone: list[int]
    queued: str
    serial: list[str]


@pytest.fixture(scope="module")
def killed(
    broker_url: str, nothing_survives_the_module: None, session_events: Any, wait_until: Until
) -> Iterator[Killed]:
    """SIGKILL of a node within a second of a unique job's end, with jobs running, queued and waiting."""
    tables = {
        "node": {
            "name": f"killed-{secrets.token_hex(4)}",
            "broker": broker_url,
            "jobs": ["roger_test_jobs"],
            "enqueue_timeout": 20.0,
        },
        "logging": {"level": "ERROR"},
        "partitions": {"acme": {"queues": {"default": 4, "held": 1}}},
    }
    node = Node.start(tables)
    node.pause("held", "acme")
    queued = node.enqueue(jobs.Unique.create({"n": 2}), "acme", override_queue="held").id
    serial = [node.enqueue(jobs.SerialSlow.create({"key": "k", "seconds": 0.5}), "acme").id for _ in range(3)]
    session_events.next("begun", id=serial[0])
    running = node.enqueue(jobs.Waits.create({}), "acme").id
    begun = session_events.next("begun", id=running)
    finished = node.enqueue(jobs.Unique.create({"n": 1}), "acme").id
    session_events.next("ran", id=finished)
    wait_until(lambda: node.global_state.queued("acme", "unique-1") is None)

    (root,) = [host["os_pid"] for host in node.hosts().values() if host["role"] == "root"]
    os.kill(root, signal.SIGKILL)
    node.stop(0.0)
    with Node.start(tables) as again:
        yield Killed(again, running, [begun["pid"], begun["child"]], queued, serial)


@pytest.mark.roger_fault("same name again")
def test_a_node_starts_again_under_its_name_within_seconds_of_its_kill(
    killed: Killed, wait_until: Until
) -> None:
    wait_until(lambda: killed.node.node_info.running_partition_ids() == ["acme"])


@pytest.mark.roger_fault("node killed with jobs")
def test_the_workers_die_with_their_node_and_what_ran_there_runs_again(
    killed: Killed, session_events: Any, wait_until: Until
) -> None:
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in killed.gone), 5.0)

    session_events.next("begun", id=killed.running)
    killed.node.cancel(killed.running, "acme")


@pytest.mark.roger_fault("node killed while jobs wait on a key")
def test_jobs_that_waited_on_a_key_when_their_node_was_killed_run_one_after_another(
    killed: Killed, session_events: Any
) -> None:
    told = [session_events.next(name, id=job) for job in killed.serial for name in ("begun", "ran")]

    assert [each["at"] for each in told] == sorted(each["at"] for each in told)


@pytest.mark.roger_fault("node killed after a unique job")
def test_the_key_of_a_job_that_had_finished_just_before_the_kill_is_free(
    killed: Killed, session_events: Any
) -> None:
    job = killed.node.enqueue(jobs.Unique.create({"n": 1}), "acme")

    session_events.next("ran", id=job.id)


@pytest.mark.roger_fault("node killed while a unique job is queued")
def test_a_job_that_was_queued_at_the_kill_is_still_unique_and_runs(
    killed: Killed, session_events: Any
) -> None:
    with pytest.raises(DuplicateJob) as refused:
        killed.node.enqueue(jobs.Unique.create({"n": 2}), "acme")
    assert refused.value.holder == killed.queued

    killed.node.resume("held", "acme")
    session_events.next("ran", id=killed.queued)
