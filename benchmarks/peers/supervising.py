"""Many children under one of our supervisors: start, stop, memory; prints figures as JSON.

Arguments: `static`, `added` or `on_demand`, and how many.
"""

from __future__ import annotations

import gc
import json
import logging
import statistics
import sys
import time
from pathlib import Path

from benchmarks.peers.one_host import run
from roger_actors.otp import SHUTDOWN, ChildSpec, DynamicSupervisor, GenServer, Ok, Start, Supervisor


class Idle(GenServer[None]):
    def init(self):
        return Ok(None)


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


async def static(count):
    specs = [ChildSpec(id=number, start=Start(Idle)) for number in range(count)]
    return await Supervisor.start_link(specs, strategy="one_for_one")


async def added(count):
    sup = await Supervisor.start_link([], strategy="one_for_one")
    for number in range(count):
        await Supervisor.start_child(sup, ChildSpec(id=number, start=Start(Idle)))
    return sup


async def on_demand(count):
    sup = await DynamicSupervisor.start_link()
    spec = ChildSpec(id="idle", start=Start(Idle))
    for _ in range(count):
        await DynamicSupervisor.start_child(sup, spec)
    return sup


KINDS = {"static": static, "added": added, "on_demand": on_demand}


async def measure(kind: str, count: int) -> dict[str, float]:
    """Measure few children often, many once; return medians."""
    gc.collect()
    before = resident()
    sup, started = await timed(KINDS[kind](count))
    gc.collect()
    size = (resident() - before) / count
    assert (await Supervisor.count_children(sup)).active == count
    _, stopped = await timed(GenServer.stop(sup, SHUTDOWN))
    starts, stops = [started], [stopped]
    for _ in range(min(50, 20_000 // count)):
        sup, started = await timed(KINDS[kind](count))
        _, stopped = await timed(GenServer.stop(sup, SHUTDOWN))
        starts.append(started)
        stops.append(stopped)
    figures = {"start_ms": statistics.median(starts), "stop_ms": statistics.median(stops)}
    return {**figures, "bytes": size, "children": count}


async def timed(work):
    """Return what a coroutine returned and the milliseconds it took."""
    begun = time.perf_counter()
    result = await work
    return result, (time.perf_counter() - begun) * 1e3


if __name__ == "__main__":
    logging.disable()
    print(json.dumps(run(measure, sys.argv[1], int(sys.argv[2]))))
