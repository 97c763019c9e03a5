"""Section E, for children that are started on demand."""

from __future__ import annotations

import gc
import weakref
from operator import methodcaller

import pytest
from conformance_dynamic import KINDS, OnDemand, Payload
from conformance_world import ABNORMAL, Player

from roger_actors.otp import GenServer, Supervisor

SUPERVISORS = ["one_for_one", *KINDS]


class Starter:
    """Starts children with a payload under a supervisor of any kind."""

    def __init__(self, world, kind, sup, restart):
        self._world, self._kind, self._sup, self._restart = world, kind, sup, restart
        self._started = 0

    @classmethod
    async def of(cls, world, kind, restart):
        if kind == "one_for_one":
            sup = await world.supervisor([])
        else:
            sup = await OnDemand.start(kind, world.child("a", restart=restart))
        return cls(world, kind, sup, restart)

    async def child(self):
        """Start a child with a payload that it forgets; return it and who knows whether that is held."""
        payload = Payload()
        if self._kind == "one_for_one":
            self._started += 1
            spec = self._world.child(self._started, payload, label="a", restart=self._restart)
            pid = await Supervisor.start_child(self._sup, spec)
            del spec
        else:
            pid = await self._sup.child(payload)
        await GenServer.replace_state(pid, methodcaller("__or__", {"extra": ()}))
        held = weakref.ref(payload)
        del payload
        return pid, held

    def is_held(self, held):
        gc.collect()
        return held() is not None


@pytest.mark.otp_line(75)
@pytest.mark.parametrize("kind", SUPERVISORS)
async def test_line_075_the_arguments_of_a_temporary_child_are_not_kept(world, kind):
    temporary = await Starter.of(world, kind, "temporary")
    permanent = await Starter.of(world, kind, "permanent")

    _, held = await temporary.child()
    _, kept = await permanent.child()

    assert not temporary.is_held(held)
    assert permanent.is_held(kept)


@pytest.mark.otp_line(76)
@pytest.mark.parametrize("kind", SUPERVISORS)
async def test_line_076_nor_after_the_first_temporary_child_has_died(world, kind):
    starter = await Starter.of(world, kind, "temporary")
    first, _ = await starter.child()
    await world.end(first, ABNORMAL)

    _, held = await starter.child()

    assert not starter.is_held(held)


@pytest.mark.otp_line(80)
@pytest.mark.parametrize("kind", SUPERVISORS)
async def test_line_080_a_restart_has_the_first_arguments_and_no_state(world, kind):
    if kind == "one_for_one":
        sup = await world.supervisor([world.child("a", "first")])
        behaviour = Supervisor
    else:
        on_demand = await OnDemand.start(kind, world.child("a"))
        await on_demand.child("first")
        sup, behaviour = on_demand.pid, on_demand.behaviour
    (before,) = [info.pid for info in await behaviour.which_children(sup)]
    Player.cast(before, ("set", "changed"))

    await world.end(before, ABNORMAL)

    (after,) = [info.pid for info in await behaviour.which_children(sup)]
    assert after != before
    assert await Player.call(after, ("args",)) == ["first"]
    assert await Player.call(after, ("value",)) is None
