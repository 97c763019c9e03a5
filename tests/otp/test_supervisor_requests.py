"""Sections I, J, K and P: significant children, the run-time API, DynamicSupervisor, reports."""

from __future__ import annotations

import time

import pytest

from roger_actors.errors import (
    ChildAlreadyPresent,
    ChildAlreadyStarted,
    ChildNotFound,
    ChildRunning,
    InvalidChildSpec,
    NoProcess,
    StartFailed,
    TooManyChildren,
)
from roger_actors.otp import (
    KILL,
    KILLED,
    NORMAL,
    RESTARTING,
    SHUTDOWN,
    ChildSpec,
    Down,
    DynamicSupervisor,
    Exit,
    Fault,
    GenServer,
    Ignore,
    Shutdown,
    Start,
    Stop,
    Supervisor,
    SupervisorFlags,
    Timeout,
    process,
)
from roger_actors.testing.puppet import Puppet, end


def child(id_, journal=None, *, options=None, **fields):
    return ChildSpec(id=id_, start=Start(Puppet, id_, journal, **{"trap": True, **(options or {})}), **fields)


async def start(children, **options):
    return await Supervisor.start_link(children, **{"strategy": "one_for_one", "max_restarts": 10, **options})


async def pids(sup):
    return {info.id: info.pid for info in await Supervisor.which_children(sup)}


def reports(caplog):
    return [record.report for record in caplog.records if hasattr(record, "report")]


# ---------------------------------------------------------------- I


EXITS = [NORMAL, SHUTDOWN, Shutdown(1), "crash", KILL]


@pytest.mark.otp_line(122)
@pytest.mark.parametrize("mode", ["any_significant", "all_significant"])
@pytest.mark.parametrize("restart", ["temporary", "transient"])
async def test_a_child_that_is_not_significant_never_ends_its_supervisor(mode, restart):
    sup = await start([child("a", restart=restart), child("b", restart=restart)], auto_shutdown=mode)

    for why in EXITS:
        await Supervisor.start_child(sup, child(str(why), restart=restart))
        await end((await pids(sup))[str(why)], why)

    assert process.is_alive(sup)


@pytest.mark.otp_line(123)
@pytest.mark.otp_line(126)
@pytest.mark.parametrize("why", EXITS)
async def test_any_exit_of_a_significant_temporary_child_ends_the_supervisor(why, journal):
    children = [child("a", journal), child("s", restart="temporary", significant=True), child("b", journal)]
    sup = await start(children, auto_shutdown="any_significant")

    await end((await pids(sup))["s"], why)

    assert await process.receive() == Exit(sup, SHUTDOWN)
    assert [entry[1] for entry in journal if entry[0] == "stopped"] == ["b", "a"]


@pytest.mark.otp_line(124)
@pytest.mark.parametrize("why", EXITS)
async def test_a_clean_exit_of_a_significant_transient_child_ends_the_supervisor(why):
    sup = await start([child("s", restart="transient", significant=True)], auto_shutdown="any_significant")
    before = (await pids(sup))["s"]

    await end(before, why)

    if why in {"crash", KILL}:
        assert (await pids(sup))["s"] != before
    else:
        assert await process.receive() == Exit(sup, SHUTDOWN)


@pytest.mark.otp_line(125)
async def test_with_all_significant_the_last_running_one_ends_the_supervisor():
    children = [child(n, restart="transient", significant=True) for n in "ab"]
    sup = await start([*children, child("c")], auto_shutdown="all_significant")
    before = await pids(sup)

    await end(before["a"], NORMAL)
    assert await process.receive(0.1) == Timeout()
    await end(before["b"], NORMAL)

    assert await process.receive() == Exit(sup, SHUTDOWN)


@pytest.mark.otp_line(127)
async def test_a_significant_child_stopped_by_hand_does_not_end_the_supervisor():
    sup = await start([child("s", restart="transient", significant=True)], auto_shutdown="any_significant")

    await Supervisor.terminate_child(sup, "s")

    assert await process.receive(0.1) == Timeout()
    assert process.is_alive(sup)


@pytest.mark.otp_line(128)
@pytest.mark.parametrize("restart", ["temporary", "transient"])
async def test_a_significant_child_that_goes_with_its_group_does_not_end_the_supervisor(restart):
    children = [child("a"), child("s", restart=restart, significant=True)]
    sup = await start(children, strategy="one_for_all", auto_shutdown="any_significant")

    await end((await pids(sup))["a"], "crash")

    assert await process.receive(0.1) == Timeout()
    assert process.is_alive((await pids(sup))["a"])


@pytest.mark.otp_line(129)
@pytest.mark.parametrize("significant", [False, True])
async def test_an_inner_auto_shutdown_ends_the_outer_one_only_if_it_is_significant(significant):
    leaf = child("leaf", options={"name": "leaf"}, restart="temporary", significant=True)
    inner = ChildSpec(
        id="inner",
        start=Start(Supervisor, [leaf], strategy="one_for_one", auto_shutdown="any_significant"),
        restart="transient",
        significant=significant,
    )
    outer = await start([inner], auto_shutdown="any_significant")

    await end(process.whereis("leaf"), NORMAL)
    await process.sleep(0.1)

    assert process.is_alive(outer) != significant


# ---------------------------------------------------------------- J


@pytest.mark.otp_line(132)
@pytest.mark.otp_line(133)
async def test_starting_a_known_child_is_refused():
    sup = await start([child("a")])

    with pytest.raises(ChildAlreadyStarted) as caught:
        await Supervisor.start_child(sup, child("a"))
    assert caught.value.pid == (await pids(sup))["a"]
    await Supervisor.terminate_child(sup, "a")

    with pytest.raises(ChildAlreadyPresent):
        await Supervisor.start_child(sup, child("a"))


@pytest.mark.otp_line(134)
async def test_terminate_child_stops_is_idempotent_and_knows_its_children():
    sup = await start([child("a")])
    ref = process.monitor((await pids(sup))["a"])

    await Supervisor.terminate_child(sup, "a")
    await Supervisor.terminate_child(sup, "a")
    with pytest.raises(ChildNotFound):
        await Supervisor.terminate_child(sup, "b")

    down = await process.receive()
    assert (down.ref, down.reason) == (ref, SHUTDOWN)


@pytest.mark.otp_line(135)
async def test_terminating_by_pid_is_not_found_under_a_static_supervisor():
    sup = await start([child("a")])
    pid = (await pids(sup))["a"]

    with pytest.raises(ChildNotFound):
        await Supervisor.terminate_child(sup, pid)

    assert process.is_alive(pid)


@pytest.mark.otp_line(137)
@pytest.mark.otp_line(139)
@pytest.mark.otp_line(151)
async def test_the_life_cycle_of_a_child():
    sup = await start([])
    first = await Supervisor.start_child(sup, child("a"))

    with pytest.raises(ChildRunning):
        await Supervisor.restart_child(sup, "a")
    with pytest.raises(ChildRunning):
        await Supervisor.delete_child(sup, "a")
    await Supervisor.terminate_child(sup, "a")
    second = await Supervisor.restart_child(sup, "a")
    await Supervisor.terminate_child(sup, "a")
    await Supervisor.delete_child(sup, "a")
    with pytest.raises(ChildNotFound):
        await Supervisor.restart_child(sup, "a")
    with pytest.raises(ChildNotFound):
        await Supervisor.delete_child(sup, "a")

    assert first != second
    assert await Supervisor.which_children(sup) == []


@pytest.mark.otp_line(138)
async def test_a_restart_by_hand_that_fails_keeps_the_child_without_a_loop():
    broken = []
    sup = await start([child("a", options={"begins": lambda: Stop("no") if broken else None})])
    await Supervisor.terminate_child(sup, "a")
    broken.append(1)

    with pytest.raises(StartFailed):
        await Supervisor.restart_child(sup, "a")

    assert await pids(sup) == {"a": None}
    assert not (await GenServer.get_state(sup)).window.times


@pytest.mark.otp_line(141)
async def test_which_children_shows_the_newest_first():
    sup = await start([child("a"), child("b", options={"begins": Ignore})])
    await Supervisor.start_child(sup, child("c", type="supervisor"))

    children = await Supervisor.which_children(sup)

    assert [(info.id, info.type, info.modules) for info in children] == [
        ("c", "supervisor", ("roger_actors.testing.puppet:Puppet",)),
        ("b", "worker", ("roger_actors.testing.puppet:Puppet",)),
        ("a", "worker", ("roger_actors.testing.puppet:Puppet",)),
    ]
    assert [process.is_alive(info.pid) if info.pid else None for info in children] == [True, None, True]


@pytest.mark.otp_line(144)
async def test_count_children_counts_known_running_and_types():
    sup = await start([child("a"), child("b", options={"begins": Ignore})])

    assert await Supervisor.count_children(sup) == (2, 1, 0, 2)


@pytest.mark.otp_line(144)
async def test_count_children_does_not_count_a_child_that_ended_unseen():
    sup = await start([child("a"), child("b")])
    unlinked = (await pids(sup))["a"]
    GenServer.cast(unlinked, ("unlink", sup))
    await end(unlinked, "crash")

    assert await Supervisor.count_children(sup) == (2, 1, 0, 2)


async def test_a_start_that_fails_on_request_is_told_to_the_caller_and_not_reported(caplog):
    begins = [None, Stop("broken")]
    sup = await start([child("a", options={"begins": lambda: begins.pop(0)})])
    await Supervisor.terminate_child(sup, "a")

    with pytest.raises(StartFailed):
        await Supervisor.restart_child(sup, "a")
    with pytest.raises(StartFailed):
        await Supervisor.start_child(sup, child("b", options={"begins": lambda: Stop("broken")}))

    assert not reports(caplog)


@pytest.mark.otp_line(148)
@pytest.mark.parametrize(
    "ask", [Supervisor.which_children, Supervisor.count_children, DynamicSupervisor.count_children]
)
async def test_a_request_to_no_supervisor_is_noproc(ask):
    with pytest.raises(NoProcess):
        await ask("nobody")


@pytest.mark.otp_line(149)
async def test_a_request_to_a_supervisor_waits_without_a_limit():
    class Slow(Puppet):
        async def init(self):
            await process.sleep(1000)
            return super().init()

    sup = await start([])

    assert await Supervisor.start_child(sup, ChildSpec(id="slow", start=Start(Slow)))


# ---------------------------------------------------------------- K


async def dynamic(**options):
    return await DynamicSupervisor.start_link(**{"max_restarts": 10, **options})


async def dynamic_pids(sup):
    return [info.pid for info in await DynamicSupervisor.which_children(sup)]


@pytest.mark.otp_line(154)
@pytest.mark.otp_line(160)
@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ({"strategy": "one_for_all"}, "invalid_strategy"),
        ({"max_restarts": -1}, "invalid_intensity"),
        ({"max_seconds": 0}, "invalid_period"),
        ({"max_children": -1}, "invalid_max_children"),
        ({"max_children": "many"}, "invalid_max_children"),
        ({"extra_arguments": "abc"}, "invalid_extra_arguments"),
    ],
)
async def test_wrong_options_are_refused_by_name(options, kind):
    with pytest.raises(StartFailed) as caught:
        await DynamicSupervisor.start_link(**options)

    assert caught.value.reason.detail.kind == kind


@pytest.mark.otp_line(155)
async def test_a_full_dynamic_supervisor_starts_nothing(journal):
    sup = await dynamic(max_children=1)
    await DynamicSupervisor.start_child(sup, child("a", journal))

    with pytest.raises(TooManyChildren):
        await DynamicSupervisor.start_child(sup, child("b", journal))

    assert journal == [("started", "a")]


@pytest.mark.otp_line(155)
async def test_a_restarting_child_occupies_a_place_and_is_ended_by_its_old_pid():
    broken = []
    sup = await dynamic(max_children=1, max_restarts=10**9)
    options = {"begins": lambda: Stop("no") if broken else None}
    pid = await DynamicSupervisor.start_child(sup, child("a", options=options))
    broken.append(1)
    await end(pid, "crash")

    with pytest.raises(TooManyChildren):
        await DynamicSupervisor.start_child(sup, child("b"))
    assert await dynamic_pids(sup) == [RESTARTING]
    assert await DynamicSupervisor.count_children(sup) == (1, 0, 0, 1)
    await DynamicSupervisor.terminate_child(sup, pid)

    assert await dynamic_pids(sup) == []
    assert await DynamicSupervisor.start_child(sup, child("b"))


@pytest.mark.otp_line(146)
@pytest.mark.otp_line(156)
async def test_ids_name_nothing_and_specs_counts_children():
    sup = await dynamic()
    for _ in range(3):
        await DynamicSupervisor.start_child(sup, child("same"))

    assert await DynamicSupervisor.count_children(sup) == (3, 3, 0, 3)


@pytest.mark.otp_line(116)
@pytest.mark.otp_line(162)
async def test_dynamic_children_stop_in_parallel_each_under_its_own_limit(node):
    sup = await dynamic()
    refs = {}
    for seconds, limit in ((1.0, 2.0), (1.0, 2.0), (5.0, 2.0), (3.0, 4.0), (None, "brutal_kill")):
        spec = child("x", options={"stops_in": seconds}, shutdown=limit)
        refs[process.monitor(await DynamicSupervisor.start_child(sup, spec))] = seconds
    moment = node.clock.monotonic()

    await GenServer.stop(sup, SHUTDOWN)

    assert node.clock.monotonic() - moment == pytest.approx(3.0)
    downs = [message for message in [await process.receive() for _ in range(6)] if isinstance(message, Down)]
    seen = {refs[down.ref]: down.reason for down in downs}
    assert seen == {1.0: SHUTDOWN, 5.0: KILLED, 3.0: SHUTDOWN, None: KILLED}


@pytest.mark.otp_line(159)
async def test_a_dynamic_child_may_not_be_significant():
    sup = await dynamic()

    with pytest.raises(InvalidChildSpec):
        await DynamicSupervisor.start_child(sup, child("a", significant=True, restart="transient"))


@pytest.mark.otp_line(161)
async def test_terminating_a_dead_or_foreign_pid_is_not_found():
    sup = await dynamic()
    own = await DynamicSupervisor.start_child(sup, child("a", restart="temporary"))
    foreign = await Puppet.start()
    await DynamicSupervisor.terminate_child(sup, own)

    for pid in (own, foreign, "a"):
        with pytest.raises(ChildNotFound):
            await DynamicSupervisor.terminate_child(sup, pid)

    assert process.is_alive(foreign)


@pytest.mark.otp_line(158)
@pytest.mark.parametrize(
    ("error", "kind"), [(ValueError("x"), "Crash"), (process.ExitProcess(Fault("out")), "Fault")]
)
async def test_a_dynamic_start_that_raises_gives_its_own_reason(error, kind):
    def starts():
        raise error

    sup = await dynamic()
    with pytest.raises(StartFailed) as caught:
        await DynamicSupervisor.start_child(sup, ChildSpec(id="a", start=Start(starts)))

    assert type(caught.value.reason).__name__ == kind


@pytest.mark.slow
@pytest.mark.otp_line(150)
@pytest.mark.parametrize("behaviour", [Supervisor, DynamicSupervisor])
async def test_starting_and_stopping_many_children_is_about_linear(behaviour):
    costs = [await cost_of_children(behaviour, count) for count in (500, 5_000)]

    assert costs[1] < 4 * costs[0]


async def cost_of_children(behaviour, count):
    """Seconds of CPU per child: its start and its part of the stop."""
    begun = time.process_time()
    sup = await (start([]) if behaviour is Supervisor else dynamic())
    for number in range(count):
        await behaviour.start_child(sup, child(number, restart="temporary"))
    await GenServer.stop(sup, SHUTDOWN)
    await process.receive()
    return (time.process_time() - begun) / count


async def test_under_simple_one_for_one_extra_arguments_are_a_list():
    sup = await Supervisor.start_link([child("a")], flags=SupervisorFlags(strategy="simple_one_for_one"))

    with pytest.raises(StartFailed) as caught:
        await Supervisor.start_child(sup, child("b"))

    assert caught.value.reason.kind == "badarg"
    assert await Supervisor.which_children(sup) == []
