"""Section N: asking without waiting, and asking many."""

from __future__ import annotations

import pytest
from conformance_world import Player

from roger_actors.errors import CallTimeout, NoProcess, ServerExited
from roger_actors.otp import (
    KILL,
    NO_REPLY,
    GenServer,
    NoReply,
    Ok,
    Reply,
    RequestIds,
    Timeout,
    process,
)

WAITED = ("wait_response", "receive_response")


class Asks(GenServer):
    """Asks another server from its callbacks: in the code of one, or so that the answer is a message."""

    def init(self):
        return Ok([])

    async def handle_call(self, request, sender, state):
        how, target, question = request
        if how == "seen":
            return Reply(state, state)
        ref = Player.send_request(target, question)
        if how == "in code":
            return Reply(await Player.receive_response(ref, 5.0), state)
        return Reply(ref, [ref])

    def handle_info(self, message, state):
        for ref in state[:1]:
            assert Player.check_response("something else", ref) is NO_REPLY
            state.append(Player.check_response(message, ref))
        return NoReply(state)


@pytest.mark.otp_line(206)
@pytest.mark.parametrize("part", ["wait", "receive", "check", "ends", "server", "many", "many in vain"])
async def test_line_206_a_request_can_be_waited_for_received_or_checked(world, part):
    sup = await world.supervisor([world.child(name) for name in "abc"])
    pids = await world.pids(sup)
    await PARTS[part](world, pids)
    await world.nothing()


async def _wait(world, pids):
    answered = Player.send_request(pids["a"], ("reply", 1))
    await Player.call(pids["a"], ("reply", "it has arrived before"))
    assert await Player.wait_response(answered, 5.0) == 1

    with pytest.raises(ValueError, match="was taken"):
        await Player.wait_response(answered, 5.0)

    await GenServer.suspend(pids["b"])
    slow = Player.send_request(pids["b"], ("reply", 2))
    for _ in range(2):
        with pytest.raises(CallTimeout):
            await Player.wait_response(slow, 0.05)
    await GenServer.resume(pids["b"])
    assert await Player.wait_response(slow, 5.0) == 2


async def _receive(world, pids):
    await GenServer.suspend(pids["a"])
    slow = Player.send_request(pids["a"], ("reply", 1))
    with pytest.raises(CallTimeout):
        await Player.receive_response(slow, 0.05)

    await GenServer.resume(pids["a"])
    await Player.call(pids["a"], ("reply", "the other answer is here before this one"))

    with pytest.raises(ValueError, match="abandoned"):
        await Player.wait_response(slow)


async def _check(world, pids):
    refs = [Player.send_request(pids[name], ("reply", name)) for name in "ab"]
    messages = [await process.receive(5.0) for _ in refs]

    answers = [[Player.check_response(message, ref) for message in messages] for ref in refs]

    assert sorted(answers[0], key=str) == ["a", NO_REPLY]
    assert sorted(answers[1], key=str) == ["b", NO_REPLY]
    assert Player.check_response(Timeout(), refs[0]) is NO_REPLY


async def _ends(world, pids):
    waiting = Player.send_request(pids["a"], ("wait",))
    process.exit(pids["a"], KILL)
    with pytest.raises(ServerExited):
        await Player.receive_response(waiting, 5.0)

    late = Player.send_request(pids["a"], ("wait",))
    with pytest.raises(NoProcess):
        await Player.receive_response(late, 5.0)

    asked = Player.send_request(pids["b"], ("wait",))
    process.exit(pids["b"], KILL)
    down = await process.receive(5.0)
    with pytest.raises(ServerExited):
        Player.check_response(down, asked)


async def _server(world, pids):
    asks = await Asks.start_link()

    assert await Asks.call(asks, ("in code", pids["a"], ("reply", 7))) == 7
    ref = await Asks.call(asks, ("as a message", pids["a"], ("reply", 8)))
    while await Asks.call(asks, ("seen", None, None)) != [ref, 8]:
        await process.sleep(0.005)

    await GenServer.stop(asks)
    await world.exit_of(asks)


async def _many(world, pids):
    requests = RequestIds()
    await GenServer.suspend(pids["b"])
    for name in "abc":
        Player.send_request(pids[name], ("reply", name.upper()), label=name, requests=requests)
    Player.send_request(("nobody", world.second), "x", label="nobody", requests=requests)
    assert (len(requests), sorted(label for _, label in requests.to_list())) == (
        4,
        ["a", "b", "c", "nobody"],
    )

    seen = {}
    for how in (Player.wait_response, Player.receive_response, Player.wait_response):
        answer = await how(requests, 5.0)
        seen[answer.label] = answer
    with pytest.raises(CallTimeout):
        await Player.wait_response(requests, 0.05)
    await GenServer.resume(pids["b"])
    last = await Player.receive_response(requests, 5.0, delete=False)

    assert {label: seen[label].value for label in "ac"} == {"a": "A", "c": "C"}
    with pytest.raises(NoProcess):
        seen["nobody"].value
    assert (last.label, last.value, len(requests)) == ("b", "B", 1)
    assert Player.check_response(last.response, requests) == last
    assert await Player.receive_response(requests, 5.0) is None
    assert Player.check_response(last.response, requests) is None


async def _many_in_vain(world, pids):
    requests = RequestIds()
    for name in "ab":
        await GenServer.suspend(pids[name])
        Player.send_request(pids[name], ("reply", name), label=name, requests=requests)

    with pytest.raises(CallTimeout):
        await Player.receive_response(requests, 0.05)
    for name in "ab":
        await GenServer.resume(pids[name])
        await Player.call(pids[name], ("reply", "later than the abandoned answer"))

    assert len(requests) == 0


PARTS = {
    "wait": _wait,
    "receive": _receive,
    "check": _check,
    "ends": _ends,
    "server": _server,
    "many": _many,
    "many in vain": _many_in_vain,
}


@pytest.mark.otp_line(207)
async def test_line_207_multi_call_gives_replies_and_bad_hosts_and_drops_late_replies(world):
    here, there = process.self().host, world.second
    gone = type(here)(9_999)
    hosts = [here, there, gone]

    replies, bad = await GenServer.multi_call(hosts, "stage", ("processes",), 5.0)
    assert (set(replies), bad) == ({here, there}, [gone])

    await GenServer.suspend(("stage", there))
    replies, bad = await GenServer.multi_call(hosts, "stage", ("processes",), 0.1)
    assert (set(replies), bad) == ({here}, [there, gone])
    await GenServer.resume(("stage", there))
    await GenServer.call(("stage", there), ("processes",))
    await world.nothing()

    sup = await world.supervisor([world.child("here", options={"name": "player"}, host="same")])
    ((_, pid),) = (await world.pids(sup)).items()
    assert await Player.multi_call(hosts, "player", ("reply", 1), 5.0) == ({here: 1}, [there, gone])
    Player.abcast(hosts, "player", ("set", 3))
    assert await Player.call(pid, ("value",)) == 3
