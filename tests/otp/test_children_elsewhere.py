"""Children on another host than their supervisor's, and supervisors asked from another host."""

from __future__ import annotations

import sys
import types

import pytest

from roger_actors.errors import StartFailed
from roger_actors.otp import AGENT, ChildSpec, Start, Stop, Supervisor, process
from roger_actors.otp.hosts.host_agent import HostAgent
from roger_actors.testing.puppet import Puppet


class Thing:
    def __repr__(self):
        return "a thing"


@pytest.fixture
def host(node):
    number = node.start_host("app")

    async def opens():
        await HostAgent.start(None, name=AGENT)

    node.spawn(opens, host=number)
    return number


@pytest.fixture
def worker(node):
    return node.start_host("worker")


async def test_what_a_far_start_says_besides_and_cannot_travel_is_a_failed_start(node, host, monkeypatch):
    async def starts():
        return await Puppet.start_link("child", name="child"), lambda: "no pickle"

    monkeypatch.setitem(sys.modules, "far_starts", types.SimpleNamespace(starts=starts))
    sup = await Supervisor.start_link([], strategy="one_for_one")
    spec = ChildSpec(id="a", start=Start("far_starts:starts"), host=host)

    with pytest.raises(StartFailed) as caught:
        await Supervisor.start_child(sup, spec)

    assert caught.value.reason.kind == "unportable_extra"
    assert await Supervisor.which_children(sup) == []
    with pytest.raises(StartFailed):
        await Supervisor.start_child(sup, spec)  # not "already started": the first one is gone


async def test_a_refusal_that_cannot_travel_is_told_as_text_and_the_supervisor_lives(node, worker):
    results = [None, Stop(Thing())]
    child = ChildSpec(id="a", start=Start(Puppet, begins=lambda: results.pop(0)))
    sup = await Supervisor.start_link([child], strategy="one_for_one")
    await Supervisor.terminate_child(sup, "a")
    me = process.self()

    async def asks():
        try:
            await Supervisor.restart_child(sup, "a")
        except StartFailed as error:
            process.send(me, error.reason)

    node.spawn(asks, host=worker)

    assert await process.receive(1.0) == "a thing"
    assert process.is_alive(sup)
