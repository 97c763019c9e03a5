"""Section M: links, monitors, exit signals.

`here` is a process on the test's host. `there` is one `beside` it, and one `away` on another host, so that
each signal crosses the wire in one direction and in the other.
"""

from __future__ import annotations

import pytest
from conformance_world import ABNORMAL

from roger_actors.errors import CallTimeout, NoProcess, ServerExited
from roger_actors.otp import (
    KILL,
    KILLED,
    NORMAL,
    SHUTDOWN,
    Down,
    Exit,
    ExitStatus,
    GenServer,
    Pid,
    Shutdown,
    Signal,
    Timeout,
    process,
)
from roger_actors.otp.reason import NOCONNECTION, NOPROC

both = pytest.mark.parametrize("where", ["beside", "away"])


async def pair(world, where, **options):
    """Return a process here and one there."""
    here = await world.player("here", host="same", **options)
    return here, await world.player("there", host=world.place(where), **options)


async def do(pid, *command):
    """Let a player call a function of `process`, and wait until it has."""
    return await GenServer.call(pid, ("do", *command))


async def handled(pid):
    """Wait until a player has handled all that reached it, also what was sent from its peer's end."""
    await GenServer.call(pid, ("value",))


async def a_dead_process(world, where):
    """Return a pid that was in use."""
    dead = await world.player("dead", host=world.place(where))
    await world.end(dead, NORMAL)
    return dead


@pytest.mark.otp_line(171)
@both
@pytest.mark.parametrize("linked_by", ["here", "there"])
@pytest.mark.parametrize("ended", ["here", "there"])
@pytest.mark.parametrize("again", [False, True])
async def test_line_171_a_link_is_symmetric_single_and_idempotent(world, where, linked_by, ended, again):
    here, there = await pair(world, where)
    one, other = (here, there) if linked_by == "here" else (there, here)
    gone, left = (here, there) if ended == "here" else (there, here)
    for _ in "twice":
        await do(one, "link", other)
        await handled(other)
    await do(one, "unlink", other)
    await handled(other)
    if again:
        await do(other, "link", one)
        await handled(one)

    await world.end(gone, ABNORMAL)
    await handled(left)

    seen = [entry[2] for entry in await world.journal() if entry[0] == "got"]
    assert seen == ([Exit(gone, ABNORMAL)] if again else [])


@pytest.mark.otp_line(172)
@both
async def test_line_172_linking_to_a_dead_process_gives_an_exit_with_noproc(world, where):
    dead = await a_dead_process(world, where)
    here, there = await pair(world, where, trap=False)
    own = await world.player("own", host="same")
    await world.end(own, NORMAL)
    downs = [process.monitor(here), process.monitor(there)]

    process.link(dead)
    GenServer.cast(here, ("do", "link", dead))
    GenServer.cast(there, ("do", "link", own))

    assert await world.exit_of(dead) is NOPROC
    assert [(await world.down(ref)).reason for ref in downs] == [NOPROC, NOPROC]


@pytest.mark.otp_line(173)
@both
@pytest.mark.parametrize("ended", ["here", "there"])
@pytest.mark.parametrize("reason", [ABNORMAL, SHUTDOWN, Shutdown(1), KILL, NORMAL])
async def test_line_173_a_linked_process_that_does_not_trap_exits_with_the_same_reason(
    world, where, reason, ended
):
    here, there = await pair(world, where, trap=False)
    await do(here, "link", there)
    await handled(there)
    gone, left = (here, there) if ended == "here" else (there, here)
    down = process.monitor(left)

    await world.end(gone, reason)

    if reason is NORMAL:
        await handled(left)
    else:
        assert (await world.down(down)).reason == (KILLED if reason is KILL else reason)


@pytest.mark.otp_line(174)
@both
@pytest.mark.parametrize("ended", ["here", "there"])
@pytest.mark.parametrize("reason", [NORMAL, SHUTDOWN, Shutdown(1), ABNORMAL, KILL])
async def test_line_174_a_trapping_process_gets_each_exit_as_a_message(world, where, reason, ended):
    here, there = await pair(world, where)
    await do(here, "link", there)
    await handled(there)
    gone, left = (here, there) if ended == "here" else (there, here)

    if reason is not KILL:
        await do(gone, "exit", left, reason)
    await world.end(gone, reason)
    await handled(left)

    label = "there" if left == there else "here"
    seen = [entry[1:] for entry in await world.journal() if entry[0] == "got"]
    if reason is KILL:
        assert seen == [(label, Exit(gone, KILLED))]
    else:
        assert seen == [(label, Exit(gone, reason))] * 2


@pytest.mark.otp_line(175)
@both
async def test_line_175_exit_with_normal_ends_nobody_but_oneself(world, where):
    here, there = await pair(world, where, trap=False)

    process.exit(here, NORMAL)
    process.exit(there, NORMAL)
    await do(here, "exit", there, NORMAL)
    await do(there, "exit", here, NORMAL)

    for pid in (here, there):
        await handled(pid)
        down = process.monitor(pid)
        GenServer.cast(pid, ("do", "exit", pid, NORMAL))
        assert (await world.down(down)).reason is NORMAL


@pytest.mark.otp_line(176)
@both
async def test_line_176_a_kill_cannot_be_trapped_and_linked_processes_see_killed(world, where):
    here, there = await pair(world, where)
    follower = await world.player("follower", host="same", trap=False)
    for pid in (here, follower):
        await do(pid, "link", there)
    process.link(there)
    downs = [process.monitor(there), process.monitor(follower)]

    process.exit(there, KILL)

    assert await world.exit_of(there) is KILLED
    assert [(await world.down(ref)).reason for ref in downs] == [KILLED, KILLED]
    await handled(here)
    assert (await world.journal())[-1] == ("got", "here", Exit(there, KILLED))
    assert not any(entry[0] == "stopped" for entry in await world.journal())


@pytest.mark.otp_line(177)
@both
async def test_line_177_exiting_with_reason_kill_is_no_kill_for_a_trapping_peer(world, where):
    here, there = await pair(world, where)
    await do(here, "link", there)
    process.link(there)

    assert await world.end(there, "kill") == "kill"
    assert await world.exit_of(there) == "kill"
    await handled(here)
    again = await world.player("again", host=world.place(where))
    await do(here, "link", again)
    process.link(again)
    down = process.monitor(again)
    GenServer.cast(again, ("exit", KILL))

    assert await world.exit_of(again) is KILL
    assert (await world.down(down)).reason is KILL
    await handled(here)
    assert (await world.journal())[-1] == ("got", "here", Exit(again, KILL))


@pytest.mark.otp_line(178)
@both
@pytest.mark.parametrize("reason", [NORMAL, ABNORMAL, KILL])
async def test_line_178_each_monitor_is_one_way_and_fires_exactly_once(world, where, reason):
    here, there = await pair(world, where, trap=False)
    refs = [process.monitor(there), process.monitor(there)]
    for watcher, target in ((here, there), (there, here)):
        await do(watcher, "monitor", target)

    await world.end(there, reason)
    await handled(here)

    seen = KILLED if reason is KILL else reason
    downs = [await process.receive(5.0) for _ in refs]
    assert sorted(downs, key=lambda down: down.ref) == [Down(ref, there, seen) for ref in refs]
    await world.nothing()
    told = [entry[2] for entry in await world.journal() if entry[0] == "got"]
    assert [(down.process, down.reason) for down in told] == [(there, seen)]


@pytest.mark.otp_line(179)
@both
async def test_line_179_monitoring_nobody_gives_a_down_with_noproc_at_once(world, where):
    dead = await a_dead_process(world, where)
    host = dead.host
    targets = [dead, Pid(dead.node, host, 999_999), ("nobody", host)]

    refs = [process.monitor(target) for target in (*targets, "nobody")]

    named = [*targets, ("nobody", process.self().host)]
    downs = [await world.down(ref) for ref in refs]
    assert downs == [Down(ref, target, NOPROC) for ref, target in zip(refs, named, strict=True)]
    await world.nothing()


@pytest.mark.otp_line(180)
@both
async def test_line_180_after_demonitor_with_flush_no_down_is_seen(world, where):
    first, second = [await world.player(name, host=world.place(where)) for name in ("first", "second")]
    early, queued, later = process.monitor(second), process.monitor(first), process.monitor(first)
    process.demonitor(early, flush=True)

    GenServer.cast(first, ("exit", ABNORMAL))
    await world.down(later)
    process.demonitor(queued, flush=True)
    await world.end(second, ABNORMAL)
    await world.nothing()

    third = await world.player("third", host=world.place("away"))
    crossing = process.monitor(third)
    await world.ends_unseen(third)
    process.demonitor(crossing, flush=True)
    await world.nothing()


@pytest.mark.otp_line(181)
@both
async def test_line_181_after_unlink_no_exit_of_that_link_is_delivered(world, where):
    first = await world.player("first", host=world.place(where))
    second = await world.player("second", host=world.place("away"))
    process.link(first)
    process.unlink(first)
    assert await world.end(first, ABNORMAL) == ABNORMAL

    process.link(second)
    await handled(second)
    await world.ends_unseen(second)
    process.unlink(second)
    process.link(second)

    # The link was made anew to a dead process: of the former one nothing is told.
    assert await world.exit_of(second) is NOPROC
    await world.nothing()


@pytest.mark.otp_line(182)
@both
@pytest.mark.parametrize("reason", [NORMAL, ABNORMAL, KILL])
async def test_line_182_the_name_of_a_dead_process_is_free_before_its_end_is_told(world, where, reason):
    for seen in ("exit", "down"):
        there = await world.player("there", host=world.place(where), name="named")
        if seen == "exit":
            process.link(there)
        else:
            process.monitor(there)

        if reason is KILL:
            process.exit(there, KILL)
        else:
            GenServer.cast(there, ("exit", reason))
        message = await process.receive(10.0)
        assert isinstance(message, Exit if seen == "exit" else Down)

        named = ("named", there.host)
        assert (await world.down(process.monitor(named))).reason is NOPROC
        again = await world.player("again", host=world.place(where), name="named")
        await world.end(again, NORMAL)


@pytest.mark.otp_line(183)
@both
async def test_line_183_messages_and_signals_between_two_processes_keep_their_order(world, where):
    here, there = await pair(world, where)
    me = process.self()
    process.link(there)
    down = process.monitor(there)

    for number in range(2000):
        GenServer.cast(there, ("do", "send", me, number))
        process.send(there, number)
        GenServer.cast(here, ("do", "send", there, ("other", number)))
    GenServer.cast(there, ("exit", ABNORMAL))

    got = [await process.receive(10.0) for _ in range(2002)]
    assert got == [*range(2000), Exit(there, ABNORMAL), Down(down, there, ABNORMAL)]
    mine = [entry[2] for entry in await world.journal() if entry[0] == "got" and isinstance(entry[2], int)]
    assert mine == list(range(2000))


@pytest.mark.otp_line(184)
@both
async def test_line_184_sending_to_the_dead_is_silent(world, where):
    dead = await a_dead_process(world, where)
    there = await world.player("there", host=world.place(where))

    process.send(dead, "hello")
    process.send(Pid(dead.node, dead.host, 999_999), "hello")
    process.send(Pid(dead.node, 999_999, 1), "hello")
    process.exit(dead, ABNORMAL)
    await do(there, "send", dead, "hello")
    await handled(there)

    with pytest.raises(NoProcess):
        process.send("nobody", "hello")
    await world.nothing()


@pytest.mark.otp_line(185)
@both
async def test_line_185_a_reply_after_the_time_limit_is_never_seen(world, where):
    there = await world.player("there", host=world.place(where))
    me = process.self()
    with pytest.raises(CallTimeout):
        await GenServer.call(there, ("hand", me), timeout=0.1)
    sender = await process.receive(5.0)

    GenServer.cast(there, ("answer", sender, "late"))
    await handled(there)
    process.spawn(GenServer.reply, sender, "later")

    assert await GenServer.call(there, ("reply", "in time")) == "in time"
    await world.nothing()


@pytest.mark.otp_line(186)
@pytest.mark.parametrize(
    ("how", "reason"),
    [({"signal": 9}, Signal(9)), ({"signal": 11}, Signal(11)), ({"status": 3}, ExitStatus(3))],
)
async def test_line_186_a_lost_host_is_told_once_to_every_link_monitor_and_call(world, how, reason):
    host = int(world.second)
    players = [await world.player(f"p{number}", host=host) for number in range(20)]
    watcher = await world.player("watcher", host="same")
    follower = await world.player("follower", host="same", trap=False)
    linked = process.monitor(follower)
    await do(follower, "link", players[0])
    refs = {}
    for pid in players:
        await do(watcher, "link", pid)
        await do(watcher, "monitor", pid)
        process.link(pid)
        refs |= {process.monitor(pid): pid, process.monitor(pid): pid}
    refs[process.monitor(Pid(players[0].node, host, 0))] = Pid(players[0].node, host, 0)
    calls = [process.spawn_monitor(GenServer.call, pid, ("wait",), None)[1] for pid in players]
    busy = process.spawn(keep_busy, players)
    await handled(players[-1])

    world.end_host(**how)
    late = await link_and_monitor_until_it_is_gone(players[0])

    downs = [await world.down(ref) for ref in refs]
    assert [(down.process, down.reason) for down in downs] == [(pid, reason) for pid in refs.values()]
    assert [await world.exit_of(pid) for pid in players] == [reason] * len(players)
    assert [(await world.down(ref)).reason.reason for ref in calls] == [reason] * len(calls)
    assert (await world.down(linked)).reason == reason
    for ref, nobody in late:
        assert (await world.down(ref)).reason in {reason, NOPROC, NOCONNECTION}
        assert await world.exit_of(nobody) in {reason, NOPROC, NOCONNECTION}
    await world.nothing()
    process.exit(busy, KILL)
    told = [entry[2] for entry in await world.journal() if entry[0:2] == ("got", "watcher")]
    assert sorted(repr(message) for message in told if isinstance(message, Exit)) == sorted(
        repr(Exit(pid, reason)) for pid in players
    )
    assert sorted(message.process for message in told if isinstance(message, Down)) == sorted(players)
    with pytest.raises(ServerExited) as caught:
        await GenServer.call(players[0], ("value",))
    assert caught.value.reason is NOCONNECTION


async def keep_busy(players):
    """Send to the other host and let it send back, without an end."""
    me = process.self()
    while True:
        for pid in players:
            process.send(pid, "noise")
            GenServer.cast(pid, ("do", "send", me, "noise"))
        await process.sleep(0.001)


async def link_and_monitor_until_it_is_gone(pid):
    """Link and monitor nobody on the host that dies, before and after it does."""
    made = []
    gone = process.monitor(pid)
    while isinstance(
        await process.receive(0.001, matching=lambda one: getattr(one, "ref", None) == gone), Timeout
    ):
        nobody = Pid(pid.node, pid.host, 1_000_000 + len(made))
        process.link(nobody)
        made.append((process.monitor(nobody), nobody))
    await process.sleep(0.01)
    nobody = Pid(pid.node, pid.host, 1_000_000 + len(made))
    process.link(nobody)
    return [*made, (process.monitor(nobody), nobody)]
