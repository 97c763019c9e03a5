"""The last child of the kernel's tree, so the first to be told to stop: drains the node.

Draining: take nothing more, give back what has not begun, let what runs finish within
`shutdown_timeout`, stop the worker hosts in order (their `worker_stop` hooks run). What is still
running then is named in the log, killed with its host, and runs again elsewhere or after the restart.

Source:
    `Roger.ShutdownHandler`.
"""

from __future__ import annotations

from typing import Any

from roger_actors.errors import ProcessError
from roger_actors.otp import From, GenServer, NoReply, Ok, Reply, process
from roger_actors.roger.kernel import MANAGER, POOL, Kernel
from roger_actors.roger.partition import manager
from roger_actors.roger.worker_pool import message

CALL_LIMIT = 30.0
"""Seconds for the manager or the pool to answer."""
LOOK_EVERY = 0.05
"""Seconds between two looks at what is still running."""
HOSTS_STOP_IN = 5.0
"""Seconds that worker hosts get for their `worker_stop` hooks."""


class ShutdownHandler(GenServer[Kernel]):
    """Drains the node on request; see the module."""

    def init(self, kernel: Kernel) -> Ok[Kernel]:
        """Wait to be asked."""
        return Ok(kernel)

    def handle_call(self, request: Any, sender: From, kernel: Kernel) -> Reply[Kernel] | NoReply[Kernel]:
        """Answer `["drain", seconds]` with the ids of the jobs that were still running at the end."""
        match request:
            case ["drain", int() | float() as limit]:
                process.spawn(_drain, kernel, sender, float(limit))
                return NoReply(kernel)
        return Reply({"error": f"unknown request {request!r}"}, kernel)


async def _drain(kernel: Kernel, sender: From, limit: float) -> None:
    """Drain, then answer. A process of its own."""
    deadline = kernel.clock.monotonic() + limit
    kernel.is_active = False
    try:
        while await GenServer.call(MANAGER, manager.Drain(), timeout=CALL_LIMIT) > 0:
            if kernel.clock.monotonic() > deadline:
                break
            await process.sleep(LOOK_EVERY)
        left = await _still_running()
        for job in left:
            kernel.log.warning("job %s (%s) is still running and will run again", job["id"], job["class"])
        await _stop_hosts(kernel)
    except ProcessError as error:
        kernel.log.warning("draining was cut short: %s", error)
        left = []
    GenServer.reply(sender, {"value": [job["id"] for job in left]})


async def _still_running() -> list[dict[str, Any]]:
    info = await GenServer.call(MANAGER, manager.Info(), timeout=CALL_LIMIT)
    return [job for partition in info["partitions"].values() for job in partition["running"]]


async def _stop_hosts(kernel: Kernel) -> None:
    deadline = kernel.clock.monotonic() + HOSTS_STOP_IN
    while await GenServer.call(POOL, message.StopHosts(), timeout=CALL_LIMIT) > 0:
        if kernel.clock.monotonic() > deadline:
            return
        await process.sleep(LOOK_EVERY)
