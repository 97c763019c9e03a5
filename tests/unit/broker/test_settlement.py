"""Acknowledgements are batched into as few frames as may be, and each names an outstanding tag."""

from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st

from roger_actors.broker.amqp.consumer import Settlement

FRAME = struct.Struct(">BHI4sQBB")


def frames_of(settlement: Settlement) -> list[tuple[int, bool]]:
    data = settlement.take_frames()
    return [(tag, bool(multiple)) for *_, tag, multiple, _ in FRAME.iter_unpack(data)]


def test_a_run_of_acknowledgements_is_one_frame() -> None:
    settlement = Settlement(1)
    settlement.delivered = 5

    for tag in (2, 1, 3):
        settlement.ack(tag)

    assert frames_of(settlement) == [(3, True)]


def test_the_frame_that_closes_a_gap_does_not_name_a_tag_that_was_acknowledged_before() -> None:
    settlement = Settlement(1)
    settlement.delivered = 3
    settlement.ack(3)
    assert frames_of(settlement) == [(3, False)]

    settlement.ack(1)
    settlement.ack(2)

    assert frames_of(settlement) == [(2, True)]


@given(st.permutations(range(1, 12)), st.lists(st.booleans(), min_size=11, max_size=11))
def test_a_broker_that_checks_every_tag_accepts_any_order(order: list[int], flushes: list[bool]) -> None:
    settlement = Settlement(1)
    settlement.delivered = 11
    outstanding = set(range(1, 12))

    for tag, is_flushed in zip(order, [*flushes[:-1], True], strict=True):
        settlement.ack(tag)
        for named, multiple in frames_of(settlement) if is_flushed else []:
            assert named in outstanding
            outstanding -= {t for t in outstanding if t == named or (multiple and t < named)}

    assert not outstanding
