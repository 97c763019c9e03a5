"""A task around an `asyncio.Queue`, the least that can be called an actor. Argument: how many of each.

No names, no links, no monitors, no time limits.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
from pathlib import Path


async def echo(queue, begun):
    begun.set_result(None)
    count = 0
    while True:
        message, answer = await queue.get()
        if answer is not None:
            answer.set_result(count if message is None else message)
        count += 1


async def short(queue):
    await queue.get()


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


async def start():
    queue = asyncio.Queue()
    begun = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(echo(queue, begun))
    await begun
    return queue, task


async def call(queue, message):
    answer = asyncio.get_running_loop().create_future()
    queue.put_nowait((message, answer))
    return await answer


async def measure(count: int) -> dict[str, float]:
    figures = await live(5 * count)  # first: memory that was freed before would not be seen
    queue, task = await start()
    begun = time.perf_counter()
    for _ in range(count):
        await call(queue, 1)
    figures["call_us"] = (time.perf_counter() - begun) / count * 1e6

    begun = time.perf_counter()
    for _ in range(count):
        queue.put_nowait((1, None))
    assert await call(queue, None) == 2 * count
    figures["cast_us"] = (time.perf_counter() - begun) / count * 1e6
    task.cancel()

    begun = time.perf_counter()
    for _ in range(count):
        queue = asyncio.Queue()
        task = asyncio.create_task(short(queue))
        queue.put_nowait("end")
        await task
    figures["cycle_us"] = (time.perf_counter() - begun) / count * 1e6

    begun = time.perf_counter()
    tasks = [await start() for _ in range(count)]
    figures["start_us"] = (time.perf_counter() - begun) / count * 1e6
    for _, task in tasks:
        task.cancel()
    return figures


async def live(count: int) -> dict[str, float]:
    gc.collect()
    before = resident()
    tasks = [await start() for _ in range(count)]
    gc.collect()
    size = (resident() - before) / len(tasks)
    for _, task in tasks:
        task.cancel()
    return {"bytes": size, "live": len(tasks)}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(measure(int(sys.argv[1])))))
