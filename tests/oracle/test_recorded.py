"""Each recorded scenario goes here as it went in Erlang, except where the list says otherwise."""

from __future__ import annotations

import json

import pytest

from . import ours, trace
from .recorded import FOLDER, GROUPS, read

SCENARIOS = [pytest.param(it, id=it["name"]) for group in sorted(GROUPS) for it in read(group)]


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_scenario_goes_as_in_erlang(scenario):
    theirs = scenario["trace"]
    expected = [
        {**step, **scenario.get("differs", {}).get("ours", {}).get(str(number), {})}
        for number, step in enumerate(theirs)
    ]

    found = trace.readable(scenario, ours.play(scenario))

    assert not trace.difference(expected, found), "\n" + trace.difference(expected, found)


@pytest.mark.parametrize("scenario", [it for it in SCENARIOS if "differs" in it.values[0]])
def test_a_declared_difference_is_one(scenario):
    for number, step in scenario["differs"]["ours"].items():
        told = scenario["trace"][int(number)]
        assert all(told.get(key) != value for key, value in step.items()), number


def test_the_files_hold_the_scenarios_of_the_module():
    assert sorted(path.stem for path in FOLDER.glob("*.json")) == sorted(GROUPS)
    for group, scenarios in GROUPS.items():
        kept = [{key: value for key, value in it.items() if key != "trace"} for it in read(group)]
        assert kept == json.loads(json.dumps(scenarios)), group


def test_no_two_scenarios_have_the_same_name():
    names = [it["name"] for scenarios in GROUPS.values() for it in scenarios]

    assert len(names) == len(set(names))
    assert len(names) >= 60
