from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from roger_actors.otp.supervision.restart import RestartWindow, group_of

moments = st.lists(st.floats(0, 100), max_size=40).map(sorted)


@given(moments, st.integers(0, 5), st.sampled_from([1, 2.0, 5, 0.5, 2.5]))
def test_the_window_agrees_with_a_count_by_hand(times, intensity, period):
    window = RestartWindow(intensity=intensity, period=period)
    whole = float(period).is_integer()

    for number, now in enumerate(times):
        window.add(now)

        moment = math.floor(now) if whole else now
        earlier = [math.floor(time) if whole else time for time in times[: number + 1]]
        assert window.is_exceeded == (sum(moment <= time + period for time in earlier) > intensity)


@given(st.lists(st.integers(), min_size=1, unique=True), st.data())
def test_a_group_is_the_child_or_all_or_it_and_those_after_it(order, data):
    failed = data.draw(st.sampled_from(order))

    assert group_of("one_for_one", order, failed) == [failed]
    assert group_of("one_for_all", order, failed) == order
    rest = group_of("rest_for_one", order, failed)
    assert rest == order[order.index(failed) :]
