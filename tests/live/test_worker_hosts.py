"""What a job may do to its worker host, and that nobody else is harmed."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import roger_test_breakers as breakers

from roger_actors import Node

pytestmark = pytest.mark.timeout(60)

Until = Callable[..., Any]


@pytest.fixture
def start(session_events: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Node]]:
    """Start nodes with the jobs that break things, one partition `acme` each."""
    session_events.forget()
    nodes: list[Node] = []
    with tempfile.TemporaryDirectory(prefix="roger-hosts-") as folder:
        monkeypatch.setenv("ROGER_TEST_STARTS", str(Path(folder) / "starts"))

        def begin(**settings: Any) -> Node:
            tables = {
                "node": {
                    "name": f"hosts-{len(nodes)}",
                    "broker": f"embedded:{folder}/{len(nodes)}.db",
                    "jobs": ["roger_test_breakers"],
                    **settings,
                },
                "logging": {"level": "ERROR"},
                "partitions": {"acme": {"queues": {"default": 1}}},
            }
            nodes.append(Node.start(tables))
            return nodes[-1]

        yield begin
        for node in nodes:
            node.stop()


def counts(node: Node) -> dict[str, int]:
    found: dict[str, int] = node.node_info()["partitions"]["acme"]["counts"]
    return found


def test_what_a_job_prints_and_logs_arrives_where_the_service_s_does(
    start: Callable[..., Node], wait_until: Until, capfd: pytest.CaptureFixture[str]
) -> None:
    node = start()

    node.enqueue(breakers.Speaks.create("live"), "acme")
    wait_until(lambda: counts(node).get("done") == 1)

    out, err = capfd.readouterr()
    assert out == "printed by a job\nnot ended"
    assert "written by a job\n" in err
    assert "logged by a job" not in err  # a warning, and the level is ERROR


def test_whole_lines_of_a_job_that_ends_its_process_are_seen(
    start: Callable[..., Node], wait_until: Until, capfd: pytest.CaptureFixture[str]
) -> None:
    node = start()

    node.enqueue(breakers.Speaks.create("die"), "acme")
    wait_until(lambda: counts(node).get("retried", 0) >= 1)

    assert capfd.readouterr().out.startswith("printed by a job\n")


def test_a_job_that_closed_all_descriptors_and_goes_on_is_ended_with_its_host(
    start: Callable[..., Node], session_events: Any, wait_until: Until
) -> None:
    node = start()

    node.enqueue(breakers.ClosesAllAndGoesOn.create(None), "acme")
    pid = session_events.next("begun")["pid"]

    wait_until(lambda: not Path(f"/proc/{pid}").exists())
    wait_until(lambda: counts(node).get("retried", 0) >= 1)


def test_a_thread_that_a_job_leaves_behind_keeps_no_host_alive(
    start: Callable[..., Node], session_events: Any
) -> None:
    node = start()
    node.enqueue(breakers.LeavesAThread.create(None), "acme")
    pid = session_events.next("ran")["pid"]

    node.stop()

    assert not Path(f"/proc/{pid}").exists()


def test_a_host_whose_memory_has_grown_over_its_limit_is_replaced_after_the_job(
    start: Callable[..., Node], session_events: Any, wait_until: Until
) -> None:
    node = start(worker_max_memory=200 * 2**20)

    pids = []
    for size in (2**10, 300 * 2**20, 2**10):
        node.enqueue(breakers.EatsMemory.create({"bytes": size}), "acme")
        pids.append(session_events.next("ran")["pid"])
        wait_until(lambda: counts(node).get("done") == len(pids))

    assert pids[0] == pids[1] != pids[2]


def test_jobs_wait_until_worker_start_succeeds(
    start: Callable[..., Node], session_events: Any, wait_until: Until
) -> None:
    node = start(hooks="roger_test_breakers:SlowToStart")
    node.enqueue(breakers.EatsMemory.create({"bytes": 1}), "acme")

    pid = session_events.next("ran")["pid"]
    assert Path(os.environ["ROGER_TEST_STARTS"]).stat().st_size >= 3
    node.stop()

    assert session_events.next("worker_stop", pid=pid)


def test_a_worker_host_is_what_the_system_kills_when_memory_runs_out(
    start: Callable[..., Node], session_events: Any
) -> None:
    node = start()
    node.enqueue(breakers.EatsMemory.create({"bytes": 1}), "acme")
    pid = session_events.next("ran")["pid"]

    assert Path(f"/proc/{pid}/oom_score_adj").read_text() == "500\n"
    assert Path("/proc/self/oom_score_adj").read_text() != "500\n"
