"""A host in this process, on an ordinary event loop, for peers that measure what is inside one."""

from __future__ import annotations

import asyncio
import gc

from roger_actors.otp import Runtime, process
from roger_actors.transport import Role
from roger_actors.transport.memory import MemoryNode


def run(body, *args):
    """Run a coroutine function as a trapping process of the host and return what it returned."""

    async def inside():
        loop = asyncio.get_running_loop()
        runtimes = []
        MemoryNode({"root": Role("root", lambda endpoint, _: runtimes.append(Runtime(endpoint)))}, loop)
        done = loop.create_future()

        async def main():
            process.trap_exit()
            try:
                done.set_result(await body(*args))
            except Exception as error:
                done.set_exception(error)

        process.spawn_on(runtimes[0], main)
        return await done

    gc.collect()
    gc.freeze()  # as every host of a node does when it is forked
    return asyncio.run(inside())
