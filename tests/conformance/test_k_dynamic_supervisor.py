"""Section K: DynamicSupervisor."""

from __future__ import annotations

import pytest
from conformance_world import ABNORMAL

from roger_actors.errors import ChildNotFound, InvalidChildSpec, StartFailed, TooManyChildren
from roger_actors.otp import (
    KILLED,
    NORMAL,
    RESTARTING,
    SHUTDOWN,
    Crash,
    DynamicSupervisor,
    Fault,
    Ignore,
    Shutdown,
    process,
)


async def start(**options):
    return await DynamicSupervisor.start_link(**{"max_restarts": 10, **options})


async def running(sup):
    """Return what stands in the place of each child's pid; the question waits for a restart under way."""
    return [info.pid for info in await DynamicSupervisor.which_children(sup)]


async def refused(**options):
    """Return why a supervisor with those options does not start."""
    with pytest.raises(StartFailed) as caught:
        await DynamicSupervisor.start_link(**options)
    assert caught.value.reason.kind == "supervisor_data"
    return caught.value.reason.detail


@pytest.mark.otp_line(154)
@pytest.mark.parametrize("seconds", [5.0, 6.0])
async def test_line_154_only_one_for_one_and_three_restarts_in_five_seconds_of_any_number(world, seconds):
    for strategy in ("one_for_all", "rest_for_one", "simple_one_for_one", "all_for_one", None):
        assert await refused(strategy=strategy) == Fault("invalid_strategy", strategy)
    clock = world.stop_clock()
    sup = await DynamicSupervisor.start_link()
    for _ in range(200):
        await DynamicSupervisor.start_child(sup, world.child("many", restart="temporary"))
    pid = await DynamicSupervisor.start_child(sup, world.child("a"))

    for _ in "123":
        await world.end(pid, ABNORMAL)
        pid = (await running(sup))[-1]
    clock.now += seconds
    await world.end(pid, ABNORMAL)

    if seconds == 5.0:
        assert await world.exit_of(sup) is SHUTDOWN
    else:
        assert len(await running(sup)) == 201


@pytest.mark.otp_line(155)
@pytest.mark.parametrize("limit", [0, 1, 2])
async def test_line_155_a_full_supervisor_starts_nothing_and_a_restarting_child_fills_a_place(world, limit):
    sup = await start(max_children=limit, max_restarts=10**9)
    pids = [await DynamicSupervisor.start_child(sup, world.child("a")) for _ in range(limit)]
    journal = await world.journal()

    async def is_full():
        with pytest.raises(TooManyChildren) as caught:
            await DynamicSupervisor.start_child(sup, world.child("b"))
        assert caught.value.limit == limit
        assert ("started", "b") not in await world.journal()

    await is_full()
    assert await world.journal() == journal
    if pids:
        for behaviour in (("stop", "no"), ("raise", "no"), ("exit", SHUTDOWN)):
            await world.always("a", behaviour)
            await world.end(pids[0], SHUTDOWN)
            assert RESTARTING in await running(sup)
            await is_full()
            await world.plan("a")
            while RESTARTING in await running(sup):
                await process.sleep(0.001)
            await is_full()
            pids = await running(sup)
        await DynamicSupervisor.terminate_child(sup, pids[0])
        assert await world.is_alive(await DynamicSupervisor.start_child(sup, world.child("b")))
        with pytest.raises(TooManyChildren):
            await DynamicSupervisor.start_child(sup, world.child("b"))


@pytest.mark.otp_line(156)
async def test_line_156_two_children_with_the_same_id_are_both_started(world):
    sup = await start()

    first, second = [await DynamicSupervisor.start_child(sup, world.child("same")) for _ in "12"]

    assert sorted(await running(sup)) == sorted([first, second])
    assert [await world.is_alive(pid) for pid in (first, second)] == [True, True]
    await world.end(first, ABNORMAL)
    after = await running(sup)
    assert len(after) == 2
    assert second in after
    assert first not in after


@pytest.mark.otp_line(157)
@pytest.mark.parametrize("restart", ["permanent", "transient", "temporary"])
async def test_line_157_ignore_is_not_stored_extra_is_passed_on_and_an_unknown_value_is_the_error(
    world, restart
):
    sup = await start(max_children=1)
    await world.plan("a", "ignore")
    await world.plan("start of b", ("return", Ignore()))
    for child in (world.child("a", restart=restart), world.function_child("b", restart=restart)):
        assert await DynamicSupervisor.start_child(sup, child) is None
        assert await DynamicSupervisor.count_children(sup) == (0, 0, 0, 0)

    await world.plan("start of b", ("return", "unknown"))
    with pytest.raises(StartFailed) as caught:
        await DynamicSupervisor.start_child(sup, world.function_child("b", restart=restart))
    assert caught.value.reason.kind == "bad_return"
    assert "'unknown'" in caught.value.reason.detail[1]
    assert await DynamicSupervisor.count_children(sup) == (0, 0, 0, 0)

    await world.plan("start of b", ("extra", ["more"]))
    pid, extra = await DynamicSupervisor.start_child(sup, world.function_child("b", restart=restart))
    assert extra == ["more"]
    assert await running(sup) == [pid]


@pytest.mark.otp_line(158)
@pytest.mark.parametrize("of", ["init", "function"])
async def test_line_158_a_start_that_raises_exits_or_returns_something_has_an_error_of_its_shape(world, of):
    sup = await start()
    label, child = ("a", world.child("a")) if of == "init" else ("start of a", world.function_child("a"))
    reasons = {}
    for how in ("raise", "exit", "return"):
        await world.plan(label, (how, "the value"))
        with pytest.raises(StartFailed) as caught:
            await DynamicSupervisor.start_child(sup, child)
        reasons[how] = caught.value.reason
        assert await running(sup) == []

    raised = reasons["raise"]
    assert (raised.__class__, raised.kind, raised.message) == (Crash, "ValueError", "the value")
    assert "conformance_world.py" in raised.traceback
    assert reasons["exit"] == "the value"
    assert reasons["return"].__class__ is Fault
    assert reasons["return"].kind == ("bad_return_value" if of == "init" else "bad_return")


@pytest.mark.otp_line(159)
async def test_line_159_significant_children_and_auto_shutdown_are_refused(world):
    sup = await start()
    for restart in ("transient", "temporary", "permanent"):
        with pytest.raises(InvalidChildSpec) as caught:
            await DynamicSupervisor.start_child(sup, world.child("a", significant=True, restart=restart))
        assert caught.value.field == "significant"

    for mode in ("any_significant", "all_significant", "some", None):
        assert await refused(auto_shutdown=mode) == Fault("invalid_auto_shutdown", mode)
    assert await world.journal() == []
    await world.stop(await start(auto_shutdown="never"))


@pytest.mark.otp_line(160)
async def test_line_160_wrong_limits_and_arguments_are_refused_by_name_at_the_start(world):
    before = set(process.here().processes)
    for value in (-1, 1.5, "many", True, float("inf")):
        assert await refused(max_children=value, name="named") == Fault("invalid_max_children", value)
    for value in ("abc", 7, None, {"a": 1}):
        assert (await refused(extra_arguments=value, name="named")).kind == "invalid_extra_arguments"
    assert await refused(max_restarts=-1) == Fault("invalid_intensity", -1)
    assert await refused(max_seconds=0) == Fault("invalid_period", 0)

    assert process.whereis("named") is None
    assert set(process.here().processes) == before
    await world.nothing(0)
    sup = await start(max_children=None, extra_arguments=[], name="named")
    assert process.whereis("named") == sup


@pytest.mark.otp_line(161)
async def test_line_161_terminating_a_dead_or_unknown_pid_is_not_found(world):
    sup = await start()
    names = ("transient", "temporary", "permanent")
    pids = {one: await DynamicSupervisor.start_child(sup, world.child(one, restart=one)) for one in names}
    stranger = await world.player("stranger")
    for name in names:
        await world.end(pids[name], NORMAL)
    (again,) = await running(sup)

    for pid in (*pids.values(), stranger, process.self(), "transient", None):
        with pytest.raises(ChildNotFound):
            await DynamicSupervisor.terminate_child(sup, pid)
    assert await world.is_alive(stranger)
    assert await running(sup) == [again]
    assert await DynamicSupervisor.terminate_child(sup, again) is None
    with pytest.raises(ChildNotFound):
        await DynamicSupervisor.terminate_child(sup, again)
    assert await running(sup) == []


@pytest.mark.otp_line(162)
async def test_line_162_each_child_has_its_own_restart_and_shutdown(world):
    sup = await start()
    kinds = {
        ("permanent", 30.0): {"holds": True},
        ("transient", 0.1): {"holds": True},
        ("temporary", "brutal_kill"): {"holds": True},
        ("transient", "infinity"): {"stop_reason": Shutdown(1)},
    }
    pids = {
        kind: await DynamicSupervisor.start_child(
            sup, world.child(repr(kind), restart=kind[0], shutdown=kind[1], options=options)
        )
        for kind, options in kinds.items()
    }
    for kind in list(kinds)[:3]:
        spare = world.child("spare", restart=kind[0])
        pid = await DynamicSupervisor.start_child(sup, spare)
        before = len(await running(sup))
        await world.end(pid, NORMAL)
        assert len(await running(sup)) == before - (kind[0] != "permanent")
        pid = await DynamicSupervisor.start_child(sup, spare)
        before = len(await running(sup))
        await world.end(pid, ABNORMAL)
        assert len(await running(sup)) == before - (kind[0] == "temporary")
    refs = {kind: process.monitor(pid) for kind, pid in pids.items()}

    process.exit(sup, SHUTDOWN)
    await world.let_go(repr(("permanent", 30.0)))

    assert await world.exit_of(sup) is SHUTDOWN
    ends = [(await world.down(ref)).reason for ref in refs.values()]
    assert ends == [SHUTDOWN, KILLED, KILLED, Shutdown(1)]
