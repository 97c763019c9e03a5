from __future__ import annotations

import logging

import pytest

from roger_actors.otp import KILL, KILLED, CallExit, Crash, Down, GenServer, Task, Timeout, process


async def waits():
    await process.receive()


async def test_demonitor_without_flush_leaves_a_down_that_is_queued():
    pid = process.spawn(waits)
    ref = process.monitor(pid)
    process.exit(pid, "gone")

    process.demonitor(ref)

    assert (await process.receive(1)).ref == ref


async def test_a_chain_of_ten_thousand_links_ends_without_recursion():
    async def links_to(pid):
        if pid is not None:
            process.link(pid)
        await process.receive()

    last = None
    for _ in range(10_000):
        last = process.spawn(links_to, last)
    await process.sleep(1)
    ref = process.monitor(last)

    process.exit(last, "all")

    assert (await process.receive()).ref == ref
    await process.sleep(1)
    assert len(process.here().processes) == 1


async def test_a_timer_delivers_once_and_can_be_cancelled():
    kept = process.send_after(1.0, process.self(), "kept")
    dropped = process.send_after(1.0, process.self(), "dropped")

    left = process.cancel_timer(dropped)

    assert 0.9 < left <= 1.0
    assert await process.receive(2) == "kept"
    assert await process.receive(2) == Timeout()
    assert process.cancel_timer(kept) is None


async def test_a_process_that_swallows_its_cancellation_is_dead_to_all_and_listed():
    import asyncio

    release = process.here().loop.create_future()

    async def stubborn():
        try:
            await process.receive()
        except asyncio.CancelledError:
            await release

    pid = process.spawn(stubborn)
    ref = process.monitor(pid)
    await process.sleep(0.01)

    process.exit(pid, KILL)
    down = await process.receive()
    await process.sleep(0.01)

    assert down == Down(ref, pid, KILLED)
    assert len(process.here().lingering) == 1
    release.set_result(None)
    await process.sleep(0.1)
    assert not process.here().lingering


async def test_a_functions_process_is_logged_if_it_crashes_and_not_if_it_ends_itself(caplog):
    async def exits():
        process.exit("bye")

    async def fails():
        raise ValueError("oops")

    async def calls():
        await GenServer.call("nobody", "hello")

    with caplog.at_level(logging.ERROR):
        for function in (exits, lambda: process.exit("bye"), fails, calls):
            process.spawn_monitor(function)
        ends = [(await process.receive(1)).reason for _ in range(4)]

    said = sorted(map(str, ends))
    assert said == ["ValueError: oops", "bye", "bye", "noproc (no process nobody)"]
    assert {record.reason.__class__ for record in caplog.records} == {Crash, CallExit}


async def test_a_task_is_logged_however_it_ends_abnormally(caplog):
    with caplog.at_level(logging.ERROR):
        await Task.start_link(process.exit, "bye")
        await process.receive(1)

    assert [record.reason for record in caplog.records] == ["bye"]


@pytest.mark.parametrize(
    "use",
    [
        lambda target: process.send(target, "hello"),
        process.monitor,
        lambda target: GenServer.cast(target, "hello"),
        lambda target: GenServer.send_request(target, "hello"),
    ],
)
async def test_a_host_that_is_no_number_is_refused_where_it_is_named(use):
    with pytest.raises(TypeError, match=r"\('lobby', 'own'\) names no process"):
        use(("lobby", "own"))
    assert not process.current().watches


async def test_a_call_to_a_host_that_is_no_number_is_refused():
    with pytest.raises(TypeError, match=r"\('lobby', 'own'\) names no process"):
        await GenServer.call(("lobby", "own"), "hello")
