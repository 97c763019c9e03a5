"""Single processes of a node killed with SIGKILL under load: what dies with them, what is restarted or lost.

The jobs are real ones, from two tenants; a subprocess of a job is among the processes of the node.
"""

from __future__ import annotations

import threading

import pytest

from roger_actors import Client
from roger_actors.demo import jobs, plan, processes

on_embedded = pytest.mark.parametrize("fault_broker", ["embedded"], indirect=True)


def restarts(tree, child):
    """Return how often a child of the root's supervisor was restarted."""
    return sum(part["restarts"] for part in tree["tree"]["children"] if part["id"] == child)


@on_embedded
@pytest.mark.timeout(120)
def test_of_a_killed_worker_host_only_the_jobs_it_held_run_twice(campaign):
    killed = set()
    for _ in range(5):
        killed.add(campaign.kill_worker_host())
        threading.Event().wait(campaign.chosen.uniform(0.0, 0.5))

    verdict = campaign.judge()

    hosts_of = {}
    for entry in campaign.jobs():
        hosts_of.setdefault(entry.job, set()).add(entry.pid)
    ended = killed | {e.pid for e in campaign.jobs() if e.name in ("ExitsOnce", "Segfault", "OvertimeOnce")}
    assert [job for job in verdict.again if not hosts_of[job] & ended] == []
    campaign.is_good = True


@pytest.mark.timeout(120)
def test_a_killed_kernel_host_is_restarted_and_nothing_is_lost(campaign):
    for number in range(1, 3):
        threading.Event().wait(campaign.chosen.uniform(0.5, 1.0))
        campaign.kill_kernel_host()
        before = len(campaign.jobs())
        campaign.wait(lambda seen=before: len(campaign.jobs()) > seen + 5, 30.0, "jobs after the kill")
        assert restarts(campaign.node.running_tree(), "kernel") == number

    campaign.judge()
    campaign.is_good = True


@on_embedded
@pytest.mark.parametrize("victim", ["root", "admin", "starter"])
@pytest.mark.timeout(90)
def test_nothing_of_a_node_is_alive_two_seconds_after_its_top_was_killed(campaign, victim):
    campaign.wait_until_ready()
    parent = plan.Maker(campaign.places, campaign.seed + 1).make(
        jobs.Parent, "acme", child=str(campaign.places.child)
    )
    with Client(campaign.tables) as client:
        client.enqueue(parent.record, "acme")
    child = campaign.places.child
    pids = campaign.wait(
        lambda: child.exists() and child.read_text().split()[1:], 20.0, "a subprocess of a job"
    )
    subprocess_of_job = int(pids[0])
    assert processes.is_alive(subprocess_of_job)

    campaign.kill_only(campaign.node.pid_of(victim), limit=2.0)

    assert not processes.is_alive(subprocess_of_job)
    campaign.is_good = True
