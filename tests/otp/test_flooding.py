"""A process that floods another: a limit where a server has one, a warning where it has none."""

from __future__ import annotations

import pytest

from roger_actors.errors import ServerExited
from roger_actors.otp import (
    ChildSpec,
    Fault,
    GenServer,
    NoReply,
    Ok,
    Reply,
    Start,
    Supervisor,
    process,
    trace,
)
from roger_actors.otp.serving.long_mailbox import AGAIN, LONG
from roger_actors.testing.puppet import Puppet

FULL = Fault("mailbox_full", 5)


class Small(GenServer):
    """Has room for five messages, and takes a second over each cast."""

    max_mailbox = 5

    def init(self, stopped=None):
        return Ok(stopped)

    def handle_call(self, request, sender, state):
        return Reply(request, state)

    async def handle_cast(self, request, state):
        await process.sleep(1)
        return NoReply(state)

    def terminate(self, reason, state):
        if state is not None:
            state.append(reason)


async def ends(pid):
    ref = process.monitor(pid)
    return (await process.receive(matching=lambda one: getattr(one, "ref", None) == ref)).reason


async def test_one_message_above_the_limit_ends_the_server_without_terminate(caplog, journal):
    server = await Small.start(journal, name="small")
    Small.cast(server, "under way")
    await process.sleep(0.1)

    for number in range(5):
        Small.cast(server, number)
    await process.sleep(0.1)
    assert process.is_alive(server)
    Small.cast(server, "too much")

    assert await ends(server) == FULL
    assert journal == []
    assert "Small small terminating: more than 5 messages wait" in caplog.text


async def test_memory_is_bounded_while_a_plain_callback_floods(node):
    server = await Small.start()
    mailbox = node.runtime().find(server).mailbox

    for number in range(100_000):
        Small.cast(server, number)
    assert len(mailbox) == 5

    assert await ends(server) == FULL


async def test_a_caller_whose_call_does_not_fit_is_told():
    server = await Small.start()
    for number in range(5):
        Small.cast(server, number)

    with pytest.raises(ServerExited) as caught:
        await Small.call(server, "x", timeout=None)

    assert caught.value.reason == FULL


async def test_the_limit_holds_again_after_the_mailbox_was_empty():
    server = await Small.start()
    for number in range(20):
        assert await Small.call(server, number) == number
    for number in range(5):
        Small.cast(server, number)
    await process.sleep(10)
    assert process.is_alive(server)

    for number in range(7):
        Small.cast(server, number)

    assert await ends(server) == FULL


@pytest.mark.parametrize("traced", [False, True])
async def test_the_limit_holds_while_suspended_and_traced(traced):
    server = await Small.start()
    if traced:
        await trace(server, to=process.spawn(process.sleep, 1000))
    await GenServer.suspend(server)
    for number in range(5):
        Small.cast(server, number)
        await process.sleep(0.01)
    assert (await GenServer.get_status(server))["mailbox"] == 5

    Small.cast(server, "too much")
    assert await ends(server) == FULL


async def test_what_was_held_while_suspended_counts_after_it():
    server = await Small.start()
    await GenServer.suspend(server)
    for number in range(4):
        Small.cast(server, number)
    await GenServer.resume(server)
    assert process.is_alive(server)

    for number in range(5):
        Small.cast(server, number)

    assert await ends(server) == FULL


async def test_a_supervisor_replaces_the_server_and_others_live_on():
    children = [
        ChildSpec(id="small", start=Start(Small, name="small")),
        ChildSpec(id="p", start=Start(Puppet)),
    ]
    sup = await Supervisor.start_link(children, strategy="one_for_one")
    before = {info.id: info.pid for info in await Supervisor.which_children(sup)}

    for number in range(100):
        Small.cast("small", number)
    await ends(before["small"])

    after = {info.id: info.pid for info in await Supervisor.which_children(sup)}
    assert after["small"] != before["small"]
    assert after["p"] == before["p"]
    assert await Small.call("small", 1) == 1


@pytest.mark.parametrize("limit", [0, -1, 1.5, True, "many"])
async def test_a_limit_that_is_none_is_refused_at_the_start(limit):
    class Wrong(Small):
        max_mailbox = limit

    with pytest.raises(ValueError, match="a number of messages from 1"):
        await Wrong.start()


async def test_without_a_limit_a_long_mailbox_is_warned_of_once_a_minute(caplog):
    class Unlimited(Small):
        max_mailbox = None

        def handle_cast(self, request, state):
            return NoReply(state)

    async def warned():
        caplog.clear()
        for number in range(LONG + 100):
            GenServer.cast("unlimited", number)
        await GenServer.call("unlimited", "last")
        return caplog.text.count("Unlimited unlimited does not keep up: 10")

    await Unlimited.start(name="unlimited")

    assert await warned() == 1
    assert await warned() == 0
    await process.sleep(AGAIN)
    assert await warned() == 1
