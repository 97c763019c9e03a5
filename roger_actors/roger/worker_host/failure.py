"""An exception as text, made where it happened and safe against what an exception can do.

The user's exceptions stay in the worker host. A `__str__` may raise, hang or return a gigabyte; a
name may hold bytes that are no text; rendering answers all of it with something short that can travel.
"""

from __future__ import annotations

import asyncio
import traceback
from pathlib import Path
from types import TracebackType
from typing import Final

import msgspec

from roger_actors.errors import JobError, JobKilled, JobTimeout, UnknownJobClass
from roger_actors.roger.jobs.job import JobRecord
from roger_actors.roger.worker_host.protocol import Failure, FailureKind

MAX_MESSAGE: Final = 2_000
"""Longest message, in characters."""
MAX_STACK: Final = 16_000
"""Longest stack trace, in characters; the middle is left out."""

_EXITS: Final = (SystemExit, KeyboardInterrupt, GeneratorExit)
_PACKAGE: Final = str(Path(__file__).parents[2])
_ASYNCIO: Final = str(Path(asyncio.__file__).parent)


def failure_of(error: BaseException) -> Failure:
    """Return why a job failed, from what its `perform` raised."""
    return Failure(kind_of(error), type_of(error), message_of(error), stack_of(error))


def refusal_of(error: JobError) -> Failure:
    """Return why a job was not run: of kind `class` where another release may know how."""
    failure = failure_of(error)
    return msgspec.structs.replace(failure, kind="class") if isinstance(error, UnknownJobClass) else failure


def kind_of(error: BaseException) -> FailureKind:
    """Return `exit` for what would have ended the interpreter, `error` for the rest."""
    return "exit" if isinstance(error, _EXITS) else "error"


def type_of(error: BaseException) -> str:
    """Return the name of an exception's class, with its module unless that is builtins."""
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    return _as_text(name, 255)


def message_of(error: BaseException) -> str:
    """Return what an exception says of itself."""
    try:
        return _as_text(str(error), MAX_MESSAGE)
    except BaseException as second:  # noqa: BLE001 the user's __str__ may raise anything
        return f"<str() of it raised {type_of(second)}>"


def stack_of(error: BaseException) -> str:
    """Return the traceback as text; its first frame is the job's `perform`, where it got that far."""
    try:
        shown = traceback.TracebackException(
            type(error), error, _from_perform(error.__traceback__), compact=True
        )
        return _as_text("".join(shown.format()), MAX_STACK)
    except BaseException as second:  # noqa: BLE001 formatting runs the user's code: __str__, __cause__ …
        return f"<formatting the traceback raised {type_of(second)}>"


def one_line(error: BaseException) -> str:
    """Return class and message on one line."""
    return " ".join(f"{type_of(error)}: {message_of(error)}".split())


def exception_of(failure: Failure, record: JobRecord) -> BaseException:
    """Return an exception for a job that ended with its host, for the hooks that expect one."""
    if failure.kind == "timeout":
        return JobTimeout(job=record.id, seconds=record.max_execution_time)
    return JobKilled(job=record.id, detail=failure.message)


def _from_perform(trace: TracebackType | None) -> TracebackType | None:
    """Leave out the frames that led to the job's code."""
    first = trace
    while first is not None and first.tb_frame.f_code.co_name != "perform":
        first = first.tb_next
    return first if first is not None else _from_outside(trace)


def _from_outside(trace: TracebackType | None) -> TracebackType | None:
    first = trace
    while first is not None and first.tb_frame.f_code.co_filename.startswith((_PACKAGE, _ASYNCIO)):
        first = first.tb_next
    return first or trace


def _as_text(text: str, most: int) -> str:
    """Return text that can be encoded, its middle left out where it is too long."""
    if len(text) > most:
        gone = len(text) - most
        text = f"{text[: most // 2]} … {gone} characters … {text[-(most // 2) :]}"
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
