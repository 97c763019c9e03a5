"""Hosts: starting, ending, and how every other host is told."""

from __future__ import annotations

import pytest
from transport_driver import Puppets

from roger_actors.errors import CallTimeout, TransportDown


def test_every_live_host_is_told_once_of_an_end_with_its_status(puppets: Puppets) -> None:
    first, second, third = puppets.start(count=3)

    puppets.tell(first, "send_and_stop", second, 0, 7)

    for host in (0, second, third):
        assert puppets.seen(host, 1) == [["down", first, None, 7]]


def test_a_death_is_told_after_everything_the_dead_host_had_sent(puppets: Puppets) -> None:
    first, second = puppets.start(count=2)

    puppets.tell(first, "send_and_stop", second, 500, 3)

    seen = puppets.seen(second, 501)
    assert [entry[2] for entry in seen[:500]] == list(range(500))
    assert seen[500:] == [["down", first, None, 3]]


def test_a_killed_host_ends_with_the_signal(puppets: Puppets) -> None:
    first, second = puppets.start(count=2)

    puppets.tell(0, "kill", first)

    assert puppets.seen(second, 1) == [["down", first, 9, None]]
    assert puppets.seen(0, 1) == [["down", first, 9, None]]


def test_fifty_hosts_killed_at_once_are_told_once_each(puppets: Puppets) -> None:
    (witness,) = puppets.start()
    hosts = puppets.start(count=50)

    puppets.tell(0, "kill", *hosts)

    for host in (0, witness):
        assert sorted(puppets.seen(host, 50)) == [["down", host, 9, None] for host in sorted(hosts)]


def test_killing_a_dead_host_does_nothing(puppets: Puppets) -> None:
    (host,) = puppets.start()
    puppets.tell(0, "kill", host)
    puppets.seen(0, 1)

    puppets.tell(0, "kill", host)

    assert puppets.seen(0, 1) == [["down", host, 9, None]]


def test_a_host_whose_main_raises_ends_with_status_70(puppets: Puppets) -> None:
    (host,) = puppets.start("failing")

    assert puppets.seen(0, 1) == [["down", host, None, 70]]


def test_a_host_number_is_never_used_twice(puppets: Puppets) -> None:
    first = puppets.start(count=3)
    puppets.tell(0, "kill", *first)
    puppets.seen(0, 3)

    second = puppets.start(count=3)

    assert not set(first) & set(second)


def test_an_unknown_role_is_refused(puppets: Puppets) -> None:
    assert puppets.start("no-such-role") == []


def test_a_host_knows_the_roles_of_the_living_and_of_nobody_else(puppets: Puppets) -> None:
    first, second = puppets.start(count=2)
    assert puppets.tell(first, "role_of", second) == "puppet"
    assert puppets.tell(second, "role_of", first) == "puppet"
    assert puppets.tell(first, "role_of", first) == "puppet"
    assert puppets.tell(first, "role_of", 0) == "root"

    puppets.tell(0, "kill", second)
    puppets.seen(first, 1)

    assert puppets.tell(first, "role_of", second) is None
    assert puppets.tell(first, "role_of", 999) is None


def test_a_host_started_later_knows_and_is_known_by_those_before_it(puppets: Puppets) -> None:
    (first,) = puppets.start()
    (second,) = puppets.start()

    puppets.tell(first, "send", second, 5)
    puppets.tell(second, "send", first, 5)

    assert len(puppets.seen(first, 5)) == len(puppets.seen(second, 5)) == 5


def test_a_request_that_is_not_answered_in_time_says_so(puppets: Puppets) -> None:
    with pytest.raises(CallTimeout):
        puppets.tell(0, "never", limit=0.05)


def test_a_request_to_a_node_that_was_stopped_says_so(puppets: Puppets) -> None:
    puppets.node.stop(5.0)

    with pytest.raises(TransportDown):
        puppets.start()
