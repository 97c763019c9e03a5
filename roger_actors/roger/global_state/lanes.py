"""Which partitions have a lane: an entry of a durable table, made before the lane's queue is declared.

Most tenants have no serial jobs, so the lane's queue, and its consumer on every node, are made when
the first job with an execution key is enqueued. The entry is there before the queue, and the queue
before the job: a node that finds the entry when it opens the partition, or hears of it later,
declares and consumes the lane.

Source:
    New here.
"""

from __future__ import annotations

from typing import cast

from roger_actors.broker import Change, QueueKind, QueueSpec

TABLE = "lanes"
_ONLY = "lane"


def table_key(partition: str) -> str:
    """Return the key of a partition's entry."""
    return f"{partition}/{_ONLY}"


def partition_of(key: str) -> str:
    """Return the partition of a key."""
    return key.partition("/")[0]


def needing(partition: str, kind: QueueKind) -> Change:
    """Return the change that says that a partition has a lane; the first one decides of what kind."""
    return Change(TABLE, table_key(partition), None, kind.encode())


def spec(name: str, value: bytes) -> QueueSpec:
    """Return the queue of a lane by its name, of the kind that its entry says."""
    return QueueSpec(name, cast(QueueKind, value.decode()), single_active=True)
