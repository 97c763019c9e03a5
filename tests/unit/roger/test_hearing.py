"""Whether a node can have missed a cancel."""

from __future__ import annotations

from roger_actors.roger.kernel import DEAF_AFTER, Hearing


def test_a_node_that_has_heard_nothing_yet_knows_nothing() -> None:
    assert not Hearing().covers(10.0, 10.0)


def test_what_was_looked_up_after_it_heard_itself_holds_while_it_hears() -> None:
    hearing = Hearing()

    assert hearing.heard(10.0)

    assert not hearing.covers(9.9, 10.0)
    assert hearing.covers(10.0, 10.0)
    assert not hearing.heard(12.0)
    assert hearing.covers(10.0, 12.0 + DEAF_AFTER - 0.1)


def test_a_node_that_does_not_hear_itself_for_long_has_to_look_up_again() -> None:
    hearing = Hearing()
    hearing.heard(10.0)

    assert not hearing.covers(10.0, 10.0 + DEAF_AFTER)
    assert hearing.heard(20.0)
    assert not hearing.covers(10.0, 20.0)
    assert hearing.covers(20.0, 20.0)


def test_after_an_interruption_only_what_is_looked_up_anew_counts() -> None:
    hearing = Hearing()
    hearing.heard(10.0)

    hearing.interrupted()

    assert not hearing.covers(10.0, 10.1)
    assert hearing.heard(10.2)
    assert not hearing.covers(10.0, 10.2)
