"""Section J: what a running supervisor is asked."""

from __future__ import annotations

import inspect

import pytest
from conformance_world import ABNORMAL

from roger_actors.errors import (
    CallbackFailed,
    ChildAlreadyPresent,
    ChildAlreadyStarted,
    ChildNotFound,
    ChildRunning,
    NoProcess,
    StartFailed,
)
from roger_actors.otp import (
    KILLED,
    NORMAL,
    SHUTDOWN,
    ChildCount,
    ChildInfo,
    ChildSpec,
    Down,
    DynamicSupervisor,
    Fault,
    GenServer,
    Ignore,
    Pid,
    Shutdown,
    Start,
    Supervisor,
    SupervisorFlags,
    Timeout,
    process,
)
from roger_actors.otp.reason import NOPROC, CallExit


@pytest.mark.otp_line(132)
async def test_line_132_starting_the_id_of_a_running_child_tells_its_pid(world):
    sup = await world.supervisor([world.child("a")])
    before = await world.pids(sup)

    with pytest.raises(ChildAlreadyStarted) as caught:
        await Supervisor.start_child(sup, world.child("a", label="again"))

    assert caught.value.pid == before["a"]
    assert await world.pids(sup) == before
    assert await world.journal() == [("started", "a")]


@pytest.mark.otp_line(133)
@pytest.mark.parametrize("how", ["terminated", "ended", "ignored"])
async def test_line_133_starting_the_id_of_a_stopped_child_is_refused(world, how):
    if how == "ignored":
        await world.plan("a", "ignore")
    sup = await world.supervisor([world.child("a", restart="transient")])
    if how == "terminated":
        await Supervisor.terminate_child(sup, "a")
    elif how == "ended":
        await world.end((await world.pids(sup))["a"], NORMAL)

    with pytest.raises(ChildAlreadyPresent):
        await Supervisor.start_child(sup, world.child("a", label="again"))

    assert await world.pids(sup) == {"a": None}
    assert ("started", "again") not in await world.journal()


@pytest.mark.otp_line(134)
async def test_line_134_terminate_child_stops_is_idempotent_and_knows_its_children(world):
    sup = await world.supervisor([world.child("a"), world.child("b")])
    before = await world.pids(sup)
    ref = process.monitor(before["a"])

    assert await Supervisor.terminate_child(sup, "a") is None
    assert await process.receive(0) == Down(ref, before["a"], SHUTDOWN)
    assert await Supervisor.terminate_child(sup, "a") is None
    with pytest.raises(ChildNotFound):
        await Supervisor.terminate_child(sup, "c")

    assert await world.pids(sup) == {"a": None, "b": before["b"]}
    assert [entry for entry in await world.journal() if entry[0] == "stopped"] == [("stopped", "a", SHUTDOWN)]


@pytest.mark.otp_line(135)
async def test_line_135_terminating_by_pid_is_not_found_and_the_child_lives(world):
    sup = await world.supervisor([world.child("a")])
    pid = (await world.pids(sup))["a"]

    with pytest.raises(ChildNotFound):
        await Supervisor.terminate_child(sup, pid)

    assert await world.is_alive(pid)
    assert await world.pids(sup) == {"a": pid}


@pytest.mark.otp_line(137)
async def test_line_137_restart_child_starts_a_stopped_one_and_no_other(world):
    sup = await world.supervisor([world.child("a"), world.child("b")])
    before = await world.pids(sup)

    with pytest.raises(ChildRunning):
        await Supervisor.restart_child(sup, "a")
    with pytest.raises(ChildNotFound):
        await Supervisor.restart_child(sup, "c")
    await Supervisor.terminate_child(sup, "a")
    pid = await Supervisor.restart_child(sup, "a")

    assert await world.pids(sup) == {"a": pid, "b": before["b"]}
    assert pid not in before.values()
    assert await world.is_alive(pid)
    await world.end(pid, ABNORMAL)
    assert (await world.settled(sup))["a"] not in {pid, None}


@pytest.mark.otp_line(138)
@pytest.mark.parametrize("how", [("stop", "no"), ("raise", "no"), ("exit", "no"), ("return", 42)])
async def test_line_138_a_restart_by_hand_that_fails_is_an_error_without_a_loop(world, how):
    sup = await world.supervisor([world.child("a")], max_restarts=0)
    await Supervisor.terminate_child(sup, "a")
    await world.always("a", how)

    with pytest.raises(StartFailed) as caught:
        await Supervisor.restart_child(sup, "a")

    reason = caught.value.reason
    if how[0] == "raise":
        assert (reason.kind, reason.message) == ("ValueError", "no")
    else:
        assert reason == (Fault("bad_return_value", "42") if how[0] == "return" else "no")
    for _ in "123":
        assert await world.pids(sup) == {"a": None}
    assert [entry[0] for entry in await world.journal()] == ["started", "stopped", "refused"]
    await world.plan("a")
    assert await world.is_alive(await Supervisor.restart_child(sup, "a"))


@pytest.mark.otp_line(139)
async def test_line_139_delete_child_forgets_a_stopped_one_and_no_other(world):
    sup = await world.supervisor([world.child("a"), world.child("b")])
    before = await world.pids(sup)

    with pytest.raises(ChildRunning):
        await Supervisor.delete_child(sup, "a")
    assert await world.pids(sup) == before
    await Supervisor.terminate_child(sup, "a")
    assert await Supervisor.delete_child(sup, "a") is None
    for unknown in ("a", "c"):
        with pytest.raises(ChildNotFound):
            await Supervisor.delete_child(sup, unknown)

    assert await world.pids(sup) == {"b": before["b"]}
    assert await world.is_alive(await Supervisor.start_child(sup, world.child("a")))


@pytest.mark.otp_line(141)
async def test_line_141_which_children_shows_id_pid_type_and_modules_the_newest_first(world):
    await world.plan("ignored", "ignore")
    names = ("a", "ignored", "restarting", "stopped")
    sup = await world.supervisor([world.child(name) for name in names], max_restarts=10**9)
    nested = await Supervisor.start_child(sup, world.nested("nested", []))
    await world.always("restarting", ("stop", "no"))
    pids = await world.pids(sup)
    await Supervisor.terminate_child(sup, "stopped")
    await world.end(pids["restarting"], ABNORMAL)

    children = await Supervisor.which_children(sup)

    assert all(child.__class__ is ChildInfo for child in children)
    assert [(str(id_), str(pid), type_) for id_, pid, type_, _ in children] == [
        ("nested", str(nested), "supervisor"),
        ("stopped", "None", "worker"),
        ("restarting", "restarting", "worker"),
        ("ignored", "None", "worker"),
        ("a", str(pids["a"]), "worker"),
    ]
    assert [child.modules for child in children] == [
        ("roger_actors.otp.supervisor:Supervisor",),
        *[("conformance_world:Player",)] * 4,
    ]
    assert await world.is_alive(pids["a"])


@pytest.mark.otp_line(144)
async def test_line_144_count_children_counts_known_running_and_types(world):
    await world.plan("ignored", "ignore")
    sup = await world.supervisor([world.child("ignored"), world.child("a")])
    assert await Supervisor.count_children(sup) == ChildCount(specs=2, active=1, supervisors=0, workers=2)

    for name in ("up", "down"):
        await Supervisor.start_child(sup, world.nested(name, []))
    await Supervisor.start_child(sup, world.child("called supervisor", type="supervisor"))
    await Supervisor.terminate_child(sup, "down")
    await Supervisor.terminate_child(sup, "called supervisor")
    assert await Supervisor.count_children(sup) == ChildCount(specs=5, active=2, supervisors=3, workers=2)
    # One that removed its link and ended unseen does not count as active.
    pid = (await world.pids(sup))["a"]
    GenServer.cast(pid, ("unlink", sup))
    await world.end(pid, NORMAL)
    assert (await Supervisor.count_children(sup)).active == 1


@pytest.mark.otp_line(146)
async def test_line_146_a_dynamic_supervisor_counts_its_children_as_specs(world):
    sup = await DynamicSupervisor.start_link(max_restarts=10**9)
    assert await DynamicSupervisor.count_children(sup) == ChildCount(0, 0, 0, 0)
    first, second = [
        await DynamicSupervisor.start_child(sup, world.child("a", restart=restart))
        for restart in ("permanent", "temporary")
    ]
    await DynamicSupervisor.start_child(sup, world.nested("nested", []))

    assert await DynamicSupervisor.count_children(sup) == ChildCount(3, 3, 1, 2)
    await world.always("a", ("stop", "no"))
    await world.end(first, ABNORMAL)
    assert await DynamicSupervisor.count_children(sup) == ChildCount(3, 2, 1, 2)
    await world.end(second, ABNORMAL)
    assert await DynamicSupervisor.count_children(sup) == ChildCount(2, 1, 1, 1)


SPEC = ChildSpec(id="a", start=Start(Supervisor, [], strategy="one_for_one"))

REQUESTS = [
    ("Supervisor", "start_child", SPEC),
    ("Supervisor", "terminate_child", "a"),
    ("Supervisor", "restart_child", "a"),
    ("Supervisor", "delete_child", "a"),
    ("Supervisor", "which_children"),
    ("Supervisor", "which_child", "a"),
    ("Supervisor", "count_children"),
    ("Supervisor", "get_childspec", "a"),
    ("Supervisor", "change_code", []),
    ("Supervisor", "stop"),
    ("DynamicSupervisor", "start_child", SPEC),
    ("DynamicSupervisor", "terminate_child", Pid("x", 0, 1)),
    ("DynamicSupervisor", "which_children"),
    ("DynamicSupervisor", "count_children"),
    ("DynamicSupervisor", "stop"),
]


def request_of(request):
    """Return what asks, and with what."""
    behaviour, name, *args = request
    return getattr({"Supervisor": Supervisor, "DynamicSupervisor": DynamicSupervisor}[behaviour], name), args


@pytest.mark.otp_line(148)
@pytest.mark.parametrize("request_", REQUESTS)
async def test_line_148_a_request_to_no_supervisor_ends_the_caller_with_noproc_and_details(world, request_):
    ask, args = request_of(request_)
    gone = await world.supervisor([])
    await Supervisor.stop(gone)
    await world.exit_of(gone)

    for target in (gone, "nobody", ("nobody", int(world.second)), Pid(gone.node, int(world.second), 99_999)):
        with pytest.raises(NoProcess):
            await ask(target, *args)
        _, ref = process.spawn_monitor(ask, target, *args)
        reason = (await world.down(ref)).reason
        assert (reason.__class__, reason.reason) == (CallExit, NOPROC)
        assert str(target) in reason.call


@pytest.mark.otp_line(149)
async def test_line_149_requests_have_no_time_limit_by_default(world):
    for request in REQUESTS:
        assert inspect.signature(request_of(request)[0]).parameters["timeout"].default is None
    sup = await world.supervisor([])
    dynamic = await DynamicSupervisor.start_link()
    await world.plan("slow", "hang")
    await world.plan("slower", "hang")

    asked = [
        process.spawn_monitor(Supervisor.start_child, sup, world.child("slow"))[1],
        process.spawn_monitor(DynamicSupervisor.start_child, dynamic, world.child("slower"))[1],
        process.spawn_monitor(Supervisor.which_children, sup)[1],
    ]
    await world.hangs("slow")
    await world.hangs("slower")
    await world.nothing(8.0 if world.transport == "memory" else 0.3)
    for label in ("slow", "slower"):
        await world.release(label)

    assert [(await world.down(ref)).reason for ref in asked] == [NORMAL] * 3


@pytest.mark.otp_line(151)
async def test_line_151_the_life_cycle_of_a_child(world):
    sup = await world.supervisor([])

    first = await Supervisor.start_child(sup, world.child("a"))
    with pytest.raises(ChildRunning):
        await Supervisor.restart_child(sup, "a")
    with pytest.raises(ChildRunning):
        await Supervisor.delete_child(sup, "a")
    assert await Supervisor.terminate_child(sup, "a") is None
    assert await world.pids(sup) == {"a": None}
    second = await Supervisor.restart_child(sup, "a")
    assert await world.pids(sup) == {"a": second}
    assert await Supervisor.terminate_child(sup, "a") is None
    assert await Supervisor.delete_child(sup, "a") is None
    for request in (Supervisor.restart_child, Supervisor.delete_child, Supervisor.terminate_child):
        with pytest.raises(ChildNotFound):
            await request(sup, "a")

    assert first != second
    assert await Supervisor.which_children(sup) == []
    assert await world.journal() == [("started", "a"), ("stopped", "a", SHUTDOWN)] * 2


@pytest.mark.otp_line(152)
@pytest.mark.parametrize("strategy", ["one_for_one", "simple_one_for_one"])
async def test_line_152_a_change_of_code_starts_stops_and_restarts_nobody(world, strategy):
    simple = strategy == "simple_one_for_one"
    flags = SupervisorFlags(strategy=strategy, intensity=10)
    sup = await Supervisor.start_link(
        [world.child("a")] if simple else [world.child(name) for name in "abc"], flags=flags
    )
    if simple:
        await Supervisor.start_child(sup, [])
    children, journal = await Supervisor.which_children(sup), await world.journal()
    changed = world.child("a", label="new", restart="transient", shutdown="brutal_kill")

    async def unchanged():
        assert await Supervisor.which_children(sup) == children
        assert await Supervisor.get_childspec(sup, "a") == world.child("a").normalised()

    async def refused(given):
        with pytest.raises(CallbackFailed) as caught:
            await Supervisor.change_code(sup, given)
        await unchanged()
        return caught.value.reason

    await Supervisor.change_code(sup, Ignore)
    await unchanged()
    faulty = SupervisorFlags(strategy=strategy, intensity=-1)
    other = SupervisorFlags(strategy="one_for_one" if simple else "simple_one_for_one")
    assert await refused(lambda: (faulty, [changed])) == Fault(
        "supervisor_data", Fault("invalid_intensity", -1)
    )
    assert await refused(lambda: (other, [changed])) == Fault(
        "supervisor_data", Fault("invalid_strategy", other.strategy)
    )
    wrong = world.child("a", restart="sometimes")
    assert (await refused([wrong])).detail == Fault("invalid_restart_type", "sometimes", "a")
    assert (await refused(lambda: "what")).kind == "bad_return"
    assert (await refused(lambda: 1 / 0)).kind == "ZeroDivisionError"
    assert (await refused([changed, changed])).kind == ("bad_start_spec" if simple else "start_spec")

    await Supervisor.change_code(sup, [changed] if simple else [world.child("new"), changed])

    assert await world.journal() == journal
    assert await Supervisor.get_childspec(sup, "a") == changed.normalised()
    if simple:
        await the_next_exit_of_a_simple_child(world, sup, children[0].pid)
    else:
        await the_next_exits_of_children(world, sup, children)


async def the_next_exits_of_children(world, sup, children):
    before = {info.id: info.pid for info in children}
    assert await world.pids(sup) == {**before, "new": None}
    assert [info.id for info in await Supervisor.which_children(sup)] == ["c", "b", "a", "new"]
    for name, label in (("a", "new"), ("b", "b")):
        await world.end(before[name], ABNORMAL)
        await world.settled(sup)
        assert (await world.journal())[-2:] == [("stopped", name, ABNORMAL), ("started", label)]
    await world.end((await world.pids(sup))["a"], SHUTDOWN)
    assert (await world.pids(sup))["a"] is None
    assert await world.is_alive(await Supervisor.restart_child(sup, "new"))


async def the_next_exit_of_a_simple_child(world, sup, pid):
    await world.end(pid, ABNORMAL)
    (info,) = await Supervisor.which_children(sup)
    assert (await world.journal())[-1] == ("started", "new")
    await world.end(info.pid, SHUTDOWN)
    assert await Supervisor.which_children(sup) == []


@pytest.mark.otp_line(153)
@pytest.mark.parametrize("reason", [NORMAL, SHUTDOWN, Shutdown(1)])
async def test_line_153_stop_is_synchronous_and_by_an_own_child_waits_until_its_limit(world, reason):
    sup = await world.supervisor([world.child("a", options={"stops_in": 0.1}), world.child("b")])
    refs = [process.monitor(pid) for pid in (sup, *(await world.pids(sup)).values())]
    await Supervisor.stop(sup, reason)
    downs = {}
    for _ in range(4):
        message = await process.receive(0)
        if isinstance(message, Down):
            downs[message.ref] = message.reason
    assert [downs[ref] for ref in refs] == [reason, SHUTDOWN, SHUTDOWN]
    with pytest.raises(NoProcess):
        await Supervisor.stop(sup)

    sup = await world.supervisor([world.child("asks", shutdown=0.3), world.child("b")])
    pids = await world.pids(sup)
    ref, begun = process.monitor(pids["asks"]), process.monotonic_time()
    GenServer.cast(pids["asks"], ("end", sup))

    assert await world.exit_of(sup) is NORMAL
    assert (await world.down(ref)).reason is KILLED
    assert process.monotonic_time() - begun > 0.299
    assert not await world.is_alive(pids["b"])
    assert await process.receive(0) == Timeout()
