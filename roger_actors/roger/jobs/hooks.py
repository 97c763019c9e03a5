"""What a user may run around a job, and the list of everything that can be observed.

One class per node, named in the configuration (`hooks = "myapp.hooks:Hooks"`). Its methods run in
worker hosts, on the job thread, where the jobs run: never in the kernel host. Any of them may be
`async def`. One that raises is logged, and the job goes on as if it had not been there.

Source:
    Roger's callback module (`Roger.Partition.Worker.Callback`); `worker_start` and `worker_stop` are ours.
"""

from __future__ import annotations

from typing import Any, Final

import attrs

from roger_actors.roger.jobs.job import JobRecord

FailureDetails = tuple[str, BaseException]
"""How a job failed (`error`, `exit`, `timeout`, `killed`, `signal`, `status`) and the exception. For
what no exception ended, a `JobTimeout` or `JobKilled` says what did."""


class Hooks:
    """Hooks that do nothing; subclass and write the ones you want.

    One object is made in every worker host, without arguments, after the job modules were imported.

    Source:
        Roger's callbacks.
    """

    def worker_start(self) -> Any:
        """A worker host has started: open pools, set up Django, error reporting.

        If it raises, the worker host does not start: no job is run without what this prepares. The
        node says why and tries again; the jobs wait in their queues.
        """

    def worker_stop(self) -> Any:
        """A worker host ends in order. Not called when it is killed."""

    def before_run(self, partition: str, record: JobRecord) -> Any:
        """A job is about to run; what this returns is the `before_state` of the later hooks."""

    def after_run(self, partition: str, record: JobRecord, result: Any, before_state: Any) -> Any:
        """A job's `perform` has returned `result`."""

    def on_error(
        self, partition: str, record: JobRecord, failure: FailureDetails, stacktrace: str, before_state: Any
    ) -> Any:
        """A job has failed, and is retried if it can be.

        Args:
            partition: The tenant.
            record: The job; `retry_count` is 0 at its first failure.
            failure: How, and the exception.
            stacktrace: As text, the job's `perform` first; empty where there is none.
            before_state: What `before_run` returned; None when the job ended with its host.
        """

    def on_cancel(self, partition: str, record: JobRecord) -> Any:
        """A job was cancelled; it never ran, or was killed while it did."""

    def on_buried(
        self, partition: str, record: JobRecord, failure: FailureDetails, stacktrace: str, before_state: Any
    ) -> Any:
        """A retryable job has failed for the last time and was buried; called instead of `on_error`."""


@attrs.frozen
class Event:
    """Something that can be observed: logged, counted, shown.

    Attributes:
        name: What happened.
        measurements: Numbers that come with it, each with its unit.
        metadata: What it was about.
    """

    name: str
    measurements: tuple[tuple[str, str], ...] = ()
    metadata: tuple[str, ...] = ()


_JOB: Final = ("partition", "job_id", "module", "retry_count")
_SECONDS: Final = (("seconds", "s"),)

EVENTS: Final = (
    Event("job.enqueued", (("bytes", "B"),), _JOB),
    Event("job.duplicate", (), (*_JOB, "queue_key", "holder")),
    Event("job.started", (("queued", "s"),), _JOB),
    Event("job.done", _SECONDS, _JOB),
    Event("job.failed", _SECONDS, (*_JOB, "kind", "type", "message")),
    Event("job.retried", (("delay", "s"),), (*_JOB, "kind", "type", "message")),
    Event("job.buried", _SECONDS, (*_JOB, "kind", "type", "message")),
    Event("job.cancelled", (), _JOB),
    Event("job.parked", (), _JOB),
    Event("job.quarantined", (("bytes", "B"),), ("partition", "message_id", "cause")),
    Event("hook.failed", (), ("hook", "partition", "job_id")),
    Event("worker_host.ready", (), ("host", "os_pid")),
    Event("worker_host.refused", (), ("host", "detail")),
    Event("worker_host.stopped", (), ("host", "reason")),
)
"""Everything that can be observed; logging, counters and tests subscribe to it by name."""
