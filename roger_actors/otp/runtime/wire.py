"""What crosses between hosts, as bytes.

The first byte of a frame says its codec. `P`, *plain*: msgpack of builtins (tuples, sets and sizes of
integers kept), pids, refs, reasons and structs that were registered with `register`; decoding it runs
nobody's code. `K`, pickle: only between app hosts; a host of a role in `PLAIN_ROLES` never opens one.
After the byte comes a list of signals, each encoded where it was sent, so that what cannot travel is
refused in the sender's face.
"""

from __future__ import annotations

import pickle
import struct
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, TypeVar

import msgspec

from roger_actors.errors import Undeliverable
from roger_actors.otp.message import (
    CallRequest,
    CastRequest,
    Down,
    Exit,
    From,
    Refusal,
    Response,
    SystemRequest,
    TraceEvent,
)
from roger_actors.otp.message import Timeout as TimeoutMessage
from roger_actors.otp.pid import Pid, Ref
from roger_actors.otp.reason import Atom, CallExit, Crash, ExitStatus, Fault, Shutdown, Signal, shown

PLAIN_ROLES: Final = frozenset({"root", "kernel", "worker"})
"""Roles whose hosts speak only the plain codec."""

_PLAIN: Final = 0x50
_PICKLE: Final = 0x4B
_TUPLE, _SET, _FROZENSET, _PID, _REF, _FROM, _ATOM, _STRUCT, _BIG, _DICT = range(1, 11)
_MAX_DEPTH: Final = 100

T = TypeVar("T", bound=type[msgspec.Struct])

_pack = msgspec.msgpack.Encoder().encode
_structs: dict[type, tuple[str, tuple[int, ...]]] = {}
_decoders: dict[str, Callable[[bytes], Any]] = {}


def register(kind: T) -> T:
    """Let a struct travel in plain frames; usable as a decorator.

    Args:
        kind: A frozen `msgspec.Struct` with `array_like=True` and `tag=True` (or a tag of its own).

    Raises:
        ValueError: It has no tag, or another class is registered under the same one.
    """
    tag = kind.__struct_config__.tag
    if not isinstance(tag, str) or not kind.__struct_config__.array_like:
        raise ValueError(f"{kind.__qualname__} needs array_like=True and a tag to travel")
    known = next((other for other, (name, _) in _structs.items() if name == tag), None)
    if known is not None and (known.__module__, known.__qualname__) != (kind.__module__, kind.__qualname__):
        raise ValueError(f"the tag {tag!r} of {kind.__qualname__} is taken by {known.__qualname__}")
    _structs[kind] = tag, _open_fields(kind)
    _decoders[tag] = msgspec.msgpack.Decoder(kind, ext_hook=_raise_ext).decode
    return kind


def _open_fields(kind: type[msgspec.Struct]) -> tuple[int, ...]:
    """Return the positions of fields that may hold anything and so must be looked into."""
    fields = msgspec.structs.fields(kind)
    return tuple(i for i, field in enumerate(fields) if "Any" in str(field.type) or field.type is object)


def encode_plain(parts: list[Any]) -> bytes:
    """Encode one signal for a plain frame.

    Raises:
        Undeliverable: It holds something that cannot travel; the message names the type.
    """
    try:
        return _pack([_lower(part, 0) for part in parts])
    except (TypeError, OverflowError, ValueError, UnicodeError) as error:
        raise Undeliverable(type=type_of(parts[-1]), detail=str(error)) from error


def encode_pickled(parts: list[Any]) -> bytes:
    """Encode one signal for a pickle frame.

    Raises:
        Undeliverable: It cannot be pickled.
    """
    try:
        return _pack(pickle.dumps(parts, pickle.HIGHEST_PROTOCOL))
    except Exception as error:  # a user's __reduce__ may raise anything
        raise Undeliverable(type=type_of(parts[-1]), detail=str(error)) from error


def type_of(message: Any) -> str:
    """Return the type of what the user sent, for an error."""
    if isinstance(message, CallRequest | CastRequest):
        message = message.request
    elif isinstance(message, SystemRequest):
        message = message.argument
    return type(message).__qualname__


def portable(value: Any, encode: Callable[[list[Any]], bytes]) -> Any:
    """Return the value itself if it can be encoded, else its text."""
    try:
        encode([value])
    except Undeliverable:
        return shown(value)
    return value


def frame(signals: list[bytes], *, plain: bool) -> bytes:
    """Join encoded signals into one frame."""
    head = struct.pack(">BBI", _PLAIN if plain else _PICKLE, 0xDD, len(signals))
    return head + b"".join(signals)


def unframe(data: bytes, *, plain_only: bool) -> Sequence[list[Any] | Unreadable]:
    """Decode a frame to its signals; a pickled one that cannot be read leaves the others as they are.

    Raises:
        Undeliverable: It is malformed, or pickled where only plain frames are allowed.
    """
    if data[:1] == b"P":
        try:
            signals: list[list[Any]] = _unpack(memoryview(data)[1:])
        except (msgspec.MsgspecError, ValueError, TypeError, KeyError, RecursionError) as error:
            raise Undeliverable(type="frame", detail=str(error)) from error
        return signals
    if data[:1] != b"K" or plain_only:
        raise Undeliverable(type="frame", detail=f"codec {data[:1]!r} is not accepted here")
    try:
        items: list[bytes] = _unpack(memoryview(data)[1:])
    except (msgspec.MsgspecError, ValueError, TypeError) as error:
        raise Undeliverable(type="frame", detail=str(error)) from error
    return [_unpickled(item) for item in items]


class Unreadable(NamedTuple):
    """Stands for a pickled signal that cannot be read here.

    Attributes:
        item: The signal as it came.
        fault: Why.
    """

    item: bytes
    fault: str


def _unpickled(item: bytes) -> list[Any] | Unreadable:
    try:
        signal: list[Any] = pickle.loads(item)  # noqa: S301 between app hosts only
    except Exception as error:  # noqa: BLE001 - its classes may be unknown here, their code may raise anything
        return Unreadable(item, f"{type(error).__qualname__}: {error}")
    return signal


def dumps(value: Any) -> bytes:
    """Encode one value plainly.

    Raises:
        Undeliverable: It holds something that cannot travel.
    """
    return encode_plain([value])


def loads(data: bytes) -> Any:
    """Decode what `dumps` encoded.

    Raises:
        Undeliverable: It is malformed.
    """
    try:
        return _unpack(data)[0]
    except (msgspec.MsgspecError, ValueError, TypeError, KeyError, IndexError, RecursionError) as error:
        raise Undeliverable(type="value", detail=str(error)) from error


_ATOMIC: Final = frozenset({str, bytes, float, bool, type(None)})


def _lower(value: Any, depth: int) -> Any:
    """Return the value in terms of msgpack's types and our extensions."""
    kind = value.__class__
    if kind in _ATOMIC:
        return value
    if kind is int:
        return value if -(2**63) <= value < 2**64 else _ext(_BIG, str(value))
    lower = _LOWERINGS.get(kind)
    if lower is not None:
        if depth > _MAX_DEPTH:
            raise ValueError(f"nested deeper than {_MAX_DEPTH} levels")
        return lower(value, depth + 1)
    known = _structs.get(kind)
    if known is None:
        raise Undeliverable(
            type=f"{kind.__module__}.{kind.__qualname__}",
            detail="send builtins, pids, reasons, or structs registered with wire.register",
        )
    return msgspec.msgpack.Ext(_STRUCT, _pack_struct(value, known, depth + 1))


def _pack_struct(value: msgspec.Struct, known: tuple[str, tuple[int, ...]], depth: int) -> bytes:
    tag, open_fields = known
    if not open_fields:
        return _pack(value)
    values: list[Any] = [tag, *msgspec.structs.astuple(value)]
    for position in open_fields:
        values[position + 1] = _lower(values[position + 1], depth)
    return _pack(values)


def _lower_dict(value: dict[Any, Any], depth: int) -> Any:
    lowered = [(_lower(key, depth), _lower(item, depth)) for key, item in value.items()]
    try:
        return dict(lowered)
    except TypeError:  # a key that is a pid or a tuple became an extension, which has no hash
        return _ext(_DICT, lowered)


def _ext(code: int, value: Any) -> msgspec.msgpack.Ext:
    return msgspec.msgpack.Ext(code, _pack(value))


_LOWERINGS: Final[dict[type, Callable[[Any, int], Any]]] = {
    list: lambda value, depth: [_lower(item, depth) for item in value],
    dict: _lower_dict,
    tuple: lambda value, depth: _ext(_TUPLE, [_lower(item, depth) for item in value]),
    set: lambda value, depth: _ext(_SET, [_lower(item, depth) for item in value]),
    frozenset: lambda value, depth: _ext(_FROZENSET, [_lower(item, depth) for item in value]),
    Pid: lambda value, _: _ext(_PID, value),
    Ref: lambda value, _: _ext(_REF, value),
    From: lambda value, _: _ext(_FROM, value),
    Atom: lambda value, _: _ext(_ATOM, value.name),
    bytearray: lambda value, _: bytes(value),
}


def _raise_ext(code: int, data: memoryview) -> Any:
    if code == _STRUCT:
        tag = _tag_of(data)
        decoder = _decoders.get(tag)
        if decoder is None:
            raise ValueError(f"no struct is registered as {tag!r}")
        return decoder(bytes(data))
    return _RAISINGS[code](data)


def _tag_of(data: memoryview) -> str:
    """Read the tag, the first item of the struct's array, without decoding the rest."""
    first = data[0]
    start = 1 if 0x90 <= first <= 0x9F else 3 if first == 0xDC else 5
    head = data[start]
    if 0xA0 <= head <= 0xBF:
        start, size = start + 1, head & 0x1F
    else:
        start, size = start + 2, data[start + 1]
    return str(data[start : start + size], "utf-8")


_unpack = msgspec.msgpack.Decoder(ext_hook=_raise_ext).decode
_decode_pid = msgspec.msgpack.Decoder(Pid).decode
_decode_ref = msgspec.msgpack.Decoder(Ref).decode
_decode_from = msgspec.msgpack.Decoder(From).decode

_RAISINGS: Final[dict[int, Callable[[memoryview], Any]]] = {
    _TUPLE: lambda data: tuple(_unpack(data)),
    _SET: lambda data: set(_unpack(data)),
    _FROZENSET: lambda data: frozenset(_unpack(data)),
    _PID: _decode_pid,
    _REF: _decode_ref,
    _FROM: _decode_from,
    _ATOM: lambda data: Atom(_unpack(data)),
    _BIG: lambda data: int(_unpack(data)),
    _DICT: lambda data: dict(_unpack(data)),
}

_OWN: Final[tuple[type[msgspec.Struct], ...]] = (
    *(Shutdown, Crash, Signal, ExitStatus, CallExit, Fault),
    *(Exit, Down, TimeoutMessage, Response, CallRequest, CastRequest, SystemRequest, Refusal, TraceEvent),
)
for _kind in _OWN:
    register(_kind)
