"""Section P: reports, logging, introspection."""

from __future__ import annotations

import logging

import pytest
from conformance_looking_in import failing, started, with_one_more
from conformance_world import ABNORMAL, SCRIPT

from roger_actors.errors import CallbackFailed
from roger_actors.otp import (
    AGENT,
    SHUTDOWN,
    DynamicSupervisor,
    Fault,
    GenServer,
    ReportFormatter,
    Supervisor,
    SupervisorFlags,
    process,
)

CONTEXTS = ["progress", "child_terminated", "start_error", "shutdown_error", "shutdown"]


async def one_of_each(world):
    """Let a supervisor make every kind of report; return the pid of a child that stopped oddly, and them."""
    children = [world.child("a"), world.child("b", options={"stop_reason": "odd"})]
    sup = await world.supervisor(children, max_restarts=1, name="reporting")
    pids = await world.pids(sup)
    await Supervisor.terminate_child(sup, "b")
    await world.plan("a", ("stop", "refused"))
    await world.end(pids["a"], ABNORMAL)
    assert await world.exit_of(sup) is SHUTDOWN
    return pids["b"], {report["context"]: report for report in reversed(world.reports())}


@pytest.mark.otp_line(217)
async def test_line_217_a_supervisor_reports_in_five_kinds_with_supervisor_context_reason_and_offender(world):
    _, by_context = await one_of_each(world)

    assert sorted(by_context) == sorted(CONTEXTS)
    for report in by_context.values():
        assert {"supervisor", "context", "reason", "offender"} <= set(report)
        assert report["supervisor"] == "reporting"
    assert {kind: report["reason"] for kind, report in by_context.items()} == {
        "progress": None,
        "child_terminated": ABNORMAL,
        "start_error": "refused",
        "shutdown_error": "odd",
        "shutdown": Fault("reached_max_restart_intensity"),
    }


@pytest.mark.otp_line(218)
async def test_line_218_an_offender_has_pid_or_number_id_start_restart_significant_shutdown_and_type(world):
    odd, by_context = await one_of_each(world)
    fields = {"id", "start", "restart", "significant", "shutdown", "type"}

    for report in by_context.values():
        assert set(report["offender"]) == {"pid", *fields}
    assert by_context["shutdown_error"]["offender"] == {
        "pid": odd,
        "id": "b",
        "start": "conformance_world:Player",
        "restart": "permanent",
        "significant": False,
        "shutdown": 5.0,
        "type": "worker",
    }

    many = await world.supervisor(
        [world.child("many", options={"stop_reason": "odd"})],
        flags=SupervisorFlags(strategy="simple_one_for_one"),
    )
    for _ in range(3):
        await Supervisor.start_child(many, [])
    await GenServer.stop(many, SHUTDOWN)
    (report,) = world.reports("shutdown_error")[1:]
    assert set(report["offender"]) == {"nb_children", *fields}
    assert report["offender"]["nb_children"] == 3


@pytest.mark.otp_line(219)
async def test_line_219_progress_is_hidden_by_default_and_told_of_what_the_supervisor_starts_itself(world):
    logger = logging.getLogger("roger_actors")
    root = logging.getLogger()
    before = logger.level, root.level
    logger.setLevel(logging.NOTSET)
    root.setLevel(logging.WARNING)  # as Python has it, unless somebody has changed that
    try:
        await GenServer.stop(await world.supervisor([world.child("hidden")]), SHUTDOWN)
    finally:
        logger.setLevel(before[0])
        root.setLevel(before[1])
    assert world.reports() == []

    sup = await world.supervisor([world.child("a")])
    await Supervisor.start_child(sup, world.child("b"))
    await world.end((await world.pids(sup))["a"], ABNORMAL)
    await world.pids(sup)

    told = [record for record in world.records if getattr(record, "report", {}).get("context") == "progress"]
    assert [record.report["offender"]["id"] for record in told] == ["a", "a"]
    assert {record.levelno for record in told} == {logging.INFO}


@pytest.mark.otp_line(220)
async def test_line_220_reports_are_one_line_cut_by_depth_and_length_with_supervisor_and_id(world):
    deep = Fault("outer", [[[["too deep"]]]])
    sup = await world.supervisor([world.child("child_of_the_report", restart="temporary")], name="reporting")
    pid = (await world.pids(sup))["child_of_the_report"]
    await world.end(pid, ("long\nlines", "x" * 3000, deep))
    await world.pids(sup)
    (record,) = [one for one in world.records if getattr(one, "report", {}).get("reason")]

    for limit in (120, 500):
        line = ReportFormatter("%(message)s", depth=3, chars_limit=limit).format(record)
        assert len(line) == limit
        assert "\n" not in line
        assert "'reporting'" in line
        assert "'child_of_the_report'" in line
    whole = ReportFormatter("%(message)s", depth=3, chars_limit=10_000).format(record)
    assert "outer" in whole
    assert "too deep" not in whole
    assert "\n" not in whole


@pytest.mark.otp_line(221)
async def test_line_221_system_requests_work_everywhere_and_a_suspended_server_loses_nothing(world):
    sup, notes = await started(world, "Notes")

    await GenServer.suspend(notes)
    for number in range(0, 30, 3):
        GenServer.cast(notes, number)
        process.send(notes, number + 1)
        GenServer.send_request(notes, number + 2)
    status = await GenServer.get_status(notes)
    assert (status["phase"], status["mailbox"], status["pid"]) == ("suspended", 30, notes)
    assert await GenServer.get_state(notes) == ()
    assert await GenServer.replace_state(notes, with_one_more) == (("put", 0),)
    with pytest.raises(CallbackFailed, match="no state"):
        await GenServer.replace_state(notes, failing)
    await GenServer.resume(notes)
    kinds = ("cast", "info", "call")
    assert await GenServer.call(notes, "notes") == [
        ("put", 0),
        *((kinds[number % 3], number) for number in range(30)),
    ]
    assert (await GenServer.get_status(notes))["phase"] == "running"

    await GenServer.suspend(sup)
    request = GenServer.send_request(sup, ("count_children",))
    status = await GenServer.get_status(sup)
    assert (status["phase"], status["class"], status["mailbox"]) == ("suspended", "Supervisor", 1)
    assert "Notes" in (await GenServer.get_state(sup)).children
    assert await GenServer.replace_state(sup, lambda state: state) is not None
    await GenServer.resume(sup)
    answer = await process.receive(5, matching=lambda one: getattr(one, "ref", None) == request)
    assert answer.value == (1, 1, 0, 1)


@pytest.mark.otp_line(222)
async def test_line_222_format_status_hides_secrets_in_status_and_crash_log_and_may_fail(world):
    _, secretive, broken, log = await started(world, "Secretive", "Broken", "LogKeeper")

    assert (await GenServer.get_status(secretive))["state"] == {"password": "***", "user": "bob"}
    assert "format_status failed: KeyError" in (await GenServer.get_status(broken))["state"]
    assert await GenServer.call(broken, "are you there") == "alive"

    for pid in (secretive, broken):
        ref = process.monitor(pid)
        GenServer.cast(pid, {"password": "swordfish", "what": "login"})
        await world.down(ref)
    text = await GenServer.call(log, "text")
    assert "'user': 'bob'" in text
    assert "'what': 'login'" in text
    assert text.count("format_status failed: KeyError") >= 2
    assert "hunter2" not in text
    assert "swordfish" not in text


def specs():
    """Return no child, as the function of a supervisor."""
    return []


@pytest.mark.otp_line(223)
async def test_line_223_get_callback_module_tells_what_a_supervisor_runs(world):
    given = await world.supervisor([world.nested("inner", [])])
    inner = (await world.pids(given))["inner"]
    made = await world.supervisor(specs)
    dynamic = await DynamicSupervisor.start_link()

    assert await Supervisor.get_callback_module(made) == f"{specs.__module__}:specs"
    assert {await Supervisor.get_callback_module(one) for one in (given, inner)} == {
        "roger_actors.otp.supervisor:Supervisor"
    }
    assert await Supervisor.get_callback_module(dynamic) == (
        "roger_actors.otp.dynamic_supervisor:DynamicSupervisor"
    )


async def every_process(world):
    """Return every process of both app hosts, as their agents tell it, by pid."""
    told = {}
    for host in (process.self().host, world.second):
        found = await GenServer.call((AGENT, host), ("busiest", 1000, "mailbox"))
        told |= {one["pid"]: one for one in found["processes"]}
    return told


async def walked(supervisor):
    """Return (id, pid, type) of everything under a supervisor."""
    found = []
    for info in await Supervisor.which_children(supervisor):
        found.append((info.id, info.pid, info.type))
        if info.type == "supervisor":
            found += await walked(info.pid)
    return sorted(found)


@pytest.mark.otp_line(224)
async def test_line_224_the_whole_tree_is_listed_with_state_mailbox_and_current_function(world):
    sup = await world.supervisor([world.nested("inner", [world.child("a"), world.child("b")])])
    tree = await walked(sup)
    by_id = {name: pid for name, pid, _ in tree}
    assert [(name, kind) for name, _, kind in tree] == [
        ("a", "worker"),
        ("b", "worker"),
        ("inner", "supervisor"),
    ]

    await GenServer.suspend(by_id["a"])
    GenServer.cast(by_id["a"], ("set", 1))
    GenServer.cast(by_id["a"], ("set", 2))
    await GenServer.get_status(by_id["a"])
    await world.plan("slow", "hang")
    GenServer.send_request(by_id["inner"], ("start_child", world.child("slow")))
    await world.hangs("slow")

    told = await every_process(world)
    assert all(str(pid) in told for _, pid, _ in tree)
    a, b, inner = (told[str(by_id[name])] for name in ("a", "b", "inner"))
    assert (a["state"], a["mailbox"], a["class"]) == ("suspended", 2, "Player")
    assert (b["state"], b["mailbox"], b["function"]) == ("waiting", 0, None)
    assert (inner["state"], inner["class"]) == ("busy", "Supervisor")
    assert inner["function"].startswith("Supervisor.handle_call (supervisor.py:")
    (slow,) = [one for one in told.values() if one["state"] == "starting"]
    assert slow["function"].startswith("Player.init (conformance_world.py:")
    assert told[str(process.whereis(SCRIPT))]["handled"] > 0
    await world.release("slow")
    await GenServer.resume(by_id["a"])
    assert await GenServer.call(by_id["a"], ("value",)) == 2
