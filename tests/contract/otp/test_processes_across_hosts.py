"""Section M between processes of different hosts, in memory and with real OS processes."""

from __future__ import annotations

import pytest

from roger_actors.otp import KILL, KILLED, NORMAL, SHUTDOWN, Crash, Shutdown


@pytest.mark.otp_line(183)
def test_messages_keep_their_order(hosts):
    second = hosts.numbers()["second"]
    hosts.play("second", "start_puppet", "sink")

    assert hosts.play("first", "flood", "sink", second, 5000) == "after all"
    assert hosts.play("second", "numbers", "sink") == list(range(5000))


@pytest.mark.otp_line(173)
@pytest.mark.otp_line(174)
@pytest.mark.otp_line(176)
@pytest.mark.otp_line(178)
def test_links_and_monitors_tell_every_reason_once(hosts):
    for number, reason in enumerate(
        [NORMAL, SHUTDOWN, Shutdown(("a", 1)), "crash", Crash("E", "m", "t"), KILL]
    ):
        pid = hosts.play("second", "start_puppet", f"p{number}")

        told = hosts.play("first", "link_and_end", pid, reason)

        seen = KILLED if reason is KILL else reason
        assert told == ([seen], [seen], True)


@pytest.mark.otp_line(172)
@pytest.mark.otp_line(179)
def test_nobody_is_noproc(hosts):
    assert hosts.play("first", "nobody", hosts.numbers()["second"]) == ["Downnoproc", "Exitnoproc"]


@pytest.mark.otp_line(187)
@pytest.mark.otp_line(188)
def test_calls_fail_as_they_do_within_a_host(hosts):
    pid = hosts.play("second", "start_puppet", "p")

    said = hosts.play("first", "failing_calls", pid, hosts.numbers()["second"])

    assert said == ["NoProcess", "CallTimeout", "gone"]


@pytest.mark.otp_line(105)
@pytest.mark.otp_line(176)
def test_a_child_on_a_host_of_its_own_is_supervised_as_any_other(hosts):
    answer, new_host, elsewhere, reason, _ = hosts.play("first", "supervise_elsewhere", 0)

    assert (answer, new_host, elsewhere, reason) == (2, True, True, "shutdown")


@pytest.mark.live
@pytest.mark.otp_line(178)
@pytest.mark.otp_line(186)
@pytest.mark.parametrize("hosts", ["thespian"], indirect=True)
@pytest.mark.parametrize(
    ("how", "reason"),
    [("kill", "Signal(number=9)"), ("segfault", "Signal(number=11)"), ("status", "ExitStatus(status=3)")],
)
def test_a_hosts_death_is_told_once_for_each_link_and_monitor_with_the_systems_reason(hosts, how, reason):
    pids = [hosts.play("second", "start_puppet", f"p{number}") for number in range(20)]

    reasons, all_told, nothing_more = hosts.play("first", "watch_host_die", pids, how)

    assert (reasons, all_told, nothing_more) == ([reason], True, True)


@pytest.mark.live
@pytest.mark.parametrize("hosts", ["thespian"], indirect=True)
def test_the_running_tree_is_seen_from_outside(hosts):
    tree = hosts.outside.tree()

    children = {child["id"]: child for child in tree["tree"]["children"]}
    assert children["first"]["children"][0]["name"] == "stage"
    assert {info["role"] for info in hosts.outside.hosts().values()} == {"root", "first", "second"}
    assert all(info["os_pid"] for info in hosts.outside.hosts().values())
