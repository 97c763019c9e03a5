"""The trees of a node, as data: what the root host, the kernel host and the app host supervise.

```
root host    top            rest_for_one: a kernel that dies takes the worker hosts along, because the
             │              broker hands its deliveries out again
             ├── kernel     a host (an OS process)
             ├── workers    worker_hosts (dynamic: one child per worker host) and their starter
             ├── app_hosts  dynamic: one host for each child with host = "own"
             └── app        a host, if there is an application; last, so that the end of a user's
                            process takes nobody along

kernel host  top            rest_for_one: who comes later uses who came before
             ├── connection fencing long_jobs worker_pool partitions
             └── partition_manager system parking shutdown_handler

app host     top            the application: the user's own processes, the strategy of [supervision.children]
```

Source:
    `Roger.Supervisor` (one_for_one there; here a later child holds deliveries and leases of the
    earlier ones, so it is restarted with them).
"""

from __future__ import annotations

from typing import Literal, TypedDict

from roger_actors.otp import (
    APP_HOSTS,
    ChildSpec,
    DynamicSupervisor,
    Start,
    Strategy,
    SupervisorFlags,
    host_child,
)
from roger_actors.roger import kernel as names
from roger_actors.roger.config import Config
from roger_actors.roger.connection import Connection
from roger_actors.roger.kernel import Kernel
from roger_actors.roger.partition.manager import Manager
from roger_actors.roger.shelf.parking import Parking
from roger_actors.roger.shutdown import ShutdownHandler
from roger_actors.roger.system.server import System
from roger_actors.roger.worker_pool.fencing import Fencing
from roger_actors.roger.worker_pool.hosts import STARTER, SUPERVISOR, WorkerHosts
from roger_actors.roger.worker_pool.long_jobs import LongJobs
from roger_actors.roger.worker_pool.pool import WorkerPool

HOST_STOPS_IN = 10.0
"""Seconds that a host gets to stop its tree."""

LONG_JOBS_STOP_IN = 4.0
"""Seconds that it gets to bring back the long jobs of a node that ends."""


class TopOptions(TypedDict):
    """The options of `open_host`."""

    strategy: Strategy
    max_restarts: int
    max_seconds: float
    auto_shutdown: Literal["never", "any_significant", "all_significant"]


def root_children(config: Config, packed: bytes) -> list[ChildSpec]:
    """Return what the root host supervises.

    Args:
        config: The node's.
        packed: The same, packed for the hosts that are started with it.
    """
    workers = config.supervision["workers"]
    own_hosts = ChildSpec(id=APP_HOSTS, start=Start(DynamicSupervisor, name=APP_HOSTS), type="supervisor")
    app_host = host_child("app", "app", packed, shutdown=HOST_STOPS_IN)
    app = [own_hosts, app_host] if config.has_application else []
    return [
        host_child("kernel", "kernel", packed, shutdown=HOST_STOPS_IN),
        ChildSpec(
            id="worker_hosts",
            start=Start(
                DynamicSupervisor,
                max_restarts=workers.intensity,
                max_seconds=workers.period,
                name=SUPERVISOR,
            ),
            type="supervisor",
        ),
        ChildSpec(id="worker_hosts_starter", start=Start(WorkerHosts, name=STARTER)),
        *app,
    ]


def kernel_children(kernel: Kernel) -> list[ChildSpec]:
    """Return what the kernel host supervises."""
    partitions = kernel.config.supervision["partitions"]
    return [
        ChildSpec(id=names.CONNECTION, start=Start(Connection, kernel, name=names.CONNECTION)),
        ChildSpec(id=names.FENCING, start=Start(Fencing, kernel, name=names.FENCING)),
        ChildSpec(
            id=names.LONG_JOBS,
            start=Start(LongJobs, kernel, name=names.LONG_JOBS),
            shutdown=LONG_JOBS_STOP_IN,
        ),
        ChildSpec(id=names.POOL, start=Start(WorkerPool, kernel, name=names.POOL)),
        ChildSpec(
            id=names.PARTITIONS,
            start=Start(
                DynamicSupervisor,
                max_restarts=partitions.intensity,
                max_seconds=partitions.period,
                name=names.PARTITIONS,
            ),
            type="supervisor",
        ),
        ChildSpec(id=names.MANAGER, start=Start(Manager, kernel, name=names.MANAGER)),
        ChildSpec(id=names.SYSTEM, start=Start(System, kernel, name=names.SYSTEM)),
        ChildSpec(id=names.PARKING, start=Start(Parking, kernel, name=names.PARKING)),
        ChildSpec(id=names.SHUTDOWN, start=Start(ShutdownHandler, kernel, name=names.SHUTDOWN)),
    ]


def top_options(flags: SupervisorFlags, strategy: Strategy | None = None) -> TopOptions:
    """Return how a host's top supervisor answers.

    Args:
        flags: Its limits.
        strategy: Instead of the configured one, where the tree only works with this one.
    """
    return TopOptions(
        strategy=strategy or flags.strategy,
        max_restarts=flags.intensity,
        max_seconds=flags.period,
        auto_shutdown=flags.auto_shutdown,
    )
