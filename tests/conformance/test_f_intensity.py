"""Section F: restart intensity."""

from __future__ import annotations

import pytest
from conformance_world import ABNORMAL

from roger_actors.otp import (
    KILL,
    NORMAL,
    SHUTDOWN,
    DynamicSupervisor,
    Fault,
    Shutdown,
    Supervisor,
    process,
)

STRATEGIES = ["one_for_one", "one_for_all", "rest_for_one"]


async def crash(world, sup, child="a"):
    """Let a child end abnormally and wait until its supervisor has answered, if it lives on."""
    await world.end((await world.pids(sup))[child], ABNORMAL)


@pytest.mark.otp_line(81)
@pytest.mark.parametrize("intensity", [1, 2, 5])
@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_line_081_one_restart_more_than_the_intensity_ends_the_supervisor(world, strategy, intensity):
    children = [world.child("a"), world.child("b")]
    sup = await world.supervisor(children, strategy=strategy, max_restarts=intensity)

    for _ in range(intensity):
        await crash(world, sup)
    last = await world.pids(sup)
    assert all([await world.is_alive(pid) for pid in last.values()])
    await world.end(last["a"], ABNORMAL)

    assert await world.exit_of(sup) is SHUTDOWN
    assert not any([await world.is_alive(pid) for pid in last.values()])
    started = [entry for entry in await world.journal() if entry == ("started", "a")]
    assert len(started) == 1 + intensity


@pytest.mark.otp_line(82)
@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_line_082_with_intensity_zero_the_first_crash_ends_the_supervisor(world, strategy):
    sup = await world.supervisor([world.child("a"), world.child("b")], strategy=strategy, max_restarts=0)

    await crash(world, sup)

    assert await world.exit_of(sup) is SHUTDOWN
    assert await world.journal() == [
        ("started", "a"),
        ("started", "b"),
        ("stopped", "a", ABNORMAL),
        ("stopped", "b", SHUTDOWN),
    ]


@pytest.mark.otp_line(83)
@pytest.mark.parametrize(
    ("limit", "moments", "ends"),
    [
        (1, [0.9, 2.99], True),  # two whole seconds apart: within the period of two
        (1, [0.9, 3.0], False),  # three
        (1, [0.0, 2.0], True),
        (1, [1.9, 2.1], True),  # no bucket ends in between
        (1, [0.0, 3.0, 6.0, 9.0], False),
        (1, [0.0, 3.0, 6.0, 8.99], True),  # and no success in between forgives
        (2, [0.0, 2.0, 3.0, 4.0], True),  # only the first has slid out
        (2, [0.0, 2.0, 3.0, 5.0], False),
    ],
)
async def test_line_083_the_window_slides_and_counts_whole_seconds_inclusively(world, limit, moments, ends):
    clock = world.stop_clock()
    begun = clock.now
    sup = await world.supervisor([world.child("a")], max_restarts=limit, max_seconds=2)

    for moment in moments:
        clock.now = begun + moment
        await crash(world, sup)

    if ends:
        assert await world.exit_of(sup) is SHUTDOWN
    else:
        assert await world.is_alive((await world.pids(sup))["a"])


@pytest.mark.otp_line(84)
async def test_line_084_crashes_further_apart_than_the_window_never_end_the_supervisor(world):
    clock = world.stop_clock()
    sup = await world.supervisor([world.child("a")], max_restarts=1, max_seconds=1)

    for _ in range(30):
        await crash(world, sup)
        clock.now += 2.1

    assert await world.is_alive((await world.pids(sup))["a"])


@pytest.mark.otp_line(85)
@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_line_085_the_window_is_shared_by_all_children(world, strategy):
    children = [world.child(name) for name in "abc"]
    sup = await world.supervisor(children, strategy=strategy, max_restarts=2)

    await crash(world, sup, "a")
    await crash(world, sup, "b")
    assert await world.is_alive((await world.pids(sup))["c"])
    await crash(world, sup, "c")

    assert await world.exit_of(sup) is SHUTDOWN


@pytest.mark.otp_line(87)
async def test_line_087_giving_up_is_reported_as_the_intensity_that_was_reached(world):
    sup = await world.supervisor([world.child("a")], max_restarts=1, name="sup")

    await crash(world, sup)
    assert world.reports("shutdown") == []
    last = (await world.pids(sup))["a"]
    await world.end(last, ABNORMAL)
    await world.exit_of(sup)

    (report,) = world.reports("shutdown")
    assert report["reason"] == Fault("reached_max_restart_intensity")
    assert (report["supervisor"], report["offender"]["id"]) == ("sup", "a")
    assert report["offender"]["pid"] == last


@pytest.mark.otp_line(88)
@pytest.mark.parametrize("restart", ["transient", "permanent"])
async def test_line_088_a_supervisor_that_gave_up_is_restarted_only_if_it_is_permanent(world, restart):
    inner = world.nested("inner", [world.child("a")], options={"max_restarts": 0}, restart=restart)
    outer = await world.supervisor([inner])
    before = (await world.pids(outer))["inner"]
    ref = process.monitor(before)

    await crash(world, before)

    assert (await world.down(ref)).reason is SHUTDOWN
    after = (await world.pids(outer))["inner"]
    if restart == "transient":
        assert after is None
    else:
        assert after not in {None, before}
        assert await world.is_alive((await world.pids(after))["a"])


@pytest.mark.otp_line(90)
async def test_line_090_what_is_done_by_hand_never_counts(world):
    sup = await world.supervisor([world.child("a")], max_restarts=1)

    for number in range(5):
        await Supervisor.start_child(sup, world.child(number))
        await Supervisor.terminate_child(sup, "a")
        await Supervisor.restart_child(sup, "a")
        await Supervisor.terminate_child(sup, number)
        await Supervisor.delete_child(sup, number)
    await crash(world, sup)

    assert await world.is_alive((await world.pids(sup))["a"])
    await crash(world, sup)
    assert await world.exit_of(sup) is SHUTDOWN


@pytest.mark.otp_line(91)
@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_line_091_exits_that_are_not_restarted_never_count(world, strategy):
    clean = [NORMAL, SHUTDOWN, Shutdown("x")]
    exits = [("transient", reason) for reason in clean]
    exits += [("temporary", reason) for reason in [*clean, ABNORMAL, KILL]]
    sup = await world.supervisor([world.child("a")], strategy=strategy, max_restarts=0)
    before = await world.pids(sup)

    for number, (restart, reason) in enumerate(exits):
        pid = await Supervisor.start_child(sup, world.child(number, restart=restart))
        await world.end(pid, reason)

    after = await world.pids(sup)
    assert after["a"] == before["a"]
    assert await world.is_alive(after["a"])


@pytest.mark.otp_line(92)
async def test_line_092_a_supervisor_restarted_by_its_parent_has_an_empty_window(world):
    outer = await world.supervisor([world.nested("inner", [world.child("a")], options={"max_restarts": 1})])
    first = (await world.pids(outer))["inner"]
    await crash(world, first)

    await world.end_supervisor(first, KILL)

    second = (await world.pids(outer))["inner"]
    assert second != first
    await crash(world, second)
    assert await world.is_alive((await world.pids(second))["a"])
    await crash(world, second)
    assert (await world.pids(outer))["inner"] != second


@pytest.mark.otp_line(93)
async def test_line_093_a_dynamic_supervisor_counts_likewise_and_retries_too(world):
    sup = await DynamicSupervisor.start_link(max_restarts=3)
    other = await DynamicSupervisor.start_child(sup, world.child("other"))
    pid = await DynamicSupervisor.start_child(sup, world.child("a"))
    await world.plan("a", ("stop", "no"), ("stop", "no"))
    ref = process.monitor(other)

    await world.end(pid, ABNORMAL)  # two attempts fail, the third succeeds
    await world.settled(sup)
    (last,) = {info.pid for info in await DynamicSupervisor.which_children(sup)} - {other}
    assert await world.is_alive(last)
    await world.end(last, ABNORMAL)

    assert await world.exit_of(sup) is SHUTDOWN
    assert (await world.down(ref)).reason is SHUTDOWN
    assert [entry[:2] for entry in await world.journal() if entry[1] == "a"] == [
        ("started", "a"),
        ("stopped", "a"),
        ("refused", "a"),
        ("refused", "a"),
        ("started", "a"),
        ("stopped", "a"),
    ]
