"""Responses are taken by reference: what else is in the mailbox costs nothing, and is not disturbed."""

from __future__ import annotations

import asyncio
import time

import pytest

from roger_actors.otp import (
    KILL,
    Down,
    GenServer,
    NoReply,
    Ok,
    Reply,
    RequestIds,
    Response,
    Task,
    Timeout,
    process,
)


class Server(GenServer):
    """Answers every request but `None`."""

    def init(self):
        return Ok(None)

    def handle_call(self, request, sender, state):
        return NoReply(state) if request is None else Reply(request, state)


def asked():
    """What still waits for an answer, but the test runner."""
    return [pending for pending in process.here().calls.values() if not pending.for_end]


async def seconds_for(backlog, wait, count=300):
    """Thread seconds for taking answers that have all arrived, behind a backlog."""
    server = await Server.start()
    for number in range(backlog):
        process.send(process.self(), number)
    taken = await wait(server, count)
    mailbox = process.current().mailbox
    assert list(mailbox or ()) == list(range(backlog))
    if mailbox is not None:
        mailbox.clear()
    return taken


async def in_a_collection(server, count):
    requests = RequestIds()
    for number in range(count):
        Server.send_request(server, number, label=number, requests=requests)
    await process.sleep(1)
    begun = time.thread_time()
    answers = [await Server.wait_response(requests) for _ in range(count)]
    taken = time.thread_time() - begun
    assert [(answer.label, answer.value) for answer in answers] == [(n, n) for n in range(count)]
    return taken


async def one_by_one(server, count):
    requests = [Server.send_request(server, number) for number in range(count)]
    await process.sleep(1)
    begun = time.thread_time()
    assert [await Server.wait_response(request) for request in requests] == list(range(count))
    return time.thread_time() - begun


async def of_tasks(_, count):
    tasks = [Task.async_(int, number) for number in range(count)]
    await process.sleep(1)
    begun = time.thread_time()
    assert [await Task.await_(task) for task in tasks] == list(range(count))
    return time.thread_time() - begun


@pytest.mark.parametrize("wait", [in_a_collection, one_by_one])
async def test_a_backlog_does_not_slow_the_answers_down(wait):
    without = min([await seconds_for(0, wait) for _ in range(3)])
    behind = min([await seconds_for(100_000, wait) for _ in range(3)])

    assert behind < 10 * without


async def test_a_backlog_does_not_slow_tasks_down():
    process.trap_exit(False)  # the ends of its tasks are no messages to it
    without = min([await seconds_for(0, of_tasks) for _ in range(3)])
    behind = min([await seconds_for(100_000, of_tasks) for _ in range(3)])

    assert behind < 10 * without


async def test_answers_taken_out_of_turn_leave_nothing_in_a_mailbox_that_is_never_read():
    server = await Server.start()
    for number in range(1000):
        request = Server.send_request(server, number)
        await process.sleep(0.001)
        assert await Server.wait_response(request) == number

    assert not process.current().mailbox
    assert not process.current().letters
    assert not asked()


async def test_an_answer_between_two_messages_is_received_in_its_turn_or_out_of_it():
    server = await Server.start()
    process.send(process.self(), "before")
    first, second = Server.send_request(server, 1), Server.send_request(server, 2)
    await process.sleep(1)
    process.send(process.self(), "after")

    assert await Server.wait_response(second) == 2
    assert await process.receive(0) == "before"
    assert await process.receive(0) == Response(first, 1)
    assert await process.receive(0) == "after"
    with pytest.raises(ValueError, match="taken"):
        await Server.wait_response(first)


class Asks(GenServer):
    """Asks, waits in its callback for the second answer, and rests for a second."""

    def init(self, server, told):
        return Ok((server, told))

    async def handle_cast(self, request, state):
        first = Server.send_request(state[0], "first")
        second = Server.send_request(state[0], "second")
        await process.sleep(1)
        assert await Server.wait_response(second) == "second"
        assert await Server.wait_response(first) == "first"
        return NoReply(state, timeout=1.0)

    def handle_info(self, message, state):
        state[1].append(message)
        return NoReply(state)


async def test_an_answer_taken_in_a_callback_comes_to_no_other_and_ends_no_rest():
    told = []
    asks = await Asks.start(await Server.start(), told)

    Asks.cast(asks, "go")
    await process.sleep(1.5)
    await Asks.get_state(asks)
    assert told == []
    await process.sleep(1)

    assert told == [Timeout()]


async def test_a_request_to_nobody_is_answered_by_a_down_that_can_be_waited_for_or_received():
    gone = process.spawn(lambda: None)
    await process.sleep(0.1)
    first, second = Server.send_request(gone, 1), Server.send_request("nobody", 2)
    requests = RequestIds()
    third = Server.send_request(gone, 3, label="third", requests=requests)

    assert (await Server.wait_response(requests)).response.ref == third
    assert (await process.receive(0)).ref == first
    with pytest.raises(Exception, match="nobody"):
        await Server.wait_response(second)


async def test_demonitor_gives_a_request_up():
    server = await Server.start()
    request = Server.send_request(server, None, timeout=60.0)
    late = Server.send_request(server, None)
    process.exit(server, KILL)

    process.demonitor(late, flush=True)
    process.demonitor(request, flush=True)

    assert await process.receive(0) == Timeout()
    server = await Server.start()
    request = Server.send_request(server, None, timeout=60.0)
    process.demonitor(request)
    assert not asked()
    assert not process.here().local(server).monitors


async def test_a_process_that_ends_leaves_no_request_and_no_timer():
    server = await Server.start()

    async def asks():
        Server.send_request(server, None, timeout=3600.0)
        Server.send_request(server, None)

    process.spawn(asks)
    await process.sleep(1)

    assert not asked()
    assert not [entry for entry in process.here().timers._heap if entry[2].callback]


async def test_a_message_that_came_as_its_receive_was_cancelled_is_received_next():
    async def waits():
        await process.receive(matching=lambda message: message == "never")

    async def is_cancelled():
        for kept in ("first", "wanted", "last"):
            process.send(process.self(), kept)
        try:
            await process.receive(matching=lambda message: message == "late")
        except asyncio.CancelledError:
            process.send(test, [await process.receive(0) for _ in range(4)])

    test = process.self()
    pid = process.spawn(is_cancelled)
    await process.sleep(1)
    process.send(pid, "late")
    await asyncio.sleep(0)
    process.here().local(pid).task.cancel()

    assert await process.receive(1) == ["first", "wanted", "last", "late"]


async def test_a_down_is_told_once_whoever_waits():
    server = await Server.start()
    request = Server.send_request(server, None)
    process.exit(server, KILL)
    await process.sleep(1)

    assert isinstance(await process.receive(0, lambda message: isinstance(message, Down)), Down)
    with pytest.raises(ValueError, match="taken"):
        await Server.wait_response(request)
