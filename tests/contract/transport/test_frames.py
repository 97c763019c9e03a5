"""Frames: once, in order, of every size, and never while their sender is still sending."""

from __future__ import annotations

import pytest
from transport_driver import Puppets


def test_frames_arrive_once_and_in_order(puppets: Puppets) -> None:
    first, second = puppets.start(count=2)

    puppets.tell(first, "send", second, 1000)

    assert puppets.seen(second, 1000) == [["frame", first, index, 9] for index in range(1000)]


def test_two_hosts_that_write_to_each_other_at_once_both_hear_everything_in_order(puppets: Puppets) -> None:
    first, second = puppets.start(count=2)

    puppets.tell(first, "send", second, 300)
    puppets.tell(second, "send", first, 300)

    assert [entry[2] for entry in puppets.seen(first, 300)] == list(range(300))
    assert [entry[2] for entry in puppets.seen(second, 300)] == list(range(300))


@pytest.mark.parametrize("size", [9, 65_526, 65_536, 1_000_000, 9_000_000])
def test_a_frame_of_any_size_arrives_whole(puppets: Puppets, size: int) -> None:
    first, second = puppets.start(count=2)

    puppets.tell(first, "send", second, 3, size)

    assert puppets.seen(second, 3) == [["frame", first, index, size] for index in range(3)]


def test_an_empty_frame_arrives(puppets: Puppets) -> None:
    first, second = puppets.start(count=2)

    puppets.tell(first, "send_raw", second, "")

    assert puppets.seen(second, 1) == [["frame", first, -1, 0]]


def test_a_host_can_be_sent_to_as_soon_as_it_is_started(puppets: Puppets) -> None:
    host = puppets.tell(0, "start_and_send", "puppet", 50)

    assert [entry[2] for entry in puppets.seen(host, 50)] == list(range(50))


def test_sending_delivers_nothing_before_it_returns(puppets: Puppets) -> None:
    (host,) = puppets.start()

    seen_when_send_returned = puppets.tell(host, "send", host, 10)

    assert seen_when_send_returned == 0
    assert [entry[:3] for entry in puppets.seen(host, 10)] == [["frame", host, index] for index in range(10)]


def test_a_frame_to_a_dead_host_vanishes_silently(puppets: Puppets) -> None:
    first, second = puppets.start(count=2)
    puppets.tell(0, "kill", second)
    puppets.seen(first, 1)

    puppets.tell(first, "send", second, 10)

    assert puppets.seen(first, 1) == [["down", second, 9, None]]


def test_a_frame_to_a_host_that_never_was_vanishes_silently(puppets: Puppets) -> None:
    (host,) = puppets.start()

    puppets.tell(host, "send", 999, 10)

    assert puppets.seen(host, 0) == []
