"""Traces: what is told, to whom, until when, and what a trace that is off leaves behind."""

from __future__ import annotations

import logging

import pytest

from roger_actors.errors import NoProcess, ProcessError
from roger_actors.otp import (
    NORMAL,
    GenServer,
    NoReply,
    Ok,
    Registry,
    Reply,
    Runtime,
    Supervisor,
    Timeout,
    TraceEvent,
    process,
    trace,
)
from roger_actors.otp.serving import ServerProcess
from roger_actors.testing.puppet import Puppet


class Till(GenServer):
    def init(self, other=None):
        return Ok({"sum": 0, "pin": 1234, "other": other})

    async def handle_call(self, request, sender, state):
        await process.sleep(1)
        if state["other"] is not None:
            process.send(state["other"], "asked")
        return Reply(state["sum"], state)

    def handle_cast(self, request, state):
        return NoReply({**state, "sum": state["sum"] + request["amount"]}, then="counted")

    def handle_continue(self, token, state):
        return NoReply(state)

    def format_status(self, status):
        status.state = {"sum": status.state["sum"]}
        if isinstance(status.message, dict):
            status.message = {**status.message, "card": "***"}
        return status


async def told():
    """Return what the trace has told so far, without pid and time."""
    await process.sleep(0.01)
    events = []
    while isinstance(event := await process.receive(0, lambda m: isinstance(m, TraceEvent)), TraceEvent):
        events.append((event.kind, event.text, event.peer))
    return events


async def test_what_a_server_receives_answers_sends_and_becomes_is_told_without_secrets():
    sink = process.spawn(process.receive)
    till = await Till.start(sink, name="till")
    assert await trace("till", to=process.self()) == till

    Till.cast(till, {"amount": 5, "card": "4929"})
    await Till.call(till, "sum")

    me = process.self()
    assert await told() == [
        ("received", "cast {'amount': 5, 'card': '***'}", None),
        ("state", "{'sum': 5}", None),
        ("continued", "'counted'", None),
        ("received", "call 'sum'", me),
        ("sent", "'asked'", sink),
        ("replied", "5", me),
    ]


async def test_an_event_names_the_process_and_the_moment(node):
    server = await Puppet.start(name="p")
    await trace(server, to=process.self())
    await process.sleep(2)

    Puppet.cast(server, ("set", 1))

    event = await process.receive(1)
    assert (event.pid, event.name, event.at) == (server, "p", node.clock.monotonic())


async def test_a_supervisor_and_a_function_are_traced_like_a_server():
    async def listens():
        while True:
            await process.receive()

    sup = await Supervisor.start_link([], strategy="one_for_one")
    function = process.spawn(listens)
    await process.sleep(0)
    for pid in (sup, function):
        await trace(pid, to=process.self())

    await Supervisor.count_children(sup)
    process.send(function, "hello")

    kinds = [(kind, text) for kind, text, _ in await told()]
    assert kinds == [
        ("received", "call ('count_children',)"),
        ("replied", "(0, 0, 0, 0)"),
        ("received", "'hello'"),
    ]


async def test_without_a_receiver_it_is_logged_at_debug_level(caplog):
    caplog.set_level(logging.DEBUG, logger="roger_actors.otp.trace")
    server = await Puppet.start(name="p")
    await trace(server)

    await Puppet.call(server, ("reply", 1))

    assert [record.trace.kind for record in caplog.records] == ["received", "replied"]
    assert f"p replied {process.self()}: 1" in caplog.text


async def test_the_end_is_told_and_a_trace_that_is_over_leaves_nothing_behind(node):
    runtime = node.runtime()
    before = set(runtime.calls)
    first, second = await Puppet.start(), await Puppet.start()
    for pid in (first, second):
        await trace(pid, to=process.self())

    Puppet.cast(first, ("exit", "crash"))
    await trace(second, False)
    Puppet.cast(second, ("set", 1))

    assert (await told())[-1] == ("ended", "'crash'", None)
    assert runtime.__class__ is Runtime
    assert runtime.find(second).__class__ is ServerProcess
    assert set(runtime.calls) == before


async def test_a_trace_ends_with_whoever_gets_its_events(node):
    listener = process.spawn(process.receive)
    server = await Puppet.start()
    await trace(server, to=listener)

    process.exit(listener, "gone")
    await process.sleep(0.1)

    assert node.runtime().find(server).__class__ is ServerProcess
    assert await Puppet.call(server, ("reply", 1)) == 1


async def test_another_trace_takes_the_place_of_the_first():
    other = process.spawn(process.receive, 100)
    server = await Puppet.start()
    await trace(server, to=other)
    await trace(server, to=process.self(), length=5)

    process.send(server, "a long message")

    assert await told() == [("received", "'a lo", None)]


async def test_system_requests_and_events_of_other_traces_are_not_told():
    first, second = await Puppet.start(), await Puppet.start()
    await trace(first, to=second)
    await trace(second, to=first)
    third = await Puppet.start()
    await trace(third, to=process.self())

    process.send(first, "hello")
    await GenServer.get_state(third)
    await GenServer.suspend(third)
    await GenServer.resume(third)

    assert await told() == []
    assert isinstance(await process.receive(1), Timeout)


async def test_a_trace_of_nobody_or_to_itself_is_refused():
    server = await Puppet.start()

    with pytest.raises(NoProcess):
        await trace("nobody", to=process.self())
    with pytest.raises(ProcessError, match="itself"):
        await trace(server, to=server)

    assert await Puppet.call(server, ("return", Reply(1, None))) == 1


async def test_a_call_of_a_traced_process_is_told_as_sent():
    class Asks(GenServer):
        def init(self, other):
            return Ok(other)

        async def handle_cast(self, request, other):
            await Puppet.call(other, request)
            GenServer.cast(other, ("stop", NORMAL))
            return NoReply(other)

    other = await Puppet.start()
    server = await Asks.start(other)
    await trace(server, to=process.self())

    Asks.cast(server, ("reply", 1))

    assert [event for event in await told() if event[0] == "sent"] == [
        ("sent", "call ('reply', 1)", other),
        ("sent", "cast ('stop', normal)", other),
    ]


def test_what_is_sent_to_a_name_of_a_registry_is_told_once_and_to_another_host_too(node):
    far = node.start_host("kernel")
    events = []

    async def gets_events():
        while True:
            events.append(await process.receive())

    async def sends():
        await Registry.start_link("unique", name="r")
        await Registry.register("r", "key")
        via = Registry.via("r", "key")
        sender = process.spawn(waits_and_sends, via)
        await trace(sender, to=to)
        process.send(sender, "go")
        assert await process.receive(1) == "news"
        request = (await process.receive(1)).request
        assert request == "question"
        return process.self()

    to = node.spawn(gets_events, host=far)
    here = node.run(sends)
    node.settle()

    assert [event.peer for event in events if event.kind == "sent"] == [here, here]


async def waits_and_sends(to):
    await process.receive()
    process.send(to, "news")
    GenServer.send_request(to, "question")
    await process.receive()
