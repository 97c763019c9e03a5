"""Section D: strategies."""

from __future__ import annotations

import pytest
from conformance_world import ABNORMAL

from roger_actors.otp import SHUTDOWN


@pytest.mark.otp_line(46)
async def test_line_046_one_for_one_gives_the_dead_child_a_new_pid_and_no_other(world):
    sup = await world.supervisor([world.child("a"), world.child("b")])
    before = await world.pids(sup)

    await world.end(before["a"], ABNORMAL)

    after = await world.pids(sup)
    assert after["a"] != before["a"]
    assert after["b"] == before["b"]


@pytest.mark.otp_line(48)
async def test_line_048_one_for_all_stops_siblings_in_reverse_and_starts_all_in_order(world):
    sup = await world.supervisor([world.child(name) for name in "abc"], strategy="one_for_all")
    before = await world.pids(sup)

    await world.end(before["b"], ABNORMAL)
    await world.pids(sup)

    assert (await world.journal())[4:] == [
        ("stopped", "c", SHUTDOWN),
        ("stopped", "a", SHUTDOWN),
        ("started", "a"),
        ("started", "b"),
        ("started", "c"),
    ]
