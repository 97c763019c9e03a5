"""When a failed job runs again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from roger_actors.roger.config import RETRY_LEVELS
from roger_actors.roger.jobs.retry import LEVELS, is_buried, next_delay


def test_the_levels_are_roger_s():
    assert LEVELS == (1, 3, 5, 10, 20, 35, 60, 100, 200, 400, 1000, 1800)
    assert LEVELS == RETRY_LEVELS


@given(st.lists(st.floats(0, 1e6), min_size=1), st.integers(0, 100))
def test_a_job_gets_every_level_once_and_is_buried_after_the_last(levels, retry_count):
    delay = next_delay(levels, retry_count)

    assert delay == (levels[retry_count] if retry_count < len(levels) else None)
    assert is_buried(retryable=True, levels=levels, retry_count=retry_count) is (delay is None)


def test_a_job_that_is_not_retryable_is_never_buried():
    assert not is_buried(retryable=False, levels=[1], retry_count=5)


def test_a_single_level_of_no_seconds_buries_at_the_second_failure():
    assert next_delay([0], 0) == 0
    assert next_delay([0], 1) is None
