"""`roger-actors demo` as a program: what it prints for programs, and its exit status."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest


def demo(*options: str) -> tuple[int, dict[str, Any]]:
    command = [sys.executable, "-m", "roger_actors", "demo", "--json", "--seed", "11", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=50)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def check(status: int, told: dict[str, Any]) -> None:
    assert (status, told["faults"], told["left_behind"]) == (0, [], [])
    assert told["lost"] == 0
    acme, globex = told["tenants"]["acme"], told["tenants"]["globex"]
    assert acme["refused"] == 9
    assert (acme["failed"], acme["cancelled"], acme["buried"]) == (1, 1, 1)
    assert (globex["failed"], globex["cancelled"], globex["buried"]) == (1, 0, 1)
    assert all(each["noticed"] for each in told["self_test"])
    assert told["cancelled_after"] < 2.0


def test_the_demo_loses_nothing_and_leaves_nothing_on_the_embedded_broker() -> None:
    check(*demo("--jobs", "80"))


def test_the_demo_loses_nothing_and_leaves_nothing_on_rabbitmq(amqp_url: str) -> None:
    check(*demo("--jobs", "80", "--broker", amqp_url))


def test_a_demo_that_has_no_time_to_finish_says_what_is_missing() -> None:
    status, told = demo("--jobs", "40", "--limit", "1.0")

    assert status == 1
    assert told["lost"] > 0
    assert len(told["faults"]) >= told["lost"]


def test_a_demo_without_its_broker_says_so_on_one_line() -> None:
    command = [sys.executable, "-m", "roger_actors", "demo", "--broker", "embedded:/nowhere/at/all.db"]

    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=50)

    assert done.returncode == 1
    assert "/nowhere/at" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("option", [("--jobs", "0"), ("--limit", "0"), ("--seed", "x")])
def test_a_wrong_option_is_refused(option: tuple[str, str]) -> None:
    command = [sys.executable, "-m", "roger_actors", "demo", *option]

    assert subprocess.run(command, capture_output=True, check=False, timeout=20).returncode == 2
