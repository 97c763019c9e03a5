"""How long a cancel is remembered."""

from __future__ import annotations

from roger_actors.roger.global_state import flags
from roger_actors.roger.global_state.flags import FORGET_AFTER, MOST_CANCELS

DAY = 86_400.0


def test_a_cancel_is_forgotten_in_the_end_and_there_are_never_more_than_so_many() -> None:
    change = flags.cancelling("acme", "job", 5.0)

    assert (change.lease, change.log) == (FORGET_AFTER, MOST_CANCELS)


def test_the_cancel_of_a_delayed_job_lives_as_long_as_the_job_can() -> None:
    delayed = flags.delaying("acme", "job", 30 * DAY)
    assert delayed is not None

    change = flags.cancelling("acme", "job", 5.0, delayed.new)

    assert change.lease == 30 * DAY + FORGET_AFTER
    assert delayed.lease >= 30 * DAY


def test_a_short_delay_is_not_written_down() -> None:
    assert flags.delaying("acme", "job", 3600.0) is None


def test_a_cancel_tells_its_number() -> None:
    assert flags.number_of(b"17 1700000000") == 17
