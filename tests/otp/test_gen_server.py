from __future__ import annotations

import asyncio
import logging
from collections import deque

import pytest

from roger_actors.errors import (
    CallbackFailed,
    CallTimeout,
    StartFailed,
)
from roger_actors.otp import (
    KILL,
    KILLED,
    NORMAL,
    SHUTDOWN,
    After,
    Down,
    Exit,
    From,
    GenServer,
    NoReply,
    Ok,
    Reply,
    Response,
    Stop,
    Timeout,
    process,
)
from roger_actors.otp.message import SystemRequest
from roger_actors.otp.reason import NOPROC
from roger_actors.testing.puppet import Puppet, end


class Plain(GenServer):
    """Only what a server must have."""

    def init(self, *args):
        return Ok(args)


async def ends(pid):
    """The reason a process ends with."""
    ref = process.monitor(pid)
    return (await process.receive(matching=lambda m: isinstance(m, Down) and m.ref == ref)).reason


# ---------------------------------------------------------------- timeouts


class Idle(GenServer):
    """Waits as it is told, and keeps what comes."""

    def init(self, result):
        return result

    def handle_continue(self, token, state):
        return token

    def handle_info(self, message, state):
        return NoReply([*state, message])


async def test_a_system_request_queued_when_the_timeout_is_due_does_not_cancel_it():
    nobody = From(process.here().host_pid, 0)
    process.send_after(1.0, "waits", SystemRequest(nobody, "get_state"))
    process.send_after(1.0, "disturbed", "in time")
    waits = await Idle.start(Ok([], timeout=1.0), name="waits")
    disturbed = await Idle.start(Ok([], timeout=1.0), name="disturbed")

    await process.sleep(2)

    assert await GenServer.get_state(waits) == [Timeout()]
    assert await GenServer.get_state(disturbed) == ["in time"]


async def test_the_result_of_a_continue_decides_on_the_timeout_anew():
    without = await Idle.start(Ok([], timeout=1.0, then=NoReply([])))
    shorter = await Idle.start(Ok([], timeout=2.0, then=NoReply([], timeout=After(1.0, "own"))))
    at_once = await Idle.start(Ok([], timeout=After(0, "first"), then=NoReply([])))

    await process.sleep(5)

    assert await GenServer.get_state(without) == []
    assert await GenServer.get_state(shorter) == ["own"]
    assert await GenServer.get_state(at_once) == ["first"]


# ---------------------------------------------------------------- requests and replies


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


# ---------------------------------------------------------------- system requests


async def test_a_change_of_state_that_fails_is_raised_at_the_asker_and_changes_nothing():
    server = await Plain.start("old")

    with pytest.raises(CallbackFailed, match="ZeroDivisionError"):
        await GenServer.replace_state(server, lambda _: 1 // 0)
    with pytest.raises(CallbackFailed, match="enough"):
        await GenServer.replace_state(server, lambda _: process.exit("enough"))

    assert await GenServer.get_state(server) == ("old",)


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
