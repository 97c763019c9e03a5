"""Our processes, timed inside one host; prints figures as JSON. Argument: how many of each.

The in-memory transport on an ordinary asyncio event loop: what is inside a host is the same on every
transport.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
from pathlib import Path

from roger_actors.otp import KILL, NORMAL, GenServer, NoReply, Ok, Reply, Runtime, Stop, process
from roger_actors.transport import Role
from roger_actors.transport.memory import MemoryNode


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
    figures = {}
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

    spawner = await Spawner.start()
    Spawner.cast(spawner, (count, process.self(), 0.0))
    figures["cycle_us"] = await process.receive() / count * 1e6

    figures.update(await live(5 * count))
    return figures


async def live(count: int) -> dict[str, float]:
    """Start many and keep them, then end them."""
    gc.collect()
    before = resident()
    begun = time.perf_counter()
    pids = [await Echo.start() for _ in range(count)]
    spent = time.perf_counter() - begun
    gc.collect()
    size = (resident() - before) / count
    for pid in pids:
        process.exit(pid, KILL)
    return {"start_us": spent / count * 1e6, "bytes": size, "live": count}


def main(count: int) -> None:
    figures = {}

    async def run() -> None:
        loop = asyncio.get_running_loop()
        runtimes = []
        MemoryNode({"root": Role("root", lambda endpoint, _: runtimes.append(Runtime(endpoint)))}, loop)
        done = loop.create_future()

        async def body() -> None:
            done.set_result(await measure(count))

        process.spawn_on(runtimes[0], body)
        figures.update(await done)

    asyncio.run(run())
    print(json.dumps(figures))


if __name__ == "__main__":
    main(int(sys.argv[1]))
