"""What crosses between the kernel host and a worker host.

Plain data only: a worker host runs the user's code, so the kernel host unpickles nothing that comes
from there, and an exception travels as text. Tickets are the kernel's numbers for what it has sent;
they mean nothing else.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from roger_actors.otp import wire

FailureKind = Literal["error", "exit", "timeout", "killed", "signal", "status", "class"]
"""How a job failed: raised an exception; raised SystemExit or its like; ran too long; was killed; its
host was ended by a signal; its host ended with a status; or it was not begun, because its class, or that
version of it, is not known there."""


@wire.register
class Failure(msgspec.Struct, frozen=True, array_like=True, tag="failure", tag_field="struct", gc=False):
    """Why a job failed, as text.

    Attributes:
        kind: How.
        type: The exception's class, empty where there was none.
        message: What the exception says, on one or more lines, shortened.
        stack: The traceback, its first frame the job's `perform`; shortened.
    """

    kind: FailureKind
    type: str = ""
    message: str = ""
    stack: str = ""


# -- kernel to worker host ------------------------------------------------------------------------


@wire.register
class Run(msgspec.Struct, frozen=True, array_like=True, tag="run", gc=False):
    """Run a job, after those sent before.

    Attributes:
        ticket: Answered with `Done`.
        partition: The tenant.
        payload: The encoded record.
        until: When a job that came through a lane must have begun (on the monotonic clock), and ended
            unless that is put off in the host's mark; None for every other.
    """

    ticket: int
    partition: str
    payload: bytes
    until: float | None = None


@wire.register
class RunHook(msgspec.Struct, frozen=True, array_like=True, tag="run-hook"):
    """Call a hook for a job that ended elsewhere.

    Attributes:
        ticket: Answered with `HookDone`.
        hook: `on_cancel`, `on_error` or `on_buried`.
        partition: The tenant.
        payload: The encoded record.
        failure: Why it failed; None for a cancel.
    """

    ticket: int
    hook: str
    partition: str
    payload: bytes
    failure: Failure | None = None


@wire.register
class Recall(msgspec.Struct, frozen=True, array_like=True, tag="recall"):
    """Drop those of the tickets that have not begun; answered with `Recalled`."""

    tickets: list[int]


# -- worker host to kernel ------------------------------------------------------------------------


@wire.register
class Ready(msgspec.Struct, frozen=True, array_like=True, tag="ready"):
    """The job modules are imported and `worker_start` has returned.

    Attributes:
        host: Number of the host.
        os_pid: Its OS process.
        classes: What it can run: the `known` of its registry.
    """

    host: int
    os_pid: int
    classes: list[str]


@wire.register
class StartRefused(msgspec.Struct, frozen=True, array_like=True, tag="start-refused"):
    """The user's modules or hooks could not be loaded; the host ends. Attributes: `detail`, one line."""

    detail: str


@wire.register
class Done(msgspec.Struct, frozen=True, array_like=True, tag="done"):
    """A job has ended.

    Attributes:
        ticket: Which.
        ok: Whether `perform` returned.
        started_at: Milliseconds since the epoch when it began.
        seconds: How long `perform` took.
        failure: Why it failed, None if it did not.
    """

    ticket: int
    ok: bool
    started_at: int
    seconds: float
    failure: Failure | None = None


@wire.register
class Results(msgspec.Struct, frozen=True, array_like=True, tag="results"):
    """What has ended since the last time.

    Attributes:
        results: In the order in which they ended.
        rss: Resident memory of the host in bytes, measured half a second ago or less;
            0 where unknown.
        host: Number of the host.
    """

    results: list[Done]
    rss: int = 0
    host: int = 0


@wire.register
class Recalled(msgspec.Struct, frozen=True, array_like=True, tag="recalled"):
    """Answers `Recall`, or tells what an ending host lets go.

    Attributes:
        tickets: Dropped: they had not begun, and will not.
        begun: Asked for and not dropped: they run, or have ended.
    """

    tickets: list[int]
    begun: list[int] = []


@wire.register
class HookDone(msgspec.Struct, frozen=True, array_like=True, tag="hook-done", gc=False):
    """The hook has returned, or failed and was logged."""

    ticket: int
