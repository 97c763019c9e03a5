"""What the pool is asked, and what it tells: between it, the Workers and the consumers of its kernel.

Source:
    New here.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from roger_actors.otp import Pid
from roger_actors.roger.worker_host.fence import Hold
from roger_actors.roger.worker_host.protocol import Failure


class Lend(NamedTuple):
    """A Worker asks for its job to be run.

    Attributes:
        worker: Who asks, and is answered with `Begun`, `Done`, `HostDied` or `UnknownClass`.
        queue: Name of the job's queue, for the limit and for taking turns.
        limit: `max_workers` of that queue.
        partition: The tenant.
        class_name: Registered name of the job's class.
        payload: The encoded job.
        watch: Whether to say `Begun`, for a time limit.
        hook: Name of a hook to run instead of the job, empty for the job.
        failure: What the hook is told.
        hold: What says that a job of a lane may run; None for every other.
    """

    worker: Pid
    queue: str
    limit: int
    partition: str
    class_name: str
    payload: bytes
    watch: bool = False
    hook: str = ""
    failure: Failure | None = None
    hold: Hold | None = None


class Kill(NamedTuple):
    """A Worker wants its running job dead; `HostDied` follows, or its `Done` if that was first."""

    worker: Pid


class Withdraw(NamedTuple):
    """A Worker wants its job back if it has not begun; answered with `Withdrawn`, or not at all."""

    worker: Pid


class Withdrawn(NamedTuple):
    """The job has not begun, and will not."""


class Reclaim(NamedTuple):
    """A consumer asks that nothing of a dead Worker's job goes on; answered with `Reclaimed`."""

    worker: Pid
    asked_by: Pid


class Reclaimed(NamedTuple):
    """Nothing of that Worker's job runs any more."""

    worker: Pid


class Begun(NamedTuple):
    """The job has reached the front of its host."""


class HostDied(NamedTuple):
    """The host died with the job running on it."""

    reason: Any


class UnknownClass(NamedTuple):
    """The worker hosts of this release have no such class."""


class Snapshot(NamedTuple):
    """Ask for what the pool holds."""


class StopHosts(NamedTuple):
    """Ask for an orderly stop of every worker host: the node is going down."""
