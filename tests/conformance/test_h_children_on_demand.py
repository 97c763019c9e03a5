"""Section H, for children that are started on demand."""

from __future__ import annotations

from operator import methodcaller

import pytest
from conformance_dynamic import KINDS, OnDemand, simple
from conformance_world import Player

from roger_actors.otp import KILLED, SHUTDOWN, GenServer, Supervisor, process

NEVER = float("inf")


async def stop_and_watch(world, sup, children):
    """Stop a supervisor whose children need those seconds; return the seconds it took and their reasons."""
    refs = []
    for pid, seconds in children:
        await GenServer.replace_state(pid, methodcaller("__or__", {"stops_in": seconds}))
        refs.append(process.monitor(pid))
    time = process.here().loop.time
    began = time()
    await GenServer.stop(sup, SHUTDOWN)
    took = time() - began
    return took, [(await world.down(ref)).reason for ref in refs]


@pytest.mark.otp_line(113)
@pytest.mark.parametrize("kind", KINDS)
async def test_line_113_dynamic_children_are_told_to_stop_in_parallel(world, kind):
    sup = await OnDemand.start(kind, world.child("a", shutdown=1.0))
    children = [(await sup.child(), seconds) for seconds in (0.5, 0.5, 5.0)]

    took, reasons = await stop_and_watch(world, sup.pid, children)

    assert 0.5 <= took < 2.5
    assert reasons == [SHUTDOWN, SHUTDOWN, KILLED]


@pytest.mark.otp_line(114)
@pytest.mark.parametrize("kind", KINDS)
async def test_line_114_brutal_kill_kills_all_and_a_limit_only_the_late(world, kind):
    brutal = await OnDemand.start(kind, world.child("brutal", shutdown="brutal_kill"))
    limited = await OnDemand.start(kind, world.child("limited", shutdown=0.5))
    children = [(await brutal.child(), None) for _ in range(10)]
    late = [(await limited.child(), NEVER if number % 2 else None) for number in range(10)]

    _, killed = await stop_and_watch(world, brutal.pid, children)
    _, mixed = await stop_and_watch(world, limited.pid, late)

    assert killed == [KILLED] * 10
    assert mixed == [SHUTDOWN, KILLED] * 5
    stopped = [entry[1] for entry in await world.journal() if entry[0] == "stopped"]
    assert stopped == ["limited"] * 10


@pytest.mark.otp_line(115)
async def test_line_115_shutdown_errors_are_grouped_by_reason_with_a_count(world):
    sup = await simple(world.child("a"))
    for reason in ("first", "second", "first", None):
        pid = await Supervisor.start_child(sup, [])
        await GenServer.replace_state(pid, methodcaller("__or__", {"stop_reason": reason}))
        await Player.call(pid, ("value",))

    await GenServer.stop(sup, SHUTDOWN)

    reports = world.reports("shutdown_error")
    assert {report["reason"]: report["offender"]["nb_children"] for report in reports} == {
        "first": 2,
        "second": 1,
    }
    assert not any("pid" in report["offender"] for report in reports)
    assert {report["offender"]["id"] for report in reports} == {"a"}
