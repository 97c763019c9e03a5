"""What cannot travel between hosts is refused at the sender; a flood from another host is bounded."""

from __future__ import annotations

import pytest

from roger_actors.errors import Undeliverable


def test_every_way_of_sending_refuses_what_cannot_be_pickled_and_names_its_type(hosts):
    pid = hosts.play("second", "start_puppet", "target")

    told, alive = hosts.play("first", "send_what_cannot_travel", pid)

    large = told.pop("too large")
    assert large.startswith("Undeliverable: ")
    assert "bytes" in large
    assert {way: text for way, text in told.items() if "Undeliverable" not in text} == {}
    assert {
        way: text for way, text in told.items() if "_thread.lock" not in text and "lambda" not in text
    } == {}
    assert "dict" in told["send"]
    assert "dict" in told["cast"]
    assert "dict" in told["call"]
    assert alive == "alive"


def test_an_answer_that_cannot_travel_is_told_to_whoever_waits_for_it(hosts):
    first, second = (hosts.play("second", "start_stubborn") for _ in "12")

    state, unloadable, lock = hosts.play("first", "ask_the_stubborn", first, second)

    assert state.startswith("Undeliverable: ")
    assert "lock" in state
    assert unloadable.startswith("Undeliverable: ")
    assert "no such class here" in unloadable
    assert lock.startswith("ServerExited: ")
    assert "Undeliverable" in lock


def test_what_cannot_be_read_where_it_arrives_is_told_and_costs_no_other_message(hosts):
    pid = hosts.play("second", "start_puppet", "target")
    stubborn = hosts.play("second", "start_stubborn")

    call, start, *ends = hosts.play("first", "send_what_cannot_be_read", pid, stubborn)

    assert call.startswith("Undeliverable: ")
    assert "LookupError: no such class here" in call
    assert "no such class here" in start
    assert ends == ["Downunportable_reason", "Exitunportable_reason"]
    assert hosts.play("second", "got", "target") == ["before", "after"]


def test_from_outside_only_plain_data_is_taken(hosts):
    with pytest.raises(Undeliverable, match=r"builtins\.object"):
        hosts.outside.cast("first", "stage", object())


def test_a_flood_from_another_host_ends_the_server_that_has_a_limit_and_nobody_else(hosts):
    hosts.play("second", "start_narrow")

    reason, beside = hosts.play("first", "flood_narrow", hosts.numbers()["second"], 20_000, 1_000)

    assert reason == "Fault('mailbox_full', 1000)"
    assert beside == "alive"
