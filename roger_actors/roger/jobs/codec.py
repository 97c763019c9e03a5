"""Jobs to bytes and back: JSON with a format version, never pickle.

There are two ways to read a payload. `decode` gives the whole `JobRecord`; `decode_header` gives what
the kernel host needs and leaves the arguments as they are, so that a retry (`with_retry`) carries them
on byte by byte. Either answers anything that is no job with `UndecodableJob` and one line that says
why, and nothing else. A class that nobody knows is no such case: the payload is a job, of a release
that is not this one.

Fields that have their default are left out, and fields that this release does not know are ignored.

Source:
    `Roger.Job.encode`, `Roger.Job.decode`.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from roger_actors.errors import JobTooLarge, NewerFormat, UndecodableJob
from roger_actors.roger.jobs.arguments import MAX_DEPTH, is_too_deep
from roger_actors.roger.jobs.job import JobRecord
from roger_actors.roger.jobs.job_class import MAX_LEVELS, MAX_SECONDS, MAX_TEXT, MAX_VERSION
from roger_actors.roger.queue import DEFAULT_TYPE, is_type

VERSION: Final = 1
"""The format that this release writes, and the only one that it reads."""
MAX_PAYLOAD: Final = 1024**2
"""Default limit for a payload at enqueue, in bytes."""
MAX_DECODED: Final = 8 * 1024**2
"""Largest payload that is looked into, in bytes; above it, it is no job, whoever sent it."""

_Number = Annotated[int, Meta(ge=0, le=2**31)]
_Text = Annotated[str, Meta(min_length=1, max_length=MAX_TEXT)]
_Count = Annotated[int, Meta(ge=0, le=1_000_000)]
_Millis = Annotated[int, Meta(ge=0, le=2**53)]
_Limit = Annotated[float, Meta(ge=1, le=MAX_SECONDS)]
_Level = Annotated[float, Meta(ge=0, le=MAX_SECONDS)]
_Version = Annotated[int, Meta(ge=1, le=MAX_VERSION)]
_Fraction = Annotated[float, Meta(ge=0, le=1)]
_Levels = Annotated[tuple[_Level, ...], Meta(min_length=1, max_length=MAX_LEVELS)]


class JobHeader(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A job as it stands in its payload, the arguments not decoded; for who carries it.

    Attributes:
        v: The format version.
        id: The job's id.
        class_name: Registered name of its class.
        args: The arguments as JSON; they were checked.
        queue_key: Makes it unique, or None.
        execution_key: Serialises it, or None.
        queue_type: Which of the partition's queues carries it.
        retry_count: Retries that it has had.
        queued_at: Milliseconds since the epoch, 0 for never.
        started_at: Milliseconds since the epoch, 0 for never.
        max_execution_time: Seconds that it may run, or None.
        retryable: Whether it is run again after a failure.
        retry_levels: Seconds before the 1st, 2nd … retry; None for the node's.
        retry_jitter: Part of each of these that is added at random; None for the node's.
        class_version: The version of the class that the arguments were made for.
    """

    v: _Number
    id: _Text
    class_name: _Text = msgspec.field(name="class")
    args: msgspec.Raw
    queue_key: _Text | None = None
    execution_key: _Text | None = None
    queue_type: _Text = DEFAULT_TYPE
    retry_count: _Count = 0
    queued_at: _Millis = 0
    started_at: _Millis = 0
    max_execution_time: _Limit | None = None
    retryable: bool = False
    retry_levels: _Levels | None = None
    retry_jitter: _Fraction | None = None
    class_version: _Version = 1


class _Format(msgspec.Struct):
    v: _Number


_encode: Final = msgspec.json.Encoder().encode
_decode_any: Final = msgspec.json.Decoder().decode
_decode_header: Final = msgspec.json.Decoder(JobHeader).decode
_decode_version: Final = msgspec.json.Decoder(_Format).decode


def encode(record: JobRecord) -> bytes:
    """Return a job as a payload."""
    header = JobHeader(
        v=VERSION,
        id=record.id,
        class_name=record.module,
        args=msgspec.Raw(_encode(record.args)),
        queue_key=record.queue_key,
        execution_key=record.execution_key,
        queue_type=record.queue_type,
        retry_count=record.retry_count,
        queued_at=record.queued_at,
        started_at=record.started_at,
        max_execution_time=record.max_execution_time,
        retryable=record.retryable,
        retry_levels=record.retry_levels,
        retry_jitter=record.retry_jitter,
        class_version=record.version,
    )
    return _encode(header)


def decode(payload: bytes, *, started_at: int | None = None) -> JobRecord:
    """Return the job in a payload.

    Args:
        payload: What `encode` returned, or anything else.
        started_at: Milliseconds since the epoch to stamp it with; None leaves what it says.

    Raises:
        UndecodableJob: It is no job; says why on one line.
        NewerFormat: It is one in a format that only a newer release reads.
    """
    header, args = _read(payload)
    return JobRecord(
        id=header.id,
        module=header.class_name,
        args=args,
        queue_key=header.queue_key,
        execution_key=header.execution_key,
        queue_type=header.queue_type,
        retry_count=header.retry_count,
        queued_at=header.queued_at,
        started_at=header.started_at if started_at is None else started_at,
        max_execution_time=header.max_execution_time,
        retryable=header.retryable,
        retry_levels=header.retry_levels,
        retry_jitter=header.retry_jitter,
        version=header.class_version,
    )


def decode_header(payload: bytes) -> JobHeader:
    """Return what the kernel host needs of a payload.

    The arguments are decoded once, to be sure that the job can be run, and thrown away.

    Raises:
        UndecodableJob: It is no job; says why on one line.
        NewerFormat: It is one in a format that only a newer release reads.
    """
    return _read(payload)[0]


def encode_header(header: JobHeader) -> bytes:
    """Return the payload of a header, the arguments as they were."""
    return _encode(header)


def with_retry(payload: bytes, retry_count: int) -> bytes:
    """Return the payload of a job's next attempt.

    Args:
        payload: The attempt that failed.
        retry_count: The next attempt's.

    Raises:
        UndecodableJob: The payload is no job.
    """
    return _encode(msgspec.structs.replace(decode_header(payload), retry_count=retry_count, started_at=0))


def check_size(record: JobRecord, payload: bytes, limit: int = MAX_PAYLOAD) -> None:
    """Refuse a payload that is too large to be enqueued.

    Args:
        record: The job, for the error.
        payload: What `encode` made of it.
        limit: Most bytes it may have.

    Raises:
        JobTooLarge: It has more.
    """
    if len(payload) > limit:
        raise JobTooLarge(job=f"{record.module} {record.id}", size=len(payload), limit=limit)


def _read(payload: bytes) -> tuple[JobHeader, Any]:
    if len(payload) > MAX_DECODED:
        raise UndecodableJob(detail=f"it has {len(payload)} bytes, more than {MAX_DECODED}")
    try:
        header = _decode_header(payload)
        args = _decode_any(header.args)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        if isinstance(error, msgspec.ValidationError):
            _refuse_other_format(_version_of(payload))  # goes before a shape that is not ours
        raise UndecodableJob(detail=_cause(payload, error)) from error
    _refuse_other_format(header.v)
    if not _is_sound(header) or is_too_deep(payload, MAX_DEPTH + 1):
        raise UndecodableJob(detail=_flaw(header))
    return header, args


def _refuse_other_format(version: int | None) -> None:
    if version not in (None, VERSION):
        kind = NewerFormat if version > VERSION else UndecodableJob
        detail = f"its format version is {version}, and this release reads {VERSION}"
        raise kind(detail=detail)


def _is_sound(header: JobHeader) -> bool:
    printable = header.id.isprintable() and header.class_name.isprintable()
    keys = (header.queue_key or "").isprintable() and (header.execution_key or "").isprintable()
    return printable and keys and (header.queue_type == DEFAULT_TYPE or is_type(header.queue_type))


def _flaw(header: JobHeader) -> str:
    if _is_sound(header):
        return f"its args are nested deeper than {MAX_DEPTH} levels"
    if not is_type(header.queue_type):
        return f"its queue_type {header.queue_type!r} is no name of a queue type"
    return "its id, class or a key has characters that cannot be printed"


def _cause(payload: bytes, error: Exception) -> str:
    """Say on one line what is wrong."""
    if not payload.strip():
        return "it is empty"
    if isinstance(error, RecursionError):
        return f"it is nested deeper than {MAX_DEPTH} levels"
    if isinstance(error, msgspec.ValidationError):
        return str(error)
    return f"it is not JSON: {error}"


def _version_of(payload: bytes) -> int | None:
    try:
        return _decode_version(payload).v
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
