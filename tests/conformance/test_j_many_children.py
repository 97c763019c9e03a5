"""Section J: what many children cost. CPU time within one run is compared, never seconds."""

from __future__ import annotations

import logging
import time

import pytest

from roger_actors.otp import (
    SHUTDOWN,
    ChildSpec,
    DynamicSupervisor,
    GenServer,
    Ok,
    Start,
    Supervisor,
)

pytestmark = pytest.mark.timeout(180)


class Idle(GenServer):
    """A child that only is there."""

    def init(self):
        return Ok(None)


def specs(count):
    return [ChildSpec(id=number, start=Start(Idle), restart="temporary") for number in range(count)]


async def static(count):
    return await Supervisor.start_link(specs(count), strategy="one_for_one")


async def added(count):
    sup = await Supervisor.start_link([], strategy="one_for_one")
    for spec in specs(count):
        await Supervisor.start_child(sup, spec)
    return sup


async def on_demand(count):
    sup = await DynamicSupervisor.start_link()
    for spec in specs(count):
        await DynamicSupervisor.start_child(sup, spec)
    return sup


async def simple(count):
    template = ChildSpec(id="idle", start=Start(Idle), restart="temporary")
    sup = await Supervisor.start_link([template], strategy="simple_one_for_one")
    for _ in range(count):
        await Supervisor.start_child(sup, [])
    return sup


async def costs(start, count):
    """Return the CPU seconds that starting and stopping so many children took."""
    begun = time.process_time()
    sup = await start(count)
    started = time.process_time()
    assert (await Supervisor.count_children(sup)).active == count
    counted = time.process_time()
    await GenServer.stop(sup, SHUTDOWN)
    return started - begun, time.process_time() - counted


async def cheapest(start, count, runs):
    """Return the least that starting and that stopping took: what others take of the machine only adds."""
    return [min(times) for times in zip(*[await costs(start, count) for _ in range(runs)], strict=True)]


@pytest.mark.otp_line(150)
@pytest.mark.parametrize(
    ("start", "few", "many"),
    [(static, 1_000, 100_000), (added, 1_000, 10_000), (on_demand, 1_000, 10_000), (simple, 1_000, 10_000)],
    ids=["static", "start_child", "DynamicSupervisor", "simple_one_for_one"],
)
async def test_line_150_starting_and_stopping_scales_about_linearly(world, start, few, many):
    logging.getLogger("roger_actors").setLevel(logging.WARNING)  # as it is by default: no progress reports
    of_few = await cheapest(start, few, runs=3)
    of_many = await cheapest(start, many, runs=3 if many <= 10_000 else 1)

    # Linear is many / few, quadratic is its square: nearer to the first than the root of their product.
    for one, other in zip(of_few, of_many, strict=True):
        assert other / one < (many / few) ** 1.5
