"""A job: the class that a user writes, and the record of it that travels.

`Job` is subclassed and never crosses a process; `JobRecord` is the value that is enqueued, delivered,
retried and shown. Everything that a class says about a job (its queue, keys, limits) is computed when
the record is made, so that whoever carries it never needs the class.

Source:
    `Roger.Job`, behaviour and struct.
"""

from __future__ import annotations

import base64
import inspect
import secrets
from collections.abc import Callable, Sequence
from typing import Any, NewType

import attrs

from roger_actors.errors import InvalidJob
from roger_actors.roger import queue
from roger_actors.roger.jobs import arguments
from roger_actors.roger.jobs import job_class as classes
from roger_actors.roger.jobs.job_class import MAX_TEXT, full_name, is_text, shown

JobId = NewType("JobId", str)
"""Identifies a job for ever, through all its retries."""


@attrs.frozen(kw_only=True)
class JobRecord:
    """A job as a value: what `Job.create` returns and what travels.

    Attributes:
        id: Random, made at creation, the same through all retries.
        module: Registered name of the job class, `myapp.jobs.Resize` unless the class has another.
        args: One JSON value, handed to `perform`.
        queue_key: While a job with this key waits, runs or is to be retried, its partition refuses
            another; None for no such limit.
        execution_key: Jobs of a partition with the same key never run at the same time; None for
            no such limit.
        queue_type: Which of the partition's queues carries it.
        retry_count: 0, then one more for every retry.
        queued_at: Milliseconds since the epoch, 0 until it is enqueued.
        started_at: Milliseconds since the epoch, 0 until it runs.
        max_execution_time: Seconds that it may run, 1 or more; None for no limit.
        retryable: Whether it is run again after a failure.
        retry_levels: Seconds before the 1st, 2nd … retry; None for the node's.
        retry_jitter: Part of each of these that is added at random, 0 to 1; None for the node's.
        version: Which version of the class the arguments were made for, 1 or more.

    Source:
        The struct of `Roger.Job`.
    """

    id: str
    module: str
    args: Any
    queue_key: str | None = None
    execution_key: str | None = None
    queue_type: str = queue.DEFAULT_TYPE
    retry_count: int = 0
    queued_at: int = 0
    started_at: int = 0
    max_execution_time: float | None = None
    retryable: bool = False
    retry_levels: tuple[float, ...] | None = None
    retry_jitter: float | None = None
    version: int = 1


class Job:
    """A piece of work that a worker host runs; subclass it and write `perform`.

    One object is made for every attempt, without arguments. What varies with the arguments is a class
    method, because it is asked where the job is created, without an object.

    Attributes:
        record: The job that is being run.
        queue_type: Which of the partition's queues carries the job; a name, or a class method
            `queue_type(cls, args)` that returns one.
        retryable: Whether it is run again after a failure, with growing delays; or a class method.
        max_execution_time: Seconds after which the running job is killed and has failed with
            reason *timeout*, 1 or more; None for no limit; or a class method.
        retry_levels: Seconds before the 1st, 2nd … retry of this class; None for the node's.
        retry_jitter: Part of each of these that is added at random, 0 to 1; None for the node's.
        version: Of the arguments that the class takes, 1 or more; count it up when they change, and write
            `upcast` for those that are still queued.
        job_name: Name that messages know the class by; None for `module.Class`. Set it before
            moving or renaming a class whose jobs are still queued.

    Example:
        >>> class Resize(Job):
        ...     queue_type = "images"
        ...     retryable = True
        ...     job_name = "resize"
        ...
        ...     def perform(self, args):
        ...         return args["width"]
        >>> Resize.create({"width": 320}).queue_type
        'images'

    Source:
        The behaviour of `Roger.Job`.
    """

    record: JobRecord
    queue_type: str | Callable[..., str] = queue.DEFAULT_TYPE
    retryable: bool | Callable[..., bool] = False
    max_execution_time: float | Callable[..., float | None] | None = None
    retry_levels: Sequence[float] | None = None
    retry_jitter: float | None = None
    version: int = 1
    job_name: str | None = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Refuse at its definition a class that could not work."""
        super().__init_subclass__(**kwargs)
        classes.check_definition(cls)
        if cls.version > 1 and inspect.getattr_static(cls, "upcast") is Job.__dict__["upcast"]:
            detail = (
                f"version is {cls.version}, and there is no upcast(cls, args, from_version) for older jobs"
            )
            raise InvalidJob(job=full_name(cls), detail=detail)

    def perform(self, args: Any) -> Any:
        """Do the work; may be `async def`. What it raises is a failure, what it returns goes to `after_run`.

        Args:
            args: What `create` was given, after its way through JSON.
        """
        raise NotImplementedError

    @classmethod
    def queue_key(cls, args: Any) -> str | None:
        """Return what makes the job unique in its partition, None for nothing."""
        del args
        return None

    @classmethod
    def execution_key(cls, args: Any) -> str | None:
        """Return what jobs must share to run one after another, None for nothing."""
        del args
        return None

    @classmethod
    def upcast(cls, args: Any, from_version: int) -> Any:
        """Return arguments that were made for an older version of the class as this one takes them.

        Called before every attempt of an older job, in its worker host; what it raises is a failure of
        the job, as if `perform` had raised it. The queue and the keys of the job stay what they were.

        Args:
            args: As they were enqueued.
            from_version: The version that they were made for, less than `version`.
        """
        raise NotImplementedError

    @classmethod
    def create(cls, args: Any, id: str | None = None) -> JobRecord:  # noqa: A002 Roger's name
        """Make a job of this class, ready to be enqueued.

        Args:
            args: One value that JSON carries unchanged: None, booleans, numbers, strings, lists,
                and dictionaries with string keys. A copy is taken.
            id: Its id; None for a random one.

        Raises:
            InvalidJob: The class is no job, or the arguments or id cannot travel; the message has
                the path to the value.
        """
        return create(cls, args, id)


def create(job_class: type[Job], args: Any, id: str | None = None) -> JobRecord:  # noqa: A002 Roger's name
    """Make a job of a class; see `Job.create`.

    Raises:
        InvalidJob: The class is no job, or the arguments or id cannot travel.
    """
    name = check(job_class)
    if job_class.__module__ == "__main__" and job_class.job_name is None:
        raise InvalidJob(job=name, detail="is in __main__, which no node can import; move it or set job_name")
    travelling = arguments.travelling(name, args)
    return JobRecord(
        id=new_id() if id is None else _text(name, "id", id),
        module=name,
        args=travelling,
        queue_key=_key(name, "queue_key", job_class.queue_key(travelling)),
        execution_key=_key(name, "execution_key", job_class.execution_key(travelling)),
        queue_type=_queue_type(job_class, travelling),
        max_execution_time=_limit(job_class),
        retryable=_retryable(job_class),
        retry_levels=None if job_class.retry_levels is None else tuple(map(float, job_class.retry_levels)),
        retry_jitter=None if job_class.retry_jitter is None else float(job_class.retry_jitter),
        version=job_class.version,
    )


def new_id() -> JobId:
    """Return 20 random bytes in lower-case base 32."""
    return JobId(base64.b32encode(secrets.token_bytes(20)).decode("ascii").lower())


def name_of(job_class: type[Job]) -> str:
    """Return the name that messages know a class by."""
    own = job_class.__dict__.get("job_name")
    return own if own is not None else full_name(job_class)


def is_job(value: object) -> bool:
    """Whether a value is a job class with a `perform` of its own."""
    return isinstance(value, type) and issubclass(value, Job) and value.perform is not Job.perform


def check(job_class: object) -> str:
    """Return the registered name of a class that can be run.

    Raises:
        InvalidJob: It cannot, and why.
    """
    if not isinstance(job_class, type):
        raise InvalidJob(job=shown(job_class), detail="is no class; subclass roger_actors.Job")
    full = full_name(job_class)
    if not issubclass(job_class, Job):
        raise InvalidJob(job=full, detail="is no job class; subclass roger_actors.Job")
    if job_class.perform is Job.perform:
        raise InvalidJob(job=full, detail="defines no perform(self, args)")
    return name_of(job_class)


def queue_type(record: JobRecord) -> str:
    """Return the queue type of a job."""
    return record.queue_type


def retryable(record: JobRecord) -> bool:
    """Whether a job is run again after a failure."""
    return record.retryable


def publish_opts(record: JobRecord, partition: str) -> dict[str, Any]:
    """Return the AMQP properties that a job is published with."""
    return {
        "content_type": "application/json",
        "delivery_mode": 2,
        "message_id": record.id,
        "app_id": partition,
    }


def execute(job_class: type[Job], record: JobRecord) -> Any:
    """Run a job and return what its `perform` returns (a coroutine, if that is `async def`).

    A job of an older version of the class is brought to this one first.

    Process:
        The job thread of a worker host, or a test.
    """
    if record.version < job_class.version:
        args = job_class.upcast(record.args, record.version)
        record = attrs.evolve(record, args=args, version=job_class.version)
    job = job_class()
    job.record = record
    return job.perform(record.args)


# -- what a class says, per job -------------------------------------------------------------------


def _queue_type(job_class: type[Job], args: Any) -> str:
    said = job_class.queue_type
    return said if isinstance(said, str) else classes.check_answer(job_class, "queue_type", said(args))


def _key(name: str, member: str, key: object) -> str | None:
    return None if key is None else _text(name, f"{member}(args)", key)


def _limit(job_class: type[Job]) -> float | None:
    said = job_class.max_execution_time
    if callable(said):
        said = classes.check_answer(job_class, "max_execution_time", said())
    return None if said is None else float(said)


def _retryable(job_class: type[Job]) -> bool:
    said = job_class.retryable
    return classes.check_answer(job_class, "retryable", said()) if callable(said) else said


def _text(name: str, what: str, value: object) -> str:
    if not isinstance(value, str) or not is_text(value):
        detail = f"{what} is {shown(value)}, expected a string of 1 to {MAX_TEXT} printable characters"
        raise InvalidJob(job=name, detail=detail)
    return value
