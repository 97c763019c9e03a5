"""What happens inside the node; each is run by the stage of one host, with the other's number."""

from __future__ import annotations

import threading

from roger_actors.errors import ServerExited, StartFailed, Undeliverable
from roger_actors.otp import (
    KILL,
    ChildSpec,
    DynamicSupervisor,
    GenServer,
    NoReply,
    Ok,
    Pid,
    Reply,
    Start,
    Supervisor,
    Task,
    TaskExit,
    TaskSupervisor,
    Timeout,
    process,
    trace,
)
from roger_actors.testing.puppet import Puppet


async def start_puppet(name):
    """Start a named puppet that outlives the scenario; return its pid."""
    return await Puppet.start(name, [], name=name)


async def flood(name, host, count):
    """Send a puppet of another host many messages, and wait until it has taken them."""
    for number in range(count):
        process.send((name, host), number)
    return await Puppet.call((name, host), ("reply", "after all"))


async def supervise_elsewhere(host):
    """A supervisor here whose child lives on a host of its own."""
    sup = await Supervisor.start_link(
        [ChildSpec(id="child", start=Start("roger_actors.testing.puppet:Puppet", "child"), host="own")],
        strategy="one_for_one",
    )
    first = (await Supervisor.which_child(sup, "child")).pid
    answer = await Puppet.call(first, ("reply", 1))
    process.exit(first, KILL)
    second = first
    while second == first or not isinstance(second, Pid):
        second = (await Supervisor.which_child(sup, "child")).pid
        await process.sleep(0.01)
    answer += await Puppet.call(second, ("reply", 1))
    ref = process.monitor(second)
    await GenServer.stop(sup)
    down = await process.receive(5, matching=lambda message: getattr(message, "ref", None) == ref)
    return answer, first.host != second.host, first.host != process.self().host, repr(down.reason), host


class Hanging(GenServer):
    """Never returns from a callback, in one of several ways."""

    def init(self, how):
        return Ok(how)

    def handle_info(self, message, how):
        self.hang(how)
        return NoReply(how)

    def hang(self, how):
        if how == "computes":
            while True:
                pass
        elif how == "sleeps":
            threading.Event().wait()
        elif how == "holds the interpreter":
            sum(range(10**15))


async def hang(how):
    """Start a server under a name that is about to hold its host for ever."""
    pid = await Hanging.start(how, name="hanging")
    process.send_after(0.1, pid, "now")
    return pid


async def wait_long(name):
    """Run a server of whose callback the end is far away, beside one that has something in its mailbox."""
    pid = await Waiting.start(name=name)
    Waiting.cast(pid, "now")
    for _ in range(3):
        Waiting.cast(pid, "later")
    process.spawn(nap)
    await process.sleep(0.05)
    return pid


class Waiting(GenServer):
    def init(self):
        return Ok(None)

    async def handle_cast(self, request, state):
        await nap()
        return NoReply(state)


async def nap():
    await process.sleep(1000)


async def trace_elsewhere(name, host):
    """Trace a puppet of another host from here, talk to it, and return what is told."""
    pid = await trace((name, host), to=process.self())
    Puppet.cast(pid, ("set", 1))
    await Puppet.call(pid, ("reply", 2))
    told = [await process.receive(5) for _ in range(4)]
    await trace(pid, False)
    Puppet.cast(pid, ("set", 2))
    await Puppet.call(pid, ("reply", 3))
    nothing = isinstance(await process.receive(0.1), Timeout)
    return [(event.kind, event.text) for event in told], nothing


def host_number():
    return int(process.self().host)


async def tasks_on_a_host_of_their_own(_):
    """Tasks under a supervisor that has an OS process to itself, and the end of one when it is killed."""
    child = ChildSpec(id="tasks", start=Start(TaskSupervisor), host="own")
    sup = await Supervisor.start_link([child], strategy="one_for_one")
    tasks = (await Supervisor.which_child(sup, "tasks")).pid
    ran_on = await Task.await_(await TaskSupervisor.async_(tasks, host_number))
    found = [outcome.value async for outcome in TaskSupervisor.async_stream(tasks, [-1, 2, -3], abs)]
    lost = await TaskSupervisor.async_nolink(tasks, process.sleep, 60.0)
    process.exit(tasks, KILL)
    outcome = await Task.yield_(lost, 10.0)
    ref = process.monitor(sup)
    await GenServer.stop(sup)
    await process.receive(5, matching=lambda message: getattr(message, "ref", None) == ref)
    return ran_on == tasks.host != process.self().host, found, isinstance(outcome, TaskExit)


class Unloadable:
    """Can be pickled, but not restored."""

    def __reduce__(self):
        return explode, ()


def explode():
    raise LookupError("no such class here")


async def said(awaitable):
    """Return what sending something raises, as text."""
    try:
        await awaitable
    except (Undeliverable, StartFailed, ServerExited) as error:
        return f"{type(error).__name__}: {error}"
    return "nothing"


async def at_once(function, *arguments):
    function(*arguments)


async def send_what_cannot_travel(pid):
    """Send something that cannot be pickled in every way that there is."""
    stuck = {"a lock": threading.Lock()}
    starts = ChildSpec(id="c", start=Start("roger_actors.testing.puppet:Puppet", stuck), host=int(pid.host))
    sup = await Supervisor.start_link([], strategy="one_for_one")
    dynamic = await DynamicSupervisor.start_link()
    told = {
        "send": await said(at_once(process.send, pid, stuck)),
        "cast": await said(at_once(GenServer.cast, pid, stuck)),
        "call": await said(GenServer.call(pid, stuck)),
        "send_request": await said(at_once(GenServer.send_request, pid, stuck)),
        "replace_state": await said(GenServer.replace_state(pid, lambda _: stuck)),
        "start_child": await said(Supervisor.start_child(sup, starts)),
        "dynamic": await said(DynamicSupervisor.start_child(dynamic, starts)),
        "supervisor": await said(Supervisor.start_link([starts], strategy="one_for_one")),
        "too large": await said(GenServer.call(pid, bytes(65 * 1024 * 1024))),
    }
    alive = await Puppet.call(pid, ("reply", "alive"))
    for one in (sup, dynamic):
        await GenServer.stop(one)
    return told, alive


async def start_stubborn():
    return await Stubborn.start()


class Stubborn(GenServer):
    """Answers with what cannot travel, or cannot be read where it arrives."""

    def init(self):
        return Ok(threading.Lock())

    def handle_call(self, request, sender, state):
        return Reply(state if request == "lock" else Unloadable(), state)

    def handle_cast(self, request, state):
        process.exit(Unloadable())


async def ask_the_stubborn(pid, again):
    """Ask for its state and for answers that cannot travel, without a limit of time."""
    return [
        await said(GenServer.get_state(pid, timeout=None)),
        await said(GenServer.call(again, "unloadable", timeout=None)),
        await said(GenServer.call(pid, "lock", timeout=None)),
    ]


async def send_what_cannot_be_read(pid, stubborn):
    """Send what arrives but cannot be restored, between messages that can."""
    process.send(pid, "before")
    process.send(pid, Unloadable())
    process.send(pid, "after")
    told = [await said(GenServer.call(pid, Unloadable(), timeout=None))]
    start = Start("roger_actors.testing.puppet:Puppet", Unloadable())
    spec = ChildSpec(id="c", start=start, host=int(pid.host))
    sup = await Supervisor.start_link([], strategy="one_for_one")
    told.append(await said(Supervisor.start_child(sup, spec)))
    ref = process.monitor(stubborn)
    process.link(stubborn)
    GenServer.cast(stubborn, "exit")
    got = [await process.receive(5), await process.receive(5)]
    told += sorted(type(one).__name__ + one.reason.kind for one in got if getattr(one, "ref", ref) == ref)
    await GenServer.stop(sup)
    return told


async def got(name):
    return [entry[2] for entry in (await GenServer.get_state(name))["journal"] if entry[0] == "got"]


class Narrow(GenServer):
    """Takes a while over each message, and has room for a thousand."""

    max_mailbox = 1000

    def init(self):
        return Ok(None)

    async def handle_info(self, message, state):
        await process.sleep(1000)
        return NoReply(state)


async def start_narrow():
    children = [
        ChildSpec(id="narrow", start=Start(Narrow, name="narrow")),
        ChildSpec(id="beside", start=Start(Puppet, name="beside")),
    ]
    process.spawn(hold, children)
    while process.whereis("beside") is None:
        await process.sleep(0.01)
    return process.whereis("narrow")


async def hold(children):
    await Supervisor.start_link(children, strategy="one_for_one", max_restarts=1000)
    await process.receive()


async def flood_narrow(host, count, size):
    """Send far more than there is room for; return how the server ended and whether others live on."""
    ref = process.monitor(("narrow", host))
    for number in range(count):
        process.send(("narrow", host), bytes(size))
        if number % 1000 == 0:
            await process.sleep(0)
    down = await process.receive(20, matching=lambda one: getattr(one, "ref", None) == ref)
    return repr(down.reason), await Puppet.call(("beside", host), ("reply", "alive"))
