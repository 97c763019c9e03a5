"""Section A: supervisor flags and init."""

from __future__ import annotations

import attrs
import pytest
from conformance_world import ABNORMAL

from roger_actors.otp import (
    SHUTDOWN,
    Fault,
    GenServer,
    Ignore,
    Shutdown,
    Supervisor,
    SupervisorFlags,
    process,
)

INFINITY = float("inf")


async def flags_of(sup):
    return attrs.asdict((await GenServer.get_state(sup)).flags)


@pytest.mark.otp_line(1)
async def test_line_001_an_empty_map_of_flags_means_erlangs_defaults(world):
    sup = await world.supervisor([world.child("a"), world.child("b")], flags={})

    assert await flags_of(sup) == {
        "strategy": "one_for_one",
        "intensity": 1,
        "period": 5,
        "auto_shutdown": "never",
    }
    before = await world.pids(sup)
    await world.end(before["a"], ABNORMAL)
    after = await world.pids(sup)
    assert after["b"] == before["b"]
    await world.end(after["a"], ABNORMAL)
    assert await world.exit_of(sup) is SHUTDOWN


@pytest.mark.otp_line(2)
async def test_line_002_options_mean_elixirs_defaults_and_want_a_strategy(world):
    sup = await Supervisor.start_link([world.child("a")], strategy="one_for_one")

    assert await flags_of(sup) == {
        "strategy": "one_for_one",
        "intensity": 3,
        "period": 5,
        "auto_shutdown": "never",
    }
    for _ in range(3):
        await world.end((await world.pids(sup))["a"], ABNORMAL)
    await world.end((await world.pids(sup))["a"], ABNORMAL)
    assert await world.exit_of(sup) is SHUTDOWN
    with pytest.raises(TypeError, match="strategy"):
        await Supervisor.start_link([])
    with pytest.raises(TypeError, match="not both"):
        await Supervisor.start_link([], strategy="one_for_one", flags={})


@pytest.mark.otp_line(3)
@pytest.mark.parametrize("strategy", ["all_for_one", "ONE_FOR_ONE", "", 1, ["one_for_one"]])
async def test_line_003_an_unknown_strategy_is_refused(world, strategy):
    reason = await world.refused([world.child("a")], strategy=strategy)

    assert reason == Fault("supervisor_data", Fault("invalid_strategy", strategy))
    assert await world.journal() == []


@pytest.mark.otp_line(4)
@pytest.mark.parametrize("intensity", [-1, 1.0, 1.5, INFINITY, "3", "infinity", None, True])
async def test_line_004_an_intensity_that_is_no_count_is_refused(world, intensity):
    reason = await world.refused([], max_restarts=intensity)

    assert reason == Fault("supervisor_data", Fault("invalid_intensity", intensity))
    assert await world.supervisor([], max_restarts=0)


@pytest.mark.otp_line(5)
@pytest.mark.parametrize("period", [0, 0.0, -1, INFINITY, "5", "infinity", None, True])
async def test_line_005_a_period_that_is_no_time_is_refused(world, period):
    reason = await world.refused([], max_seconds=period)

    assert reason == Fault("supervisor_data", Fault("invalid_period", period))
    assert await world.supervisor([], max_seconds=0.5)


@pytest.mark.otp_line(6)
@pytest.mark.parametrize("mode", ["some_significant", "", None, False])
async def test_line_006_an_unknown_auto_shutdown_is_refused(world, mode):
    reason = await world.refused([], auto_shutdown=mode)

    assert reason == Fault("supervisor_data", Fault("invalid_auto_shutdown", mode))
    for known in ("never", "any_significant", "all_significant"):
        assert await world.supervisor([], auto_shutdown=known)


@pytest.mark.otp_line(7)
@pytest.mark.parametrize("flags", ["one_for_one", 7, ("one_for_one", 1), ["one_for_one", 1, 5]])
async def test_line_007_flags_are_a_map_or_the_tuple_of_three_and_unknown_keys_mean_nothing(world, flags):
    assert await world.refused([], flags=flags) == Fault(
        "supervisor_data", Fault("invalid_type", repr(flags))
    )
    assert (await world.refused(lambda: (flags, []))).detail.kind == "invalid_type"

    expected = attrs.asdict(SupervisorFlags(strategy="one_for_all", intensity=0, period=9))
    mapping = {"strategy": "one_for_all", "intensity": 0, "period": 9, "colour": "red", 1: 2}
    assert await flags_of(await world.supervisor([], flags=mapping)) == expected
    assert await flags_of(await world.supervisor([], flags=("one_for_all", 0, 9))) == expected
    assert await flags_of(await world.supervisor(lambda: (mapping, []))) == expected


@pytest.mark.otp_line(8)
async def test_line_008_a_supervisor_that_is_ignored_sends_no_exit(world):
    before = set(process.here().processes)

    assert await world.supervisor(Ignore) is None

    await world.nothing(0)
    assert set(process.here().processes) <= before


@pytest.mark.otp_line(9)
@pytest.mark.parametrize("returned", ["what", None, ("ok", "what"), ({}, "what")])
async def test_line_009_an_unknown_value_is_a_bad_return_of_that_module_and_function(world, returned):
    def made():
        return returned

    reason = await world.refused(made)

    assert reason == Fault("bad_return", (made.__module__, made.__qualname__, repr(returned)))


@pytest.mark.otp_line(10)
async def test_line_010_what_init_raises_is_told_with_its_traceback(world):
    def fails_to_make_them():
        raise ValueError("no children")

    reason = await world.refused(fails_to_make_them)

    assert (reason.kind, reason.message) == ("ValueError", "no children")
    assert "in fails_to_make_them" in reason.traceback
    assert await world.refused(lambda: process.exit(Shutdown("not now"))) == Shutdown("not now")


@pytest.mark.otp_line(12)
async def test_line_012_when_init_runs_the_supervisor_has_its_name_and_traps_exits(world):
    seen = []

    def made():
        seen.append((process.whereis("sup"), process.self()))
        process.exit(process.self(), "would end a process that does not trap")
        return [world.child("a")]

    sup = await world.supervisor(made, name="sup")

    assert seen == [(sup, sup)]
    assert set(await world.pids(sup)) == {"a"}
