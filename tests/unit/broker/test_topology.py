"""Delays are sums of levels; what is declared on RabbitMQ."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roger_actors.broker.base import MAX_DELAY, QueueSpec
from roger_actors.broker.topology import (
    LEVELS,
    RESOLUTION,
    levels_for,
    own_headers,
    queue_arguments,
)


@given(st.floats(min_value=0.001, max_value=MAX_DELAY))
def test_the_levels_of_a_delay_add_up_to_it_rounded_up(delay):
    total = sum(level.units for level in levels_for(delay)) * RESOLUTION

    assert delay - 1e-6 <= total < delay + RESOLUTION + 1e-6


@given(st.floats(min_value=0.001, max_value=MAX_DELAY))
def test_each_level_is_used_once_longest_first_so_that_each_hands_down_to_the_next(delay):
    places = [LEVELS.index(level) for level in levels_for(delay)]

    assert places == sorted(set(places), reverse=True)


@pytest.mark.parametrize("delay", [0.0, -1.0, MAX_DELAY + 1, float("nan"), float("inf")])
def test_a_delay_out_of_range_is_refused(delay):
    with pytest.raises(ValueError, match="is not between"):
        levels_for(delay)


@pytest.mark.parametrize("delay", [0.25, 1.0, 1.5, 1800.0])
def test_multiples_of_the_resolution_are_kept_exactly(delay):
    assert sum(level.units for level in levels_for(delay)) * RESOLUTION == delay


def test_every_level_fits_the_brokers_longest_waiting_time():
    assert max(level.queue_arguments("")["x-message-ttl"] for level in LEVELS) < 2**32


def test_every_level_hands_down_to_an_exchange_that_is_there_and_loses_nothing():
    names = {level.name for level in LEVELS} | {"roger.deliver"}

    for level in LEVELS:
        arguments = level.queue_arguments("shop.")
        assert level.below in names
        assert arguments["x-dead-letter-exchange"] == f"shop.{level.below}"
        assert (arguments["x-dead-letter-strategy"], arguments["x-overflow"]) == (
            "at-least-once",
            "reject-publish",
        )
        assert level.exchange.alternate == level.below


def test_a_quorum_queue_is_not_left_to_the_brokers_delivery_limit():
    assert queue_arguments(QueueSpec("jobs"))["x-delivery-limit"] >= 1_000_000


def test_classic_and_exclusive_queues_have_no_quorum_arguments():
    assert queue_arguments(QueueSpec("jobs", kind="classic")) == {"x-queue-type": "classic"}
    assert queue_arguments(QueueSpec("jobs", exclusive=True)) == {}


@pytest.mark.roger_fault("key held for long")
@pytest.mark.parametrize("kind", ["quorum", "classic"])
def test_no_queue_of_jobs_expires_and_neither_does_what_waits_in_it(kind):
    for single_active in (True, False):
        arguments = queue_arguments(QueueSpec("acme.lane", kind=kind, single_active=single_active))
        assert not {"x-expires", "x-message-ttl", "x-max-length", "x-max-length-bytes"} & arguments.keys()


def test_a_single_active_queue_says_so():
    assert queue_arguments(QueueSpec("lane", single_active=True))["x-single-active-consumer"] is True


def test_the_brokers_headers_and_those_of_the_levels_are_not_shown():
    headers = {"cause": "x", "n": 1, "x-death": [1], "x-delivery-count": 3, LEVELS[4].name: True, "odd": [1]}

    assert own_headers(headers) == {"cause": "x", "n": 1}
