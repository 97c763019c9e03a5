"""What reconfiguring opens, closes and changes, and how many deliveries a queue is given."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from roger_actors.roger.partition.subscriptions import MOST_AHEAD, SHORT, plan, prefetch

names = st.sampled_from(["default", "images", "mail", "slow"])
consumed = st.dictionaries(names, st.integers(1, 50))
wanted = st.dictionaries(names, st.integers(0, 50))


@given(consumed, wanted)
def test_applying_the_plan_gives_what_is_wanted(current: dict[str, int], target: dict[str, int]) -> None:
    found = plan(current, target)

    after = {name: workers for name, workers in current.items() if name not in found.close}
    after.update(found.change)
    after.update(found.open)
    assert after == {name: workers for name, workers in target.items() if workers > 0}
    assert found.declare == {name for name, workers in target.items() if workers == 0}


@given(consumed)
def test_nothing_changes_where_nothing_is_different(current: dict[str, int]) -> None:
    found = plan(current, current)

    assert not found.open
    assert not found.close
    assert not found.change


def test_a_queue_with_zero_workers_is_closed_but_stays_declared() -> None:
    found = plan({"default": 10}, {"default": 0})

    assert found.close == {"default"}
    assert found.declare == {"default"}


def test_long_and_unknown_jobs_are_taken_one_for_one() -> None:
    assert prefetch(10, None) == 10
    assert prefetch(10, SHORT) == 10


def test_very_short_jobs_are_taken_ahead_of_time() -> None:
    assert prefetch(2, SHORT / 100) == 2 + MOST_AHEAD


@given(st.integers(1, 65_535), st.none() | st.floats(0, 1000))
def test_a_prefetch_keeps_every_worker_busy_and_stays_what_the_protocol_allows(
    workers: int, mean: float | None
) -> None:
    assert workers <= prefetch(workers, mean) <= 65_535
