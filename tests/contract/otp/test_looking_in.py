"""Looking into a node from outside and from other hosts: what runs, what hangs, what is said."""

from __future__ import annotations

import os
import signal
import time

import pytest

from roger_actors.errors import CallTimeout, NoProcess

real = pytest.mark.parametrize("hosts", [pytest.param("thespian", marks=pytest.mark.live)], indirect=True)


def until(found, limit=15.0):
    """Ask again until there is an answer; what is awaited has no event that reaches a test outside."""
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline:
        answer = found()
        if answer:
            return answer
    return pytest.fail("it did not come")


def hung(info):
    return info if info.get("standing") else None


def named(view, name):
    return next((one for one in view["processes"] if one["name"] == name), None)


def test_every_process_is_seen_with_what_it_does_and_where_it_waits(hosts):
    pid = hosts.play("first", "wait_long", "slow")
    hosts.play("first", "start_puppet", "idle")

    view = hosts.outside.top(1000)
    slow, idle = named(view, "slow"), named(view, "idle")

    assert (slow["pid"], slow["state"], slow["mailbox"]) == (str(pid), "busy", 3)
    assert slow["function"].startswith("Waiting.handle_cast (otp_scenarios.py:")
    assert (idle["state"], idle["mailbox"], idle["handled"], idle["function"]) == ("waiting", 0, 0, None)
    (task,) = [one for one in view["processes"] if (one["function"] or "").startswith("nap ")]
    assert (task["state"], task["class"]) == ("busy", "nap")


def test_the_busiest_come_first_and_no_more_than_asked_for(hosts):
    for name, count in (("calm", 1), ("lively", 50)):
        hosts.play("second", "start_puppet", name)
        hosts.play("first", "flood", name, hosts.numbers()["second"], count)

    by_count = hosts.outside.top(2, "handled")
    first = [one for one in by_count["processes"] if one["host"] == hosts.numbers()["second"]]

    assert len(first) == 2
    assert named(by_count, "lively")["handled"] == 51


def test_processes_outside_any_tree_are_listed(hosts):
    hosts.play("first", "start_puppet", "loose")

    told = hosts.outside.tree()["hosts"][hosts.numbers()["first"]]

    assert {"keeper", "host_agent", "loose"} <= {one["name"] for one in told["outside"]}
    assert told["outside_count"] == len(told["outside"])


def test_a_process_is_traced_from_another_host(hosts):
    hosts.play("second", "start_puppet", "watched")

    told, nothing_more = hosts.play("first", "trace_elsewhere", "watched", hosts.numbers()["second"])

    assert [kind for kind, _ in told] == ["received", "state", "received", "replied"]
    assert told[0][1] == "cast ('set', 1)"
    assert nothing_more


def test_a_process_is_traced_from_outside_until_it_ends(hosts):
    hosts.play("first", "start_puppet", "watched")
    events = hosts.outside.trace("watched@first")
    assert next(events) == {}

    hosts.outside.cast("first", "watched", ("set", 1))
    hosts.outside.cast("first", "watched", ("exit", "crash"))
    told = [event for event in events if event]

    assert [(event["kind"], event["text"], event["name"]) for event in told][:2] == [
        ("received", "cast ('set', 1)", "watched"),
        ("state", told[1]["text"], "watched"),
    ]
    assert (told[-1]["kind"], told[-1]["text"]) == ("ended", "'crash'")
    assert named(hosts.outside.top(), "trace:1") is None


def test_a_server_is_suspended_resumed_and_shown_from_outside(hosts):
    pid = hosts.play("first", "start_puppet", "still")

    hosts.outside.suspend(str(pid))
    hosts.outside.cast("first", "still", ("set", 1))
    status = hosts.outside.status("still")
    assert (status["phase"], status["mailbox"], status["pid"]) == ("suspended", 1, str(pid))
    assert "'value': None" in status["state"]
    hosts.outside.resume("still")

    assert "'value': 1" in hosts.outside.status("still")["state"]


def test_nobody_cannot_be_looked_at(hosts):
    for name in ("nobody", "nobody@first", "nobody@nowhere", "<stages.1.99999>"):
        with pytest.raises(NoProcess):
            hosts.outside.status(name)
    with pytest.raises(NoProcess):
        next(hosts.outside.trace("nobody"))
    with pytest.raises(NoProcess):
        hosts.outside.kill_host(0)


@real
@pytest.mark.parametrize(
    ("how", "function"),
    [
        ("computes", "Hanging.handle_info"),
        ("sleeps", "Hanging.handle_info"),
        ("holds the interpreter", "handle_info"),
    ],
)
def test_a_handler_that_never_returns_is_seen_and_its_host_replaced(hosts, how, function):
    number = hosts.numbers()["first"]
    pid = hosts.play("first", "hang", how)

    info = until(lambda: hung(hosts.outside.top(timeout=1.0)["hosts"][number]))

    assert info["standing"]["function"].startswith(f"{function} (otp_scenarios.py:")
    assert any("in hang" in line for line in info["standing"]["stack"])
    if how != "holds the interpreter":
        assert (info["standing"]["pid"], info["standing"]["name"]) == (str(pid), "hanging")
    assert info["os_state"] == ("S" if how == "sleeps" else "R")
    assert info["rss"] > 1_000_000
    silent = until(lambda: hosts.outside.hosts()[number]["silent"])
    assert silent > 1
    child = hosts.outside.tree(timeout=1.0)["tree"]["children"][1]
    assert (child["state"], child["function"]) == ("unresponsive", info["standing"]["function"])

    hosts.outside.kill_host(number)

    until(lambda: hosts.numbers().get("first", number) > number)
    with pytest.raises(NoProcess):
        hosts.outside.call("first", "hanging", "x")


@real
def test_a_host_that_is_examined_goes_on_as_if_nothing_had_been(hosts):
    number = hosts.numbers()["first"]
    os_pid = hosts.outside.hosts()[number]["os_pid"]
    os.kill(os_pid, signal.SIGSTOP)
    hosts.outside.top(timeout=0.5)
    assert hosts.outside.hosts()[number]["os_state"] == "T"

    os.kill(os_pid, signal.SIGCONT)

    assert hosts.play("first", "start_puppet", "after").host == number
    assert "error" not in hosts.outside.top()["hosts"][number]


@real
def test_a_busy_server_does_not_answer_system_requests_but_is_seen(hosts):
    hosts.play("first", "wait_long", "slow")

    with pytest.raises(CallTimeout):
        hosts.outside.status("slow", timeout=0.2)
    assert named(hosts.outside.top(), "slow")["state"] == "busy"
