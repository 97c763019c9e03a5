from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roger_actors.otp.runtime import Timers
from roger_actors.transport.memory import VirtualLoop


@pytest.fixture
def loop():
    loop = VirtualLoop()
    yield loop
    loop.close()


def test_timers_fire_in_order_of_time_and_then_of_start(loop):
    fired = []
    timers = Timers(loop)

    for seconds, name in ((2.0, "c"), (1.0, "a"), (1.0, "b"), (0.0, "now")):
        timers.start(seconds, fired.append, name)
    loop.advance(3.0)

    assert fired == ["now", "a", "b", "c"]


def test_a_cancelled_timer_says_what_was_left_and_never_fires(loop):
    fired = []
    timers = Timers(loop)
    timer = timers.start(2.0, fired.append, 1)
    loop.advance(0.5)

    assert timers.cancel(timer) == pytest.approx(1.5)
    assert timers.cancel(timer) is None
    loop.advance(5.0)

    assert fired == []


def test_cancelled_timers_do_not_pile_up(loop):
    timers = Timers(loop)

    for _ in range(10_000):
        timers.cancel(timers.start(5.0, print, None))

    assert len(timers._heap) < 1000


@given(st.lists(st.tuples(st.floats(0, 10), st.booleans()), max_size=30))
def test_every_timer_that_is_not_cancelled_fires_when_it_is_due(plan):
    loop = VirtualLoop()
    timers = Timers(loop)
    begun = loop.time()
    fired = []
    started = [(timers.start(seconds, fired.append, seconds), cancel) for seconds, cancel in plan]
    for timer, cancel in started:
        if cancel:
            timers.cancel(timer)

    loop.advance(11.0)

    loop.close()
    assert sorted(fired) == sorted(seconds for seconds, cancel in plan if not cancel)
    assert begun < loop.time()


def test_a_timer_that_raises_does_not_hold_up_the_others(loop, caplog):
    fired = []
    timers = Timers(loop)
    timers.start(1.0, lambda _: 1 / 0, None)
    timers.start(1.0, fired.append, "same moment")
    timers.start(2.0, fired.append, "later")

    loop.advance(3.0)

    assert fired == ["same moment", "later"]
    assert "ZeroDivisionError" in caplog.text
