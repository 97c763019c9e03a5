"""The supervision tree of a node as data, and the one that a configuration plans.

`tree`, `tree --live` and whoever else draws a tree do it from `Branch` values.

Source:
    The trees of `Roger.Supervisor` and `Roger.PartitionSupervisor`; hosts are new here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, TypeAlias

import attrs

from roger_actors.otp import Application, ChildSpec, SupervisorFlags, flags_of_child, nested_specs, short_name
from roger_actors.roger.config.value import Config

Kind: TypeAlias = Literal["node", "host", "supervisor", "worker", "many"]


@attrs.frozen(kw_only=True)
class Branch:
    """A supervisor, process or host with what is below it.

    Attributes:
        id: Its id in its supervisor.
        kind: `node`, `host` (an OS process), `supervisor`, `worker` (a process that supervises
            nothing), or `many` (as many of them as are needed).
        notes: Short facts about it, for people.
        restarts: How often it was restarted; None where that is not known.
        pid: Its pid, or its OS process id for a host; empty while it is only planned.
        children: What it supervises, in starting order.
    """

    id: str
    kind: Kind
    notes: tuple[str, ...] = ()
    restarts: int | None = None
    pid: str = ""
    children: tuple[Branch, ...] = ()

    def to_mapping(self) -> dict[str, Any]:
        """Return it as builtins, for JSON."""
        plain = attrs.asdict(self, recurse=False)
        return {**plain, "notes": list(self.notes), "children": [each.to_mapping() for each in self.children]}


def planned(config: Config) -> Branch:
    """Return the tree that a node of this configuration starts."""
    flags = config.supervision
    application = config.application
    app = Branch(
        id="app",
        kind="host",
        notes=(_limits(application.flags), *_callback(application)),
        children=tuple(_child(child) for child in application.children),
    )
    own = Branch(id="app_hosts", kind="supervisor", notes=("dynamic", "hosts of single children"))
    starter = Branch(id="worker_hosts_starter", kind="worker", notes=("takes the worker pool's orders",))
    workers = Branch(
        id="worker_hosts",
        kind="supervisor",
        notes=("dynamic", _limits(flags["workers"])),
        children=(_worker_hosts(config),),
    )
    root = Branch(
        id="root",
        kind="host",
        notes=(_limits(flags["hosts"]),),
        children=(_kernel_host(config), workers, starter, *([own, app] if config.has_application else [])),
    )
    return Branch(id=config.name, kind="node", notes=(config.redacted_broker,), children=(root,))


def _kernel_host(config: Config) -> Branch:
    flags = config.supervision
    partitions = Branch(
        id="partitions",
        kind="supervisor",
        notes=("dynamic", _limits(flags["partitions"])),
        children=tuple(
            _partition(name, queues, flags["partition"]) for name, queues in config.partitions.items()
        ),
    )
    children = (
        Branch(id="connection", kind="worker", notes=("the broker",)),
        Branch(id="fencing", kind="worker", notes=("signs of life of the lanes",)),
        Branch(id="worker_pool", kind="worker", notes=("lends worker hosts to jobs",)),
        partitions,
        Branch(id="partition_manager", kind="worker", notes=("which partitions run here",)),
        Branch(id="system", kind="worker", notes=("the cluster's bus",)),
        Branch(id="parking", kind="worker", notes=("jobs of unknown classes",)),
        Branch(
            id="shutdown_handler", kind="worker", notes=(f"drains for up to {config.shutdown_timeout:g} s",)
        ),
    )
    return Branch(id="kernel", kind="host", notes=(_limits(flags["kernel"]),), children=children)


def _partition(name: str, queues: Mapping[str, int], flags: SupervisorFlags) -> Branch:
    consumer = Branch(id="consumer", kind="worker", notes=tuple(_queues(queues)))
    workers = Branch(id="workers", kind="many", notes=("one per running job",))
    return Branch(id=name, kind="supervisor", notes=(_limits(flags),), children=(workers, consumer))


def _queues(queues: Mapping[str, int]) -> Iterable[str]:
    for name, workers in queues.items():
        yield f"{name} × {workers}" if workers else f"{name} (not consumed)"


def _callback(application: Application) -> Iterable[str]:
    if application.callback is not None:
        yield f"children of {application.callback.path}"


def _child(spec: ChildSpec) -> Branch:
    full = spec.normalised()
    shutdown = full.shutdown if isinstance(full.shutdown, str) else f"{full.shutdown:g} s to stop"
    flags = flags_of_child(spec)
    limits = () if flags is None else (_limits(flags),)
    place = {"same": (), "own": ("in a host of its own",)}.get(str(spec.host), (f"on host {spec.host}",))
    notes = (short_name(spec), *limits, full.restart, shutdown, *place)
    return Branch(
        id=str(spec.id),
        kind=full.type or "worker",
        notes=(*notes, *(("significant",) if spec.significant else ())),
        children=tuple(_child(each) for each in nested_specs(spec)),
    )


def _worker_hosts(config: Config) -> Branch:
    queues = [workers for partition in config.partitions.values() for workers in partition.values()]
    most = sum(queues) if config.max_worker_hosts is None else min(sum(queues), config.max_worker_hosts)
    notes = (
        *((f"replaced after {config.worker_max_jobs} jobs",) if config.worker_max_jobs else ()),
        *((f"replaced over {config.worker_max_memory >> 20} MiB",) if config.worker_max_memory else ()),
    )
    return Branch(id=f"0 to {most} worker hosts", kind="many", notes=("one job each", *notes))


def _limits(flags: SupervisorFlags) -> str:
    """Return a supervisor's strategy and intensity in words."""
    return f"{flags.strategy}, {flags.intensity} restarts in {flags.period:g} s"
