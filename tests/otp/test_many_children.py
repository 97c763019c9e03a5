"""What many children cost those beside them."""

from __future__ import annotations

import asyncio

from roger_actors.otp import KILL, SHUTDOWN, ChildSpec, GenServer, Start, Supervisor, process
from roger_actors.testing.puppet import Puppet


async def test_others_run_while_many_children_are_started_or_stopped():
    turns = 0

    async def others():
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    other = process.spawn(others)
    specs = [ChildSpec(id=number, start=Start(Puppet)) for number in range(20_000)]

    sup = await Supervisor.start_link(specs, strategy="one_for_one")
    started = turns
    await GenServer.stop(sup, SHUTDOWN)
    process.exit(other, KILL)

    assert started > 3
    assert turns - started > 3
