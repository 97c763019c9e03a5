"""When a failed job runs again."""

from __future__ import annotations

import random
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roger_actors.roger.config import RETRY_LEVELS, Config
from roger_actors.roger.jobs.job_class import MAX_SECONDS
from roger_actors.roger.jobs.retry import LEVELS, is_buried, next_delay, with_jitter
from roger_actors.roger.partition.run import Run


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


@given(st.floats(0, MAX_SECONDS), st.floats(0, 1), st.floats(0, 1, exclude_max=True))
def test_jitter_only_adds_and_adds_no_more_than_its_part(delay, jitter, chance):
    assert delay <= with_jitter(delay, jitter, chance) <= min(delay * (1 + jitter), MAX_SECONDS)


@pytest.mark.parametrize(("delay", "jitter"), [(10.0, 0.0), (0.0, 1.0), (MAX_SECONDS, 1.0)])
def test_there_are_delays_that_jitter_leaves_alone(delay, jitter):
    assert with_jitter(delay, jitter, 0.5) == delay


def test_a_class_s_own_jitter_goes_before_the_node_s():
    def jitter(own):
        config = Config(name="n", broker="embedded:x", retry_jitter=0.5)
        given = SimpleNamespace(
            header=SimpleNamespace(retry_jitter=own), kernel=SimpleNamespace(config=config)
        )
        return Run(given).jitter

    assert [jitter(None), jitter(0.0), jitter(1.0)] == [0.5, 0.0, 1.0]


def test_jobs_that_failed_together_come_back_evenly_spread_over_the_jitter():
    draw = random.Random(4).random

    delays = sorted(with_jitter(100.0, 0.5, draw()) for _ in range(10_000))

    assert delays[0] == pytest.approx(100.0, abs=0.1)
    assert delays[5_000] == pytest.approx(125.0, abs=1.0)
    assert delays[-1] == pytest.approx(150.0, abs=0.1)
