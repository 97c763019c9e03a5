"""Section H: shutdown."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from conformance_world import ABNORMAL

from roger_actors.otp import (
    KILL,
    KILLED,
    NORMAL,
    RESTARTING,
    SHUTDOWN,
    Down,
    DynamicSupervisor,
    GenServer,
    Shutdown,
    Supervisor,
    process,
)
from roger_actors.otp.reason import NOPROC

KINDS = ["static", "dynamic"]


async def start(world, kind, *children):
    """Start a supervisor of either kind with children; return it and the children's pids by id."""
    if kind == "static":
        sup = await world.supervisor(list(children))
        return sup, await world.pids(sup)
    sup = await DynamicSupervisor.start_link(max_restarts=10)
    return sup, {child.id: await DynamicSupervisor.start_child(sup, child) for child in children}


async def seen(ref):
    """Return the `Down` of a monitor that must have come already."""
    message = await process.receive(0, matching=lambda one: getattr(one, "ref", None) == ref)
    assert isinstance(message, Down)
    return message.reason


async def stopped(world):
    """Return what the children's `terminate` was called with, in order."""
    return [entry[1:] for entry in await world.journal() if entry[0] == "stopped"]


@pytest.mark.otp_line(104)
async def test_line_104_children_are_stopped_one_at_a_time_the_last_started_first(world):
    sup = await world.supervisor([world.child(name, options={"holds": True}) for name in "abc"])
    pids = await world.pids(sup)
    refs = {name: process.monitor(pid) for name, pid in pids.items()}

    process.exit(sup, SHUTDOWN)

    gone = ""
    for name in "cba":
        await world.journalled("stopped", name, SHUTDOWN)
        for other in gone:
            assert await seen(refs.pop(other)) is SHUTDOWN
        for other in set(refs) - {name}:
            # Nobody else has been told: it still answers.
            assert await GenServer.call(pids[other], ("reply", other)) == other
        await world.let_go(name)
        gone = name
    assert await world.exit_of(sup) is SHUTDOWN
    assert await seen(refs["a"]) is SHUTDOWN


@pytest.mark.otp_line(105)
@pytest.mark.parametrize("kind", KINDS)
async def test_line_105_a_child_that_is_late_is_killed_and_one_that_obeys_is_not(world, kind):
    late = world.child("late", shutdown=0.3, options={"stops_in": float("inf")})
    sup, pids = await start(world, kind, late, world.child("obeys", shutdown=30.0))
    refs = {name: process.monitor(pid) for name, pid in pids.items()}
    begun = process.monotonic_time()

    assert await world.stop(sup) is SHUTDOWN

    assert 0.299 < process.monotonic_time() - begun < 5.0
    assert await seen(refs["late"]) is KILLED
    assert await seen(refs["obeys"]) is SHUTDOWN
    assert sorted(await stopped(world)) == [("late", SHUTDOWN), ("obeys", SHUTDOWN)]


@pytest.mark.otp_line(106)
@pytest.mark.parametrize("kind", KINDS)
async def test_line_106_brutal_kill_kills_at_once_without_cleanup(world, kind):
    sup, pids = await start(world, kind, world.child("a", shutdown="brutal_kill"))
    ref = process.monitor(pids["a"])

    assert await world.stop(sup) is SHUTDOWN

    assert await seen(ref) is KILLED
    assert await stopped(world) == []


@pytest.mark.otp_line(107)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("limit", ["infinity", float("inf")])
async def test_line_107_infinity_waits_without_a_limit_also_for_a_worker(world, kind, limit):
    sup, pids = await start(world, kind, world.child("a", shutdown=limit, options={"holds": True}))
    ref = process.monitor(pids["a"])
    assert world.child("a", shutdown=limit).normalised().type == "worker"

    process.exit(sup, SHUTDOWN)
    await world.journalled("stopped", "a", SHUTDOWN)
    await world.nothing(8.0 if world.transport == "memory" else 0.4)
    await world.let_go("a")

    assert await world.exit_of(sup) is SHUTDOWN
    assert await seen(ref) is SHUTDOWN


@pytest.mark.otp_line(108)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("limit", [0, 0.0])
async def test_line_108_shutdown_zero_asks_first_and_kills_immediately(world, kind, limit):
    late = world.child("late", shutdown=limit, options={"holds": True})
    obeys = world.child("obeys", shutdown=limit, options={"trap": False})
    sup, pids = await start(world, kind, late, obeys)
    refs = {name: process.monitor(pid) for name, pid in pids.items()}
    begun = process.monotonic_time()

    assert await world.stop(sup) is SHUTDOWN

    assert process.monotonic_time() - begun < 3.0
    # One that does not trap has obeyed the first signal before the second could reach it.
    assert await seen(refs["obeys"]) is SHUTDOWN
    assert await seen(refs["late"]) is KILLED


@pytest.mark.otp_line(109)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("reason", [SHUTDOWN, Shutdown("why"), ABNORMAL, NORMAL])
async def test_line_109_a_supervisor_exits_with_the_reason_it_was_given(world, kind, reason):
    late = world.child("late", shutdown=0.05, options={"holds": True})
    sup, pids = await start(world, kind, late, world.child("other", options={"stop_reason": "own"}))
    refs = [process.monitor(pid) for pid in pids.values()]

    process.exit(sup, reason)

    assert await world.exit_of(sup) == reason
    assert {await seen(ref) for ref in refs} == {KILLED, "own"}
    assert sorted(await stopped(world)) == [("late", SHUTDOWN), ("other", SHUTDOWN)]


@pytest.mark.otp_line(110)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("how", ["stop", "terminate_child"])
async def test_line_110_a_child_that_removed_its_link_does_not_hang_its_supervisor(world, kind, how):
    sup, pids = await start(world, kind, world.child("a", options={"stops_in": 0.05}), world.child("b"))
    ref = process.monitor(pids["a"])
    GenServer.cast(pids["a"], ("unlink", sup))
    await GenServer.call(pids["a"], ("value",))

    if how == "terminate_child":
        behaviour, child = (Supervisor, "a") if kind == "static" else (DynamicSupervisor, pids["a"])
        await behaviour.terminate_child(sup, child, timeout=5.0)
        assert await seen(ref) is SHUTDOWN
    assert await world.stop(sup) is SHUTDOWN
    if how == "stop":
        assert await seen(ref) is SHUTDOWN
    assert sorted(await stopped(world)) == [("a", SHUTDOWN), ("b", SHUTDOWN)]


@pytest.mark.otp_line(111)
async def test_line_111_children_that_end_by_themselves_during_the_stop_keep_their_reasons(world):
    sup = await world.supervisor([world.child(name, options={"holds": name in "bd"}) for name in "abcd"])
    pids = await world.pids(sup)
    refs = {name: process.monitor(pid) for name, pid in pids.items()}

    process.exit(sup, SHUTDOWN)
    await world.journalled("stopped", "d", SHUTDOWN)
    assert await world.end(pids["c"], "of c") == "of c"
    assert await world.end(pids["d"], KILL) is KILLED
    await world.journalled("stopped", "b", SHUTDOWN)
    assert await GenServer.call(pids["a"], ("reply", 1)) == 1
    await world.let_go("b")

    assert await world.exit_of(sup) is SHUTDOWN
    assert [await seen(refs[name]) for name in "abcd"] == [SHUTDOWN, SHUTDOWN, "of c", KILLED]
    assert await stopped(world) == [("d", SHUTDOWN), ("c", "of c"), ("b", SHUTDOWN), ("a", SHUTDOWN)]
    reported = {report["offender"]["id"]: report["reason"] for report in world.reports("shutdown_error")}
    assert reported == {"c": "of c", "d": KILLED}


@pytest.mark.otp_line(112)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("restart", "shutdown", "options", "reason", "reported"),
    [
        ("permanent", 5.0, {}, SHUTDOWN, False),
        ("transient", 5.0, {"stop_reason": Shutdown(1)}, Shutdown(1), False),
        ("permanent", 5.0, {"stop_reason": NORMAL}, NORMAL, True),
        ("transient", 5.0, {"stop_reason": NORMAL}, NORMAL, False),
        ("temporary", 5.0, {"stop_reason": NORMAL}, NORMAL, False),
        ("permanent", 5.0, {"stop_reason": "shutdown"}, "shutdown", True),
        ("transient", 5.0, {"stop_reason": ABNORMAL}, ABNORMAL, True),
        ("temporary", "infinity", {"stop_reason": ABNORMAL}, ABNORMAL, True),
        ("permanent", 0.05, {"holds": True}, KILLED, True),
        ("temporary", 0.05, {"holds": True}, KILLED, True),
        ("permanent", 5.0, {"stop_reason": KILLED}, KILLED, True),
        ("permanent", "brutal_kill", {}, KILLED, False),
        ("temporary", "brutal_kill", {}, KILLED, False),
    ],
)
async def test_line_112_a_shutdown_error_is_reported_for_an_unexpected_reason_only(
    world, kind, restart, shutdown, options, reason, reported
):
    child = world.child("a", restart=restart, shutdown=shutdown, options=options)
    sup, pids = await start(world, kind, child)
    ref = process.monitor(pids["a"])

    assert await world.stop(sup) is SHUTDOWN

    assert await seen(ref) == reason
    found = [(one["reason"], one["offender"]["pid"]) for one in world.reports("shutdown_error")]
    assert found == ([(reason, pids["a"])] if reported else [])


@pytest.mark.otp_line(116)
async def test_line_116_dynamic_children_stop_in_parallel_each_under_its_own_limit(world):
    held = {"holds": True}
    sup, pids = await start(
        world,
        "dynamic",
        world.child("first", shutdown="infinity", options=held),
        world.child("second", shutdown=30.0, options=held),
        world.child("late", shutdown=0.1, options=held),
        world.child("killed", shutdown="brutal_kill", options=held),
    )
    refs = {name: process.monitor(pid) for name, pid in pids.items()}

    process.exit(sup, SHUTDOWN)
    for name in ("first", "second", "late"):
        await world.journalled("stopped", name, SHUTDOWN)

    # All were told although none has obeyed; then each ends in its own way.
    assert (await world.down(refs["killed"])).reason is KILLED
    assert (await world.down(refs["late"])).reason is KILLED
    for name in ("second", "first"):
        await world.nothing(0.05)
        await world.let_go(name)
        assert (await world.down(refs[name])).reason is SHUTDOWN
    assert await world.exit_of(sup) is SHUTDOWN
    assert len(await stopped(world)) == 3


@pytest.mark.otp_line(117)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("reason", [NORMAL, SHUTDOWN, Shutdown(1), ABNORMAL, KILL])
async def test_line_117_a_supervisor_stops_when_its_parent_exits_with_the_same_reason(world, kind, reason):
    me = process.self()

    async def parent():
        process.send(me, await start(world, kind, world.child("a"), world.child("b")))
        await process.receive()
        process.exit(reason)

    father = process.spawn(parent)
    sup, pids = await process.receive(10.0)
    down = process.monitor(sup)
    refs = [process.monitor(pid) for pid in pids.values()]

    if reason is KILL:
        process.exit(father, KILL)
    else:
        process.send(father, "end")

    assert (await world.down(down)).reason == (KILLED if reason is KILL else reason)
    assert [await seen(ref) for ref in refs] == [SHUTDOWN, SHUTDOWN]
    assert sorted(await stopped(world)) == [("a", SHUTDOWN), ("b", SHUTDOWN)]


@pytest.mark.otp_line(118)
@pytest.mark.parametrize("kind", KINDS)
async def test_line_118_a_child_that_traps_runs_terminate_with_shutdown_and_another_does_not(world, kind):
    sup, pids = await start(
        world, kind, world.child("traps"), world.child("does not", options={"trap": False})
    )
    refs = [process.monitor(pid) for pid in pids.values()]

    assert await world.stop(sup) is SHUTDOWN

    assert [await seen(ref) for ref in refs] == [SHUTDOWN, SHUTDOWN]
    assert await stopped(world) == [("traps", SHUTDOWN)]


@pytest.mark.otp_line(119)
@pytest.mark.parametrize("kind", KINDS)
async def test_line_119_a_child_that_asks_its_supervisor_while_it_stops_waits_until_its_limit(world, kind):
    asks = world.child("asks", shutdown=0.3, options={"asks": "sup"})
    sup, pids = await start(world, kind, asks, world.child("b"))
    process.register("sup", sup)
    ref = process.monitor(pids["asks"])
    begun = process.monotonic_time()
    behaviour, child = (Supervisor, "asks") if kind == "static" else (DynamicSupervisor, pids["asks"])

    _, ended = process.spawn_monitor(behaviour.terminate_child, sup, child)
    await world.journalled("stopped", "asks", SHUTDOWN)
    children = await behaviour.which_children(sup)

    # The answer came when the child was gone, and not before.
    assert await seen(ref) is KILLED
    assert process.monotonic_time() - begun > 0.299
    assert {info.pid for info in children} - {None} == {pids["b"]}
    assert (await world.down(ended)).reason is NORMAL
    process.unregister("sup")
    assert await world.stop(sup) is SHUTDOWN


@pytest.mark.otp_line(120)
@pytest.mark.parametrize("strategy", ["one_for_one", "one_for_all", "rest_for_one"])
async def test_line_120_children_without_a_process_are_skipped(world, strategy):
    await world.plan("ignored", "ignore")
    names = ("a", "ignored", "stopped", "restarting")
    sup = await world.supervisor([world.child(name) for name in names], strategy=strategy, max_restarts=10**9)
    await world.always("restarting", ("stop", "no"))
    pids = await world.pids(sup)
    await Supervisor.terminate_child(sup, "stopped")
    await world.end(pids["restarting"], ABNORMAL)
    if strategy == "one_for_all":
        await world.always("stopped", "ignore")
    ref = process.monitor((await world.pids(sup))["a"] or pids["a"])
    assert RESTARTING in (await world.pids(sup)).values()

    assert await world.stop(sup) is SHUTDOWN

    assert await seen(ref) in {SHUTDOWN, NOPROC}
    assert world.reports("shutdown_error") == []


def in_proc(pid):
    """Return whether an OS process is there."""
    return Path(f"/proc/{pid}").exists()


@pytest.mark.otp_line(121)
@pytest.mark.parametrize("kind", KINDS)
async def test_line_121_after_a_stop_nothing_is_left_and_all_names_are_free(world, kind):
    stage = ("stage", int(world.second))
    processes = set(process.here().processes)
    there = await GenServer.call(stage, ("processes",))
    threads = threading.active_count()
    alone = world.child("alone", host="own", options={"name": "alone"})
    leaves = [
        *([alone] if kind == "static" else []),
        world.child("beside", host="same", options={"name": "beside"}),
        world.child("away", host=world.place("away"), options={"name": "away"}),
    ]
    on_demand = DynamicSupervisor.child_spec(name="on demand")
    inner = world.nested("inner", leaves, options={"name": "inner"})
    sup = await Supervisor.start_link([on_demand, inner], strategy="one_for_one", name="outer")
    pids = await world.whole(sup)
    if kind == "dynamic":
        pids["alone"] = await DynamicSupervisor.start_child("on demand", alone)
    os_pid = process.here().endpoint.os_pid(pids["alone"].host)

    await Supervisor.stop(sup, SHUTDOWN)

    assert process.here().endpoint.role_of(pids["alone"].host) is None
    assert os_pid is None or not in_proc(os_pid)
    assert set(process.here().processes) == processes
    assert await GenServer.call(stage, ("processes",)) == there
    assert threading.active_count() == threads
    for name in ("beside", "inner", "on demand", "outer"):
        assert process.whereis(name) is None
    gone = process.monitor(("away", pids["away"].host))
    assert (await world.down(gone)).reason is NOPROC
