"""Whether a node does what it should: every queue that is to be consumed is.

Asked often, so it is answered from memory alone; the broker is not asked. It is decided by what the
broker has confirmed and not taken back, queue by queue.
"""

from __future__ import annotations

from math import inf
from typing import Any

from roger_actors.roger.kernel import Kernel, ask_consumers
from roger_actors.roger.partition.consumer import Unconsumed

SILENT_AFTER = 2.0
"""Seconds after which a partition that does not answer counts as one that consumes nothing."""


def ready(kernel: Kernel) -> dict[str, Any]:
    """Return whether the node has come up: what its start waits for, at the price of reading a few fields."""
    return {
        "listening": kernel.listening and kernel.is_named,
        "refused": kernel.refused,
        "waiting": len(kernel.waiting),
        "broker_error": kernel.broker_error,
    }


async def health(kernel: Kernel) -> dict[str, Any]:
    """Return whether the node is ready, and what keeps it from being so.

    Returns:
        `ready`; `broker_error`, empty while the broker is there; `waiting`, partition to why it is not
        open; `unconsumed`, queues that should be consumed and are not; `silent`, partitions that have
        not answered; `draining`, whether it is being stopped and takes no more jobs.
    """
    open_ones = set(kernel.partitions) - set(kernel.waiting)
    answers = await ask_consumers(open_ones, Unconsumed(), SILENT_AFTER)
    faults = {
        "broker_error": kernel.broker_error,
        "waiting": dict(kernel.waiting),
        "unconsumed": sorted(queue for queues in answers.values() for queue in queues),
        "silent": sorted(open_ones - set(answers)),
        "draining": not kernel.is_active,
    }
    return {"ready": kernel.hearing.since < inf and not any(faults.values()), **faults}
