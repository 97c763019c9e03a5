"""Section C, for children that are started on demand."""

from __future__ import annotations

import pytest
from conformance_dynamic import KINDS, OnDemand
from conformance_world import ABNORMAL

from roger_actors.errors import StartFailed
from roger_actors.otp import SHUTDOWN, GenServer, Supervisor


@pytest.mark.otp_line(38)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("restart", ["permanent", "transient", "temporary"])
async def test_line_038_an_ignored_dynamic_child_is_never_stored(world, kind, restart):
    sup = await OnDemand.start(kind, world.child("a", restart=restart))
    await world.plan("a", "ignore")

    assert await sup.child() is None

    assert await sup.children() == []
    await GenServer.stop(sup.pid, SHUTDOWN)
    assert await world.exit_of(sup.pid) is SHUTDOWN
    assert await world.journal() == [("refused", "a", "ignore")]


@pytest.mark.otp_line(40)
@pytest.mark.parametrize("kind", KINDS)
async def test_line_040_a_dynamic_start_that_fails_tells_its_reason_without_the_child(world, kind):
    sup = await OnDemand.start(kind, world.child("a", label="other"))
    await world.plan("other", ("stop", "why"), ("return", 42))

    with pytest.raises(StartFailed) as error:
        await sup.child()
    with pytest.raises(StartFailed) as unknown:
        await sup.child()

    assert error.value.reason == "why"
    assert unknown.value.reason.kind == "bad_return_value"
    assert "'a'" not in str(error.value)
    assert await sup.children() == []


@pytest.mark.otp_line(41)
@pytest.mark.parametrize("kind", ["one_for_one", *KINDS])
async def test_line_041_what_a_start_says_besides_is_passed_back_and_changes_nothing(world, kind):
    spec = world.function_child("a")
    await world.plan("start of a", *[("extra", {"said": "more"})] * 3)
    if kind == "one_for_one":
        sup = await world.supervisor([])
        pid, extra = await Supervisor.start_child(sup, spec)
        await Supervisor.terminate_child(sup, "a")
        pid, again = await Supervisor.restart_child(sup, "a")
        assert again == extra
    else:
        on_demand = await OnDemand.start(kind, spec)
        sup = on_demand.pid
        pid, extra = await on_demand.child()

    await world.end(pid, ABNORMAL)

    assert extra == {"said": "more"}
    (after,) = [info.pid for info in await Supervisor.which_children(sup)]
    assert after != pid
    assert await world.is_alive(after)
