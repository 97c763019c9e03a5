from __future__ import annotations

import asyncio
import logging
from collections import deque

import pytest

from roger_actors.errors import (
    CallbackFailed,
    CallingSelf,
    CallTimeout,
    NameTaken,
    NoProcess,
    ServerExited,
    StartFailed,
)
from roger_actors.otp import (
    KILL,
    KILLED,
    NORMAL,
    SHUTDOWN,
    Crash,
    Down,
    Exit,
    Fault,
    GenServer,
    Ignore,
    NoReply,
    Ok,
    Reply,
    Response,
    Shutdown,
    Stop,
    Timeout,
    process,
)
from roger_actors.otp.reason import NOPROC, TIMEOUT, CallExit
from roger_actors.testing.puppet import Puppet, end


class Plain(GenServer):
    """Only what a server must have."""

    def init(self, *args):
        return Ok(args)


async def ends(pid):
    """The reason a process ends with."""
    ref = process.monitor(pid)
    return (await process.receive(matching=lambda m: isinstance(m, Down) and m.ref == ref)).reason


# ---------------------------------------------------------------- calls


@pytest.mark.otp_line(187)
async def test_a_call_that_times_out_ends_its_caller_and_leaves_the_server_alone(node):
    server = await Puppet.start()

    async def calls():
        await Puppet.call(server, ("wait",))

    before = node.clock.monotonic()
    reason = await ends(process.spawn(calls))

    assert isinstance(reason, CallExit)
    assert reason.reason is TIMEOUT
    assert node.clock.monotonic() - before == pytest.approx(5.0)
    assert await Puppet.call(server, ("state",)) is None


@pytest.mark.otp_line(188)
async def test_calling_nobody_is_noproc():
    with pytest.raises(NoProcess):
        await Puppet.call("nobody", ("state",))

    assert (await ends(process.spawn(Puppet.call, "nobody", "x"))).reason is NOPROC


@pytest.mark.otp_line(188)
async def test_calling_oneself_is_an_error():
    class Selfish(Plain):
        async def handle_call(self, request, sender, state):
            return Reply(await Plain.call(process.self(), "x"), state)

    with pytest.raises(ServerExited) as caught:
        await Selfish.call(await Selfish.start(), "x")

    assert CallingSelf.__name__ in caught.value.reason.kind


@pytest.mark.otp_line(188)
async def test_a_server_that_dies_meanwhile_gives_the_caller_its_reason():
    server = await Puppet.start()
    process.spawn(lambda: Puppet.cast(server, ("exit", "gone")))

    with pytest.raises(ServerExited) as caught:
        await Puppet.call(server, ("wait",))

    assert caught.value.reason == "gone"


@pytest.mark.otp_line(189)
async def test_a_cast_is_silent_even_to_nobody():
    dead = process.spawn(lambda: None)
    await process.sleep(0.01)

    Puppet.cast(dead, "x")
    Puppet.cast("nobody", "x")
    Puppet.cast(("nobody", 99), "x")


@pytest.mark.otp_line(190)
async def test_a_reply_may_come_later_from_another_process():
    class Delegates(Plain):
        def handle_call(self, request, sender, state):
            process.spawn(lambda: GenServer.reply(sender, request * 2))
            return NoReply(state)

    assert await Delegates.call(await Delegates.start(), 21) == 42


@pytest.mark.otp_line(191)
async def test_a_stop_with_a_reply_answers_and_ends_with_the_reason(journal):
    server = await Puppet.start_link("s", journal)

    assert (
        await Puppet.call(
            server, ("return", Stop("enough", {"journal": journal, "label": "s", "stops_in": None}, reply=1))
        )
        == 1
    )

    assert await process.receive() == Exit(server, "enough")
    assert journal == [("started", "s"), ("stopped", "s", "enough")]


@pytest.mark.otp_line(192)
async def test_an_unknown_return_value_ends_the_server_with_bad_return_value():
    server = await Puppet.start_link()

    with pytest.raises(ServerExited) as caught:
        await Puppet.call(server, ("return", 42))

    assert caught.value.reason == Fault("bad_return_value", "42")


@pytest.mark.otp_line(193)
async def test_an_unexpected_call_or_cast_ends_the_server():
    first, second = await Plain.start(), await Plain.start()

    with pytest.raises(ServerExited) as caught:
        await Plain.call(first, "what")
    Plain.cast(second, "what")

    assert caught.value.reason.kind == "bad_call"
    assert (await ends(second)).kind == "bad_cast"


@pytest.mark.otp_line(193)
@pytest.mark.otp_line(194)
async def test_a_stray_message_without_a_handler_is_logged_and_harmless(caplog):
    server = await Plain.start()

    process.send(server, "stray")
    await process.sleep(0.1)

    assert process.is_alive(server)
    assert "unexpected message: 'stray'" in caplog.text


@pytest.mark.otp_line(193)
async def test_a_handler_whose_branches_all_miss_ends_the_server():
    class Misses(Plain):
        def handle_info(self, message, state):
            match message:
                case "known":
                    return NoReply(state)

    server = await Misses.start()
    process.send(server, "unknown")

    assert (await ends(server)).kind == "bad_return_value"


@pytest.mark.otp_line(194)
async def test_a_missing_handle_continue_ends_the_server_and_a_missing_terminate_does_not():
    class Continues(Plain):
        def init(self):
            return Ok(None, then="go")

    assert (await ends(await Continues.start())).kind == "undef_handle_continue"
    server = await Plain.start()
    await GenServer.stop(server)
    assert not process.is_alive(server)


# ---------------------------------------------------------------- init


@pytest.mark.otp_line(195)
async def test_start_link_waits_for_init():
    class Slow(Plain):
        async def init(self):
            await process.sleep(3)
            return Ok("ready")

    server = await Slow.start_link()

    assert await GenServer.get_state(server) == "ready"


@pytest.mark.otp_line(195)
async def test_an_ignoring_init_gives_none_and_no_exit():
    assert await Puppet.start_link(begins=Ignore, name="p") is None

    assert await process.receive(1) == Timeout()
    assert process.whereis("p") is None


@pytest.mark.otp_line(195)
@pytest.mark.parametrize(
    ("begins", "reason"),
    [
        (lambda: Stop("no"), "no"),
        (lambda: process.exit("out"), "out"),
        (lambda: 42, Fault("bad_return_value", "42")),
    ],
)
async def test_an_init_that_fails_leaves_nothing_and_can_be_tried_again_at_once(begins, reason):
    with pytest.raises(StartFailed) as caught:
        await Puppet.start_link(begins=begins, name="p")

    assert caught.value.reason == reason
    assert process.whereis("p") is None
    assert await process.receive(0) == Timeout()
    assert await Puppet.start_link(name="p")


@pytest.mark.otp_line(195)
async def test_an_init_that_raises_gives_the_error_and_its_traceback():
    with pytest.raises(StartFailed) as caught:
        await Puppet.start_link(begins=lambda: ValueError("bad"))

    assert isinstance(caught.value.reason, Crash)
    assert caught.value.reason.message == "bad"
    assert "puppet.py" in caught.value.reason.traceback
    assert await process.receive(0) == Timeout()


@pytest.mark.otp_line(195)
async def test_an_async_init_that_fails_leaves_no_exit_either():
    class Fails(Plain):
        async def init(self):
            await process.sleep(1)
            raise ValueError("bad")

    with pytest.raises(StartFailed):
        await Fails.start_link(name="p")

    assert await process.receive(1) == Timeout()
    assert process.whereis("p") is None


@pytest.mark.otp_line(196)
async def test_an_init_longer_than_its_limit_is_killed(node):
    class Slow(Plain):
        async def init(self):
            await process.sleep(100)

    with pytest.raises(StartFailed) as caught:
        await Slow.start_link(name="slow", timeout=2.0)

    assert caught.value.reason is TIMEOUT
    assert process.whereis("slow") is None
    assert await process.receive(1) == Timeout()


# ---------------------------------------------------------------- continue and timeouts


class Steps(Plain):
    def init(self, journal):
        process.send(process.self(), "queued")
        return Ok(journal, then="first")

    def handle_continue(self, token, state):
        state.append(token)
        return NoReply(state, then="second") if token == "first" else NoReply(state)

    def handle_info(self, message, state):
        state.append(message)
        return Stop("done", state) if message == "stop" else NoReply(state, then="third")


@pytest.mark.otp_line(197)
async def test_continues_chain_and_come_before_any_queued_message(journal):
    await Steps.start(journal)

    await process.sleep(0.1)

    assert journal == ["first", "second", "queued", "third"]


@pytest.mark.otp_line(197)
async def test_a_continue_may_stop():
    class Stops(Plain):
        def init(self):
            return Ok(None, then="go")

        async def handle_continue(self, token, state):
            return Stop("stopped", state)

    assert await ends(await Stops.start()) == "stopped"


class Idle(Plain):
    def init(self, journal):
        return Ok(journal, timeout=1.0)

    def handle_cast(self, request, state):
        return NoReply(state)

    def handle_info(self, message, state):
        state.append(message)
        return NoReply(state)


@pytest.mark.otp_line(198)
async def test_a_timeout_comes_when_nothing_else_does(journal):
    await Idle.start(journal)

    await process.sleep(5)

    assert journal == [Timeout()]


@pytest.mark.otp_line(198)
async def test_any_message_cancels_the_timeout_and_a_system_message_does_not(journal):
    quiet, disturbed = await Idle.start(journal), await Idle.start([])
    await process.sleep(0.5)

    await GenServer.get_status(quiet)
    Idle.cast(disturbed, "x")
    await process.sleep(5)

    assert journal == [Timeout()]
    assert await GenServer.get_state(disturbed) == []


# ---------------------------------------------------------------- the end


@pytest.mark.otp_line(200)
@pytest.mark.parametrize(
    ("how", "reason"),
    [
        (lambda pid: Puppet.cast(pid, ("stop", "asked")), "asked"),
        (lambda pid: Puppet.cast(pid, ("exit", "exited")), "exited"),
        (lambda pid: process.exit(pid, SHUTDOWN), SHUTDOWN),
    ],
)
async def test_terminate_is_called_with_the_reason(journal, how, reason):
    pid = await Puppet.start_link("s", journal, trap=True)

    how(pid)

    assert await process.receive() == Exit(pid, reason)
    assert journal[-1] == ("stopped", "s", reason)


@pytest.mark.otp_line(200)
async def test_terminate_is_called_after_an_error_a_bad_return_and_an_outside_stop(journal):
    first, second, third = [await Puppet.start(n, journal) for n in range(3)]

    Puppet.cast(first, ("raise", ValueError("x")))
    await process.sleep(0.1)
    with pytest.raises(ServerExited):
        await Puppet.call(second, ("return", None))
    await GenServer.stop(third, Shutdown("outside"))

    stopped = [entry[1:] for entry in journal if entry[0] == "stopped"]
    assert [entry[0] for entry in stopped] == [0, 1, 2]
    assert stopped[2][1] == Shutdown("outside")


@pytest.mark.otp_line(200)
async def test_terminate_is_not_called_on_a_kill_nor_on_a_signal_when_not_trapping(journal):
    killed = await Puppet.start("killed", journal, trap=True)
    signalled = await Puppet.start("signalled", journal)

    process.exit(killed, KILL)
    process.exit(signalled, "crash")
    with pytest.raises(StartFailed):
        await Puppet.start("failed", journal, begins=lambda: Stop("no"))
    await process.sleep(0.1)

    assert [entry[0] for entry in journal] == ["started", "started"]
    assert not process.is_alive(killed)
    assert not process.is_alive(signalled)


@pytest.mark.otp_line(201)
async def test_a_trapping_server_gets_exits_of_others_as_info(journal):
    pid = await Puppet.start_link("s", journal, trap=True)

    other = process.spawn(lambda: process.exit(pid, "from another"))
    await process.sleep(0.1)

    assert ("got", "s", Exit(other, "from another")) in journal
    assert process.is_alive(pid)


@pytest.mark.otp_line(201)
@pytest.mark.parametrize("reason", [NORMAL, SHUTDOWN, "crash"])
async def test_a_trapping_server_always_stops_when_its_parent_ends(journal, reason):
    started = process.here().loop.create_future()

    async def parent():
        started.set_result(await Puppet.start_link("s", journal, trap=True))
        process.exit(reason)

    process.spawn(parent)

    assert await ends(await started) in {reason, NOPROC}
    assert journal[-1] == ("stopped", "s", reason)


@pytest.mark.otp_line(202)
@pytest.mark.parametrize("reason", [NORMAL, SHUTDOWN, Shutdown(1)])
async def test_a_clean_end_is_not_logged(caplog, reason):
    await end(await Puppet.start(), reason)

    assert caplog.text == ""


@pytest.mark.otp_line(202)
async def test_an_abnormal_end_is_logged_with_message_state_traceback_and_client(caplog):
    class Breaks(Plain):
        def handle_call(self, request, sender, state):
            raise ValueError("broken")

    server = await Breaks.start("the state")
    with pytest.raises(ServerExited):
        await Breaks.call(server, "the request")

    for part in (
        "the request",
        "the state",
        "ValueError: broken",
        "test_gen_server.py",
        f"client: {process.self()}",
    ):
        assert part in caplog.text


@pytest.mark.otp_line(203)
async def test_what_terminate_raises_becomes_the_reason():
    class Breaks(Plain):
        def terminate(self, reason, state):
            raise ValueError("in terminate")

    server = await Breaks.start()
    with pytest.raises(ServerExited) as caught:
        await GenServer.stop(server)

    assert caught.value.reason.message == "in terminate"


@pytest.mark.otp_line(204)
async def test_stop_returns_after_the_end():
    server = await Puppet.start(stops_in=3.0)

    await GenServer.stop(server, SHUTDOWN)

    assert not process.is_alive(server)


@pytest.mark.otp_line(204)
async def test_stop_of_nobody_is_noproc_and_a_bad_limit_leaves_the_server_alive():
    server = await Puppet.start()

    with pytest.raises(NoProcess):
        await GenServer.stop("nobody")
    with pytest.raises(ValueError, match="timeout"):
        await GenServer.stop(server, NORMAL, -1)
    with pytest.raises(ValueError, match="timeout"):
        await GenServer.stop(server, NORMAL, "soon")

    assert process.is_alive(server)


@pytest.mark.otp_line(204)
async def test_stop_that_takes_too_long_is_a_timeout_and_the_server_lives_on():
    server = await Puppet.start(stops_in=10.0)

    with pytest.raises(CallTimeout):
        await GenServer.stop(server, NORMAL, 1.0)

    assert process.is_alive(server)


@pytest.mark.otp_line(205)
async def test_start_links_nothing_and_start_monitor_watches():
    alone = await Puppet.start()
    watched, ref = await Puppet.start_monitor()

    await end(alone, "x")
    Puppet.cast(watched, ("exit", "y"))

    assert await process.receive() == Down(ref, watched, "y")
    assert await process.receive(1) == Timeout()


# ---------------------------------------------------------------- requests and replies


@pytest.mark.otp_line(185)
async def test_a_reply_after_the_time_limit_is_never_seen(journal):
    class Late(Plain):
        async def handle_call(self, request, sender, state):
            await process.sleep(2)
            return Reply("late", state)

    class Asks(Puppet):
        async def handle_cast(self, request, state):
            try:
                await Late.call(request, "x", timeout=1.0)
            except CallTimeout:
                return NoReply(state)

    asker = await Asks.start("asker", journal)
    Asks.cast(asker, await Late.start())
    await process.sleep(10)

    assert journal == [("started", "asker")]


@pytest.mark.otp_line(206)
async def test_a_request_is_answered_by_a_message():
    server = await Puppet.start()

    ref = GenServer.send_request(server, ("reply", 7))

    assert await process.receive() == Response(ref, 7)


@pytest.mark.otp_line(206)
async def test_a_request_to_a_server_that_ends_gives_a_down():
    server = await Puppet.start()

    ref = GenServer.send_request(server, ("wait",))
    process.exit(server, "gone")
    nobody = GenServer.send_request("nobody", "x")

    assert await process.receive() == Down(ref, server, "gone")
    assert (await process.receive()).ref == nobody


@pytest.mark.otp_line(206)
async def test_a_request_whose_time_is_over_is_abandoned():
    server = await Puppet.start()

    ref = GenServer.send_request(server, ("wait",), timeout=1.0)

    response = await process.receive()
    assert response.ref == ref
    assert isinstance(response.value, CallTimeout)


@pytest.mark.otp_line(208)
async def test_a_huge_backlog_does_not_slow_the_owners_calls():
    server = await Puppet.start()
    me = process.self()
    for number in range(50_000):
        process.send(me, number)

    handled = process.here().timers._count
    for _ in range(100):
        await Puppet.call(server, ("state",))

    assert process.here().timers._count == handled + 100
    assert await process.receive() == 0


# ---------------------------------------------------------------- names


@pytest.mark.otp_line(209)
async def test_a_taken_name_is_refused_with_its_holder():
    holder = await Puppet.start(name="n")

    with pytest.raises(NameTaken) as caught:
        await Puppet.start_link(name="n")

    assert caught.value.holder == holder
    assert process.whereis("n") == holder
    assert len([p for p in process.here().processes.values() if p.label() == "Puppet"]) == 1


@pytest.mark.otp_line(210)
async def test_a_dead_holders_name_can_be_taken_at_once():
    first = await Puppet.start(name="n")
    process.exit(first, KILL)

    second = await Puppet.start(name="n")

    assert process.whereis("n") == second


@pytest.mark.otp_line(216)
async def test_a_name_of_a_wrong_type_is_refused_in_the_caller():
    before = len(process.here().processes)

    with pytest.raises(TypeError):
        await Puppet.start(name=7)

    assert len(process.here().processes) == before


# ---------------------------------------------------------------- system requests


@pytest.mark.otp_line(221)
async def test_a_suspended_server_loses_nothing():
    server = await Puppet.start()
    await GenServer.suspend(server)

    Puppet.cast(server, ("set", 1))
    request = GenServer.send_request(server, ("state",))
    await process.sleep(5)
    assert (await GenServer.get_status(server))["phase"] == "suspended"
    assert (await GenServer.get_state(server))["value"] is None
    await GenServer.resume(server)

    assert await process.receive() == Response(request, 1)


@pytest.mark.otp_line(221)
async def test_the_state_can_be_replaced():
    server = await Plain.start("old")

    assert await GenServer.replace_state(server, lambda state: (*state, "new")) == ("old", "new")
    assert await GenServer.get_state(server) == ("old", "new")


@pytest.mark.otp_line(221)
async def test_a_change_of_state_that_fails_is_raised_at_the_asker_and_changes_nothing():
    server = await Plain.start("old")

    with pytest.raises(CallbackFailed, match="ZeroDivisionError"):
        await GenServer.replace_state(server, lambda _: 1 // 0)
    with pytest.raises(CallbackFailed, match="enough"):
        await GenServer.replace_state(server, lambda _: process.exit("enough"))

    assert await GenServer.get_state(server) == ("old",)


@pytest.mark.otp_line(221)
async def test_a_suspended_server_keeps_calls_casts_and_messages_in_order(journal):
    class Notes(Plain):
        def handle_call(self, request, sender, state):
            journal.append(request)
            return Reply(None, state)

        def handle_cast(self, request, state):
            journal.append(request)
            return NoReply(state)

        handle_info = handle_cast

    server = await Notes.start()
    await GenServer.suspend(server)
    for number in range(0, 30, 3):
        Notes.cast(server, number)
        process.send(server, number + 1)
        GenServer.send_request(server, number + 2)
        await GenServer.suspend(server)

    assert (await GenServer.get_status(server))["mailbox"] == 30
    await process.sleep(1)
    assert journal == []
    await GenServer.resume(server)
    await Notes.call(server, 30)
    assert journal == list(range(31))


@pytest.mark.otp_line(221)
async def test_a_suspended_server_obeys_its_parents_exit_and_a_stop():
    async def parent(pids):
        pids.append(await Puppet.start_link(trap=True))
        await process.receive()

    pids = []
    starter = process.spawn(parent, pids)
    await process.sleep(0.1)
    other = await Puppet.start()
    for server in (pids[0], other):
        await GenServer.suspend(server)
        Puppet.cast(server, ("set", 1))

    process.exit(starter, "away")
    await GenServer.stop(other, SHUTDOWN)

    assert await ends(pids[0]) is NOPROC
    assert not process.is_alive(other)


@pytest.mark.otp_line(221)
async def test_many_messages_to_a_suspended_server_cost_each_the_same(node):
    server = await Puppet.start()
    await GenServer.suspend(server)
    scans = CountedScans()
    node.runtime().find(server).held = scans

    for number in range(1000):
        Puppet.cast(server, ("set", number))
        await GenServer.get_status(server)

    assert (len(scans), scans.count) == (1000, 0)


class CountedScans(deque):
    """Counts how often it is walked through."""

    count = 0

    def __iter__(self):
        self.count += 1
        return super().__iter__()


class Secretive(GenServer):
    """Hides its password and what it is asked with one."""

    def init(self):
        return Ok({"password": "hunter2", "user": "bob"})

    def handle_call(self, request, sender, state):
        raise ValueError(f"no use of {request['password']}")

    def format_status(self, status):
        status.state = {**status.state, "password": "***"}
        if isinstance(status.message, dict):
            status.message = {**status.message, "password": "***"}
        if isinstance(status.reason, Crash):
            status.reason = Crash(status.reason.kind, "***")
        return status


@pytest.mark.otp_line(222)
async def test_format_status_hides_secrets_in_status_and_in_the_log_of_a_crash(caplog):
    server = await Secretive.start()

    assert (await GenServer.get_status(server))["state"] == {"password": "***", "user": "bob"}
    assert (await GenServer.get_state(server))["password"] == "hunter2"
    with pytest.raises(ServerExited):
        await Secretive.call(server, {"password": "swordfish", "what": "login"})

    assert "'what': 'login'" in caplog.text
    assert "'user': 'bob'" in caplog.text
    assert "builtins.ValueError: ***" in caplog.text or "ValueError: ***" in caplog.text
    assert "hunter2" not in caplog.text
    assert "swordfish" not in caplog.text


@pytest.mark.otp_line(222)
@pytest.mark.parametrize("returned", [ValueError("secret"), "no status"])
async def test_a_failing_format_status_is_survived_and_said_and_shows_nothing(caplog, returned):
    class Broken(Plain):
        def handle_cast(self, request, state):
            raise KeyError("secret")

        def format_status(self, status):
            if isinstance(returned, Exception):
                raise returned
            return returned

    server = await Broken.start("secret")

    assert "format_status failed" in (await GenServer.get_status(server))["state"]
    assert process.is_alive(server)
    Broken.cast(server, "secret")
    await process.sleep(0.1)
    assert "KeyError: <format_status failed" in caplog.text
    assert "secret" not in caplog.text


# ---------------------------------------------------------------- coroutines and safety


async def test_an_async_callback_may_use_asyncio_and_blocks_only_its_own_process():
    class Waits(Plain):
        async def handle_call(self, request, sender, state):
            async with asyncio.timeout(10):
                await asyncio.sleep(1)
            return Reply(request, state)

    first, second = await Waits.start(), await Waits.start()
    requests = [GenServer.send_request(server, 1) for server in (first, second, first)]
    loop = process.here().loop

    begun = loop.time()
    ended = [(message.ref, loop.time() - begun) for message in [await process.receive() for _ in range(3)]]

    assert {ref for ref, _ in ended} == set(requests)
    assert loop.time() - begun == pytest.approx(2.0)


async def test_system_exit_and_base_exceptions_end_the_process_and_not_the_loop(caplog):
    class Odd(BaseException):
        pass

    first, second, third = [await Puppet.start() for _ in range(3)]

    reasons = []
    for server, error in ((first, SystemExit(0)), (second, SystemExit(3)), (third, Odd("odd"))):
        ref = process.monitor(server)
        Puppet.cast(server, ("raise", error))
        reasons.append((await process.receive()).reason)
        assert ref

    assert reasons[0] is NORMAL
    assert reasons[1].status == 3
    assert reasons[2].message == "odd"


async def test_a_process_killed_while_it_waits_is_cancelled():
    seen = []

    class Waits(Plain):
        async def handle_cast(self, request, state):
            try:
                await process.sleep(100)
            except asyncio.CancelledError:
                seen.append("cancelled")
                raise

    server = await Waits.start()
    Waits.cast(server, "x")
    await process.sleep(0.1)

    process.exit(server, KILL)
    await process.sleep(0.1)

    assert seen == ["cancelled"]
    assert await ends(server) is NOPROC
    assert not process.here().lingering


async def test_start_nowait_runs_a_plain_init_at_once_and_raises_its_failure():
    class Starts(Plain):
        def handle_call(self, request, sender, state):
            pid = Puppet.start_nowait(link=True)
            process.monitor(pid)
            return Reply(pid, state)

    parent = await Starts.start()
    pid = await Starts.call(parent, "x")

    assert process.is_alive(pid)
    with pytest.raises(StartFailed):
        Puppet.start_nowait(begins=lambda: Stop("no"))


async def test_start_nowait_of_an_async_init_tells_a_failure_through_the_link():
    class Fails(Plain):
        async def init(self):
            return Stop("no")

    pid = Fails.start_nowait(link=True)

    assert await process.receive() == Exit(pid, "no")


async def test_busy_processes_take_turns():
    finished = []

    class Loops(Plain):
        def handle_cast(self, request, state):
            if request == 0:
                finished.append(state)
            else:
                Loops.cast(process.self(), request - 1)
            return NoReply(state)

    for count in (20_000, 10):
        Loops.cast(await Loops.start(count), count)
    await process.sleep(1)

    assert finished == [(10,), (20_000,)]


def test_a_killed_server_is_seen_as_killed(node):
    async def kills():
        return await end(await Puppet.start(), KILL)

    assert node.run(kills) is KILLED


logging.getLogger("asyncio").setLevel(logging.WARNING)
