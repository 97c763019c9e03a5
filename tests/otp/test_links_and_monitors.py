from __future__ import annotations

from roger_actors.otp import KILL, KILLED, Down, Timeout, process


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
