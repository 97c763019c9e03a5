"""What happens inside the node; each is run by the stage of one host, with the other's number."""

from __future__ import annotations

import threading

from roger_actors.otp import (
    KILL,
    ChildSpec,
    GenServer,
    NoReply,
    Ok,
    Pid,
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
