"""Children on another host than their supervisor's, and supervisors asked from another host."""

from __future__ import annotations

import sys
import types

import attrs
import pytest

from roger_actors.errors import StartFailed
from roger_actors.otp import AGENT, Application, ChildSpec, Start, Stop, Supervisor, process
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


def where(node, supervisor, child):
    pid = node.children(supervisor)[child]
    return pid, node.runtime(pid.host).endpoint.role


def on_its_own(**options):
    start = Start("roger_actors.testing.puppet:Puppet", "a", None, name="a", **options)
    return ChildSpec(id="a", start=start, host="own")


def test_a_child_in_memory_has_a_host_of_its_own_that_ends_with_it(node):
    supervisor = node.supervise([on_its_own()])
    first, role = where(node, supervisor, "a")
    assert (role, node.whereis("a", first.host)) == ("own", first)

    node.crash(first)

    second, _ = where(node, supervisor, "a")
    assert second.host != first.host
    assert set(node.node.hosts) == {0, second.host}
    node.run(Supervisor.terminate_child, supervisor, "a")
    assert set(node.node.hosts) == {0}


def test_a_host_of_its_own_in_memory_that_is_killed_is_started_anew(node):
    supervisor = node.supervise([on_its_own()])
    first, _ = where(node, supervisor, "a")

    node.kill_host(first.host)
    node.settle()

    second, role = where(node, supervisor, "a")
    assert second.host != first.host
    assert role == "own"


def test_a_child_in_memory_that_does_not_start_leaves_no_host(node):
    with pytest.raises(StartFailed, match="child 'a' did not start"):
        node.supervise([on_its_own(what="is this")])
    node.settle()

    assert set(node.node.hosts) == {0}


def test_a_host_in_memory_takes_children_of_other_hosts(node):
    number = node.start_host()
    supervisor = node.supervise([attrs.evolve(on_its_own(), host=number)])

    assert where(node, supervisor, "a")[0].host == number


def test_an_application_from_a_file_has_its_own_hosts_in_memory_too(node, tmp_path):
    file = tmp_path / "tree.toml"
    file.write_text(
        '[application]\nname = "shop"\nenv = { currency = "EUR" }\n'
        '[[children]]\nid = "a"\nstart = "roger_actors.testing.puppet:Puppet"\nargs = ["a"]\nhost = "own"\n'
    )

    top = node.run(Application.load(file).start)

    pid, role = where(node, top, "a")
    assert role == "own"
    assert node.runtime(pid.host).environments == {"shop": {"currency": "EUR"}}
    node.run(Application.stop, "shop")
    assert set(node.node.hosts) == {0}


def test_what_places_children_runs_in_no_host_that_is_not_asked(node):
    node.supervise([])

    assert {process.label() for process in node.runtime().processes.values()} == {
        "LocalNode.supervise.<locals>.keep",
        "Supervisor",
    }
