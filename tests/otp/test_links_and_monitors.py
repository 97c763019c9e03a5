from __future__ import annotations

import pytest

from roger_actors.errors import NoProcess
from roger_actors.otp import KILL, KILLED, NORMAL, SHUTDOWN, Down, Exit, Timeout, process
from roger_actors.otp.reason import NOPROC, Shutdown
from roger_actors.testing.puppet import Puppet, end


async def waits():
    await process.receive()


async def traps_and_journals(journal, ready=lambda: None):
    process.trap_exit()
    ready()
    while True:
        journal.append(await process.receive())


@pytest.mark.otp_line(171)
async def test_linking_twice_and_unlinking_once_leaves_no_link():
    other = process.spawn(waits)
    process.link(other)
    process.link(other)

    process.unlink(other)
    await end_function(other, "gone")

    assert await process.receive(1) == Timeout()


async def end_function(pid, reason):
    ref = process.monitor(pid)
    process.exit(pid, reason)
    return await process.receive(matching=lambda message: isinstance(message, Down) and message.ref == ref)


@pytest.mark.otp_line(171)
async def test_a_link_works_from_both_sides():
    async def links_to(pid):
        process.link(pid)
        await process.receive()

    first = process.spawn(waits)
    second = process.spawn(links_to, first)
    await process.sleep(0.01)

    assert (await end_function(first, "a")).reason == "a"
    assert not process.is_alive(second)


@pytest.mark.otp_line(172)
async def test_linking_to_a_dead_process_gives_an_exit_noproc():
    dead = process.spawn(lambda: None)
    await process.sleep(0.01)

    process.link(dead)

    assert await process.receive() == Exit(dead, NOPROC)


@pytest.mark.otp_line(172)
async def test_linking_to_a_dead_process_ends_one_that_does_not_trap():
    dead = process.spawn(lambda: None)
    await process.sleep(0.01)

    async def links():
        process.link(dead)
        await process.receive()

    ref = process.monitor(process.spawn(links))

    assert (await process.receive()).reason is NOPROC
    assert ref.number


@pytest.mark.otp_line(173)
@pytest.mark.parametrize("reason", ["crash", SHUTDOWN, Shutdown(1), KILLED])
async def test_an_abnormal_exit_ends_linked_processes_with_the_same_reason(reason):
    async def links_to(pid):
        process.link(pid)
        await process.receive()

    first = process.spawn(waits)
    second = process.spawn(links_to, first)
    ref = process.monitor(second)
    await process.sleep(0.01)

    process.exit(first, reason)

    assert (await process.receive()) == Down(ref, second, reason)


@pytest.mark.otp_line(173)
async def test_a_normal_exit_does_nothing_to_a_linked_process_that_does_not_trap():
    async def links_and_ends():
        process.spawn_link(waits, name="child")

    process.spawn(links_and_ends)
    await process.sleep(1)

    assert process.whereis("child") is not None


@pytest.mark.otp_line(174)
@pytest.mark.parametrize("reason", [NORMAL, SHUTDOWN, "crash"])
async def test_a_trapping_process_gets_every_exit_as_a_message(reason):
    pid = await Puppet.start_link()

    await end(pid, reason)

    assert await process.receive() == Exit(pid, reason)


@pytest.mark.otp_line(175)
async def test_exit_of_another_with_normal_does_nothing():
    other = process.spawn(waits)

    process.exit(other, NORMAL)
    await process.sleep(1)

    assert process.is_alive(other)


@pytest.mark.otp_line(175)
async def test_exit_of_oneself_with_normal_ends_the_caller():
    async def exits():
        process.exit(process.self(), NORMAL)
        await process.receive()

    ref = process.monitor(process.spawn(exits))

    assert (await process.receive()).reason is NORMAL
    assert ref.number


@pytest.mark.otp_line(176)
async def test_a_kill_cannot_be_trapped_and_is_seen_as_killed():
    journal = []
    pid = process.spawn_link(traps_and_journals, journal)
    await process.sleep(0.01)

    process.exit(pid, KILL)

    assert await process.receive() == Exit(pid, KILLED)
    assert journal == []


@pytest.mark.otp_line(177)
async def test_exiting_with_reason_kill_is_no_kill_for_a_linked_process():
    async def exits():
        process.exit(KILL)

    pid = process.spawn_link(exits)

    assert await process.receive() == Exit(pid, KILL)


@pytest.mark.otp_line(178)
async def test_two_monitors_on_one_process_give_two_downs_each_once():
    pid = process.spawn(waits)
    first, second = process.monitor(pid), process.monitor(pid)

    process.exit(pid, "gone")

    assert {(await process.receive()).ref, (await process.receive()).ref} == {first, second}
    assert await process.receive(1) == Timeout()


@pytest.mark.otp_line(178)
async def test_a_monitor_is_one_way():
    async def watches(pid):
        process.monitor(pid)

    me = process.self()
    watcher = process.spawn(watches, me)
    await process.sleep(1)

    assert not process.is_alive(watcher)


@pytest.mark.otp_line(179)
async def test_monitoring_a_dead_process_gives_a_down_noproc_at_once():
    dead = process.spawn(lambda: None)
    await process.sleep(0.01)

    ref = process.monitor(dead)

    assert await process.receive(0) == Down(ref, dead, NOPROC)


@pytest.mark.otp_line(179)
async def test_monitoring_an_unknown_name_gives_a_down_with_name_and_host():
    ref = process.monitor("nobody")

    assert await process.receive(0) == Down(ref, ("nobody", process.self().host), NOPROC)


@pytest.mark.otp_line(180)
async def test_demonitor_with_flush_removes_a_down_that_is_queued():
    pid = process.spawn(waits)
    ref = process.monitor(pid)
    process.exit(pid, "gone")

    process.demonitor(ref, flush=True)

    assert await process.receive(1) == Timeout()


@pytest.mark.otp_line(180)
async def test_demonitor_without_flush_leaves_a_down_that_is_queued():
    pid = process.spawn(waits)
    ref = process.monitor(pid)
    process.exit(pid, "gone")

    process.demonitor(ref)

    assert (await process.receive(1)).ref == ref


@pytest.mark.otp_line(181)
async def test_no_exit_is_delivered_after_unlink():
    pid = process.spawn_link(waits)

    process.unlink(pid)
    process.exit(pid, "gone")

    assert await process.receive(1) == Timeout()


@pytest.mark.otp_line(182)
async def test_names_are_free_before_exit_and_down_are_seen():
    seen = []

    class Watcher(Puppet):
        def handle_info(self, message, state):
            seen.append((type(message), process.whereis("named")))
            return super().handle_info(message, state)

    pid = process.spawn(waits, name="named")
    watcher = await Watcher.start("w", trap=True)
    await Puppet.replace_state(watcher, lambda state: (process.link(pid), process.monitor(pid), state)[2])

    process.exit(pid, "gone")
    await process.sleep(0.01)

    assert seen == [(Exit, None), (Down, None)]


@pytest.mark.otp_line(183)
async def test_messages_between_two_processes_keep_their_order():
    me = process.self()

    async def sends():
        for number in range(1000):
            process.send(me, number)

    process.spawn(sends)

    assert [await process.receive() for _ in range(1000)] == list(range(1000))


@pytest.mark.otp_line(184)
async def test_sending_to_a_dead_process_is_silent():
    dead = process.spawn(lambda: None)
    await process.sleep(0.01)

    process.send(dead, "hello")

    assert not process.is_alive(dead)


@pytest.mark.otp_line(184)
async def test_sending_to_an_unknown_name_is_an_error():
    with pytest.raises(NoProcess):
        process.send("nobody", "hello")


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
