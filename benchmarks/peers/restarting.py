"""A crashed process back in service under our Supervisor, timed inside one host; prints figures as JSON.

Arguments: how many restarts, how many idle siblings, whether crash reports are formatted (1) or not made (0).
"""

from __future__ import annotations

import json
import logging
import sys
import time

from benchmarks.peers.one_host import run
from roger_actors.otp import SHUTDOWN, ChildSpec, GenServer, Ok, Reply, Start, Supervisor, process

TOGETHER = 100
"""Children that crash as soon as they are back, all at the same time."""


class Dropping(logging.Handler):
    """Formats every record, as a handler that writes does, and drops it."""

    def emit(self, record):
        self.format(record)


class Crashing(GenServer[None]):
    def init(self, told=None):
        if told is not None:
            process.send(told, process.self())
        return Ok(None)

    def handle_call(self, request, sender, state):
        return Reply(request, state)

    def handle_cast(self, request, state):
        raise ValueError(request)


async def back(count, pid):
    """Let a child crash so many times; return how long each took until its successor had answered."""
    times = []
    for _ in range(count):
        begun = time.perf_counter()
        Crashing.cast(pid, "crash")
        pid = await process.receive()
        await Crashing.call(pid, 1)
        times.append((time.perf_counter() - begun) * 1e6)
    return sorted(times), pid


async def measure(count: int, siblings: int) -> dict[str, float]:
    specs = [ChildSpec(id=n, start=Start(Crashing, process.self())) for n in range(TOGETHER)]
    specs += [ChildSpec(id=-1 - n, start=Start(Crashing)) for n in range(siblings)]
    sup = await Supervisor.start_link(specs, strategy="one_for_one", max_restarts=10**8, max_seconds=1)
    pids = [await process.receive() for _ in range(TOGETHER)]
    _, pid = await back(count // 5, pids[0])
    times, pid = await back(count, pid)

    begun = time.perf_counter()
    for crashing in [pid, *pids[1:]]:
        Crashing.cast(crashing, "crash")
    for _ in range(count - TOGETHER):
        Crashing.cast(await process.receive(), "crash")
    for _ in range(TOGETHER):
        await process.receive()
    spent = time.perf_counter() - begun
    await GenServer.stop(sup, SHUTDOWN)
    return {
        "process_us": times[count // 2],
        "process_p99_us": times[count * 99 // 100],
        "per_second": count / spent,
        "restarts": count,
    }


if __name__ == "__main__":
    restarts, idle, logged = map(int, sys.argv[1:])
    if logged:
        logging.basicConfig(level=logging.WARNING, handlers=[Dropping()])
    else:
        logging.disable()
    print(json.dumps(run(measure, restarts, idle)))
