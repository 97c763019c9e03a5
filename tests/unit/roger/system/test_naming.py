"""Whose a node's name is."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from roger_actors.roger.system import naming
from roger_actors.roger.system.naming import Holder, verdict

OWN = Holder("mine", "here", "boot ns", 1, "10")
OTHER = Holder("theirs", "there", "boot ns", 2, "20")


@pytest.mark.parametrize(
    ("holder", "alive", "expected"),
    [
        (None, None, "free"),
        (OWN, True, "ours"),
        (OTHER, True, "taken"),
        (OTHER, False, "dead"),
        (OTHER, None, "ask"),
    ],
)
def test_a_name_is_taken_by_who_lives_and_free_after_who_is_dead(
    holder: Holder | None, alive: bool | None, expected: str
) -> None:
    assert verdict(holder, OWN, alive) == expected


def test_a_holder_of_this_machine_is_seen_to_live_and_to_die() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    holder = Holder("run", "here", naming._machine(), child.pid, naming._born(child.pid))

    assert naming.is_alive(holder) is True
    child.kill()
    child.wait()
    child.stdin.close()
    assert naming.is_alive(holder) is False


def test_another_process_with_the_number_of_a_dead_holder_is_not_taken_for_it() -> None:
    assert naming.is_alive(Holder("run", "here", naming._machine(), os.getpid(), "1")) is False


def test_what_runs_on_another_machine_cannot_be_seen() -> None:
    assert naming.is_alive(OTHER) is None
