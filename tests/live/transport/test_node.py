"""Starting, finding and stopping real nodes; what they leave on disk; what goes wrong."""

from __future__ import annotations

import fcntl
import logging
import os
import signal
from pathlib import Path

import pytest
from transport_driver import Puppets
from transport_processes import about, wait_gone

from roger_actors.errors import TransportDown
from roger_actors.transport.thespian import UnixNode, attach, start_node

ROLES = "transport_roles:ROLES"


def test_a_node_is_found_by_its_name(node: UnixNode, run_directory: Path) -> None:
    found = attach("live", runtime_dir=str(run_directory))

    assert Puppets(found).start() == [1]
    found.close()


def test_an_unknown_node_is_not_found() -> None:
    with pytest.raises(TransportDown, match="no such node"):
        attach("no-such-node")


def test_a_root_that_fails_to_start_is_told_with_its_error(run_directory: Path) -> None:
    with pytest.raises(TransportDown, match="ValueError: the root was told to fail"):
        start_node("failing", ROLES, b"fail", runtime_dir=str(run_directory))

    assert list(run_directory.iterdir()) == []


@pytest.mark.parametrize("roles", ["no_such_module:ROLES", "transport_roles:NO_SUCH"])
def test_a_role_table_that_is_not_there_is_told(run_directory: Path, roles: str) -> None:
    with pytest.raises(TransportDown, match=r"no_such_module|NO_SUCH"):
        start_node("failing", roles, runtime_dir=str(run_directory))


def test_a_runtime_directory_that_is_too_deep_is_refused(run_directory: Path) -> None:
    with pytest.raises(TransportDown, match="108 bytes"):
        start_node("deep", ROLES, runtime_dir=str(run_directory / ("x" * 90)))


def test_a_stopped_node_leaves_no_file_and_no_process(run_directory: Path) -> None:
    node = start_node("live", ROLES, runtime_dir=str(run_directory))
    puppets = Puppets(node)
    pids = [*puppets.pids(*puppets.start(count=3)), about(node)["admin"], about(node)["root"]]

    node.stop(5.0)

    assert wait_gone(pids, 0.0) == []
    assert list(run_directory.iterdir()) == []
    assert not node.is_alive


def test_stopping_twice_does_nothing(node: UnixNode) -> None:
    node.stop(5.0)

    node.stop(5.0)


def test_a_stop_of_a_frozen_node_ends_it_by_force(run_directory: Path) -> None:
    node = start_node("live", ROLES, runtime_dir=str(run_directory), heartbeat=None)
    puppets = Puppets(node)
    pids = [*puppets.pids(*puppets.start(count=2)), about(node)["admin"], about(node)["root"]]
    os.kill(about(node)["root"], signal.SIGSTOP)

    node.stop(0.3)

    assert wait_gone(pids, 2.0) == []


def test_a_node_killed_as_a_whole_leaves_files_that_the_next_start_sweeps(run_directory: Path) -> None:
    dead = start_node("dead", ROLES, runtime_dir=str(run_directory), heartbeat=None)
    told = about(dead)
    for pid in (told["root"], told["admin"]):
        os.kill(pid, signal.SIGSTOP)
    for pid in (told["root"], told["admin"]):
        os.kill(pid, signal.SIGKILL)
    assert wait_gone([told["root"], told["admin"]], 2.0) == []
    assert dead.directory.exists()

    node = start_node("next", ROLES, runtime_dir=str(run_directory))

    assert list(run_directory.iterdir()) == [node.directory]
    node.stop(5.0)
    dead.stop(1.0)


def test_the_directory_of_a_living_node_is_not_swept(node: UnixNode, run_directory: Path) -> None:
    other = start_node("other", ROLES, runtime_dir=str(run_directory))

    assert Puppets(node).start()
    assert Puppets(other).start()
    other.stop(5.0)


def test_a_forked_child_of_the_service_asks_on_a_connection_of_its_own(puppets: Puppets) -> None:
    puppets.start()

    child = os.fork()
    if not child:
        os._exit(0 if puppets.start() else 1)

    assert os.waitpid(child, 0)[1] == 0
    assert puppets.start()


def test_starting_a_node_touches_neither_logging_nor_signals(run_directory: Path) -> None:
    handlers, level = list(logging.root.handlers), logging.root.level
    signals = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)}

    start_node("live", ROLES, runtime_dir=str(run_directory)).stop(5.0)

    assert (list(logging.root.handlers), logging.root.level) == (handlers, level)
    assert {number: signal.getsignal(number) for number in signals} == signals


def test_a_lock_file_that_the_service_holds_is_not_inherited(run_directory: Path, tmp_path: Path) -> None:
    with (tmp_path / "service.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        os.set_inheritable(lock.fileno(), True)
        node = start_node("live", ROLES, runtime_dir=str(run_directory))

    with (tmp_path / "service.lock").open() as again:
        fcntl.flock(again, fcntl.LOCK_EX | fcntl.LOCK_NB)
    node.stop(5.0)
