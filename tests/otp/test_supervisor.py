"""Section H: shutdown; and a supervisor that is killed while it restarts."""

from __future__ import annotations

import pytest

from roger_actors.otp import (
    KILL,
    KILLED,
    NORMAL,
    SHUTDOWN,
    ChildSpec,
    Down,
    Exit,
    GenServer,
    Ignore,
    Start,
    Supervisor,
    process,
)
from roger_actors.testing.puppet import Puppet


def child(id_, journal=None, *, options=None, **fields):
    return ChildSpec(id=id_, start=Start(Puppet, id_, journal, **{"trap": True, **(options or {})}), **fields)


async def start(children, **options):
    return await Supervisor.start_link(children, **{"strategy": "one_for_one", "max_restarts": 10, **options})


async def pids(sup):
    return {info.id: info.pid for info in await Supervisor.which_children(sup)}


def nested(id_, children, **options):
    options = {"strategy": "one_for_one", "name": id_, **options}
    return ChildSpec(id=id_, start=Start(Supervisor, children, **options))


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
