"""Section D, for children that are started on demand."""

from __future__ import annotations

import pytest
from conformance_dynamic import KINDS, OnDemand, simple
from conformance_world import ABNORMAL, Player

from roger_actors.otp import Supervisor


@pytest.mark.otp_line(58)
async def test_line_058_extra_arguments_come_after_the_specs_own_at_every_start(world):
    sup = await simple(world.child("a", "base"))
    first = await Supervisor.start_child(sup, ["extra", 2])
    asked = [await Player.call(first, ("args",))]

    await world.end(first, ABNORMAL)
    (second,) = [info.pid for info in await Supervisor.which_children(sup)]

    assert second != first
    asked.append(await Player.call(second, ("args",)))
    assert asked == [["base", "extra", 2]] * 2


@pytest.mark.otp_line(60)
@pytest.mark.parametrize("kind", KINDS)
async def test_line_060_when_one_dynamic_child_dies_the_others_keep_their_pids(world, kind):
    sup = await OnDemand.start(kind, world.child("a"))
    pids = [await sup.child() for _ in range(3)]

    await world.end(pids[1], ABNORMAL)

    after = await sup.running()
    assert len(after) == 3
    assert after & set(pids) == {pids[0], pids[2]}


@pytest.mark.otp_line(61)
@pytest.mark.parametrize("kind", KINDS)
async def test_line_061_a_dynamic_child_whose_restart_is_ignored_is_dropped(world, kind):
    sup = await OnDemand.start(kind, world.child("a"))
    pid, other = await sup.child(), await sup.child()
    await world.plan("a", "ignore")

    await world.end(pid, ABNORMAL)

    assert await sup.children() == [other]
    assert (await world.journal())[-1] == ("refused", "a", "ignore")
