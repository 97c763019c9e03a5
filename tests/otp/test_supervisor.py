"""What a Supervisor does beyond the lines of the list."""

from __future__ import annotations

from roger_actors.otp import KILL, ChildSpec, Start, Supervisor, process
from roger_actors.testing.puppet import Puppet


async def test_a_supervisor_that_is_killed_during_a_restart_leaves_nothing():
    class Slow(Puppet):
        async def init(self):
            await process.sleep(5)
            return super().init(trap=True)

    sup = await Supervisor.start_link([ChildSpec(id="a", start=Start(Slow))], strategy="one_for_one")
    process.exit((await Supervisor.which_child(sup, "a")).pid, KILL)
    await process.sleep(1)

    process.exit(sup, KILL)
    await process.sleep(20)

    assert len(process.here().processes) == 1
