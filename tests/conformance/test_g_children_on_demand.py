"""Section G, for children that are started on demand."""

from __future__ import annotations

import pytest
from conformance_dynamic import KINDS, OnDemand
from conformance_world import ABNORMAL

from roger_actors.errors import SimpleOneForOne
from roger_actors.otp import RESTARTING, Supervisor

WITHOUT_END = 10**9


@pytest.mark.otp_line(101)
@pytest.mark.parametrize("kind", KINDS)
async def test_line_101_a_dynamic_child_in_the_loop_is_known_by_its_old_pid(world, kind):
    sup = await OnDemand.start(kind, world.child("a"), intensity=WITHOUT_END)
    pid = await sup.child()
    await world.plan("a", *[("stop", "no")] * 20_000)
    await world.end(pid, ABNORMAL)

    assert await sup.children() == [RESTARTING]
    if kind == "simple_one_for_one":
        for asked in (Supervisor.restart_child, Supervisor.delete_child):
            with pytest.raises(SimpleOneForOne):
                await asked(sup.pid, "a")
    await sup.terminate(pid)

    assert await sup.children() == []
    attempts = len(await world.journal())
    await world.nothing()
    assert len(await world.journal()) == attempts
