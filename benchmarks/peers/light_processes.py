"""Our processes, timed inside one host; prints figures as JSON. Argument: how many of each.

The in-memory transport on an ordinary asyncio event loop: what is inside a host is the same on every
transport.
"""

from __future__ import annotations

import gc
import json
import sys
import time
from pathlib import Path

from benchmarks.peers.one_host import run
from roger_actors.otp import KILL, NORMAL, GenServer, NoReply, Ok, Reply, Stop, process


class Echo(GenServer[int]):
    def init(self):
        return Ok(0)

    def handle_call(self, request, sender, state):
        return Reply(request, state)

    def handle_cast(self, request, state):
        if request is None:
            return NoReply(state + 1)
        process.send(request, state)
        return NoReply(0)


class Spawner(GenServer[list]):
    """Spawns, monitors, lets end and counts, all in plain callbacks: a kernel host's life with a job."""

    def init(self):
        return Ok([0, None, 0.0])

    def handle_cast(self, request, state):
        left, to, _ = request
        return NoReply(self._next([left, to, time.perf_counter()]))

    def _next(self, state):
        pid = Short.start_nowait()
        process.monitor(pid)
        return state

    def handle_info(self, message, state):
        state[0] -= 1
        if state[0]:
            return NoReply(self._next(state))
        process.send(state[1], time.perf_counter() - state[2])
        return NoReply(state)


class Short(GenServer[None]):
    def init(self):
        Short.cast(process.self(), "end")
        return Ok(None)

    def handle_cast(self, request, state):
        return Stop(NORMAL, state)


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


async def measure(count: int) -> dict[str, float]:
    figures = await live(5 * count)  # first: memory that was freed before would not be seen
    echo = await Echo.start()
    for _ in range(1000):
        await Echo.call(echo, 1)
    begun = time.perf_counter()
    for _ in range(count):
        await Echo.call(echo, 1)
    figures["call_us"] = (time.perf_counter() - begun) / count * 1e6

    begun = time.perf_counter()
    for _ in range(count):
        Echo.cast(echo, None)
    Echo.cast(echo, process.self())
    assert await process.receive() == count
    figures["cast_us"] = (time.perf_counter() - begun) / count * 1e6

    begun = time.perf_counter()
    for _ in range(count):
        process.link(echo)
        ref = process.monitor(echo)
        process.demonitor(ref, flush=True)
        process.unlink(echo)
    figures["link_us"] = (time.perf_counter() - begun) / count * 1e6

    spawner = await Spawner.start()
    Spawner.cast(spawner, (count, process.self(), 0.0))
    figures["cycle_us"] = await process.receive() / count * 1e6

    begun = time.perf_counter()
    pids = [(await Echo.start_monitor(timeout=5.0))[0] for _ in range(count)]
    figures["start_us"] = (time.perf_counter() - begun) / count * 1e6
    for pid in pids:
        process.exit(pid, KILL)
        await process.receive()
    return figures


async def live(count: int) -> dict[str, float]:
    """Start many and keep them, then end them."""
    gc.collect()
    before = resident()
    pids = [await Echo.start() for _ in range(count)]
    gc.collect()
    size = (resident() - before) / count
    for pid in pids:
        process.exit(pid, KILL)
    return {"bytes": size, "live": count}


if __name__ == "__main__":
    print(json.dumps(run(measure, int(sys.argv[1]))))
