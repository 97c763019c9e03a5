"""Whether a node does what it should: every queue that is to be consumed is.

Asked often, so it is answered from memory alone; the broker is not asked. It is decided by what the
broker has confirmed and not taken back, queue by queue.
"""

from __future__ import annotations

from typing import Any

from roger_actors.errors import ProcessError
from roger_actors.otp import GenServer, RequestIds
from roger_actors.roger.kernel import Kernel, consumer_name
from roger_actors.roger.partition.consumer import Unconsumed

SILENT_AFTER = 2.0
"""Seconds after which a partition that does not answer counts as one that consumes nothing."""


def ready(kernel: Kernel) -> dict[str, Any]:
    """Return whether the node has come up: what its start waits for, at the price of reading three fields."""
    return {
        "listening": kernel.listening,
        "waiting": len(kernel.waiting),
        "broker_error": kernel.broker_error,
    }


async def health(kernel: Kernel) -> dict[str, Any]:
    """Return whether the node is ready, and what keeps it from being so.

    Returns:
        `ready`; `broker_error`, empty while the broker is there; `waiting`, partition to why it is not
        open; `unconsumed`, queues that should be consumed and are not; `silent`, partitions that have
        not answered.
    """
    unconsumed, silent = await _ask_partitions(kernel)
    faults = {
        "broker_error": kernel.broker_error,
        "waiting": dict(kernel.waiting),
        "unconsumed": unconsumed,
        "silent": silent,
    }
    return {"ready": kernel.listening and not any(faults.values()), **faults}


async def _ask_partitions(kernel: Kernel) -> tuple[list[str], list[str]]:
    """Ask all consumers at once; those that wait are known to be idle, and are not asked."""
    asked = RequestIds()
    for partition in kernel.partitions:
        if partition not in kernel.waiting:
            name = consumer_name(partition)
            GenServer.send_request(name, Unconsumed(), SILENT_AFTER, label=partition, requests=asked)
    unconsumed: list[str] = []
    silent: list[str] = []
    while (answer := await GenServer.wait_response(asked)) is not None:
        try:
            unconsumed += answer.value
        except ProcessError:
            silent.append(answer.label)
    return sorted(unconsumed), sorted(silent)
