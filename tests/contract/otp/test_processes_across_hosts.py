"""Children on hosts of their own and the running tree, in memory and with real OS processes."""

from __future__ import annotations

import pytest


def test_a_child_on_a_host_of_its_own_is_supervised_as_any_other(hosts):
    answer, new_host, elsewhere, reason, _ = hosts.play("first", "supervise_elsewhere", 0)

    assert (answer, new_host, elsewhere, reason) == (2, True, True, "shutdown")


@pytest.mark.live
@pytest.mark.parametrize("hosts", ["thespian"], indirect=True)
def test_the_running_tree_is_seen_from_outside(hosts):
    tree = hosts.outside.tree()

    children = {child["id"]: child for child in tree["tree"]["children"]}
    assert children["first"]["children"][0]["name"] == "stage"
    assert {info["role"] for info in hosts.outside.hosts().values()} == {"root", "first", "second"}
    assert all(info["os_pid"] for info in hosts.outside.hosts().values())


def test_tasks_run_on_a_host_of_their_own_and_their_owner_is_told_when_it_goes(hosts):
    assert hosts.play("first", "tasks_on_a_host_of_their_own", 0) == (True, [1, 2, 3], True)
