"""Section G: restart attempts that themselves fail."""

from __future__ import annotations

import pytest
from conformance_world import ABNORMAL

from roger_actors.errors import ChildAlreadyPresent, ChildRestarting
from roger_actors.otp import RESTARTING, SHUTDOWN, Fault, Supervisor, process

WITHOUT_END = 10**9
NO = ("stop", "no")


async def restarting(world, strategy="one_for_one"):
    """Return a supervisor of a, f and z whose f fails to restart again and again, and the pids before."""
    children = [world.child(name) for name in "afz"]
    sup = await world.supervisor(children, strategy=strategy, max_restarts=WITHOUT_END)
    before = await world.pids(sup)
    await world.always("f", NO)
    await world.end(before["f"], ABNORMAL)
    return sup, before


async def attempts(world, label="f"):
    """Return how many starts of a label were refused."""
    return len([entry for entry in await world.journal() if entry == ("refused", label, NO)])


@pytest.mark.otp_line(94)
async def test_line_094_a_failing_restart_is_tried_through_the_mailbox_and_requests_come_between(world):
    sup, _ = await restarting(world)

    seen = []
    for _ in range(20):
        seen.append((await world.pids(sup))["f"])
        await Supervisor.count_children(sup)

    assert seen == [RESTARTING] * 20
    assert await attempts(world) >= 19
    await Supervisor.start_child(sup, world.child("new"))
    await Supervisor.terminate_child(sup, "a")
    assert (await world.pids(sup))["f"] is RESTARTING


@pytest.mark.otp_line(95)
async def test_line_095_attempts_come_without_delay_until_the_intensity_is_reached(world):
    sup = await world.supervisor([world.child("f")], max_restarts=50, max_seconds=1000)
    pid = (await world.pids(sup))["f"]
    await world.always("f", NO)
    begun = process.here().loop.time()

    await world.end(pid, ABNORMAL)

    assert await world.exit_of(sup) is SHUTDOWN
    assert process.here().loop.time() - begun <= (0.0 if world.transport == "memory" else 4.0)
    assert await attempts(world) == 50


@pytest.mark.otp_line(96)
async def test_line_096_a_restarting_child_is_present_and_neither_restarted_nor_deleted(world):
    sup, _ = await restarting(world)

    with pytest.raises(ChildAlreadyPresent):
        await Supervisor.start_child(sup, world.child("f"))
    with pytest.raises(ChildRestarting):
        await Supervisor.restart_child(sup, "f")
    with pytest.raises(ChildRestarting):
        await Supervisor.delete_child(sup, "f")

    assert (await world.pids(sup))["f"] is RESTARTING


@pytest.mark.otp_line(97)
async def test_line_097_a_restarting_child_is_shown_as_such_and_counts_as_known_but_not_active(world):
    sup, before = await restarting(world)

    assert await world.pids(sup) == {"a": before["a"], "f": RESTARTING, "z": before["z"]}
    assert (await Supervisor.which_child(sup, "f")).pid is RESTARTING
    assert await Supervisor.count_children(sup) == (3, 2, 0, 3)


@pytest.mark.otp_line(98)
async def test_line_098_terminating_a_restarting_child_ends_the_attempts(world):
    sup, before = await restarting(world)

    assert await Supervisor.terminate_child(sup, "f") is None

    made = await attempts(world)
    assert await world.pids(sup) == {"a": before["a"], "f": None, "z": before["z"]}
    await world.nothing(0.1)
    assert await attempts(world) == made
    await world.plan("f")
    again = await Supervisor.restart_child(sup, "f")
    assert (await world.pids(sup))["f"] == again
    assert await world.is_alive(again)


@pytest.mark.otp_line(99)
@pytest.mark.parametrize("strategy", ["one_for_one", "one_for_all", "rest_for_one"])
async def test_line_099_a_supervisor_with_a_restarting_child_stops_promptly(world, strategy):
    sup, _ = await restarting(world, strategy)
    begun = process.here().loop.time()

    assert await world.stop(sup) is SHUTDOWN

    assert process.here().loop.time() - begun <= (0.0 if world.transport == "memory" else 2.0)
    made = await attempts(world)
    await world.nothing(0.1)
    assert await attempts(world) == made


@pytest.mark.otp_line(100)
async def test_line_100_rest_for_one_in_the_loop_keeps_those_before_and_has_none_after(world):
    sup, before = await restarting(world, "rest_for_one")

    for _ in range(5):
        assert await world.pids(sup) == {"a": before["a"], "f": RESTARTING, "z": None}
        assert await Supervisor.count_children(sup) == (3, 1, 0, 3)
    assert await world.is_alive(before["a"])
    await world.plan("f")

    after = await world.settled(sup)
    assert after["a"] == before["a"]
    assert await world.is_alive(after["f"])
    assert await world.is_alive(after["z"])


@pytest.mark.otp_line(102)
async def test_line_102_restarting_children_come_up_by_themselves_when_they_can(world):
    children = [world.child(name) for name in "afg"]
    sup = await world.supervisor(children, max_restarts=WITHOUT_END)
    before = await world.pids(sup)
    for name in "fg":
        await world.always(name, NO)
        await world.end(before[name], ABNORMAL)
    assert await world.pids(sup) == {"a": before["a"], "f": RESTARTING, "g": RESTARTING}

    for name in "fg":
        await world.plan(name)

    after = await world.settled(sup)
    assert after["a"] == before["a"]
    assert all([await world.is_alive(pid) for pid in after.values()])
    assert (await Supervisor.count_children(sup)).active == 3


@pytest.mark.otp_line(103)
async def test_line_103_each_failed_attempt_is_reported(world):
    sup = await world.supervisor([world.child("f")], max_restarts=3)
    pid = (await world.pids(sup))["f"]
    await world.always("f", NO)

    await world.end(pid, ABNORMAL)
    await world.exit_of(sup)

    reports = [
        (report["kind"], report["reason"]) for report in world.reports() if report["kind"] != "progress"
    ]
    assert reports == [
        ("child_terminated", ABNORMAL),
        *[("start_error", "no")] * 3,
        ("shutdown", Fault("reached_max_restart_intensity")),
    ]
    assert {report["offender"]["id"] for report in world.reports("start_error")} == {"f"}
