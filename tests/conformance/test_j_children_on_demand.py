"""Section J, for children that are started on demand."""

from __future__ import annotations

import pytest
from conformance_dynamic import KINDS, OnDemand, simple
from conformance_world import ABNORMAL, Player

from roger_actors.errors import ChildNotFound, SimpleOneForOne
from roger_actors.otp import KILL, NORMAL, RESTARTING, Supervisor


@pytest.mark.otp_line(136)
async def test_line_136_terminate_child_of_a_dynamic_supervisor_takes_pids(world):
    sup = await simple(world.child("a", restart="temporary"))
    other = await world.supervisor([world.child("foreign")])
    foreign = (await world.pids(other))["foreign"]
    live, dead = await Supervisor.start_child(sup, []), await Supervisor.start_child(sup, [])
    await world.end(dead, KILL)

    await Supervisor.terminate_child(sup, live)
    await Supervisor.terminate_child(sup, dead)
    with pytest.raises(ChildNotFound):
        await Supervisor.terminate_child(sup, foreign)
    with pytest.raises(SimpleOneForOne):
        await Supervisor.terminate_child(sup, "a")

    assert await Supervisor.which_children(sup) == []
    assert await Player.call(foreign, ("reply", 1)) == 1


@pytest.mark.otp_line(140)
async def test_line_140_restart_and_delete_mean_nothing_to_a_dynamic_supervisor(world):
    sup = await simple(world.child("a"))
    pid = await Supervisor.start_child(sup, [])

    for asked in (Supervisor.restart_child, Supervisor.delete_child):
        for child in ("a", "nobody", pid):
            with pytest.raises(SimpleOneForOne):
                await asked(sup, child)

    assert await Player.call(pid, ("reply", 1)) == 1


@pytest.mark.otp_line(142)
@pytest.mark.parametrize("kind", KINDS)
async def test_line_142_which_children_of_a_dynamic_supervisor_shows_no_ids(world, kind):
    sup = await OnDemand.start(kind, world.child("a"))
    pids = {await sup.child() for _ in range(3)}

    found = await sup.behaviour.which_children(sup.pid)

    assert {info.pid for info in found} == pids
    assert {(info.id, info.type) for info in found} == {(None, "worker")}


@pytest.mark.otp_line(143)
async def test_line_143_which_child_takes_an_id_and_under_a_dynamic_strategy_a_pid(world):
    static = await world.supervisor([world.child("a"), world.child("b")])
    sup = await simple(world.child("a"))
    pid = await Supervisor.start_child(sup, [])

    assert await Supervisor.which_child(static, "a") in await Supervisor.which_children(static)
    assert [await Supervisor.which_child(sup, pid)] == await Supervisor.which_children(sup)
    for supervisor, child in ((static, "c"), (sup, (await world.pids(static))["a"])):
        with pytest.raises(ChildNotFound):
            await Supervisor.which_child(supervisor, child)
    with pytest.raises(SimpleOneForOne):
        await Supervisor.which_child(sup, "a")


@pytest.mark.otp_line(145)
@pytest.mark.parametrize("type_", ["worker", "supervisor"])
async def test_line_145_a_dynamic_supervisor_has_one_spec_and_counts_instances(world, type_):
    sup = await simple(world.child("a", type=type_, restart="transient"), intensity=10**9)
    empty = await Supervisor.count_children(sup)
    pids = [await Supervisor.start_child(sup, []) for _ in range(3)]
    await world.end(pids[0], NORMAL)
    await world.plan("a", *[("stop", "no")] * 20_000)
    await world.end(pids[1], ABNORMAL)

    counted = await Supervisor.count_children(sup)

    assert {info.pid for info in await Supervisor.which_children(sup)} == {RESTARTING, pids[2]}
    assert (counted.specs, counted.active) == (1, 1)
    assert (empty.specs, empty.active, empty.workers, empty.supervisors) == (1, 0, 0, 0)
    kinds = {"worker": counted.workers, "supervisor": counted.supervisors}
    assert kinds.pop(type_) == 2
    assert set(kinds.values()) == {0}


@pytest.mark.otp_line(147)
async def test_line_147_get_childspec_gives_the_whole_spec_by_id_or_pid(world):
    child = world.child("a")
    static = await world.supervisor([child])
    sup = await simple(child)
    pid = await Supervisor.start_child(sup, ["extra"])

    found = [
        await Supervisor.get_childspec(static, "a"),
        await Supervisor.get_childspec(sup, "a"),
        await Supervisor.get_childspec(sup, pid),
    ]

    assert found == [child.normalised()] * 3
    assert (found[0].restart, found[0].type, found[0].shutdown) == ("permanent", "worker", 5.0)
    foreign = (await world.pids(static))["a"]
    for supervisor, unknown in ((static, "b"), (static, foreign), (sup, "b"), (sup, foreign)):
        with pytest.raises(ChildNotFound):
            await Supervisor.get_childspec(supervisor, unknown)
