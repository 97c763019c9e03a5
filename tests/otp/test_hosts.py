"""Processes of several hosts: links, monitors, calls, deaths, hosts as children, requests from outside."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from roger_actors.errors import CallTimeout, NoProcess, StartFailed, Undeliverable
from roger_actors.otp import (
    AGENT,
    APP_HOSTS,
    KILL,
    SHUTDOWN,
    ChildSpec,
    DynamicSupervisor,
    GenServer,
    NoReply,
    Outside,
    Pid,
    Reply,
    Start,
    Supervisor,
    Timeout,
    host_child,
    open_host,
    process,
    serve_outside,
    start_host,
)
from roger_actors.otp.reason import NOCONNECTION, TIMEOUT
from roger_actors.testing.local_node import LocalNode
from roger_actors.testing.puppet import Puppet
from roger_actors.transport.base import HostExit, HostId, Role
from roger_actors.transport.memory import MemoryNode, VirtualLoop


@pytest.fixture
def third(node):
    return node.start_host("app")


@pytest.fixture
def worker(node):
    return node.start_host("worker")


class Far(Puppet):
    """A puppet on another host; asked by `call` for its pid."""

    def handle_call(self, request, sender, state):
        return (
            Reply(process.self(), state) if request == "pid" else super().handle_call(request, sender, state)
        )


@pytest.fixture
def host(node):
    return node.start_host("app")


async def far(node, host, journal=None, name="far", **options):
    """Start a puppet on another host and return its pid."""

    async def starts():
        await Far.start(name, journal, name=name, **options)

    node.spawn(starts, host=host)
    await process.sleep(0.01)
    return await Far.call((name, host), "pid")


async def test_a_turns_messages_leave_as_one_frame(node, host):
    pid = await far(node, host)
    frames = []
    carry = node.node.carry
    node.node.carry = lambda *frame: (frames.append(frame), carry(*frame))

    for number in range(100):
        process.send(pid, number)
    await process.sleep(0.1)

    assert len(frames) == 1


async def test_a_reply_may_come_from_a_third_host(node, host, third):
    class Forwards(Far):
        def handle_call(self, request, sender, state):
            process.send(("replier", third), sender)
            return NoReply(state)

    class Replies(Far):
        def handle_info(self, message, state):
            GenServer.reply(message, "from the third")
            return NoReply(state)

    async def starts(kind, name):
        await kind.start(name=name)

    node.spawn(starts, Forwards, "forwarder", host=host)
    node.spawn(starts, Replies, "replier", host=third)
    await process.sleep(0.1)

    assert await Forwards.call(("forwarder", host), "x") == "from the third"
    await process.sleep(0.1)
    assert not node.runtime(host).remote._incoming


async def test_the_end_of_a_host_of_which_nothing_is_known_is_noconnection(node, host):
    pid = await far(node, host)
    process.link(pid)
    process.monitor(pid)

    node.node.end_host(host, HostExit())

    assert {(await process.receive(1)).reason for _ in range(2)} == {NOCONNECTION}


async def test_links_monitors_and_calls_over_hosts_leave_no_trace_when_they_are_over(node, host):
    pid = await far(node, host)
    process.link(pid)
    process.unlink(pid)
    process.demonitor(process.monitor(pid))
    with pytest.raises(CallTimeout):
        await Far.call(pid, ("wait",), timeout=1.0)
    process.link(pid)
    process.monitor(pid)
    Far.cast(pid, ("exit", "gone"))
    for _ in range(2):
        await process.receive()
    process.link(pid)
    process.unlink(pid)
    await process.sleep(0.1)

    for one in (node.runtime(), node.runtime(host)):
        remote = one.remote
        assert not any(remote._watching.values())
        assert not any(remote._unlinking.values())
        assert not any(remote._linked.values())
        assert not remote._incoming


async def test_what_a_dying_host_sent_arrives_before_its_death(node, host):
    me = process.self()

    async def sends():
        for number in range(200):
            process.send(me, number)
        node.loop.call_soon(node.loop.call_soon, node.kill_host, host)

    ref = process.monitor(Pid("memory", host, 0))
    node.spawn(sends, host=host)

    got = [await process.receive() for _ in range(201)]
    assert got[:200] == list(range(200))
    assert got[200].ref == ref


async def test_what_cannot_travel_is_refused_in_the_senders_face(node, worker):
    class Thing:
        pass

    with pytest.raises(Undeliverable, match="Thing"):
        process.send(Pid("memory", worker, 1), ["deep", {"down": Thing()}])
    with pytest.raises(Undeliverable, match="Thing"):
        await Far.call(("far", worker), Thing())


async def test_a_reason_that_cannot_travel_is_told_as_text(node, worker):
    class Thing:
        def __repr__(self):
            return "a thing"

    pid = await far(node, worker)
    ref = process.monitor(pid)
    await Far.call(pid, "pid")
    node.runtime(worker).end(node.runtime(worker).find(pid), Thing())

    node.runtime(worker).wake()
    down = await process.receive(1)
    assert down.ref == ref
    assert down.reason.detail == "a thing"


async def test_a_plain_host_never_opens_a_pickle(node, caplog):
    import pickle

    from roger_actors.otp import wire

    class Bomb:
        def __reduce__(self):
            return (pytest.fail, ("unpickled",))

    frame = wire.frame([wire._pack(pickle.dumps([0, 1, Bomb()]))], plain=False)
    node.runtime().endpoint.on_frame(HostId(7), frame)

    assert "not accepted" in caplog.text


async def test_app_hosts_exchange_whatever_can_be_pickled(node, host, third):
    seen = []

    async def takes():
        seen.append(await process.receive())

    async def sends(to):
        process.send(to, Sent(1.5))

    node.spawn(sends, node.spawn(takes, host=third), host=host)
    await process.sleep(0.1)

    assert seen == [Sent(1.5)]


class Sent:
    def __init__(self, value):
        self.value = value

    def __eq__(self, other):
        return self.value == other.value

    __hash__ = None


if __name__ not in sys.modules:  # importlib mode does not register test modules, and pickle looks there
    sys.modules[__name__] = sys.modules.get(__name__) or type(sys)(__name__)
    sys.modules[__name__].Sent = Sent


# ---------------------------------------------------------------- hosts as children


class Tree:
    """A node with opened hosts: root tree as given, one puppet named `far` in each app host."""

    def __init__(self, children, *, app=None, strategy="rest_for_one"):
        self.runtimes = {}
        self.app = app or (lambda: [ChildSpec(id="far", start=Start(Far, "far", trap=True, name="far"))])
        self.loop = VirtualLoop()
        roles = {
            "root": Role("root", lambda endpoint, _: self.root(endpoint, children, strategy)),
            "app": Role("app", lambda endpoint, _: self.open(endpoint, self.app)),
            "own": Role("own", lambda endpoint, _: self.open(endpoint, [])),
            "silent": Role("silent", lambda endpoint, _: None),
        }
        self.node = MemoryNode(roles, self.loop)
        self.outside = Outside(self.node)
        self.loop.settle()

    def root(self, endpoint, children, strategy):
        own = host_child("own", "own")
        runtime = open_host(endpoint, children, strategy=strategy, own_host=own, own_process=False)
        serve_outside(runtime)

    def open(self, endpoint, children):
        self.runtimes[endpoint.host] = open_host(endpoint, children, own_process=False)

    def hosts(self):
        return {info["role"]: host for host, info in self.outside.hosts().items()}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.node.stop()
        self.loop.settle()
        self.loop.close()


def test_a_host_is_restarted_by_its_supervisor():
    with Tree([host_child("app", "app")]) as tree:
        before = tree.hosts()["app"]

        tree.node.kill_host(before)
        tree.loop.settle()

        assert tree.hosts()["app"] != before
        assert tree.outside.call("app", "far", ("reply", 1)) == 1


def test_rest_for_one_ends_the_hosts_after_the_one_that_died():
    with Tree([host_child("first", "app"), host_child("second", "own")]) as tree:
        before = tree.hosts()

        tree.node.kill_host(before["app"])
        tree.loop.settle()

        after = tree.hosts()
        assert after["own"] != before["own"]
        assert tree.node.exits[before["own"]] == HostExit(status=0)


def test_a_host_is_stopped_in_order(journal):
    leaf = [ChildSpec(id="far", start=Start(Far, "far", journal, trap=True, stops_in=2.0))]
    with Tree([host_child("app", "app")], app=lambda: leaf) as tree:
        host = tree.hosts()["app"]

        tree.outside.stop(SHUTDOWN)
        tree.loop.advance(3.0)

        assert journal == [("started", "far"), ("stopped", "far", SHUTDOWN)]
        assert tree.node.exits == {host: HostExit(status=0), 0: HostExit(status=0)}


def test_a_host_that_does_not_stop_in_time_is_killed():
    leaf = [ChildSpec(id="far", start=Start(Far, trap=True, stops_in=100.0), shutdown=90.0)]
    with Tree([host_child("app", "app", shutdown=5.0)], app=lambda: leaf) as tree:
        host = tree.hosts()["app"]

        tree.outside.stop(SHUTDOWN)
        tree.loop.advance(6.0)

        assert tree.node.exits[host] == HostExit(signal=9)


def test_a_host_whose_tree_gives_up_ends_and_its_supervisor_is_told_why(caplog):
    with Tree([host_child("app", "app")]) as tree:
        host = tree.hosts()["app"]

        for _ in range(4):
            tree.outside.cast("app", "far", ("exit", "crash"))
            tree.loop.settle()

        assert tree.node.exits[host] == HostExit(status=0)
        told = [
            r.report for r in caplog.records if hasattr(r, "report") and r.report["offender"]["id"] == "app"
        ]
        assert told[0]["reason"] is SHUTDOWN
        assert tree.outside.call("app", "far", ("reply", 1)) == 1


def test_a_host_whose_tree_does_not_start_is_a_failed_start():
    with LocalNode(
        {"app": Role("app", lambda endpoint, _: open_host(endpoint, broken, own_process=False))}
    ) as node:

        async def starts():
            process.trap_exit()
            with pytest.raises(StartFailed) as caught:
                await start_host("app")
            return caught.value.reason, await process.receive(0)

        reason, rest = node.run(starts)

    assert reason.message == "no tree"
    assert rest == Timeout()


def broken():
    raise ValueError("no tree")


def test_a_host_that_never_says_that_it_is_ready_is_killed():
    with LocalNode({"app": Role("app", lambda endpoint, _: None)}) as node:

        async def starts():
            process.trap_exit()
            with pytest.raises(StartFailed) as caught:
                await start_host("app", timeout=5.0)
            return caught.value.reason, await process.receive(0)

        assert node.run(starts) == (TIMEOUT, Timeout())
        node.settle()
        assert list(node.node.hosts) == [0]


def test_a_killed_supervisor_of_hosts_ends_them():
    inner = ChildSpec(
        id="hosts", start=Start(Supervisor, [host_child("app", "app")], strategy="one_for_one", name="hosts")
    )
    with Tree([inner]) as tree:
        host = tree.hosts()["app"]
        root = root_of(tree)

        root.exit(root.host_pid, root.names["hosts"].pid, KILL)
        tree.loop.settle()

        assert host in tree.node.exits
        assert tree.hosts()["app"] != host


# ---------------------------------------------------------------- placement


PLACED = "roger_actors.testing.puppet:Puppet"


def placed_tree(**fields):
    child = ChildSpec(id="placed", start=Start(PLACED, "placed", name="placed"), host="own", **fields)
    return Tree([ChildSpec(id="hosts", start=Start(DynamicSupervisor, name=APP_HOSTS)), child])


def test_a_child_with_a_host_of_its_own_runs_there():
    with placed_tree() as tree:
        host = tree.hosts()["own"]

        assert tree.outside.call(host, "placed", ("reply", 1)) == 1
        node = tree.outside.tree()["tree"]["children"][1]
        assert (node["id"], node["host"], node["name"], node["class"]) == ("placed", host, "placed", "Puppet")


@pytest.mark.parametrize("kill", ["process", "host"])
def test_a_placed_child_is_restarted_with_a_new_host_and_the_old_one_is_gone(kill):
    with placed_tree() as tree:
        before = tree.hosts()["own"]

        if kill == "host":
            tree.node.kill_host(before)
        else:
            tree.outside.cast(before, "placed", ("exit", "crash"))
        tree.loop.settle()

        after = tree.hosts()["own"]
        assert after != before
        assert list(tree.node.hosts) == [0, after]
        assert tree.outside.call(after, "placed", ("reply", 1)) == 1


def test_a_placed_child_goes_with_its_supervisor():
    with placed_tree() as tree:
        tree.outside.stop(SHUTDOWN)
        tree.loop.settle()

        assert not tree.node.hosts


def root_of(tree):
    cells = tree.node.root.on_request.__closure__
    return next(cell.cell_contents for cell in cells if hasattr(cell.cell_contents, "names"))


@pytest.mark.parametrize("killed", ["while it waits for the host", "before it places the child"])
def test_a_host_made_for_a_child_ends_with_a_supervisor_that_has_not_placed_it(killed, monkeypatch):
    async def supervises():
        host = await GenServer.call((AGENT, 0), ("start_host", process.self()), None)
        assert host
        await process.receive()

    with Tree([ChildSpec(id="hosts", start=Start(DynamicSupervisor, name=APP_HOSTS))]) as tree:
        root = root_of(tree)
        pid = process.spawn_on(root, supervises)
        if killed == "before it places the child":
            tree.loop.settle()
            assert len(tree.node.hosts) == 2
            root.exit(root.host_pid, pid, KILL)
        else:
            start_host = root.endpoint.start_host

            def starts(*args):
                root.loop.call_soon(root.exit, root.host_pid, pid, KILL)
                return start_host(*args)

            monkeypatch.setattr(root.endpoint, "start_host", starts)
        tree.loop.settle()

        assert not root.find(pid)

        assert list(tree.node.hosts) == [0]


def test_a_child_that_was_placed_keeps_its_host_until_it_has_stopped(journal):
    fields = {"restart": "temporary", "shutdown": 10.0}
    start = Start(PLACED, "placed", trap=True, stops_in=3.0, name="placed")
    child = ChildSpec(id="placed", start=start, host="own", **fields)
    inner = ChildSpec(id="inner", start=Start(Supervisor, [child], strategy="one_for_one", name="inner"))
    with Tree([ChildSpec(id="hosts", start=Start(DynamicSupervisor, name=APP_HOSTS)), inner]) as tree:
        host = tree.hosts()["own"]
        root = root_of(tree)

        root.exit(root.host_pid, root.names["inner"].pid, KILL)
        tree.loop.advance(1.0)
        assert host in tree.node.hosts
        tree.loop.advance(3.0)

        assert host not in tree.node.hosts


def test_a_look_that_fails_is_told_and_the_agent_goes_on():
    with Tree([host_child("app", "app")]) as tree:
        with pytest.raises(StartFailed, match="busiest"):
            tree.outside.call("app", AGENT, ("busiest", "many", "mailbox"))

        assert tree.outside.call("app", AGENT, ("whereis", "far"))


async def ends_at_once():
    pid = process.spawn_link(process.exit, "its own reason")
    await process.sleep(0.01)
    return pid


def test_a_placed_child_that_has_ended_when_it_is_handed_over_is_told_with_its_reason(caplog, monkeypatch):
    monkeypatch.setitem(sys.modules, "a_module", SimpleNamespace(ends_at_once=ends_at_once))
    child = ChildSpec(id="placed", start=Start("a_module:ends_at_once"), host="own", restart="temporary")
    with Tree([ChildSpec(id="hosts", start=Start(DynamicSupervisor, name=APP_HOSTS)), child]) as tree:
        tree.loop.advance(1.0)

        reports = [record.report for record in caplog.records if hasattr(record, "report")]
        (told,) = [report for report in reports if report["offender"]["id"] == "placed"]
        assert (told["kind"], told["reason"]) == ("child_terminated", "its own reason")
        assert list(tree.node.hosts) == [0]


# ---------------------------------------------------------------- from outside


def test_the_whole_tree_is_listed_over_hosts():
    with Tree([host_child("app", "app"), ChildSpec(id="p", start=Start(Puppet, name="p"))]) as tree:
        whole = tree.outside.tree()

        app, puppet = whole["tree"]["children"]
        assert (app["state"], app["role"], app["children"][0]["id"]) == ("host", "app", "far")
        assert (puppet["name"], puppet["state"], puppet["mailbox"], puppet["restarts"]) == (
            "p",
            "waiting",
            0,
            0,
        )
        tree.outside.cast("root", "p", ("exit", "crash"))
        tree.loop.settle()
        assert tree.outside.tree()["tree"]["children"][1]["restarts"] == 1


def test_a_request_from_outside_that_fails_says_why():
    with Tree([]) as tree:
        with pytest.raises(NoProcess):
            tree.outside.call("root", "nobody", "x")
        with pytest.raises(NoProcess, match="role app"):
            tree.outside.call("app", "nobody", "x")
        with pytest.raises(Undeliverable):
            tree.outside.call("root", "nobody", object())


def test_a_host_that_does_not_answer_is_shown_as_such():
    class Stuck(Puppet):
        async def terminate(self, reason, state):
            await process.sleep(100)

    with Tree([host_child("app", "app")]) as tree:
        runtime = tree.runtimes[tree.hosts()["app"]]
        runtime.names["host_agent"].suspend()

        whole = tree.outside.tree(timeout=1.0)

        assert whole["tree"]["children"][0]["state"] == "unresponsive"


def test_the_end_of_a_request_is_not_held_up_by_another():
    with Tree([ChildSpec(id="p", start=Start(Puppet, name="p"))]) as tree, pytest.raises(TimeoutError):
        tree.outside.call("root", "p", ("wait",), timeout=1.0)


async def test_a_message_over_the_limit_is_refused_in_the_senders_face(node, host, monkeypatch):
    from roger_actors.otp.runtime import remote

    monkeypatch.setattr(remote, "MOST_BYTES", 1000)

    with pytest.raises(Undeliverable, match="over 1000"):
        process.send(("far", host), b"x" * 1001)


async def test_a_caller_killed_at_the_moment_of_the_answer_leaves_no_trace(caplog):
    server = await Puppet.start()

    async def calls():
        await Puppet.call(server, ("wait",))

    caller = process.spawn(calls)
    await process.sleep(0.01)
    process.exit(server, "gone")
    process.exit(caller, KILL)
    await process.sleep(0.01)

    assert "never retrieved" not in caplog.text
