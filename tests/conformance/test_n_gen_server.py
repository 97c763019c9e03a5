"""Section N: GenServer.

Where a line is about a server and those who use it, the server is `beside` the test and `away` on another
host; where it is about what a server does in itself, it is on the test's host.
"""

from __future__ import annotations

import asyncio
import time

import pytest
from conformance_world import ABNORMAL

from roger_actors.errors import CallingSelf, CallTimeout, NoProcess, ServerExited, StartFailed
from roger_actors.otp import (
    KILL,
    KILLED,
    NORMAL,
    SHUTDOWN,
    After,
    Crash,
    Down,
    Exit,
    Fault,
    GenServer,
    Ignore,
    NoReply,
    Ok,
    Pid,
    Reply,
    Shutdown,
    Stop,
    Timeout,
    process,
)
from roger_actors.otp.reason import NOPROC, TIMEOUT, CallExit

both = pytest.mark.parametrize("where", ["beside", "away"])


async def handled(pid):
    """Wait until a player has handled all that reached it."""
    await GenServer.call(pid, ("value",))


async def end_of(function, *args):
    """Return the reason that a process ends with which calls a function."""
    _, ref = process.spawn_monitor(function, *args)
    down = await process.receive(10.0, matching=lambda one: getattr(one, "ref", None) == ref)
    return down.reason


class Bare(GenServer):
    """Only what a server must have."""

    def init(self, *args):
        return Ok(args)


# ---------------------------------------------------------------- calls


@pytest.mark.otp_line(187)
@both
async def test_line_187_a_call_that_times_out_ends_its_caller_and_not_the_server(world, where):
    there = await world.player("there", host=world.place(where))
    limit = {} if where == "beside" else {"timeout": 0.2}

    async def calls():
        await GenServer.call(there, ("wait",), **limit)

    before = process.monotonic_time()
    reason = await end_of(calls)

    assert limit.get("timeout", 5.0) - 0.001 < process.monotonic_time() - before < 8.0
    assert reason.__class__ is CallExit
    assert reason.reason is TIMEOUT
    assert str(there) in reason.call
    assert await GenServer.call(there, ("reply", 1)) == 1
    me = process.self()
    with pytest.raises(CallTimeout):
        await GenServer.call(there, ("hand", me), timeout=0.05)
    assert (await process.receive(5.0)).pid == me


@pytest.mark.otp_line(188)
@both
async def test_line_188_a_call_to_nobody_to_itself_and_to_one_that_dies(world, where):
    there = await world.player("there", host=world.place(where))
    for nobody in (("nobody", there.host), Pid(there.node, there.host, 999_999)):
        with pytest.raises(NoProcess):
            await GenServer.call(nobody, "x")
        reason = await end_of(GenServer.call, nobody, "x")
        assert (reason.__class__, reason.reason) == (CallExit, NOPROC)

    selfish = await Selfish.start()
    with pytest.raises(ServerExited) as caught:
        await GenServer.call(selfish, "x")
    assert CallingSelf.__name__ in caught.value.reason.kind

    for seen in (ABNORMAL, NORMAL, SHUTDOWN, Shutdown(1), KILLED):
        there = await world.player("there", host=world.place(where))
        _, ref = process.spawn_monitor(GenServer.call, there, ("wait",))
        await handled(there)
        GenServer.cast(there, ("exit", seen))
        with pytest.raises(ServerExited) as caught:
            await GenServer.call(there, ("wait",))
        assert caught.value.reason == seen
        reason = (await world.down(ref)).reason
        if seen is SHUTDOWN:
            assert reason == Shutdown(f"call to {there}")
        else:
            assert reason == CallExit(seen, f"call to {there}")


class Selfish(Bare):
    async def handle_call(self, request, sender, state):
        return Reply(await GenServer.call(process.self(), "x"), state)


@pytest.mark.otp_line(189)
@both
async def test_line_189_a_cast_returns_at_once_even_to_nobody(world, where):
    there = await world.player("there", host=world.place(where))
    dead = await world.player("dead", host=world.place(where))
    await world.end(dead, NORMAL)

    for target in (dead, ("nobody", there.host), Pid(there.node, 999_999, 1), ("nobody", 999_999), "nobody"):
        assert GenServer.cast(target, ("set", 1)) is None
    assert GenServer.cast(there, ("set", 2)) is None

    assert await GenServer.call(there, ("value",)) == 2
    await world.nothing()


@pytest.mark.otp_line(190)
@both
async def test_line_190_a_saved_sender_may_be_answered_later_by_another_process(world, where):
    there = await world.player("there", host=world.place(where))
    me = process.self()

    async def calls():
        process.send(me, ("answer", await GenServer.call(there, ("hand", me))))

    answers = []
    for answers_from in ("here", "there", "elsewhere"):
        process.spawn(calls)
        sender = await process.receive(5.0)
        await handled(there)
        assert await process.receive(0) == Timeout()
        match answers_from:
            case "here":
                process.spawn(GenServer.reply, sender, answers_from)
            case "there":
                GenServer.cast(there, ("answer", sender, answers_from))
            case "elsewhere":
                other = await world.player("other", host=world.place("away"))
                GenServer.cast(other, ("answer", sender, answers_from))
        answers.append(await process.receive(5.0))

    assert answers == [("answer", one) for one in ("here", "there", "elsewhere")]


@pytest.mark.otp_line(191)
@both
async def test_line_191_a_stop_with_a_reply_answers_runs_terminate_and_ends(world, where):
    there = await world.player("there", host=world.place(where), link=True)

    answer = await GenServer.call(there, ("stop", ABNORMAL, "the answer"))

    assert answer == "the answer"
    assert await world.exit_of(there) == ABNORMAL
    assert (await world.journal())[-1] == ("stopped", "there", ABNORMAL)


@pytest.mark.otp_line(192)
@both
@pytest.mark.parametrize("value", [42, None, "ok", Ok(1), Ignore()])
async def test_line_192_an_unknown_return_value_ends_the_server(world, where, value):
    there = await world.player("there", host=world.place(where), link=True)

    with pytest.raises(ServerExited) as caught:
        await GenServer.call(there, ("return", value))

    assert caught.value.reason == Fault("bad_return_value", repr(value))
    assert await world.exit_of(there) == Fault("bad_return_value", repr(value))


@pytest.mark.otp_line(193)
async def test_line_193_unexpected_calls_casts_and_messages(world):
    called, casted, sent, misses = [await kind.start_link() for kind in (Bare, Bare, Bare, Misses)]

    with pytest.raises(ServerExited) as caught:
        await GenServer.call(called, "what")
    assert caught.value.reason == Fault("bad_call", "'what'")
    assert await world.exit_of(called) == caught.value.reason
    GenServer.cast(casted, "what")
    assert await world.exit_of(casted) == Fault("bad_cast", "'what'")

    process.send(sent, "stray")
    assert await GenServer.get_state(sent) == ()
    assert any("stray" in error for error in world.errors())
    process.send(misses, "known")
    assert await GenServer.get_state(misses) == "known"
    process.send(misses, "unknown")
    assert await world.exit_of(misses) == Fault("bad_return_value", "None")
    await GenServer.stop(sent)


class Misses(Bare):
    def handle_info(self, message, state):
        match message:
            case "known":
                return NoReply(message)


@pytest.mark.otp_line(194)
async def test_line_194_a_missing_handler_ends_the_server_but_for_info_and_terminate(world):
    called, casted, continued, plain = [await kind.start_link() for kind in (Bare, Bare, Continues, Bare)]

    with pytest.raises(ServerExited):
        await GenServer.call(called, "x")
    GenServer.cast(casted, "x")
    for pid, kind in ((called, "bad_call"), (casted, "bad_cast"), (continued, "undef_handle_continue")):
        assert (await world.exit_of(pid)).kind == kind

    process.send(plain, "x")
    assert await GenServer.get_state(plain) == ()
    await GenServer.stop(plain, SHUTDOWN)
    assert await world.exit_of(plain) is SHUTDOWN


class Continues(Bare):
    def init(self):
        return Ok(None, then="go")


# ---------------------------------------------------------------- init


class Begins(GenServer):
    """Ends its `init` as it is told: at once or after a moment."""

    def init(self, how, value, slow=False):
        return begin_slowly(how, value) if slow else begin(how, value)


def begin(how, value):
    match how:
        case "raise":
            raise ValueError(value)
        case "exit":
            process.exit(value)
        case "stop":
            return Stop(value)
    return value


async def begin_slowly(how, value):
    await process.sleep(0.05)
    return begin(how, value)


@pytest.mark.otp_line(195)
@pytest.mark.parametrize("slow", [False, True])
@pytest.mark.parametrize("trap", [True, False])
@pytest.mark.parametrize(
    ("how", "value", "reason"),
    [
        ("return", Ignore(), None),
        ("stop", "no", "no"),
        ("stop", NORMAL, NORMAL),
        ("exit", "out", "out"),
        ("exit", KILL, KILL),
        ("return", 42, Fault("bad_return_value", "42")),
        ("return", None, Fault("bad_return_value", "None")),
        ("raise", "bad", ValueError),
    ],
)
async def test_line_195_start_link_waits_for_init_and_tells_how_it_ended(
    world, how, value, reason, slow, trap
):
    process.trap_exit(trap)
    before = set(process.here().processes)

    for _ in "twice":
        if reason is None:
            assert await Begins.start_link(how, value, slow, name="named") is None
        else:
            with pytest.raises(StartFailed) as caught:
                await Begins.start_link(how, value, slow, name="named")
            if reason is ValueError:
                crash = caught.value.reason
                assert (crash.__class__, crash.kind, crash.message) == (Crash, "ValueError", "bad")
                assert "test_n_gen_server.py" in crash.traceback
            else:
                assert caught.value.reason == reason
        assert process.whereis("named") is None
        assert set(process.here().processes) == before
    pid = await Begins.start_link("return", Ok("ready"), slow, name="named")

    assert process.whereis("named") == pid
    assert await GenServer.get_state(pid) == "ready"
    await world.nothing(0.05)
    process.unlink(pid)
    await GenServer.stop(pid)


@pytest.mark.otp_line(196)
async def test_line_196_an_init_longer_than_its_limit_is_killed(world):
    cleaned = []
    before = set(process.here().processes)

    for name in ("first", "again"):
        with pytest.raises(StartFailed) as caught:
            await Sleeps.start_link(cleaned, name="named", timeout=0.1)
        assert caught.value.reason is TIMEOUT
        assert process.whereis("named") is None
        assert set(process.here().processes) == before
        await process.sleep(0)
        assert cleaned == ["cancelled"], name
        cleaned.clear()

    await world.nothing()


class Sleeps(Bare):
    async def init(self, cleaned):
        try:
            await process.sleep(100)
        except asyncio.CancelledError:
            cleaned.append("cancelled")
            raise

    def terminate(self, reason, state):
        raise AssertionError("terminate after a failed init")


# ---------------------------------------------------------------- continue and timeouts


class Steps(GenServer):
    """Writes down in which order things come; a request or token is a list of results' `then`, in order."""

    def init(self, then):
        process.send(process.self(), "queued")
        return self.next([], then)

    def next(self, state, then):
        if not then:
            return NoReply(state)
        if then[0] == "stop":
            return Stop("stopped", state)
        return (Ok if not state else NoReply)(state, then=then)

    def handle_continue(self, token, state):
        state.append(token[0])
        return self.next(state, token[1:])

    def handle_call(self, request, sender, state):
        state.append("call")
        process.send(process.self(), "later")
        return Reply(list(state), state, then=request)

    def handle_cast(self, request, state):
        state.append("cast")
        return self.next(state, request)

    def handle_info(self, message, state):
        state.append(message)
        return self.next(state, ["of info"]) if message == "later" else NoReply(state)


@pytest.mark.otp_line(197)
async def test_line_197_continues_come_before_any_queued_message_and_chain(world):
    steps = await Steps.start_link(["a", "b", "c"])

    first = await GenServer.call(steps, ["d", "e"])
    GenServer.cast(steps, ["f"])
    await world.nothing(0.05)

    assert first == ["a", "b", "c", "queued", "call"]
    after = ["d", "e", "later", "of info", "cast", "f"]
    assert await GenServer.get_state(steps) == [*first, *after]
    GenServer.cast(steps, ["g", "stop"])
    assert await world.exit_of(steps) == "stopped"


class Idle(GenServer):
    """Waits as it is told, and writes down what comes."""

    trap_exit = True

    def init(self, timeout, queued=()):
        for message in queued:
            process.send(process.self(), message)
        return Ok([], timeout=timeout)

    def handle_cast(self, request, state):
        state.append(("cast", process.monotonic_time()))
        return NoReply(state, timeout=request)

    def handle_info(self, message, state):
        state.append((message, process.monotonic_time()))
        return NoReply(state)


async def seen(idle):
    """Return what an idle server got."""
    return [message for message, _ in await GenServer.get_state(idle)]


@pytest.mark.otp_line(198)
async def test_line_198_a_timeout_comes_unless_a_message_does_and_a_system_message_is_none(world):
    queued = await Idle.start(0.0, ["queued"])
    disturbed, exited = await Idle.start(0.2), await Idle.start(0.2)
    GenServer.cast(disturbed, None)
    process.spawn(process.exit, exited, "signal")
    begun = process.monotonic_time()
    quiet = await Idle.start(0.2)

    await GenServer.get_status(quiet)
    while not await GenServer.get_state(quiet):
        await process.sleep(0.01)

    ((message, moment),) = await GenServer.get_state(quiet)
    assert message == Timeout()
    assert moment - begun > 0.199
    # Theirs would have come before, had no message come.
    assert await seen(queued) == ["queued"]
    assert await seen(disturbed) == ["cast"]
    assert [message.__class__ for message in await seen(exited)] == [Exit]
    GenServer.cast(disturbed, 0.05)
    while len(await seen(disturbed)) < 3:
        await process.sleep(0.01)
    assert await seen(disturbed) == ["cast", "cast", Timeout()]
    for idle in (quiet, disturbed, exited, queued):
        await GenServer.stop(idle)


@pytest.mark.otp_line(199)
async def test_line_199_a_timeout_may_be_absolute_carry_a_message_and_come_first(world):
    begun = process.monotonic_time()
    disturbed = await Idle.start(After(0.1, "never"))
    GenServer.cast(disturbed, After(0))
    past = await Idle.start(After(begun - 1.0, "past", absolute=True), ["queued"])
    zero = await Idle.start(After(0, "zero"), ["queued"])
    absolute = await Idle.start(After(begun + 0.1, "absolute", absolute=True))
    relative = await Idle.start(After(0.1, "relative"))

    while not (await seen(relative) and await seen(absolute)):
        await process.sleep(0.01)

    for idle, message in ((relative, "relative"), (absolute, "absolute")):
        ((got, moment),) = await GenServer.get_state(idle)
        assert got == message
        assert moment - begun > 0.099
    assert (await GenServer.get_state(absolute))[0][1] <= (await GenServer.get_state(relative))[0][1]
    assert await seen(zero) == ["zero", "queued"]
    assert await seen(past) == ["past", "queued"]
    assert await seen(disturbed) == ["cast", Timeout()]
    for idle in (relative, absolute, disturbed, zero, past):
        await GenServer.stop(idle)


# ---------------------------------------------------------------- the end


@pytest.mark.otp_line(200)
@both
async def test_line_200_terminate_is_called_exactly_when_it_shall_be(world, where):
    async def journal_of(do, *, trap=True, parent=False):
        host = world.place(where)
        pid = await world.player("s", host=host, trap=trap, link=parent)
        ref = process.monitor(pid)
        before = len(await world.journal())
        await do(pid)
        reason = (await world.down(ref)).reason
        if parent:
            assert await world.exit_of(pid) == reason
        return (await world.journal())[before:], reason

    async def cast(pid, *command):
        GenServer.cast(pid, command)

    for do, expected in (
        (lambda pid: cast(pid, "stop", "asked"), "asked"),
        (lambda pid: cast(pid, "stop", NORMAL), NORMAL),
        (lambda pid: cast(pid, "exit", "exited"), "exited"),
        (lambda pid: GenServer.stop(pid, Shutdown("outside")), Shutdown("outside")),
    ):
        for trap in (True, False):
            assert await journal_of(do, trap=trap) == ([("stopped", "s", expected)], expected)
    for do in (lambda pid: cast(pid, "raise", "broken"), lambda pid: cast(pid, "unknown")):
        journal, reason = await journal_of(do)
        assert journal == [("stopped", "s", reason)]
    with pytest.raises(ServerExited):
        await journal_of(lambda pid: GenServer.call(pid, ("return", None)))
    assert (await world.journal())[-1] == ("stopped", "s", Fault("bad_return_value", "None"))

    async def signal(pid, reason):
        process.exit(pid, reason)

    # The test is the players' parent: a signal of its own stops them in order, if they trap.
    journal, reason = await journal_of(lambda pid: signal(pid, SHUTDOWN), parent=True)
    assert (journal, reason) == ([("stopped", "s", SHUTDOWN)], SHUTDOWN)
    assert await journal_of(lambda pid: signal(pid, "crash"), trap=False, parent=True) == ([], "crash")
    for trap in (True, False):
        assert await journal_of(lambda pid: signal(pid, KILL), trap=trap) == ([], KILLED)
    await world.plan("s", ("stop", "no"))
    with pytest.raises(AssertionError):
        await world.player("s", host=world.place(where))
    assert (await world.journal())[-1] == ("refused", "s", ("stop", "no"))


@pytest.mark.otp_line(201)
@both
@pytest.mark.parametrize("reason", [NORMAL, SHUTDOWN, ABNORMAL])
async def test_line_201_a_trapping_server_gets_exits_as_info_but_its_parents_end_it(world, where, reason):
    made = []
    me = process.self()

    async def parent():
        process.trap_exit()
        made.append(await world.player("s", host=world.place(where), link=True))
        process.send(me, "made")
        await process.receive()
        process.exit(reason)

    father = process.spawn(parent)
    await process.receive(5.0)
    there = made[0]
    ref = process.monitor(there)
    for other in (NORMAL, ABNORMAL):
        process.exit(there, other)
    await GenServer.call(there, ("do", "link", me))
    await handled(there)
    assert (await world.journal())[-2:] == [("got", "s", Exit(me, one)) for one in (NORMAL, ABNORMAL)]

    process.send(father, "end")

    assert (await world.down(ref)).reason == reason
    assert (await world.journal())[-1] == ("stopped", "s", reason)


@pytest.mark.otp_line(202)
async def test_line_202_only_an_abnormal_end_is_logged_with_message_state_traceback_and_client(world):
    for reason in (NORMAL, SHUTDOWN, Shutdown(1)):
        pid = await Breaks.start("the state")
        ref = process.monitor(pid)
        GenServer.cast(pid, reason)
        await world.down(ref)
        with pytest.raises(ServerExited):
            await GenServer.call(await Breaks.start("the state"), ("exit", reason))
    assert world.errors() == []

    with pytest.raises(ServerExited):
        await GenServer.call(await Breaks.start("the state"), "the request")
    (logged,) = world.errors()
    for part in ("the request", "the state", "ValueError: broken", "in handle_call", str(process.self())):
        assert part in logged
    for reason in ("other", KILLED):
        ref = process.monitor(pid := await Breaks.start("the state"))
        GenServer.cast(pid, reason)
        await world.down(ref)
        assert str(reason) in world.errors()[-1]
        assert str(process.self()) not in world.errors()[-1]
    assert len(world.errors()) == 3


class Breaks(Bare):
    def handle_call(self, request, sender, state):
        if request == "the request":
            raise ValueError("broken")
        process.exit(request[1])

    def handle_cast(self, request, state):
        return Stop(request, state)


@pytest.mark.otp_line(203)
@both
@pytest.mark.parametrize("reason", [NORMAL, ABNORMAL])
async def test_line_203_what_terminate_raises_becomes_the_exit_reason(world, where, reason):
    there = await world.player("there", host=world.place(where), link=True, stop_reason="of terminate")

    with pytest.raises(ServerExited) as caught:
        await GenServer.stop(there, reason)

    assert caught.value.reason == "of terminate"
    assert await world.exit_of(there) == "of terminate"
    raises = await Raises.start_link()
    with pytest.raises(ServerExited) as caught:
        await GenServer.stop(raises, reason)
    exited = await world.exit_of(raises)
    assert (exited.kind, exited.message) == ("ValueError", "in terminate")
    assert caught.value.reason == exited


class Raises(Bare):
    def terminate(self, reason, state):
        raise ValueError("in terminate")


@pytest.mark.otp_line(204)
@both
async def test_line_204_stop_is_synchronous_and_tells_what_went_otherwise(world, where):
    there = await world.player("there", host=world.place(where), stops_in=0.1, name="named")
    named = ("named", there.host)
    ref = process.monitor(there)

    for limit in (-1, "soon", float("nan")):
        with pytest.raises(ValueError, match="timeout"):
            await GenServer.stop(there, SHUTDOWN, limit)
    await handled(there)
    await GenServer.stop(there, SHUTDOWN, 5.0)
    assert (await process.receive(0)) == Down(ref, there, SHUTDOWN)
    for nobody in (there, named, Pid(there.node, there.host, 999_999)):
        with pytest.raises(NoProcess):
            await GenServer.stop(nobody)
    reason = await end_of(GenServer.stop, there)
    assert (reason.__class__, reason.reason) == (CallExit, NOPROC)

    other = await world.player("other", host=world.place(where), stop_reason="another")
    reason = await end_of(GenServer.stop, other)
    assert (reason.__class__, reason.reason) == (CallExit, "another")

    slow = await world.player("slow", host=world.place(where), holds=True)
    ref = process.monitor(slow)
    with pytest.raises(CallTimeout):
        await GenServer.stop(slow, NORMAL, 0.05)
    await world.nothing(0.05)
    await world.let_go("slow")
    assert (await world.down(ref)).reason is NORMAL


@pytest.mark.otp_line(205)
@pytest.mark.parametrize("slow", [False, True])
async def test_line_205_start_links_not_start_link_links_and_start_monitor_watches_at_once(world, slow):
    alone = await Ends.start("alone", slow)
    linked = await Ends.start_link("linked", slow)
    watched, ref = await Ends.start_monitor("watched", slow)

    messages = [await process.receive(5.0) for _ in "12"]
    assert sorted(messages, key=repr) == [Down(ref, watched, "watched"), Exit(linked, "linked")]
    assert not process.is_alive(alone)
    await world.nothing()
    assert await Begins.start_monitor("return", Ignore(), slow) is None
    for how in ("stop", "exit", "raise"):
        with pytest.raises(StartFailed):
            await Begins.start_monitor(how, "no", slow)
    await world.nothing()


class Ends(GenServer):
    """Has ended when its starter looks at it: of itself, or killed by another as its `init` returned."""

    def init(self, reason, slow):
        return self.init_slowly(reason) if slow else Ok(reason, then="end")

    async def init_slowly(self, reason):
        await process.sleep(0.05)
        process.spawn(process.exit, process.self(), reason)
        return Ok(reason)

    def handle_continue(self, token, state):
        return Stop(state, state)


@pytest.mark.otp_line(208)
@both
async def test_line_208_a_huge_backlog_does_not_slow_the_owners_calls(world, where):
    there = await world.player("there", host=world.place(where))
    me = process.self()

    async def seconds():
        best = float("inf")
        for _ in range(5):
            begun = time.thread_time()
            for _ in range(20):
                await GenServer.call(there, ("value",))
            best = min(best, time.thread_time() - begun)
        return best

    without = await seconds()
    for number in range(200_000):
        process.send(me, number)
    with_backlog = await seconds()

    assert with_backlog < 5 * without
    assert await process.receive(0) == 0
