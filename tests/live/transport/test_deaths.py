"""Deaths of real processes: how each is told, and that nothing of a dead one lives on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from transport_driver import Puppets
from transport_processes import about, is_running, wait_gone

from roger_actors.errors import TransportDown
from roger_actors.transport.thespian import UnixNode, attach, start_node

LIMIT = 2.0
"""Seconds after which nothing of a node may be alive."""

Starter = Callable[..., "subprocess.Popen[str]"]


@pytest.mark.parametrize(
    ("how", "number", "status"),
    [
        ("segfault", signal.SIGSEGV, None),
        ("abort", signal.SIGABRT, None),
        ("kill", signal.SIGKILL, None),
        ("exit 9", None, 9),
    ],
)
def test_a_death_is_told_with_what_the_system_says(
    puppets: Puppets, how: str, number: int | None, status: int | None
) -> None:
    first, second = puppets.start(count=2)

    puppets.tell(first, "die", how)

    assert puppets.seen(second, 1) == [["down", first, number, status]]
    assert puppets.seen(0, 1) == [["down", first, number, status]]


def test_the_last_word_of_a_host_is_heard_though_its_connection_was_never_greeted(puppets: Puppets) -> None:
    host = puppets.tell(0, "start_and_sleep_till_its_end", "puppet", "farewell")

    assert puppets.seen(0, 2) == [["frame", host, 0, 9], ["down", host, None, 7]]


@pytest.mark.parametrize("role", ["puppet", "grouped"])
def test_a_host_that_kills_its_own_process_group_takes_nobody_else_with_it(
    puppets: Puppets, role: str
) -> None:
    (first,), (second,) = puppets.start(role), puppets.start(role)

    puppets.tell(first, "die", "group")

    assert puppets.seen(second, 1) == [["down", first, 9, None]]
    assert puppets.tell(second, "role_of", 0) == "root"


def test_a_host_whose_frame_handler_raises_ends_with_status_70(puppets: Puppets) -> None:
    first, second = puppets.start(count=2)

    puppets.tell(0, "send_raw", first, 'C[-1, "raise_in_frame"]')

    assert puppets.seen(second, 1) == [["down", first, None, 70]]


def test_everything_sent_before_a_hard_exit_arrives_and_then_the_exit(puppets: Puppets) -> None:
    first, second = puppets.start(count=2)

    puppets.tell(first, "send_and_exit", second, 200, 3)

    seen = puppets.seen(second, 201)
    assert [entry[2] for entry in seen[:200]] == list(range(200))
    assert seen[200:] == [["down", first, None, 3]]


def test_fifty_deaths_at_once_are_told_once_each_a_segfault_among_them(puppets: Puppets) -> None:
    (witness,) = puppets.start()
    hosts = puppets.start(count=50)
    pids = puppets.pids(*hosts)

    puppets.tell(hosts[0], "die", "segfault")
    for pid in pids[1:]:
        os.kill(pid, signal.SIGKILL)

    wanted = sorted(["down", host, 11 if host == hosts[0] else 9, None] for host in hosts)
    assert sorted(puppets.seen(witness, 50)) == wanted
    assert sorted(puppets.seen(0, 50)) == wanted


@pytest.mark.parametrize("how", ["plain", "daemon"])
def test_a_killed_host_takes_what_it_started_with_it(puppets: Puppets, how: str) -> None:
    (host,) = puppets.start()
    job = puppets.tell(host, "spawn", how)

    puppets.tell(0, "kill", host)

    assert wait_gone([job], LIMIT) == []


@pytest.mark.parametrize("how", ["plain", "daemon"])
def test_a_dead_host_does_not_take_what_another_host_started(puppets: Puppets, how: str) -> None:
    first, second = puppets.start(count=2)
    mine, other = puppets.tell(first, "spawn", how), puppets.tell(second, "spawn", how)

    puppets.tell(0, "kill", first)

    assert wait_gone([mine], LIMIT) == []
    assert is_running(other)


def test_a_stopped_host_is_killed_and_told(puppets: Puppets) -> None:
    (host,) = puppets.start("watched")
    os.kill(puppets.pids(host)[0], signal.SIGSTOP)

    assert puppets.seen(0, 1) == [["down", host, 9, None]]


def test_a_host_whose_loop_hangs_is_killed_and_told(puppets: Puppets) -> None:
    (host,) = puppets.start("watched")

    puppets.tell(host, "hang", 60.0)

    assert puppets.seen(0, 1) == [["down", host, 9, None]]


def test_a_host_that_answers_late_but_in_time_lives(puppets: Puppets) -> None:
    (host,) = puppets.start("watched")

    puppets.tell(host, "hang", 0.15)

    assert puppets.tell(host, "role_of", 0) == "root"


def test_a_host_that_closes_all_its_descriptors_is_killed_and_told(puppets: Puppets) -> None:
    first, second = puppets.start(count=2)
    puppets.tell(first, "send", second, 1)

    puppets.tell(0, "send_raw", first, 'C[-1, "close_descriptors"]')

    down = puppets.seen(second, 2)[1]
    assert down[:2] == ["down", first]


@pytest.mark.parametrize("who", ["admin", "root"])
def test_nothing_outlives_a_killed_admin_or_root(puppets: Puppets, node: UnixNode, who: str) -> None:
    (host,) = puppets.start()
    pids = [*puppets.pids(host), puppets.tell(host, "spawn", "plain"), puppets.tell(host, "spawn", "daemon")]
    pids += [about(node)["admin"], about(node)["root"]]

    os.kill(about(node)[who], signal.SIGKILL)

    assert wait_gone(pids, LIMIT) == []
    with pytest.raises(TransportDown):
        puppets.start()


def test_nothing_outlives_a_stopped_root(run_directory: Path) -> None:
    node = start_node("frozen", "transport_roles:ROLES", runtime_dir=str(run_directory), heartbeat=1.0)
    puppets = Puppets(node)
    pids = [*puppets.pids(*puppets.start()), about(node)["admin"], about(node)["root"]]

    os.kill(about(node)["root"], signal.SIGSTOP)

    assert wait_gone(pids, LIMIT + 1.5) == []
    node.stop(1.0)


def test_nothing_outlives_a_killed_starter(starter: Starter) -> None:
    process = starter()
    told = json.loads(process.stdout.readline())

    process.kill()

    assert wait_gone([told[name] for name in ("admin", "root", "host", "job", "daemon")], LIMIT) == []
    assert not Path(told["directory"]).exists()


def test_a_node_that_may_outlive_its_starter_does_and_can_be_stopped_by_another(starter: Starter) -> None:
    process = starter("options['die_with_starter'] = False")
    told = json.loads(process.stdout.readline())
    process.kill()
    process.wait()

    node = attach(told["directory"])

    (host,) = Puppets(node).start()
    assert host == 2
    node.stop(5.0)
    assert wait_gone([told[name] for name in ("admin", "root", "host", "job", "daemon")], LIMIT) == []


def test_a_terminated_admin_ends_the_node_in_order(puppets: Puppets, node: UnixNode) -> None:
    (host,) = puppets.start()
    pids = [*puppets.pids(host), about(node)["admin"], about(node)["root"]]

    os.kill(about(node)["admin"], signal.SIGTERM)

    assert wait_gone(pids, LIMIT) == []
    assert not node.directory.exists()


def test_a_terminated_host_ends_in_order(puppets: Puppets) -> None:
    first, second = puppets.start(count=2)
    assert puppets.tell(first, "role_of", 0) == "root"  # it has begun: before, the signal just ends it

    os.kill(puppets.pids(first)[0], signal.SIGTERM)

    assert puppets.seen(second, 1) == [["down", first, None, 128 + signal.SIGTERM]]
