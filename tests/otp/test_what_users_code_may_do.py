"""Code of users that raises, compares, or exits where it is not expected harms its own process at most."""

from __future__ import annotations

import asyncio

import pytest

from roger_actors.errors import CallbackFailed, StartFailed
from roger_actors.otp import (
    KILL,
    ChildSpec,
    Crash,
    Down,
    ExitProcess,
    GenServer,
    NoReply,
    Ok,
    Reply,
    Start,
    Supervisor,
    process,
)


class Server(GenServer):
    """Answers, and crashes if told."""

    def init(self):
        return Ok(None)

    def handle_call(self, request, sender, state):
        return Reply(request, state)

    def handle_cast(self, request, state):
        raise ValueError(request)


async def the_host_goes_on():
    return await Server.call(await Server.start(), "alive") == "alive"


async def test_what_a_predicate_of_receive_raises_is_raised_there():
    async def is_picky():
        try:
            await process.receive(matching=lambda message: message.color)
        except AttributeError:
            process.send(test, await process.receive(0))
            await process.receive(matching=lambda message: message.color)

    test = process.self()
    pid = process.spawn(is_picky)
    ref = process.monitor(pid)
    await process.sleep(1)

    process.send(pid, "plain")
    assert await process.receive(1) == "plain"
    process.send(pid, "plain")
    down = await process.receive(1)

    assert down.ref == ref
    assert isinstance(down.reason, Crash)
    assert await the_host_goes_on()


@pytest.mark.parametrize(
    "raised", [SystemExit(1), ExitProcess("odd"), asyncio.CancelledError(), ValueError()]
)
async def test_a_format_status_may_raise_anything(raised, caplog):
    class Secretive(Server):
        def format_status(self, status):
            raise raised

    pid = await Secretive.start()
    ref = process.monitor(pid)

    Secretive.cast(pid, "crash")

    down = await process.receive(1)
    assert (down.ref, down.reason.message) == (ref, "crash")
    assert "format_status failed" in caplog.text
    assert await the_host_goes_on()


@pytest.mark.parametrize(
    "raised", [SystemExit(1), ExitProcess("odd"), asyncio.CancelledError(), ValueError()]
)
@pytest.mark.parametrize("suspended", [False, True])
async def test_a_change_of_state_may_raise_anything(raised, suspended):
    def fails(state):
        raise raised

    pid = await Server.start()
    if suspended:
        await Server.suspend(pid)

    with pytest.raises(CallbackFailed):
        await Server.replace_state(pid, fails)

    await Server.resume(pid)
    assert await Server.call(pid, 1) == 1


async def test_a_fault_of_a_process_itself_ends_that_process_and_not_the_host(monkeypatch, caplog):
    pid = await Server.start()
    ref = process.monitor(pid)
    monkeypatch.setattr("roger_actors.otp.serving.server_process.log_crash", None)

    Server.cast(pid, "crash")

    down = await process.receive(1)
    monkeypatch.undo()
    assert (down.ref, down.reason.kind) == (ref, "TypeError")
    assert "could not go on" in caplog.text
    assert await the_host_goes_on()


async def test_a_message_that_cannot_be_compared_does_not_disturb_a_failed_start():
    class Odd:
        __hash__ = None

        def __eq__(self, other):
            raise ValueError("ambiguous")

    class Slow(GenServer):
        async def init(self):
            await process.sleep(10)

    process.send(process.self(), odd := Odd())
    process.send_after(1, process.self(), "behind")

    async def kills():
        await process.sleep(2)
        process.exit(process.whereis("slow"), KILL)

    process.spawn(kills)
    with pytest.raises(StartFailed):
        await Slow.start_link(name="slow")

    assert await process.receive(0) is odd
    assert await process.receive(0) == "behind"
    assert not process.current().mailbox


async def test_a_reason_that_cannot_be_compared_does_not_harm_the_supervisor(caplog):
    class Odd(Exception):
        __hash__ = None

        def __eq__(self, other):
            raise ValueError("ambiguous")

    class Child(GenServer):
        trap_exit = True

        def init(self):
            return Ok(None)

        def terminate(self, reason, state):
            process.exit(Odd())

    top = await Supervisor.start_link([ChildSpec(id="odd", start=Start(Child))], strategy="one_for_one")

    await Supervisor.terminate_child(top, "odd")

    assert [info.pid for info in await Supervisor.which_children(top)] == [None]
    many = await Supervisor.start_link(
        [ChildSpec(id="odd", start=Start(Child))], strategy="simple_one_for_one"
    )
    await Supervisor.start_child(many, [])
    await Supervisor.stop(many, "shutdown")


async def test_an_async_start_function_may_raise_system_exit():
    async def starts():
        raise SystemExit(2)

    with pytest.raises(StartFailed):
        await Supervisor.start_link([ChildSpec(id="script", start=Start(starts))], strategy="one_for_one")


class Slow(GenServer):
    """Takes ten seconds to begin."""

    async def init(self):
        await process.sleep(10)
        return Ok(None)

    def handle_info(self, message, state):
        return NoReply(state)


@pytest.mark.parametrize("start", [Slow.start, Slow.start_link])
async def test_a_start_that_is_cancelled_leaves_no_server(start):
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await start(name="slow")

    assert process.whereis("slow") is None
    await process.sleep(20)
    assert process.whereis("slow") is None
    assert not process.current().links
    assert not process.current().mailbox


async def test_a_starter_that_is_killed_leaves_an_unlinked_server_to_itself():
    async def starts():
        await Slow.start(name="slow")

    process.exit(process.spawn(starts), KILL)
    pid = process.spawn(starts)
    await process.sleep(1)
    process.exit(pid, KILL)
    await process.sleep(20)

    assert process.whereis("slow") is not None


async def test_code_that_outlives_its_process_starts_nothing_that_is_linked_to_it():
    begun = []

    async def waits():
        begun.append(process.self())
        await process.receive()

    async def goes_on():
        try:
            await process.receive()
        finally:
            process.spawn_link(waits)

    pid = process.spawn(goes_on)
    ref = process.monitor(pid)
    await process.sleep(1)

    process.exit(pid, KILL)
    await process.sleep(1)

    assert isinstance(down := await process.receive(0), Down)
    assert down.ref == ref
    assert begun == []
