"""What happens inside the node; each is run by the stage of one host, with the other's number."""

from __future__ import annotations

from roger_actors.otp import (
    KILL,
    ChildSpec,
    GenServer,
    Pid,
    Start,
    Supervisor,
    process,
)
from roger_actors.testing.puppet import Puppet


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
