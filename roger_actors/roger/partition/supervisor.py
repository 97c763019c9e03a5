"""A partition's tree: its Workers and its consumer.

```
partitions                 dynamic; one child per partition, transient
└── <partition>            the strategy of [supervision.partition]
    ├── workers:<id>       dynamic; one child per job, temporary
    └── consumer:<id>      permanent
```

Source:
    `Roger.PartitionSupervisor`, `Roger.Partition.ContainingSupervisor`, `Roger.Partition.WorkerSupervisor`.
"""

from __future__ import annotations

from roger_actors.otp import ChildSpec, DynamicSupervisor, Start, Supervisor
from roger_actors.roger.kernel import Kernel, consumer_name, workers_name
from roger_actors.roger.partition.consumer import Consumer

STOP_LIMIT = 5.0
"""Seconds that a consumer gets to close its subscriptions."""


def partition_child(kernel: Kernel, partition: str) -> ChildSpec:
    """Return the tree of one partition, as a child of the partition supervisor."""
    flags = kernel.config.supervision["partition"]
    children = [
        ChildSpec(
            id="workers",
            start=Start(DynamicSupervisor, name=workers_name(partition)),
            type="supervisor",
        ),
        ChildSpec(
            id="consumer",
            start=Start(Consumer, kernel, partition, name=consumer_name(partition)),
            shutdown=STOP_LIMIT,
        ),
    ]
    return ChildSpec(
        id=partition,
        start=Start(
            Supervisor,
            children,
            strategy=flags.strategy,
            max_restarts=flags.intensity,
            max_seconds=flags.period,
        ),
        restart="transient",
        type="supervisor",
    )
