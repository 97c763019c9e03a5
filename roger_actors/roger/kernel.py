"""What every process of the kernel host is started with: one value, built once.

The kernel host is where Roger's processes live and no user code ever runs. `Kernel` carries the
checked configuration and the broker; processes find one another by the names in this module.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import defaultdict
from collections.abc import Iterable
from math import inf
from typing import Any

import attrs

from roger_actors.broker import Broker
from roger_actors.broker import Consumer as Subscription
from roger_actors.clock import Clock
from roger_actors.errors import ProcessError
from roger_actors.otp import GenServer, RequestIds, process
from roger_actors.roger.config import Config
from roger_actors.roger.jobs.lately import Lately
from roger_actors.roger.worker_host.fence import Fence
from roger_actors.transport import HostId

LOG = logging.getLogger("roger_actors.kernel")

CONNECTION = "connection"
LONG_JOBS = "long_jobs"
POOL = "worker_pool"
PARTITIONS = "partitions"
MANAGER = "partition_manager"
SYSTEM = "system"
PARKING = "parking"
SHUTDOWN = "shutdown_handler"
FENCING = "fencing"


def tell(name: str, message: Any) -> None:
    """Send a message to a named process of the kernel; silent while it is being restarted."""
    if process.whereis(name) is not None:
        process.send(name, message)


def consumer_name(partition: str) -> str:
    """Return the registered name of a partition's consumer."""
    return f"consumer:{partition}"


def workers_name(partition: str) -> str:
    """Return the registered name of a partition's worker supervisor."""
    return f"workers:{partition}"


async def ask_consumers(partitions: Iterable[str], request: Any, limit: float) -> dict[str, Any]:
    """Ask the consumers of many partitions at the same time.

    Args:
        partitions: Whose.
        request: What each is asked.
        limit: Seconds for each to answer.

    Returns:
        The answers by partition; one that is being restarted, or was too slow, is left out.
    """
    asked = RequestIds()
    for partition in partitions:
        GenServer.send_request(consumer_name(partition), request, limit, label=partition, requests=asked)
    answers = {}
    while (answer := await GenServer.wait_response(asked)) is not None:
        with contextlib.suppress(ProcessError):
            answers[answer.label] = answer.value
    return answers


DEAF_AFTER = 5.0
"""Seconds after a node last heard its own sign of life, from which on it may have missed a cancel."""


class Hearing:
    """Whether the node has heard all that was broadcast since it looked up the cancels.

    Attributes:
        since: From when on it has heard everything, on the monotonic clock; `inf` while it does not.
        last: When it heard its own sign of life last.
    """

    def __init__(self) -> None:
        self.since, self.last = inf, -inf

    def interrupted(self) -> None:
        """Note that something may have been missed."""
        self.since = inf

    def heard(self, now: float) -> bool:
        """Note that this node has heard itself; whether it had been deaf before."""
        was_deaf = self.since == inf or now - self.last >= DEAF_AFTER
        if was_deaf:
            self.since = now
        self.last = now
        return was_deaf

    def covers(self, looked_up: float, now: float) -> bool:
        """Whether nothing has been missed since that time, so that what was looked up then still holds."""
        return self.since <= looked_up and now - self.last < DEAF_AFTER


@attrs.define(kw_only=True, eq=False)
class Kernel:
    """One node's kernel.

    Attributes:
        node: The node's name.
        run: Random per start of the node; the same for all its kernel hosts.
        incarnation: Random per kernel host.
        host: The kernel's own host number, for those who send to it by name.
        config: The checked configuration.
        broker: On the kernel's loop; connected by the `connection` process.
        clock: For limits and stamps.
        log: Where the kernel's processes log.
        classes: What the worker hosts can run (`Registry.known`); empty until the first one is ready.
        partitions: The partitions wanted now, with their queues; kept by the manager.
        waiting: Partitions that are not open, with the reason; kept by the manager.
        broker_error: Why the broker is not there, empty while it is.
        is_active: Whether this node takes jobs: not any more, once it is being drained.
        listening: Whether this node has subscribed to the cluster's bus.
        hearing: Whether it has heard all that was said there.
        is_named: Whether this node's name is its own in the cluster.
        refused: Who has this node's name, if that is another; it ends then.
        subscriptions: Of each partition, those that are open; for who comes after a consumer that was killed.
        bounding: For each partition, who may delete its oldest buried jobs now.
        fence: The lanes that this node holds, and the jobs of them that run.
        lately: What became of jobs here.
    """

    node: str
    run: str
    incarnation: str
    host: HostId
    config: Config
    broker: Broker
    clock: Clock
    log: logging.Logger = LOG
    classes: frozenset[str] = frozenset()
    partitions: dict[str, dict[str, int]] = attrs.field(factory=dict)
    waiting: dict[str, str] = attrs.field(factory=dict)
    broker_error: str = ""
    is_active: bool = True
    listening: bool = False
    hearing: Hearing = attrs.field(factory=Hearing)
    is_named: bool = False
    refused: str = ""
    subscriptions: defaultdict[str, list[Subscription]] = attrs.field(factory=lambda: defaultdict(list))
    bounding: defaultdict[str, asyncio.Lock] = attrs.field(factory=lambda: defaultdict(asyncio.Lock))
    fence: Fence = attrs.field(factory=Fence)
    lately: Lately = attrs.field(factory=Lately)
