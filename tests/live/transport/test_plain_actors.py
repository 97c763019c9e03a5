"""Plain Thespian actors on this project's system base."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from plain_actors import DeadLetters, Echo, Parent
from thespian.actors import ActorExitRequest, ActorSystem
from transport_processes import wait_gone

from roger_actors.transport.thespian import system_base

LIMIT = 10.0


@pytest.fixture
def system(run_directory: Path) -> Iterator[Any]:
    """An actor system of its own."""
    system = ActorSystem(system_base.NAME, {"Unix Dir": str(run_directory / "system")}, transientUnique=True)
    yield system
    system.shutdown()


def test_an_actor_answers(system: Any) -> None:
    echo = system.createActor(Echo)

    assert system.ask(echo, "hello", LIMIT) == "hello"


def test_messages_come_in_order(system: Any) -> None:
    echo = system.createActor(Echo)

    for index in range(200):
        system.tell(echo, [index])

    assert [system.listen(LIMIT) for _ in range(200)] == [[index] for index in range(200)]


def test_a_service_with_an_event_loop_of_its_own_can_use_it(system: Any) -> None:
    async def service() -> Any:
        return system.ask(system.createActor(Echo), "hello", LIMIT)

    assert asyncio.run(service()) == "hello"


def test_thirty_killed_children_are_told_once_each_with_the_signal(system: Any) -> None:
    parent = system.createActor(Parent)
    pids = system.ask(parent, ("echo", 30), LIMIT)

    for pid in pids:
        os.kill(pid, signal.SIGKILL)

    assert system.listen(LIMIT) == [(9, None)] * 30


def test_a_child_that_cannot_be_made_is_told_once_with_a_status(system: Any) -> None:
    parent = system.createActor(Parent)

    assert system.ask(parent, ("bad", 2), LIMIT) == [(None, 70)] * 2


def test_a_child_that_exits_hard_is_told_with_its_status(system: Any) -> None:
    parent = system.createActor(Parent)
    (pid,) = system.ask(parent, ("echo", 1), LIMIT)

    os.kill(pid, signal.SIGTERM)

    assert system.listen(LIMIT) == [(None, 0)]


def test_the_children_of_a_killed_actor_die_with_it(system: Any) -> None:
    parent, echo = system.createActor(Parent), system.createActor(Echo)
    children = system.ask(parent, ("echo", 3), LIMIT)
    stat = Path(f"/proc/{children[0]}/stat").read_text()

    os.kill(int(stat.rpartition(")")[2].split()[1]), signal.SIGKILL)

    assert wait_gone(children, 2.0) == []
    assert system.ask(echo, "still here", LIMIT) == "still here"


def test_a_message_to_a_dead_actor_becomes_a_dead_letter(system: Any) -> None:
    letters, echo = system.createActor(DeadLetters), system.createActor(Echo)
    assert system.ask(letters, "begin", LIMIT) == "begun"
    pid = system.ask(echo, "pid", LIMIT)
    system.tell(echo, ActorExitRequest())
    assert wait_gone([pid], 5.0) == []

    system.tell(echo, "too late")

    assert system.listen(LIMIT) == "too late"


def test_a_second_client_reaches_the_same_system(system: Any, run_directory: Path) -> None:
    named = system.createActor(Echo, globalName="the echo")
    pid = system.ask(named, "pid", LIMIT)

    other = ActorSystem(system_base.NAME, {"Unix Dir": str(run_directory / "system")}, transientUnique=True)

    assert other.ask(other.createActor(Echo, globalName="the echo"), "pid", LIMIT) == pid
    other._systemBase.transport.close()


def test_shutting_down_leaves_neither_a_process_nor_a_file(run_directory: Path) -> None:
    system = ActorSystem(system_base.NAME, {"Unix Dir": str(run_directory / "system")}, transientUnique=True)
    pids = system.ask(system.createActor(Parent), ("echo", 5), LIMIT)

    system.shutdown()

    assert wait_gone(pids, 2.0) == []
