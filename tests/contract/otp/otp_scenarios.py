"""What happens inside the node; each is run by the stage of one host, with the other's number."""

from __future__ import annotations

import ctypes
import os
import signal

from roger_actors.errors import CallTimeout, NoProcess, ServerExited
from roger_actors.otp import (
    KILL,
    ChildSpec,
    Down,
    Exit,
    GenServer,
    Pid,
    Start,
    Supervisor,
    Timeout,
    process,
)
from roger_actors.testing.puppet import Puppet


async def start_puppet(name, trap=False, stops_in=None):
    """Start a named puppet that outlives the scenario; return its pid."""
    return await Puppet.start(name, [], trap=trap, stops_in=stops_in, name=name)


async def journal(name):
    return [list(map(repr, entry)) for entry in (await GenServer.get_state(name))["journal"]]


async def flood(name, host, count):
    for number in range(count):
        process.send((name, host), number)
    return await Puppet.call((name, host), ("reply", "after all"))


async def numbers(name):
    return [entry[2] for entry in (await GenServer.get_state(name))["journal"] if entry[0] == "got"]


async def link_and_end(pid, reason):
    process.link(pid)
    ref = process.monitor(pid)
    if reason is KILL:
        process.exit(pid, KILL)
    else:
        Puppet.cast(pid, ("exit", reason))
    got = [await process.receive(5), await process.receive(5)]
    rest = await process.receive(0.2)
    exits = [message.reason for message in got if isinstance(message, Exit)]
    downs = [message.reason for message in got if isinstance(message, Down) and message.ref == ref]
    return exits, downs, isinstance(rest, Timeout)


async def nobody(host):
    ghost = Pid(process.self().node, host, 999_999)
    process.link(ghost)
    process.monitor(ghost)
    return sorted(
        type(message).__name__ + repr(message.reason) for message in [await process.receive(5) for _ in "12"]
    )


async def failing_calls(pid, host):
    said = []
    for target, request, limit in ((("nobody", host), "x", 5.0), (pid, ("wait",), 0.1)):
        try:
            await Puppet.call(target, request, timeout=limit)
        except (NoProcess, CallTimeout) as error:
            said.append(type(error).__name__)
    Puppet.cast(pid, ("exit", "gone"))
    try:
        await Puppet.call(pid, ("wait",))
    except ServerExited as error:
        said.append(error.reason)
    return said


async def watch_host_die(pids, how):
    """Link and monitor processes of another host, let that host end, and count what is told."""
    refs = {}
    for pid in pids:
        process.link(pid)
        refs[process.monitor(pid)] = pid
        refs[process.monitor(pid)] = pid
    refs[process.monitor(Pid(process.self().node, pids[0].host, 0))] = None
    await GenServer.get_state(pids[0])
    process.send(("stage", pids[0].host), "stray")
    process.spawn(ask_to_die, pids[0].host, how)
    got = [await process.receive(10) for _ in range(3 * len(pids) + 1)]
    rest = await process.receive(0.3)
    reasons = {repr(message.reason) for message in got}
    told = {message.ref for message in got if isinstance(message, Down)}
    return sorted(reasons), told == set(refs), isinstance(rest, Timeout)


async def ask_to_die(host, how):
    GenServer.send_request(("stage", host), ("die", [how]))


async def die(how):
    if how == "segfault":
        ctypes.string_at(0)
    elif how == "status":
        os._exit(3)
    os.kill(os.getpid(), signal.SIGKILL)


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
