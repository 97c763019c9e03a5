"""Section F: what giving up does to the other children."""

from __future__ import annotations

import pytest
from conformance_dynamic import KINDS, OnDemand
from conformance_world import ABNORMAL

from roger_actors.otp import SHUTDOWN, process

STATIC = ["one_for_one", "one_for_all", "rest_for_one"]


@pytest.mark.otp_line(86)
@pytest.mark.parametrize("kind", ["one_for_one", *KINDS])
async def test_line_086_on_exceeding_the_others_are_stopped_and_the_reason_is_shutdown(world, kind):
    if kind == "one_for_one":
        sup = await world.supervisor([world.child(name) for name in "abc"], max_restarts=0)
        pids = list((await world.pids(sup)).values())
    else:
        on_demand = await OnDemand.start(kind, world.child("x"), intensity=0)
        sup = on_demand.pid
        pids = [await on_demand.child() for _ in "abc"]
    refs = [process.monitor(pid) for pid in pids]

    await world.end(pids[1], ABNORMAL)

    assert await world.exit_of(sup) is SHUTDOWN
    assert [(await world.down(ref)).reason for ref in refs] == [SHUTDOWN, ABNORMAL, SHUTDOWN]
    stopped = [entry[1] for entry in await world.journal() if entry[0] == "stopped"]
    assert stopped == (["b", "c", "a"] if kind == "one_for_one" else ["x"] * 3)


@pytest.mark.otp_line(89)
@pytest.mark.parametrize("kind", [*STATIC, *KINDS])
async def test_line_089_each_failed_attempt_counts(world, kind):
    if kind in STATIC:
        sup = await world.supervisor(
            [world.child("other"), world.child("bad")], strategy=kind, max_restarts=4
        )
        pids = await world.pids(sup)
        other, bad = pids["other"], pids["bad"]
    else:
        on_demand = await OnDemand.start(kind, world.child("bad"), intensity=4)
        sup = on_demand.pid
        other, bad = await on_demand.child(), await on_demand.child()
    await world.plan("bad", *[("stop", "no")] * 10)
    ref = process.monitor(other)

    await world.end(bad, ABNORMAL)

    assert await world.exit_of(sup) is SHUTDOWN
    assert (await world.down(ref)).reason is SHUTDOWN
    assert [entry for entry in await world.journal() if entry[0] == "refused"] == [
        ("refused", "bad", ("stop", "no"))
    ] * 4
