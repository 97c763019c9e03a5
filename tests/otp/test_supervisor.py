"""Sections D to H: strategies, restart types, intensity, restarts that fail, shutdown."""

from __future__ import annotations

import pytest

from roger_actors.errors import ChildAlreadyPresent, ChildRestarting
from roger_actors.otp import (
    KILL,
    KILLED,
    NORMAL,
    RESTARTING,
    SHUTDOWN,
    ChildSpec,
    Down,
    Exit,
    Fault,
    GenServer,
    Ignore,
    Shutdown,
    Start,
    Stop,
    Supervisor,
    SupervisorFlags,
    process,
    reason,
)
from roger_actors.otp.supervision.restart import RestartWindow, is_restarted
from roger_actors.testing.puppet import Puppet, end


def child(id_, journal=None, *, options=None, **fields):
    return ChildSpec(id=id_, start=Start(Puppet, id_, journal, **{"trap": True, **(options or {})}), **fields)


async def start(children, **options):
    return await Supervisor.start_link(children, **{"strategy": "one_for_one", "max_restarts": 10, **options})


async def pids(sup):
    return {info.id: info.pid for info in await Supervisor.which_children(sup)}


def switch():
    """A start that can be made to fail: (what init asks, the switch)."""
    broken = []
    return (lambda: Stop("broken") if broken else None), broken


# ---------------------------------------------------------------- D


@pytest.mark.otp_line(46)
async def test_one_for_one_restarts_the_one_that_died():
    sup = await start([child("a"), child("b")])
    before = await pids(sup)

    await end(before["a"], "crash")

    after = await pids(sup)
    assert after["a"] != before["a"]
    assert after["b"] == before["b"]
    assert process.is_alive(after["a"])


@pytest.mark.otp_line(47)
async def test_one_for_all_restarts_all():
    sup = await start([child(n) for n in "abc"], strategy="one_for_all")
    before = await pids(sup)

    await end(before["b"], "crash")

    after = await pids(sup)
    assert not set(before.values()) & set(after.values())
    assert not any(process.is_alive(pid) for pid in before.values())


@pytest.mark.otp_line(48)
async def test_one_for_all_stops_in_reverse_order_and_starts_in_order(journal):
    sup = await start([child(n, journal) for n in "abc"], strategy="one_for_all")
    before = await pids(sup)
    journal.clear()

    await end(before["b"], "crash")
    await pids(sup)

    assert [entry[:2] for entry in journal] == [
        *(("stopped", id_) for id_ in "bca"),
        *(("started", id_) for id_ in "abc"),
    ]


@pytest.mark.otp_line(49)
async def test_rest_for_one_restarts_the_one_that_died_and_those_after_it():
    sup = await start([child(n) for n in (1, 2, 3)], strategy="rest_for_one")
    before = await pids(sup)

    await end(before[2], "crash")

    after = await pids(sup)
    assert after[1] == before[1]
    assert after[2] != before[2]
    assert after[3] != before[3]


@pytest.mark.otp_line(50)
async def test_rest_for_one_goes_by_start_order_and_not_by_id(journal):
    sup = await start([child(n, journal) for n in "zbyax"], strategy="rest_for_one")
    before = await pids(sup)
    journal.clear()

    await end(before["y"], "crash")
    await pids(sup)

    assert [entry[:2] for entry in journal] == [
        *(("stopped", id_) for id_ in "yxa"),
        *(("started", id_) for id_ in "yax"),
    ]


@pytest.mark.otp_line(51)
async def test_children_added_later_come_last(journal):
    sup = await start([child("a", journal)], strategy="rest_for_one")
    await Supervisor.start_child(sup, child("0", journal))
    before = await pids(sup)

    await end(before["a"], "crash")
    after = await pids(sup)
    assert after["0"] != before["0"]
    journal.clear()
    await GenServer.stop(sup, SHUTDOWN)

    assert [entry[1] for entry in journal] == ["0", "a"]


@pytest.mark.otp_line(52)
@pytest.mark.parametrize("strategy", ["one_for_all", "rest_for_one"])
async def test_a_temporary_sibling_of_a_group_restart_is_gone(strategy):
    sup = await start([child("a"), child("t", restart="temporary")], strategy=strategy)
    before = await pids(sup)

    await end(before["a"], "crash")

    assert set(await pids(sup)) == {"a"}
    assert not process.is_alive(before["t"])


@pytest.mark.otp_line(53)
@pytest.mark.parametrize("strategy", ["one_for_all", "rest_for_one"])
async def test_a_transient_sibling_of_a_group_restart_is_started_again(strategy):
    sup = await start([child("a"), child("t", restart="transient")], strategy=strategy)
    before = await pids(sup)

    await end(before["a"], "crash")

    after = await pids(sup)
    assert process.is_alive(after["t"])
    assert after["t"] != before["t"]


@pytest.mark.otp_line(54)
async def test_one_for_all_brings_back_a_child_that_was_stopped_by_hand():
    sup = await start([child("a"), child("b")], strategy="one_for_all")
    await Supervisor.terminate_child(sup, "b")

    await end((await pids(sup))["a"], "crash")

    assert process.is_alive((await pids(sup))["b"])


@pytest.mark.otp_line(55)
async def test_a_group_restart_counts_once():
    sup = await start([child(n) for n in range(5)], strategy="one_for_all", max_restarts=1)

    await end((await pids(sup))[2], "crash")

    assert len((await GenServer.get_state(sup)).window.times) == 1
    assert process.is_alive(sup)


@pytest.mark.otp_line(56)
async def test_one_for_all_retries_the_whole_group_when_another_child_fails_to_start(journal):
    results = [None, Stop("not yet"), None]
    fails_once = {"begins": lambda: results.pop(0)}
    sup = await start([child("a", journal), child("b", journal, options=fails_once)], strategy="one_for_all")
    before = await pids(sup)
    journal.clear()

    await end(before["a"], "crash")
    await process.sleep(0.1)

    assert [entry for entry in journal if entry[1] == "a"] == [
        ("stopped", "a", "crash"), ("started", "a"), ("stopped", "a", SHUTDOWN), ("started", "a"),
    ]  # fmt: skip
    assert all(process.is_alive(pid) for pid in (await pids(sup)).values())


@pytest.mark.otp_line(57)
async def test_rest_for_one_retries_from_the_child_that_failed_to_start():
    asks, broken = switch()
    sup = await start(
        [child("a"), child("b", options={"begins": asks}), child("c")],
        strategy="rest_for_one",
        max_restarts=1000,
    )
    before = await pids(sup)
    broken.append(1)

    await end(before["a"], "crash")
    during = await pids(sup)
    broken.clear()
    await process.sleep(0.1)

    after = await pids(sup)
    assert during["a"] != before["a"]
    assert during["b"] is RESTARTING
    assert during["c"] is None
    assert after["a"] == during["a"]
    assert process.is_alive(after["b"])
    assert process.is_alive(after["c"])


def nested(id_, children, **options):
    options = {"strategy": "one_for_one", "name": id_, **options}
    return ChildSpec(id=id_, start=Start(Supervisor, children, **options))


@pytest.mark.otp_line(62)
async def test_a_restarted_supervisor_has_its_first_children_only():
    await start([nested("inner", [child("static")])], name="outer")
    await Supervisor.start_child("inner", child("added"))

    await end_supervisor("inner")

    assert set(await pids("inner")) == {"static"}


async def end_supervisor(name):
    before = process.whereis(name)
    process.exit(before, KILL)
    await process.sleep(0.1)
    assert process.whereis(name) not in {None, before}


@pytest.mark.otp_line(63)
async def test_only_the_leaf_that_died_changes():
    await start([nested(n, [child(f"{n}{m}") for m in "12"]) for n in ("left", "right")], name="outer")
    before = {**await pids("outer"), **await pids("left"), **await pids("right")}

    await end(before["left1"], "crash")

    after = {**await pids("outer"), **await pids("left"), **await pids("right")}
    assert {id_ for id_ in before if before[id_] != after[id_]} == {"left1"}


@pytest.mark.otp_line(64)
async def test_a_killed_supervisor_takes_its_children_down_and_is_restarted_with_names_free(journal):
    leaf = child("leaf", journal, options={"name": "leaf"})
    await start([nested("inner", [leaf])], name="outer")
    before = process.whereis("leaf")

    await end_supervisor("inner")

    assert ("stopped", "leaf", KILLED) in journal
    assert process.whereis("leaf") not in {None, before}


# ---------------------------------------------------------------- E


CLEAN = [NORMAL, SHUTDOWN, Shutdown("x")]
ABNORMAL = ["crash", KILL, Fault("x"), "shutdown", (SHUTDOWN, "a", "b"), reason.NOPROC]


@pytest.mark.otp_line(65)
@pytest.mark.otp_line(66)
@pytest.mark.otp_line(67)
@pytest.mark.otp_line(80)
@pytest.mark.parametrize("why", CLEAN + ABNORMAL)
async def test_a_permanent_child_is_always_restarted_with_its_first_arguments(why):
    sup = await start([child("a")])
    before = (await pids(sup))["a"]
    Puppet.cast(before, ("set", "changed"))

    await end(before, why)

    after = (await pids(sup))["a"]
    assert after != before
    assert await Puppet.call(after, ("state",)) is None


@pytest.mark.otp_line(68)
@pytest.mark.otp_line(69)
@pytest.mark.parametrize("why", CLEAN)
async def test_a_transient_child_that_ends_cleanly_is_kept_but_not_restarted(why):
    sup = await start([child("a", restart="transient")])

    await end((await pids(sup))["a"], why)

    assert await pids(sup) == {"a": None}
    assert (await Supervisor.count_children(sup))[:2] == (1, 0)
    assert process.is_alive(await Supervisor.restart_child(sup, "a"))


@pytest.mark.otp_line(70)
@pytest.mark.parametrize("why", ABNORMAL)
async def test_a_transient_child_that_ends_abnormally_is_restarted(why):
    sup = await start([child("a", restart="transient")])
    before = (await pids(sup))["a"]

    await end(before, why)

    assert (await pids(sup))["a"] not in {before, None}


@pytest.mark.otp_line(71)
@pytest.mark.otp_line(91)
@pytest.mark.parametrize("why", CLEAN + ABNORMAL)
async def test_a_temporary_child_is_never_restarted_and_forgotten(why):
    sup = await start([child("a", restart="temporary")], max_restarts=0)

    await end((await pids(sup))["a"], why)

    assert await pids(sup) == {}
    assert process.is_alive(sup)


@pytest.mark.otp_line(72)
async def test_a_stopped_temporary_child_can_be_started_again_at_once():
    sup = await start([child("a", restart="temporary")])

    await Supervisor.terminate_child(sup, "a")

    assert await Supervisor.start_child(sup, child("a", restart="temporary"))


@pytest.mark.otp_line(73)
@pytest.mark.parametrize("restart", ["permanent", "transient"])
async def test_a_stopped_child_is_present_and_can_be_restarted(restart):
    sup = await start([child("a", restart=restart)])
    await Supervisor.terminate_child(sup, "a")

    with pytest.raises(ChildAlreadyPresent):
        await Supervisor.start_child(sup, child("a", restart=restart))

    assert await Supervisor.restart_child(sup, "a")


@pytest.mark.otp_line(74)
@pytest.mark.parametrize("why", CLEAN)
def test_exactly_three_reasons_are_clean(why):
    assert reason.is_clean(why)
    assert not is_restarted("transient", why)


@pytest.mark.otp_line(74)
@pytest.mark.parametrize(
    "why", [*ABNORMAL, "normal", ("shutdown", 1), reason.crash_of(ValueError("normal")), KILLED]
)
def test_every_other_reason_is_abnormal(why):
    assert not reason.is_clean(why)


class Forgets(Puppet):
    def init(self, payload):
        return super().init()


@pytest.mark.otp_line(77)
@pytest.mark.parametrize(
    ("restart", "why", "reported"),
    [
        ("permanent", NORMAL, True),
        ("transient", SHUTDOWN, False),
        ("temporary", NORMAL, False),
        ("transient", "crash", True),
        ("temporary", "crash", True),
    ],
)
async def test_an_exit_is_reported_if_it_is_abnormal_or_the_child_permanent(caplog, restart, why, reported):
    sup = await start([child("a", restart=restart)])

    await end((await pids(sup))["a"], why)
    await pids(sup)

    assert (
        "child_terminated" in [r.report["kind"] for r in caplog.records if hasattr(r, "report")]
    ) == reported


@pytest.mark.otp_line(78)
async def test_an_exit_of_a_stranger_is_ignored():
    sup = await start([child("a")])
    before = await pids(sup)

    process.spawn(lambda: process.exit(sup, "from a stranger"))
    await process.sleep(0.1)

    assert await pids(sup) == before


@pytest.mark.otp_line(79)
async def test_a_stray_message_is_logged_and_harmless(caplog):
    sup = await start([child("a")])

    process.send(sup, "stray")

    assert len(await pids(sup)) == 1
    assert "stray" in caplog.text


# ---------------------------------------------------------------- F


@pytest.mark.otp_line(81)
@pytest.mark.otp_line(86)
@pytest.mark.parametrize("strategy", ["one_for_one", "one_for_all", "rest_for_one"])
async def test_one_restart_more_than_tolerated_ends_the_supervisor_with_shutdown(strategy, journal):
    sup = await start([child("a", journal), child("b", journal)], strategy=strategy, max_restarts=2)

    for _ in range(2):
        await end((await pids(sup))["a"], "crash")
        assert process.is_alive(sup)
    last = await pids(sup)
    journal.clear()
    await end(last["a"], "crash")

    assert await process.receive() == Exit(sup, SHUTDOWN)
    assert [entry[:2] for entry in journal] == [("stopped", "a"), ("stopped", "b")]
    assert not process.is_alive(last["b"])


@pytest.mark.otp_line(82)
async def test_with_intensity_zero_the_first_crash_ends_the_supervisor(journal):
    sup = await start([child("a", journal)], max_restarts=0)

    await end((await pids(sup))["a"], "crash")

    assert await process.receive() == Exit(sup, SHUTDOWN)
    assert [entry[0] for entry in journal] == ["started", "stopped"]


@pytest.mark.otp_line(83)
def test_the_window_slides_and_counts_whole_seconds_inclusively():
    window = RestartWindow(intensity=1, period=5.0)

    for now in (0.9, 5.99, 11.0, 16.2):
        window.add(now)

    assert list(window.times) == [11.0, 16.0]
    for now, exceeded in ((5.99, True), (6.0, False)):
        window = RestartWindow(intensity=1, period=5.0, times=[0.0])
        window.add(now)
        assert window.is_exceeded is exceeded


@pytest.mark.otp_line(84)
async def test_crashes_further_apart_than_the_window_never_end_the_supervisor():
    sup = await start([child("a")], max_restarts=1, max_seconds=1)

    for _ in range(50):
        await end((await pids(sup))["a"], "crash")
        await process.sleep(2.1)

    assert process.is_alive(sup)


@pytest.mark.otp_line(85)
async def test_the_window_is_shared_by_all_children():
    sup = await start([child(n) for n in "abc"], max_restarts=2)

    for id_ in "abc":
        await end((await pids(sup))[id_], "crash")

    assert await process.receive() == Exit(sup, SHUTDOWN)


@pytest.mark.otp_line(87)
async def test_giving_up_is_reported(caplog):
    sup = await start([child("a")], max_restarts=0)

    await end((await pids(sup))["a"], "crash")
    await process.receive()

    reports = [r.report for r in caplog.records if hasattr(r, "report") and r.report["kind"] == "shutdown"]
    assert reports[0]["reason"] == Fault("reached_max_restart_intensity")
    assert sup


@pytest.mark.otp_line(88)
async def test_a_transient_supervisor_that_gave_up_is_not_restarted():
    inner = ChildSpec(
        id="inner",
        start=Start(Supervisor, [child("a", options={"name": "a"})], strategy="one_for_one", max_restarts=0),
        restart="transient",
    )
    outer = await start([inner])

    await end(process.whereis("a"), "crash")
    await process.sleep(0.1)

    assert await pids(outer) == {"inner": None}


@pytest.mark.otp_line(90)
async def test_what_is_done_by_hand_never_counts():
    sup = await start([child("a")], max_restarts=0)

    for _ in range(5):
        await Supervisor.terminate_child(sup, "a")
        await Supervisor.restart_child(sup, "a")
    await Supervisor.start_child(sup, child("b"))

    assert not (await GenServer.get_state(sup)).window.times


@pytest.mark.otp_line(92)
async def test_a_restarted_supervisor_has_an_empty_window():
    await start([nested("inner", [child("a")], max_restarts=2)], name="outer")
    await end((await pids("inner"))["a"], "crash")

    await end_supervisor("inner")

    assert not (await GenServer.get_state("inner")).window.times


# ---------------------------------------------------------------- G


async def restarting(strategy="one_for_one", **options):
    """A supervisor whose child `f` fails to restart, again and again."""
    asks, broken = switch()
    children = [child("a"), child("f", options={"begins": asks}), child("z")]
    sup = await start(children, strategy=strategy, max_restarts=10**9, **options)
    before = await pids(sup)
    broken.append(1)
    await end(before["f"], "crash")
    return sup, before, broken


@pytest.mark.otp_line(94)
@pytest.mark.otp_line(95)
@pytest.mark.otp_line(96)
@pytest.mark.otp_line(97)
async def test_requests_are_answered_between_attempts_which_come_without_delay(node):
    sup, before, broken = await restarting()
    moment = node.clock.monotonic()

    for _ in range(20):
        assert (await pids(sup))["f"] is RESTARTING
    with pytest.raises(ChildAlreadyPresent):
        await Supervisor.start_child(sup, child("f"))
    with pytest.raises(ChildRestarting):
        await Supervisor.restart_child(sup, "f")
    with pytest.raises(ChildRestarting):
        await Supervisor.delete_child(sup, "f")

    assert await Supervisor.count_children(sup) == (3, 2, 0, 3)
    assert len((await GenServer.get_state(sup)).window.times) > 20
    assert node.clock.monotonic() == moment
    broken.clear()
    await pids(sup)
    assert process.is_alive((await pids(sup))["f"])
    assert before


@pytest.mark.otp_line(98)
async def test_terminating_a_restarting_child_ends_the_attempts():
    sup, _, broken = await restarting()

    await Supervisor.terminate_child(sup, "f")

    attempts = len((await GenServer.get_state(sup)).window.times)
    assert (await pids(sup))["f"] is None
    await process.sleep(0.5)
    assert len((await GenServer.get_state(sup)).window.times) == attempts
    broken.clear()
    assert process.is_alive(await Supervisor.restart_child(sup, "f"))


@pytest.mark.otp_line(99)
@pytest.mark.otp_line(120)
async def test_a_supervisor_with_a_restarting_child_stops_promptly(node):
    sup, _, _ = await restarting()
    moment = node.clock.monotonic()

    await GenServer.stop(sup, SHUTDOWN)

    assert node.clock.monotonic() == moment


@pytest.mark.otp_line(100)
async def test_rest_for_one_in_the_loop_keeps_the_earlier_children():
    sup, before, broken = await restarting("rest_for_one")

    during = await pids(sup)

    assert (during["a"], during["f"], during["z"]) == (before["a"], RESTARTING, None)
    assert await Supervisor.count_children(sup) == (3, 1, 0, 3)
    broken.clear()
    await process.sleep(0.01)
    assert (await Supervisor.count_children(sup)).active == 3


@pytest.mark.otp_line(102)
async def test_restarting_children_come_up_when_they_can():
    sup, _, broken = await restarting()

    broken.clear()
    await process.sleep(0.01)

    assert (await Supervisor.count_children(sup)).active == 3


@pytest.mark.otp_line(103)
async def test_each_failed_attempt_is_reported(caplog):
    asks, broken = switch()
    sup = await start([child("a", options={"begins": asks})], max_restarts=3)
    broken.append(1)

    await end((await pids(sup))["a"], "crash")
    await process.receive()

    kinds = [r.report["kind"] for r in caplog.records if hasattr(r, "report")]
    assert kinds == ["child_terminated", "start_error", "start_error", "start_error", "shutdown"]


# ---------------------------------------------------------------- H


@pytest.mark.otp_line(104)
@pytest.mark.otp_line(109)
async def test_children_stop_one_at_a_time_the_last_first(journal, node):
    sup = await start([child(n, journal, options={"stops_in": 1.0}) for n in "abc"])
    moment = node.clock.monotonic()
    journal.clear()

    process.exit(sup, SHUTDOWN)

    assert await process.receive() == Exit(sup, SHUTDOWN)
    assert journal == [("stopped", n, SHUTDOWN) for n in "cba"]
    assert node.clock.monotonic() - moment == pytest.approx(3.0)


@pytest.mark.otp_line(105)
async def test_a_child_that_takes_longer_than_its_limit_is_killed(node):
    sup = await start([child("a", options={"stops_in": 100.0}, shutdown=2.0)])
    pid = (await pids(sup))["a"]
    ref = process.monitor(pid)
    moment = node.clock.monotonic()

    await GenServer.stop(sup, SHUTDOWN)

    assert node.clock.monotonic() - moment == pytest.approx(2.0)
    assert Down(ref, pid, KILLED) in [await process.receive(), await process.receive()]


@pytest.mark.otp_line(106)
async def test_a_brutally_killed_child_does_not_clean_up(journal):
    sup = await start([child("a", journal, shutdown="brutal_kill")])
    pid = (await pids(sup))["a"]
    ref = process.monitor(pid)

    await Supervisor.terminate_child(sup, "a")

    assert await process.receive() == Down(ref, pid, KILLED)
    assert journal == [("started", "a")]


@pytest.mark.otp_line(107)
async def test_a_child_with_infinity_is_waited_for(node):
    sup = await start([child("a", options={"stops_in": 1000.0}, shutdown="infinity")])
    pid = (await pids(sup))["a"]
    ref = process.monitor(pid)

    await GenServer.stop(sup, SHUTDOWN)

    assert Down(ref, pid, SHUTDOWN) in [await process.receive(), await process.receive()]


@pytest.mark.otp_line(108)
async def test_shutdown_zero_asks_first_and_then_kills(journal):
    sup = await start([child("a", journal, options={"stops_in": 1.0}, shutdown=0)])
    ref = process.monitor((await pids(sup))["a"])

    await Supervisor.terminate_child(sup, "a")

    assert (await process.receive()).reason is KILLED
    assert ("stopped", "a", SHUTDOWN) in journal
    assert ref


@pytest.mark.otp_line(110)
async def test_a_child_that_removed_its_link_does_not_hang_its_supervisor(journal):
    sup = await start([child("a", journal)])
    Puppet.cast((await pids(sup))["a"], ("unlink", sup))
    await process.sleep(0.01)

    await GenServer.stop(sup, SHUTDOWN)

    assert ("stopped", "a", SHUTDOWN) in journal


@pytest.mark.otp_line(111)
@pytest.mark.otp_line(112)
async def test_children_that_end_by_themselves_meanwhile_keep_their_reasons(caplog, journal):
    sup = await start(
        [child("a", journal), child("b", journal), child("c", journal, options={"stops_in": 2.0})]
    )
    before = await pids(sup)
    process.exit(sup, SHUTDOWN)
    await process.sleep(1)

    Puppet.cast(before["b"], ("exit", "own reason"))
    await process.receive()

    assert ("stopped", "a", SHUTDOWN) in journal
    errors = [
        r.report for r in caplog.records if hasattr(r, "report") and r.report["kind"] == "shutdown_error"
    ]
    assert [(error["offender"]["id"], error["reason"]) for error in errors] == [("b", "own reason")]


@pytest.mark.otp_line(112)
@pytest.mark.parametrize(
    ("how", "restart", "shutdown", "reported"),
    [
        ({}, "permanent", 5.0, False),
        ({"stops_in": 9.0}, "permanent", 1.0, True),
        ({}, "permanent", "brutal_kill", False),
    ],
)
async def test_a_shutdown_error_is_reported_for_an_unexpected_reason_only(
    caplog, how, restart, shutdown, reported
):
    sup = await start([child("a", options=how, restart=restart, shutdown=shutdown)])

    await Supervisor.terminate_child(sup, "a")

    assert (
        "shutdown_error" in [r.report["kind"] for r in caplog.records if hasattr(r, "report")]
    ) == reported


@pytest.mark.otp_line(117)
@pytest.mark.parametrize("why", [NORMAL, SHUTDOWN, "crash"])
async def test_a_supervisor_stops_when_its_parent_ends_with_the_same_reason(journal, why):
    made = process.here().loop.create_future()

    async def parent():
        made.set_result(await start([child("a", journal)]))
        await process.receive()
        process.exit(why)

    pid = process.spawn(parent)
    sup = await made
    ref = process.monitor(sup)

    process.send(pid, "end")

    assert await process.receive() == Down(ref, sup, why)
    assert ("stopped", "a", SHUTDOWN) in journal


@pytest.mark.otp_line(118)
async def test_terminate_runs_in_a_child_that_traps_and_not_in_another(journal):
    sup = await start([child("traps", journal), child("does not", journal, options={"trap": False})])

    await GenServer.stop(sup)

    assert [entry[1] for entry in journal if entry[0] == "stopped"] == ["traps"]


@pytest.mark.otp_line(119)
async def test_a_child_that_calls_its_supervisor_from_terminate_waits_until_its_limit(node):
    class Calls(Puppet):
        async def terminate(self, why, state):
            await Supervisor.which_children("sup")

    sup = await start([ChildSpec(id="a", start=Start(Calls, trap=True), shutdown=3.0)], name="sup")
    moment = node.clock.monotonic()

    await Supervisor.terminate_child(sup, "a")

    assert node.clock.monotonic() - moment == pytest.approx(3.0)


@pytest.mark.otp_line(120)
async def test_children_without_a_process_are_skipped():
    sup = await start([child("ignored", options={"begins": Ignore}), child("stopped")])
    await Supervisor.terminate_child(sup, "stopped")

    await GenServer.stop(sup)

    assert not process.is_alive(sup)


@pytest.mark.otp_line(121)
async def test_after_a_stop_no_process_and_no_name_remains():
    leaves = [child(n, options={"name": n}) for n in "abc"]
    sup = await start([nested("inner", leaves), child("d", options={"name": "d"})])

    await GenServer.stop(sup)

    assert len(process.here().processes) == 1
    assert not process.here().names


@pytest.mark.otp_line(153)
async def test_stop_is_synchronous_and_of_nobody_noproc():
    sup = await start([child("a", options={"stops_in": 2.0})])

    await GenServer.stop(sup, SHUTDOWN)

    assert not process.is_alive(sup)
    with pytest.raises(Exception, match="no process"):
        await GenServer.stop(sup)


async def test_a_supervisor_that_is_killed_during_a_restart_leaves_nothing():
    class Slow(Puppet):
        async def init(self):
            await process.sleep(5)
            return super().init(trap=True)

    sup = await start([ChildSpec(id="a", start=Start(Slow))])
    process.exit((await pids(sup))["a"], KILL)
    await process.sleep(1)

    process.exit(sup, KILL)
    await process.sleep(20)

    assert len(process.here().processes) == 1


async def test_flags_may_be_erlangs():
    sup = await Supervisor.start_link(
        [child("a")], flags=SupervisorFlags(strategy="one_for_all", intensity=0, period=1)
    )

    assert (await GenServer.get_state(sup)).flags.strategy == "one_for_all"
