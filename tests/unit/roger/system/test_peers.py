"""Who is alive, by signs of life and a clock."""

from __future__ import annotations

from roger_actors.roger.system.peers import HEARTBEAT, LOST_AFTER, Peers


def test_a_node_is_alive_from_its_first_sign_until_it_has_been_silent_for_too_long() -> None:
    peers = Peers()

    assert peers.heard("a", "run", 0.0)
    assert not peers.heard("a", "run", HEARTBEAT)

    assert peers.names(HEARTBEAT + LOST_AFTER - 0.1) == ["a"]
    assert peers.names(HEARTBEAT + LOST_AFTER) == []


def test_a_node_that_was_restarted_is_news_and_counts_once() -> None:
    peers = Peers()
    peers.heard("a", "old", 0.0)

    assert peers.heard("a", "new", 1.0)
    assert peers.names(2.0) == ["a"]


def test_a_node_that_left_in_order_is_missed_at_once_and_is_not_lost() -> None:
    peers = Peers()
    peers.heard("a", "run", 0.0)

    peers.left("a", "run")
    peers.left("b", "never heard of")

    assert peers.names(0.0) == []
    assert peers.lost(LOST_AFTER) == []


def test_silent_nodes_are_lost_once() -> None:
    peers = Peers()
    peers.heard("a", "run", 0.0)
    peers.heard("b", "run", 5.0)

    assert peers.lost(LOST_AFTER) == [("a", "run")]
    assert peers.lost(LOST_AFTER) == []
    assert peers.names(LOST_AFTER) == ["b"]


def test_who_hears_nothing_counts_nobody_as_alive() -> None:
    peers = Peers()
    peers.heard("a", "run", 0.0)

    peers.forget_all()

    assert peers.names(0.0) == []
