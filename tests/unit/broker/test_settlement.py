"""Acknowledgements: few frames, and never one for what was not said."""

from __future__ import annotations

import pika.frame
from hypothesis import given
from hypothesis import strategies as st

from roger_actors.broker.amqp.consumer import Settlement


def _apply(data: bytes, unacked: set[int]) -> int:
    """Do what the broker does with acks, and count the frames; an unknown tag closes the channel."""
    count = 0
    while data:
        size, frame = pika.frame.decode_frame(data)
        data, count = data[size:], count + 1
        tag = frame.method.delivery_tag
        named = {t for t in unacked if t <= tag} if frame.method.multiple else unacked & {tag}
        assert named, f"ack of {tag} names nothing"
        unacked -= named
    return count


@given(
    st.permutations(range(1, 30)),
    st.lists(st.integers(0, 6), min_size=5, max_size=40),
    st.sets(st.integers(1, 29)),
)
def test_the_frames_say_exactly_what_was_acked_in_any_order_and_any_portions(order, portions, never):
    settlement = Settlement(1)
    settlement.delivered = 29
    unacked = set(range(1, 30))
    said: set[int] = set()
    waiting = [tag for tag in order if tag not in never]

    for portion in [*portions, 30]:
        for _ in range(min(portion, len(waiting))):
            tag = waiting.pop(0)
            assert settlement.is_outstanding(tag)
            settlement.ack(tag)
            assert not settlement.is_outstanding(tag)
            said.add(tag)
        _apply(settlement.take_frames(), unacked)
        assert unacked == set(range(1, 30)) - said


def test_a_prefix_is_one_frame():
    settlement = Settlement(1)
    settlement.delivered = 100
    for tag in range(1, 101):
        settlement.ack(tag)

    assert _apply(settlement.take_frames(), set(range(1, 101))) == 1


def test_nothing_said_is_no_frame():
    assert Settlement(1).take_frames() == b""


def test_what_was_never_delivered_is_not_outstanding():
    settlement = Settlement(1)
    settlement.delivered = 5

    assert [settlement.is_outstanding(tag) for tag in (0, 1, 5, 6)] == [False, True, True, False]
