"""Section I: significant children and auto_shutdown."""

from __future__ import annotations

import logging

import pytest
from conformance_world import ABNORMAL

from roger_actors.errors import CallbackFailed, InvalidChildSpec
from roger_actors.otp import (
    KILL,
    NORMAL,
    SHUTDOWN,
    GenServer,
    Shutdown,
    Supervisor,
    SupervisorFlags,
    process,
)

CLEAN = [NORMAL, SHUTDOWN, Shutdown(1)]
UNCLEAN = [ABNORMAL, KILL]
MODES = ["any_significant", "all_significant"]


async def lives(world, sup):
    """Assert that a supervisor has answered all exits and lives; return its children's pids."""
    pids = await world.settled(sup)
    await world.nothing(0)
    return pids


@pytest.mark.otp_line(122)
@pytest.mark.parametrize("mode", [*MODES, "never"])
@pytest.mark.parametrize("restart", ["temporary", "transient", "permanent"])
async def test_line_122_a_child_that_is_not_significant_never_ends_its_supervisor(world, mode, restart):
    sup = await world.supervisor([world.child("other")], auto_shutdown=mode)

    for why in CLEAN + UNCLEAN:
        await Supervisor.start_child(sup, world.child(repr(why), restart=restart))
        await world.end((await world.pids(sup))[repr(why)], why)

        assert await world.is_alive((await lives(world, sup))["other"])


@pytest.mark.otp_line(123)
@pytest.mark.parametrize("reason", CLEAN + UNCLEAN)
async def test_line_123_any_exit_of_a_significant_temporary_child_ends_the_supervisor(world, reason):
    children = [world.child(name, restart="temporary", significant=True) for name in "ab"]
    sup = await world.supervisor(children, auto_shutdown="any_significant")

    await world.end((await world.pids(sup))["a"], reason)

    assert await world.exit_of(sup) is SHUTDOWN


@pytest.mark.otp_line(124)
@pytest.mark.parametrize("reason", CLEAN + UNCLEAN)
async def test_line_124_only_a_clean_exit_of_a_significant_transient_child_ends_the_supervisor(world, reason):
    children = [world.child(name, restart="transient", significant=True) for name in "ab"]
    sup = await world.supervisor(children, auto_shutdown="any_significant")
    before = await world.pids(sup)

    await world.end(before["a"], reason)

    if reason in UNCLEAN:
        after = await lives(world, sup)
        assert after["a"] != before["a"]
        assert after["b"] == before["b"]
    else:
        assert await world.exit_of(sup) is SHUTDOWN


@pytest.mark.otp_line(125)
@pytest.mark.parametrize("restart", ["temporary", "transient"])
async def test_line_125_with_all_significant_the_last_running_one_ends_the_supervisor(world, restart):
    children = [world.child(name, restart=restart, significant=True) for name in "abcd"]
    sup = await world.supervisor([*children, world.child("other")], auto_shutdown="all_significant")
    before = await world.pids(sup)

    await world.end(before["b"], NORMAL)
    assert (await lives(world, sup))["a"] == before["a"]
    if restart == "transient":
        await world.end(before["a"], ABNORMAL)
    else:
        await world.end(before["a"], SHUTDOWN)
    after = await lives(world, sup)
    # One that was stopped by hand does not run, and ends nothing either.
    await Supervisor.terminate_child(sup, "c")
    assert await world.is_alive((await lives(world, sup))["other"])
    if restart == "transient":
        await world.end(after["a"], NORMAL)
        await lives(world, sup)
    await world.end(after["d"], NORMAL)

    assert await world.exit_of(sup) is SHUTDOWN


@pytest.mark.otp_line(126)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("strategy", ["one_for_one", "one_for_all", "rest_for_one"])
async def test_line_126_an_auto_shutdown_stops_the_others_in_reverse_and_is_a_shutdown(world, mode, strategy):
    significant = world.child("s", restart="temporary", significant=True)
    children = [world.child("a"), world.child("b"), significant, world.child("c")]
    sup = await world.supervisor(children, auto_shutdown=mode, strategy=strategy)
    before = len(await world.journal())

    await world.end((await world.pids(sup))["s"], "own")

    assert await world.exit_of(sup) is SHUTDOWN
    assert (await world.journal())[before:] == [
        ("stopped", "s", "own"),
        *(("stopped", name, SHUTDOWN) for name in "cba"),
    ]


@pytest.mark.otp_line(127)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("restart", ["temporary", "transient"])
async def test_line_127_terminating_a_significant_child_never_ends_the_supervisor(world, mode, restart):
    children = [world.child("s", restart=restart, significant=True), world.child("other")]
    sup = await world.supervisor(children, auto_shutdown=mode)

    await Supervisor.terminate_child(sup, "s")

    assert await world.is_alive((await lives(world, sup))["other"])
    if restart == "transient":
        await Supervisor.restart_child(sup, "s")
        await Supervisor.terminate_child(sup, "s")
        await Supervisor.delete_child(sup, "s")
    assert set(await lives(world, sup)) == {"other"}


@pytest.mark.otp_line(128)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("restart", ["temporary", "transient"])
@pytest.mark.parametrize("strategy", ["one_for_all", "rest_for_one"])
@pytest.mark.parametrize("stop_reason", [None, NORMAL, "own", "before"])
async def test_line_128_a_significant_child_that_goes_with_its_group_does_not_end_the_supervisor(
    world, mode, restart, strategy, stop_reason
):
    options = {} if stop_reason == "before" else {"stop_reason": stop_reason}
    bystander = world.child("s", restart=restart, significant=True, options=options)
    sup = await world.supervisor([world.child("a"), bystander], strategy=strategy, auto_shutdown=mode)
    before = await world.pids(sup)

    if stop_reason == "before":
        # It has ended by itself, but the supervisor hears of the other one first.
        await GenServer.suspend(sup)
        await world.end(before["a"], ABNORMAL)
        await world.end(before["s"], NORMAL)
        await GenServer.resume(sup)
    else:
        await world.end(before["a"], ABNORMAL)

    after = await lives(world, sup)
    assert set(after) == ({"a"} if restart == "temporary" else {"a", "s"})
    assert all([await world.is_alive(pid) for pid in after.values()])
    assert not set(after.values()) & set(before.values())


@pytest.mark.otp_line(129)
@pytest.mark.parametrize("significant", [False, True])
@pytest.mark.parametrize("restart", ["transient", "temporary"])
async def test_line_129_an_inner_auto_shutdown_ends_the_outer_one_only_if_it_is_significant(
    world, significant, restart
):
    leaf = world.child("leaf", restart="temporary", significant=True)
    options = {"auto_shutdown": "any_significant"}
    inner = world.nested("inner", [leaf], options=options, restart=restart, significant=significant)
    outer = await world.supervisor([world.child("other"), inner], auto_shutdown="any_significant")
    pids = await world.whole(outer)
    ended = process.monitor(pids["inner"])

    await world.end(pids["leaf"], NORMAL)

    assert (await world.down(ended)).reason is SHUTDOWN
    if significant:
        assert await world.exit_of(outer) is SHUTDOWN
    else:
        after = await lives(world, outer)
        assert await world.is_alive(after.pop("other"))
        assert after == ({"inner": None} if restart == "transient" else {})


@pytest.mark.otp_line(130)
@pytest.mark.parametrize("restart", ["permanent", "transient", "temporary"])
@pytest.mark.parametrize("how", ["option", "flags", "mapping", "never"])
async def test_line_130_a_permanent_child_with_auto_shutdown_is_warned_of(world, restart, how):
    leaf = world.child("leaf", restart="temporary", significant=how != "never")
    flags = SupervisorFlags(auto_shutdown="any_significant")
    options = {
        "option": {"auto_shutdown": "any_significant"},
        "flags": {"flags": flags},
        "mapping": {"flags": {"auto_shutdown": "any_significant"}},
        "never": {},
    }[how]
    inner = world.nested("inner", [leaf], options=options, restart=restart)
    outer = await world.supervisor([inner])
    await Supervisor.start_child(outer, world.nested("added", [leaf], options=options, restart=restart))
    warned = [record.args[1] for record in world.records if record.levelno == logging.WARNING]

    assert warned == (["inner", "added"] if (restart == "permanent" and how != "never") else [])
    before = await world.whole(outer)
    if warned:
        inner_ended = process.monitor(before["inner"])
        await world.end((await world.pids(before["inner"]))["leaf"], NORMAL)
        assert (await world.down(inner_ended)).reason is SHUTDOWN
        # What is warned of: it has ended itself for nothing.
        assert (await lives(world, outer))["inner"] not in {before["inner"], None}


def flagged(mode, *children):
    """Return a children function of a supervisor with ten restarts and that auto_shutdown."""
    return lambda: (SupervisorFlags(intensity=10, auto_shutdown=mode), list(children))


@pytest.mark.otp_line(131)
@pytest.mark.parametrize("old", ["never", *MODES])
@pytest.mark.parametrize("new", ["never", *MODES])
async def test_line_131_a_change_of_auto_shutdown_or_significance_counts_from_the_next_exit(world, old, new):
    significant = {"significant": True} if old != "never" else {}
    children = [world.child(name, restart="transient", **significant) for name in "ab"]
    sup = await Supervisor.start_link(flagged(old, *children), flags=SupervisorFlags())
    before = await world.pids(sup)

    changed = [world.child(name, restart="transient", significant=True) for name in "ab"]
    if new == "never":
        # Significant children that are there may stay; new ones, or the same ones again, are refused.
        await Supervisor.change_code(sup, flagged("never"))
        with pytest.raises(CallbackFailed):
            await Supervisor.change_code(sup, flagged("never", *changed))
        with pytest.raises(InvalidChildSpec):
            await Supervisor.start_child(sup, world.child("c", restart="transient", significant=True))
    else:
        await Supervisor.change_code(sup, flagged(new, *changed))
        await Supervisor.start_child(sup, world.child("c", restart="transient", significant=True))
        await Supervisor.terminate_child(sup, "c")
    pids = await lives(world, sup)
    assert {name: pids[name] for name in "ab"} == before

    await world.end(before["a"], NORMAL)
    if new == "any_significant":
        assert await world.exit_of(sup) is SHUTDOWN
        return
    assert (await lives(world, sup))["b"] == before["b"]
    await world.end(before["b"], NORMAL)
    if new == "all_significant":
        assert await world.exit_of(sup) is SHUTDOWN
    else:
        assert set((await lives(world, sup)).values()) == {None}
