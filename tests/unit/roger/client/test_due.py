"""When a job may start: moments and delays become seconds, or are refused."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roger_actors.broker import MAX_DELAY
from roger_actors.errors import InvalidTime
from roger_actors.roger.client.due import seconds_until

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
NOW = NOON.timestamp()


def test_a_moment_is_the_seconds_until_it():
    assert seconds_until(0.0, NOON + timedelta(seconds=90.5), NOW) == 90.5


@given(st.integers(-23, 23))
def test_the_same_moment_in_any_zone_is_the_same_delay(hours):
    there = (NOON + timedelta(minutes=1)).astimezone(timezone(timedelta(hours=hours)))

    assert seconds_until(0.0, there, NOW) == 60.0


def test_a_moment_that_has_passed_is_now():
    assert seconds_until(0.0, NOON - timedelta(days=3), NOW) == 0.0
    assert seconds_until(-5.0, None, NOW) == 0.0


def test_a_year_ahead_is_taken_and_more_than_the_limit_is_not():
    assert seconds_until(0.0, NOON + timedelta(days=366), NOW) == MAX_DELAY
    assert seconds_until(MAX_DELAY, None, NOW) == MAX_DELAY
    with pytest.raises(InvalidTime, match=r"at is 2027-03-03T12:00:00\+00:00, expected at most 366 days"):
        seconds_until(0.0, NOON + timedelta(days=367), NOW)


def test_a_moment_without_a_zone_is_refused():
    with pytest.raises(InvalidTime, match="at is 2026-03-01T12:00:00, expected a datetime with a time zone"):
        seconds_until(0.0, NOON.replace(tzinfo=None), NOW)


@pytest.mark.parametrize("delay", [float("nan"), float("inf"), MAX_DELAY * 1.1, True, "5", None])
def test_a_delay_that_is_no_number_or_too_long_is_refused(delay):
    with pytest.raises(InvalidTime, match="expected a number of seconds, at most 366 days"):
        seconds_until(delay, None, NOW)


@pytest.mark.parametrize("at", [date(2026, 3, 1), "2026-03-01T12:00Z", NOW])
def test_what_is_no_datetime_is_refused(at):
    with pytest.raises(InvalidTime, match="expected a datetime with a time zone"):
        seconds_until(0.0, at, NOW)


def test_a_delay_and_a_moment_together_are_refused():
    with pytest.raises(ValueError, match="either at or delay, not both"):
        seconds_until(1.0, NOON, NOW)
