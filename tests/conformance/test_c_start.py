"""Section C: start order, start failure, roll-back."""

from __future__ import annotations

import pytest

from roger_actors.errors import ChildAlreadyStarted, StartFailed
from roger_actors.otp import (
    SHUTDOWN,
    Fault,
    GenServer,
    Shutdown,
    Supervisor,
    process,
)


@pytest.mark.otp_line(32)
async def test_line_032_each_child_has_started_before_the_next_begins_and_start_link_waits_for_all(world):
    await world.plan("a", "hang")
    await world.plan("c", "hang")
    me = process.self()

    async def starts():
        process.send(me, ("started", await world.supervisor([world.child(name) for name in "abc"])))
        await process.receive()

    starter = process.spawn_link(starts)

    await world.hangs("a")
    await world.nothing(0.1)
    assert await world.journal() == []
    await world.release("a")
    await world.hangs("c")
    await world.nothing(0.1)
    assert await world.journal() == [("started", "a"), ("started", "b")]
    await world.release("c")
    assert (await process.receive(10.0))[0] == "started"
    assert await world.journal() == [("started", name) for name in "abc"]
    process.send(starter, "end")
    await world.exit_of(starter)


@pytest.mark.otp_line(33)
async def test_line_033_when_a_child_fails_those_before_it_stop_in_reverse_each_as_its_spec_says(world):
    await world.plan("c", ("stop", "broken"))
    children = [
        world.child("first", options={"stops_in": 0.2}, shutdown="infinity"),
        world.child("a", options={"stops_in": float("inf")}, shutdown=0.2),
        world.child("b", shutdown="brutal_kill"),
        world.child("c"),
        world.child("d"),
    ]

    reason = await world.refused(children)

    assert reason == Shutdown(Fault("failed_to_start_child", "broken", "c"))
    assert await world.journal() == [
        ("started", "first"),
        ("started", "a"),
        ("started", "b"),
        ("refused", "c", ("stop", "broken")),
        ("stopped", "a", SHUTDOWN),
        ("stopped", "first", SHUTDOWN),
    ]
    errors = [(report["offender"]["id"], str(report["reason"])) for report in world.reports("shutdown_error")]
    assert errors == [("a", "killed")]


@pytest.mark.otp_line(34)
async def test_line_034_the_name_is_free_when_the_starter_is_told(world):
    for _ in range(3):
        await world.plan("a", ("stop", "no"))
        with pytest.raises(StartFailed) as caught:
            await world.supervisor([world.child("a")], name="sup")
        assert caught.value.reason == Shutdown(Fault("failed_to_start_child", "no", "a"))
        assert process.whereis("sup") is None

    assert await world.supervisor([world.child("a")], name="sup") == process.whereis("sup")


@pytest.mark.otp_line(35)
@pytest.mark.parametrize("restart", ["permanent", "transient"])
async def test_line_035_an_ignored_child_is_kept_without_a_pid(world, restart):
    await world.plan("a", "ignore")
    await world.plan("b", "ignore")
    sup = await world.supervisor([world.child("a", restart=restart), world.child("c")])

    assert await Supervisor.start_child(sup, world.child("b", restart=restart)) is None

    pids = await world.pids(sup)
    assert (set(pids), pids["a"], pids["b"]) == ({"a", "b", "c"}, None, None)
    assert await world.is_alive(pids["c"])
    assert await Supervisor.restart_child(sup, "b") == (await world.pids(sup))["b"]


@pytest.mark.otp_line(36)
async def test_line_036_an_ignored_temporary_child_is_not_kept_at_the_start(world):
    await world.plan("a", "ignore")

    sup = await world.supervisor([world.child("a", restart="temporary"), world.child("b")])

    assert set(await world.pids(sup)) == {"b"}
    assert await world.journal() == [("refused", "a", "ignore"), ("started", "b")]


@pytest.mark.otp_line(37)
async def test_line_037_an_ignored_temporary_child_is_not_kept_by_start_child(world):
    await world.plan("a", "ignore")
    sup = await world.supervisor([world.child("b")])

    assert await Supervisor.start_child(sup, world.child("a", restart="temporary")) is None

    assert set(await world.pids(sup)) == {"b"}
    assert await Supervisor.start_child(sup, world.child("a", restart="temporary"))


@pytest.mark.otp_line(39)
@pytest.mark.parametrize("restart", ["permanent", "transient", "temporary"])
async def test_line_039_a_start_that_fails_is_an_error_of_that_child_and_its_spec_is_dropped(world, restart):
    sup = await world.supervisor([])
    await world.plan("a", ("stop", "why"))
    await world.plan("start of f", ("return", 42), ("return", None), ("return", (1, 2)))

    with pytest.raises(StartFailed) as caught:
        await Supervisor.start_child(sup, world.child("a", restart=restart))
    assert caught.value.reason == "why"
    info = caught.value.child
    assert (info["id"], info["restart"], info["pid"], info["type"]) == ("a", restart, None, "worker")
    for returned in ("42", "None", "(1, 2)"):
        with pytest.raises(StartFailed) as caught:
            await Supervisor.start_child(sup, world.function_child("f", restart=restart))
        assert caught.value.reason == Fault("bad_return", ("conformance_world:played", returned))
        assert caught.value.child["id"] == "f"

    assert await world.pids(sup) == {}
    assert await Supervisor.start_child(sup, world.child("a", restart=restart))


@pytest.mark.otp_line(42)
async def test_line_042_a_child_whose_name_is_held_by_another_process_is_already_started(world):
    unrelated = await world.supervisor([world.child("holder", options={"name": "held"})])
    holder = (await world.pids(unrelated))["holder"]
    sup = await world.supervisor([])

    with pytest.raises(ChildAlreadyStarted) as caught:
        await Supervisor.start_child(sup, world.child("a", options={"name": "held"}))

    assert (caught.value.child, caught.value.pid) == ("a", holder)
    assert await world.pids(sup) == {}
    await GenServer.stop(sup)
    assert await world.is_alive(holder)
    assert await world.journal() == [("started", "holder")]


@pytest.mark.otp_line(43)
@pytest.mark.parametrize(
    "how", [("raise", "no child"), ("exit", "no child"), ("exit", SHUTDOWN), ("cancel",)]
)
async def test_line_043_a_start_function_that_raises_is_a_start_that_fails(world, how):
    sup = await world.supervisor([world.child("other")])
    await world.plan("start of a", how, how)

    with pytest.raises(StartFailed) as caught:
        await Supervisor.start_child(sup, world.function_child("a"))

    reason = caught.value.reason
    if how[0] == "raise":
        assert (reason.kind, reason.message) == ("ValueError", "no child")
        assert "in played" in reason.traceback
    elif how[0] == "cancel":
        assert reason.kind == "asyncio.exceptions.CancelledError"
    else:
        assert reason == how[1]
    assert set(await world.pids(sup)) == {"other"}
    refused = await world.refused([world.function_child("a")])
    assert refused.detail.kind == "failed_to_start_child"
    assert refused.detail.detail == reason


@pytest.mark.otp_line(44)
async def test_line_044_a_failure_below_is_reported_at_each_level_and_nested(world):
    await world.plan("leaf", ("stop", "broken"))
    inner = world.nested("inner", [world.child("before"), world.child("leaf")])
    outer = world.nested("outer", [inner])

    reason = await world.refused([outer])

    leaf = Shutdown(Fault("failed_to_start_child", "broken", "leaf"))
    middle = Shutdown(Fault("failed_to_start_child", leaf, "inner"))
    assert reason == Shutdown(Fault("failed_to_start_child", middle, "outer"))
    assert [(report["offender"]["id"], report["reason"]) for report in world.reports("start_error")] == [
        ("leaf", "broken"),
        ("inner", leaf),
        ("outer", middle),
    ]
    assert (await world.journal())[-1] == ("stopped", "before", SHUTDOWN)
