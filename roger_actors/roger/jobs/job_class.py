"""What a job class may say of itself, checked when the class is defined.

A mistake in a class is an error where the class is written, with the member, its value and what was
expected; not a job that fails in a worker host at night. `Job` calls `check_definition` for every
subclass, and `check_answer` for what its class methods return.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from typing import Any, Final, NoReturn

from roger_actors.errors import InvalidJob
from roger_actors.roger import queue

MAX_TEXT: Final = 255
"""Longest id, class name or key, in characters."""
MAX_SECONDS: Final = 366 * 86_400.0
"""Longest time limit and retry level in seconds: what a broker can delay."""
MAX_LEVELS: Final = 1000
"""Most retry levels a class may have."""
MAX_VERSION: Final = 2**31
"""Highest version of a class."""

_TYPE: Final = queue.TYPE_WORDS
_TEXT: Final = f"a string of 1 to {MAX_TEXT} printable characters"
_LIMIT: Final = f"seconds from 1 to {MAX_SECONDS:.0f}, or None for no limit"
_JITTER: Final = "a number from 0 to 1, or None for the node's"
_LEVELS: Final = "a list of one or more seconds, each 0 or more, or None for the node's"


def check_definition(job_class: type) -> None:
    """Check what a class defines itself; what it inherits was checked there.

    Raises:
        InvalidJob: A member could not work.
    """
    for member, check in _MEMBERS.items():
        if member in job_class.__dict__:
            check(job_class, member, job_class.__dict__[member])


def check_answer(job_class: type, member: str, answer: Any) -> Any:
    """Return what a class method answered.

    Raises:
        InvalidJob: It is nothing that the member may be.
    """
    is_right, expected = _ANSWERS[member]
    if not is_right(answer):
        _refuse(job_class, f"{member}()", answer, expected)
    return answer


def is_text(value: object) -> bool:
    """Whether a value may be an id, a class name or a key."""
    return isinstance(value, str) and 0 < len(value) <= MAX_TEXT and value.isprintable()


def is_seconds(value: object, at_least: float) -> bool:
    """Whether a value is a sane number of seconds."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return math.isfinite(value) and at_least <= value <= MAX_SECONDS


def is_fraction(value: object) -> bool:
    """Whether a value is a number from 0 to 1."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1


def full_name(job_class: type) -> str:
    """Return a class's module and name."""
    return f"{job_class.__module__}.{job_class.__qualname__}"


def shown(value: object) -> str:
    """Return a value for an error message, on one line, not too long."""
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:97]}..."


# -- one function for each kind of member ---------------------------------------------------------


def _check_perform(job_class: type, member: str, value: Any) -> None:
    if not inspect.isfunction(inspect.unwrap(value) if callable(value) else value):
        _refuse(job_class, member, value, "a method perform(self, args)")
    if inspect.isgeneratorfunction(value) or inspect.isasyncgenfunction(value):
        _refuse(job_class, member, value, "a method that does not yield: a generator would never run")
    _check_takes(job_class, member, value, ("self", "args"))


def _check_key(job_class: type, member: str, value: Any) -> None:
    if not _is_method(value):
        _refuse(job_class, member, value, f"@classmethod above def {member}(cls, args)")
    _check_method(job_class, member, value, ("args",))


def _check_queue_type(job_class: type, member: str, value: Any) -> None:
    if _is_method(value):
        _check_method(job_class, member, value, ("args",))
    elif not _is_queue_type(value):
        _refuse(job_class, member, value, f"{_TYPE}, or @classmethod above def {member}(cls, args)")


def _check_plain(job_class: type, member: str, value: Any) -> None:
    is_right, expected = _ANSWERS[member]
    if _is_method(value):
        _check_method(job_class, member, value, ())
    elif not is_right(value):
        _refuse(job_class, member, value, expected)


def _check_name(job_class: type, member: str, value: Any) -> None:
    if value is not None and not is_text(value):
        _refuse(job_class, member, value, _TEXT)


def _check_levels(job_class: type, member: str, value: Any) -> None:
    if value is not None and not _is_levels(value):
        _refuse(job_class, member, value, _LEVELS)


def _check_jitter(job_class: type, member: str, value: Any) -> None:
    if value is not None and not is_fraction(value):
        _refuse(job_class, member, value, _JITTER)


def _check_version(job_class: type, member: str, value: Any) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MAX_VERSION:
        _refuse(job_class, member, value, f"a whole number from 1 to {MAX_VERSION}")


def _check_upcast(job_class: type, member: str, value: Any) -> None:
    if not _is_method(value):
        _refuse(job_class, member, value, f"@classmethod above def {member}(cls, args, from_version)")
    _check_method(job_class, member, value, ("args", "from_version"))


def _is_method(value: object) -> bool:
    return isinstance(value, classmethod | staticmethod)


def _check_method(job_class: type, member: str, value: Any, takes: tuple[str, ...]) -> None:
    words = ("cls", *takes) if isinstance(value, classmethod) else takes
    _check_takes(job_class, member, value.__func__, words)


def _check_takes(job_class: type, member: str, function: Callable[..., Any], words: tuple[str, ...]) -> None:
    try:
        inspect.signature(function).bind(*words)
    except TypeError:
        taken = f"{member}{inspect.signature(function)}"
        detail = f"{taken} cannot be called with ({', '.join(words)}), as it is here"
        raise InvalidJob(job=full_name(job_class), detail=detail) from None


def _refuse(job_class: type, member: str, value: object, expected: str) -> NoReturn:
    raise InvalidJob(job=full_name(job_class), detail=f"{member} is {shown(value)}, expected {expected}")


def _is_queue_type(value: object) -> bool:
    return isinstance(value, str) and queue.is_type(value)


def _is_limit(value: object) -> bool:
    return value is None or is_seconds(value, 1.0)


def _is_levels(value: object) -> bool:
    if not isinstance(value, list | tuple) or not 0 < len(value) <= MAX_LEVELS:
        return False
    return all(is_seconds(level, 0.0) for level in value)


_ANSWERS: Final[Mapping[str, tuple[Callable[[object], bool], str]]] = {
    "queue_type": (_is_queue_type, _TYPE),
    "retryable": (lambda value: isinstance(value, bool), "True or False"),
    "max_execution_time": (_is_limit, _LIMIT),
}

_MEMBERS: Final[Mapping[str, Callable[[type, str, Any], None]]] = {
    "perform": _check_perform,
    "queue_key": _check_key,
    "execution_key": _check_key,
    "queue_type": _check_queue_type,
    "retryable": _check_plain,
    "max_execution_time": _check_plain,
    "retry_levels": _check_levels,
    "retry_jitter": _check_jitter,
    "version": _check_version,
    "upcast": _check_upcast,
    "job_name": _check_name,
}
