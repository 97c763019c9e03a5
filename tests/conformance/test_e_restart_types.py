"""Section E: restart types and exit reasons."""

from __future__ import annotations

import pytest
from conformance_world import ABNORMAL, Player

from roger_actors.errors import ChildAlreadyPresent, ChildNotFound
from roger_actors.otp import (
    KILL,
    KILLED,
    NORMAL,
    SHUTDOWN,
    Fault,
    Shutdown,
    Supervisor,
    Timeout,
    process,
)

SHUTDOWNS = [SHUTDOWN, Shutdown("x"), Shutdown(None)]
CRASHES = [ABNORMAL, KILL, Fault("x"), None, 0]
LOOK_CLEAN = ["normal", "shutdown", ("shutdown", "a"), (SHUTDOWN, "a"), (SHUTDOWN, "a", "b"), [NORMAL]]


async def after_exit(world, restart, reason):
    """Let the only child end with a reason; return its supervisor and what stands in its pid's place."""
    sup = await world.supervisor([world.child("a", restart=restart)])
    before = (await world.pids(sup))["a"]

    seen = await world.end(before, reason)

    assert seen == (KILLED if reason is KILL else reason)
    after = await world.pids(sup)
    assert before not in after.values()
    return sup, after


@pytest.mark.otp_line(65)
async def test_line_065_a_permanent_child_that_ends_normally_is_restarted(world):
    _, after = await after_exit(world, "permanent", NORMAL)

    assert await world.is_alive(after["a"])


@pytest.mark.otp_line(66)
@pytest.mark.parametrize("reason", SHUTDOWNS)
async def test_line_066_a_permanent_child_that_was_shut_down_is_restarted(world, reason):
    _, after = await after_exit(world, "permanent", reason)

    assert await world.is_alive(after["a"])


@pytest.mark.otp_line(67)
@pytest.mark.parametrize("reason", CRASHES)
async def test_line_067_a_permanent_child_that_ends_abnormally_is_restarted(world, reason):
    _, after = await after_exit(world, "permanent", reason)

    assert await world.is_alive(after["a"])


@pytest.mark.otp_line(68)
async def test_line_068_a_transient_child_that_ends_normally_is_kept_but_not_restarted(world):
    sup, after = await after_exit(world, "transient", NORMAL)

    assert after == {"a": None}
    assert await Supervisor.count_children(sup) == (1, 0, 0, 1)
    assert [entry[0] for entry in await world.journal()] == ["started", "stopped"]


@pytest.mark.otp_line(69)
@pytest.mark.parametrize("reason", SHUTDOWNS)
async def test_line_069_a_transient_child_that_was_shut_down_is_kept_and_can_be_restarted(world, reason):
    sup, after = await after_exit(world, "transient", reason)

    assert after == {"a": None}
    assert [entry[0] for entry in await world.journal()] == ["started", "stopped"]
    pid = await Supervisor.restart_child(sup, "a")
    assert await world.pids(sup) == {"a": pid}
    assert await world.is_alive(pid)


@pytest.mark.otp_line(70)
@pytest.mark.parametrize("reason", CRASHES)
async def test_line_070_a_transient_child_that_ends_abnormally_is_restarted(world, reason):
    _, after = await after_exit(world, "transient", reason)

    assert await world.is_alive(after["a"])


@pytest.mark.otp_line(71)
@pytest.mark.parametrize("reason", [NORMAL, *SHUTDOWNS, *CRASHES])
async def test_line_071_a_temporary_child_is_never_restarted_and_its_spec_is_gone(world, reason):
    sup, after = await after_exit(world, "temporary", reason)

    assert after == {}
    assert [entry for entry in await world.journal() if entry[0] == "started"] == [("started", "a")]
    with pytest.raises(ChildNotFound):
        await Supervisor.get_childspec(sup, "a")


@pytest.mark.otp_line(72)
async def test_line_072_a_temporary_child_that_was_stopped_can_be_started_again_at_once(world):
    spec = world.child("a", restart="temporary")
    sup = await world.supervisor([spec])
    before = (await world.pids(sup))["a"]

    await Supervisor.terminate_child(sup, "a")

    assert await world.pids(sup) == {}
    assert not await world.is_alive(before)
    again = await Supervisor.start_child(sup, spec)
    assert await world.pids(sup) == {"a": again}


@pytest.mark.otp_line(73)
@pytest.mark.parametrize("restart", ["permanent", "transient"])
async def test_line_073_another_child_that_was_stopped_is_present_and_can_be_restarted(world, restart):
    spec = world.child("a", restart=restart)
    sup = await world.supervisor([spec])
    before = (await world.pids(sup))["a"]

    await Supervisor.terminate_child(sup, "a")

    assert await world.pids(sup) == {"a": None}
    assert not await world.is_alive(before)
    with pytest.raises(ChildAlreadyPresent):
        await Supervisor.start_child(sup, spec)
    again = await Supervisor.restart_child(sup, "a")
    assert await world.pids(sup) == {"a": again}
    assert await world.is_alive(again)


@pytest.mark.otp_line(74)
async def test_line_074_exactly_three_reasons_are_clean(world):
    sup = await world.supervisor([world.child("a", restart="transient")], max_restarts=100)
    for reason in (NORMAL, SHUTDOWN, Shutdown("x"), Shutdown(Shutdown(1))):
        await world.end((await world.pids(sup))["a"], reason)
        assert await world.pids(sup) == {"a": None}, reason
        await Supervisor.restart_child(sup, "a")

    for reason in [*CRASHES, *LOOK_CLEAN]:
        before = (await world.pids(sup))["a"]
        await world.end(before, reason)
        assert (await world.pids(sup))["a"] not in {None, before}, reason
    before = (await world.pids(sup))["a"]
    ref = process.monitor(before)
    Player.cast(before, ("raise", "normal"))
    assert (await world.down(ref)).reason.message == "normal"
    assert (await world.pids(sup))["a"] not in {None, before}


@pytest.mark.otp_line(77)
@pytest.mark.parametrize("restart", ["permanent", "transient", "temporary"])
@pytest.mark.parametrize("reason", [NORMAL, SHUTDOWN, Shutdown("x"), ABNORMAL, KILL])
async def test_line_077_an_exit_is_reported_if_it_is_abnormal_or_the_childs_restart_permanent(
    world, restart, reason
):
    sup = await world.supervisor([world.child("a", restart=restart)])
    before = (await world.pids(sup))["a"]

    seen = await world.end(before, reason)
    await world.pids(sup)

    reports = [
        (report["reason"], report["offender"]["id"], report["offender"]["pid"])
        for report in world.reports("child_terminated")
    ]
    expected = restart == "permanent" or reason in (ABNORMAL, KILL)
    assert reports == ([(seen, "a", before)] if expected else [])


@pytest.mark.otp_line(78)
async def test_line_078_the_exit_of_a_stranger_is_ignored(world):
    sup = await world.supervisor([world.child("a"), world.child("b")], max_restarts=0)
    before = await world.pids(sup)

    def ends_linked():
        process.link(sup)
        process.exit(ABNORMAL)

    strangers = [
        process.spawn_monitor(process.exit, sup, ABNORMAL),
        process.spawn_monitor(process.exit, sup, NORMAL),
        process.spawn_monitor(ends_linked),
    ]
    for _, ref in strangers:
        await world.down(ref)
    far = await world.player("stranger")
    await Player.call(far, ("do", "exit", sup, SHUTDOWN))

    assert await world.pids(sup) == before
    assert all([await world.is_alive(pid) for pid in before.values()])
    assert world.reports("child_terminated") == []


@pytest.mark.otp_line(79)
async def test_line_079_a_stray_message_is_logged_consumed_and_harmless(world):
    sup = await world.supervisor([world.child("a")], max_restarts=0)
    before = await world.pids(sup)

    for stray in ("stray", ("try_again", "a"), None, Timeout()):
        process.send(sup, stray)

    assert await world.pids(sup) == before
    assert [error for error in world.errors() if "'stray'" in error]
    assert len([error for error in world.errors() if "unexpected message" in error]) == 4
    assert await world.is_alive(before["a"])
