"""The trees of a node, as data: what the root host, the kernel host and the app host supervise.

```
root host    top            rest_for_one: a kernel that dies takes the worker hosts along, because the
             │              broker hands its deliveries out again
             ├── kernel     a host (an OS process)
             ├── workers    worker_hosts (dynamic: one child per worker host) and their starter
             ├── app_hosts  dynamic: one host for each child with host = "own"
             └── app        a host, if the configuration has [[children]]; last, so that the end of a
                            user's process takes nobody along

kernel host  top            rest_for_one: who comes later uses who came before
             ├── connection worker_pool partitions partition_manager
             └── system parking shutdown_handler

app host     top            the user's own processes, the strategy of [supervision.children]
```

Source:
    `Roger.Supervisor` (one_for_one there; here a later child holds deliveries and leases of the
    earlier ones, so it is restarted with them).
"""

from __future__ import annotations

import importlib
from typing import Any, Literal, TypedDict

from roger_actors.errors import ConfigError
from roger_actors.otp import APP_HOSTS, ChildSpec, DynamicSupervisor, Start, host_child
from roger_actors.roger import kernel as names
from roger_actors.roger.config import Child, Config, Strategy, Supervision
from roger_actors.roger.connection import Connection
from roger_actors.roger.kernel import Kernel
from roger_actors.roger.partition.manager import Manager
from roger_actors.roger.shelf.parking import Parking
from roger_actors.roger.shutdown import ShutdownHandler
from roger_actors.roger.system.server import System
from roger_actors.roger.worker_pool.hosts import STARTER, SUPERVISOR, WorkerHosts
from roger_actors.roger.worker_pool.pool import WorkerPool

HOST_STOPS_IN = 10.0
"""Seconds that a host gets to stop its tree."""


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
    app = [own_hosts, host_child("app", "app", packed, shutdown=HOST_STOPS_IN)] if config.children else []
    return [
        host_child("kernel", "kernel", packed, shutdown=HOST_STOPS_IN),
        ChildSpec(
            id="worker_hosts",
            start=Start(
                DynamicSupervisor,
                max_restarts=workers.max_restarts,
                max_seconds=workers.max_seconds,
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
        ChildSpec(id=names.POOL, start=Start(WorkerPool, kernel, name=names.POOL)),
        ChildSpec(
            id=names.PARTITIONS,
            start=Start(
                DynamicSupervisor,
                max_restarts=partitions.max_restarts,
                max_seconds=partitions.max_seconds,
                name=names.PARTITIONS,
            ),
            type="supervisor",
        ),
        ChildSpec(id=names.MANAGER, start=Start(Manager, kernel, name=names.MANAGER)),
        ChildSpec(id=names.SYSTEM, start=Start(System, kernel, name=names.SYSTEM)),
        ChildSpec(id=names.PARKING, start=Start(Parking, kernel, name=names.PARKING)),
        ChildSpec(id=names.SHUTDOWN, start=Start(ShutdownHandler, kernel, name=names.SHUTDOWN)),
    ]


def app_children(config: Config) -> list[ChildSpec]:
    """Return the user's own processes; imports their modules, so it is called in the app host only.

    Raises:
        ConfigError: A class cannot be imported; names the child.
    """
    return [_app_child(index, child) for index, child in enumerate(config.children)]


def _app_child(index: int, child: Child) -> ChildSpec:
    start = Start(_class_of(index, child), *child.args, **child.kwargs, name=child.id)
    return ChildSpec(
        id=child.id,
        start=start,
        restart=child.restart,
        shutdown=child.shutdown,
        type=child.type,
        significant=child.significant,
        host="same" if child.host == "app" else "own",
    )


def _class_of(index: int, child: Child) -> Any:
    module, _, name = child.start.partition(":")
    try:
        found: Any = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise ConfigError(
            key=f"children[{index}].start",
            value=child.start,
            expected=f"a class that can be imported ({error})",
        ) from error
    return found


def top_options(flags: Supervision, strategy: Strategy | None = None) -> TopOptions:
    """Return how a host's top supervisor answers, from one of `config.supervision`.

    Args:
        flags: Its limits.
        strategy: Instead of the configured one, where the tree only works with this one.
    """
    return TopOptions(
        strategy=strategy or flags.strategy,
        max_restarts=flags.max_restarts,
        max_seconds=flags.max_seconds,
        auto_shutdown=flags.auto_shutdown,
    )
