"""What a job's arguments may be: one value that JSON carries there and back unchanged.

The rule is one sentence: what arrives equals what was given. So a tuple is refused (it would arrive
as a list), and so is a dictionary with numbers as keys (they would arrive as strings), NaN, bytes,
dates and objects; a `defaultdict` or a `StrEnum` passes, because its copy compares equal.
"""

from __future__ import annotations

import math
import re
from typing import Any, Final

import msgspec

from roger_actors.errors import InvalidJob

MAX_DEPTH: Final = 100
"""Deepest nesting of lists and dictionaries."""

_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder().decode
_STRING: Final = re.compile(rb'"(?:[^"\\]|\\.)*"')
_NOT_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))
_ALIKE: Final = bytes.maketrans(b"{}", b"[]")
_INTEGERS: Final = range(-(2**63), 2**64)


def travelling(job: str, args: Any) -> Any:
    """Return a copy of the arguments as it will arrive.

    Args:
        job: Name of the job class, for the error.
        args: What the user gave.

    Raises:
        InvalidJob: Something in it would not arrive as it is; the message has the path to it.
    """
    try:
        encoded = _encode(args)
        arriving = _decode(encoded)
        if arriving == args and not is_too_deep(encoded) and not _may_hold_big_integers(encoded, args):
            return arriving
    except (TypeError, ValueError, RecursionError, msgspec.MsgspecError):
        pass  # the search below says what it was
    raise InvalidJob(job=job, detail=_find(args, "args", 0) or "args cannot be encoded as JSON")


def is_too_deep(encoded: bytes, most: int = MAX_DEPTH) -> bool:
    """Whether well-formed JSON nests deeper than `most` levels; cheap, it takes off level by level."""
    if encoded.count(b"[") + encoded.count(b"{") <= most:
        return False
    brackets = _STRING.sub(b"", encoded).translate(_ALIKE, _NOT_BRACKETS)
    for _ in range(most):
        brackets = brackets.replace(b"[]", b"")
        if not brackets:
            return False
    return True


_DIGITS: Final = re.compile(rb"\d{19}")


def _may_hold_big_integers(encoded: bytes, args: Any) -> bool:
    return _DIGITS.search(encoded) is not None and _find(args, "args", 0) is not None


def _find(value: Any, path: str, depth: int) -> str | None:
    """Return what is wrong with the first value that does not travel, None if all do."""
    if depth > MAX_DEPTH:
        return f"{_shortened(path)} is nested deeper than {MAX_DEPTH} levels"
    if isinstance(value, dict):
        return _find_in_dict(value, path, depth)
    if isinstance(value, list):
        found = (_find(item, f"{path}[{index}]", depth + 1) for index, item in enumerate(value))
        return next((wrong for wrong in found if wrong is not None), None)
    wrong = _leaf(value)
    return None if wrong is None else f"{_shortened(path)} {wrong}"


def _find_in_dict(value: dict[Any, Any], path: str, depth: int) -> str | None:
    for key, item in value.items():
        if not isinstance(key, str):
            return f"{_shortened(path)} has the key {key!r} of type {type(key).__name__}; JSON has strings"
        wrong = _leaf(key)
        if wrong is not None:
            return f"{_shortened(path)} has the key {key!r}, which {wrong}"
        wrong = _find(item, f"{path}[{key!r}]", depth + 1)
        if wrong is not None:
            return wrong
    return None


def _leaf(value: Any) -> str | None:
    kind = type(value).__name__
    match value:
        case float() if not math.isfinite(value):
            return f"is {value!r}, which JSON cannot carry; use None"
        case bool() | float() | None:
            pass
        case int() if value not in _INTEGERS:
            return "is an integer of more than 64 bits; use a string"
        case tuple():
            return f"is a {kind}, which would arrive as a list; use a list"
    return _round_trip(value, kind)


def _round_trip(value: Any, kind: str) -> str | None:
    try:
        if _decode(_encode(value)) == value:
            return None
    except UnicodeError:
        return "is a string with a lone surrogate, which is no text"
    except (TypeError, ValueError, RecursionError, msgspec.MsgspecError):
        pass
    return f"is of type {kind}, which JSON cannot carry"


def _shortened(path: str) -> str:
    return path if len(path) <= 200 else f"{path[:120]}…{path[-60:]}"
