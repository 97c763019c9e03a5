"""The frequent frames of AMQP 0-9-1 as bytes: publish, deliver, return, ack, nack, confirm.

A frame is type (1 byte), channel (2), size (4), payload, 0xCE. Content is a method frame, a header
frame and body frames. `pika.spec` does the same in general; here the constant parts are made once.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Mapping
from typing import NamedTuple

import pika.data

METHOD, HEADER, BODY, HEARTBEAT = 1, 2, 3, 8
END = 0xCE
PUBLISH = struct.pack(">HH", 60, 40)
RETURN = struct.pack(">HH", 60, 50)
DELIVER = struct.pack(">HH", 60, 60)
ACK = struct.pack(">HH", 60, 80)
NACK = struct.pack(">HH", 60, 120)
MANDATORY = 1
MULTIPLE = 1
REQUEUE = 2

HAS_HEADERS, HAS_MODE = 1 << 13, 1 << 12
HAS_CORRELATION, HAS_REPLY, HAS_EXPIRATION, HAS_ID = 1 << 10, 1 << 9, 1 << 8, 1 << 7
HAS_TIMESTAMP, HAS_APP = 1 << 6, 1 << 3

_frame_head = struct.Struct(">BHI").pack
_frame_head_from = struct.Struct(">BHI").unpack_from
_content_head = struct.Struct(">BHIHHQH").pack
_content_head_from = struct.Struct(">HHQH").unpack_from
_settle = struct.Struct(">BHI4sQBB").pack
_tag_from = struct.Struct(">QB").unpack_from


class Content(NamedTuple):
    """The header of a message: what travels beside its body.

    Attributes:
        size: Bytes of the body.
        headers: As they came, the broker's own included.
        correlation_id: As published.
        reply_to: As published.
        message_id: As published.
        app_id: As published.
    """

    size: int
    headers: Mapping[str, object]
    correlation_id: str
    reply_to: str
    message_id: str
    app_id: str


NO_HEADERS: Mapping[str, object] = {}


def _short(text: str) -> bytes:
    data = text.encode()
    if len(data) > 255:
        detail = f"{text[:40]!r}… is longer than 255 bytes"
        raise ValueError(detail)
    return bytes((len(data),)) + data


def publish_method(channel: int, exchange: str, routing_key: str, *, mandatory: bool) -> bytes:
    """Return the method frame of a publish; it is the same for every message to one queue."""
    payload = b"".join(
        (PUBLISH, b"\x00\x00", _short(exchange), _short(routing_key), bytes((MANDATORY if mandatory else 0,)))
    )
    return _frame_head(METHOD, channel, len(payload)) + payload + b"\xce"


def content(  # noqa: PLR0913  the fields of the protocol
    channel: int,
    body: bytes,
    frame_max: int,
    *,
    message_id: str,
    app_id: str,
    headers: Mapping[str, str | int | bool] = {},
    correlation_id: str = "",
    reply_to: str = "",
    expiration: str = "",
) -> bytes:
    """Return the header and body frames of a persistent message."""
    flags = HAS_MODE
    parts = [b"", b"\x02"]
    if headers:
        flags |= HAS_HEADERS
        table: list[bytes] = []
        pika.data.encode_table(table, dict(headers))
        parts = [*table, b"\x02"]
    for text, flag in (
        (correlation_id, HAS_CORRELATION),
        (reply_to, HAS_REPLY),
        (expiration, HAS_EXPIRATION),
        (message_id, HAS_ID),
        (app_id, HAS_APP),
    ):
        if text:
            flags |= flag
            parts.append(_short(text))
    properties = b"".join(parts)
    size = len(body)
    head = _content_head(HEADER, channel, 14 + len(properties), 60, 0, size, flags)
    if not size:
        return head + properties + b"\xce"
    if size <= frame_max - 8:
        return b"".join((head, properties, b"\xce", _frame_head(BODY, channel, size), body, b"\xce"))
    return head + properties + b"\xce" + _long_body(channel, body, frame_max - 8)


def _long_body(channel: int, body: bytes, limit: int) -> bytes:
    frames = []
    for start in range(0, len(body), limit):
        piece = body[start : start + limit]
        frames += [_frame_head(BODY, channel, len(piece)), piece, b"\xce"]
    return b"".join(frames)


def ack(channel: int, tag: int, *, multiple: bool) -> bytes:
    """Return the frame that acknowledges a delivery, or all up to it."""
    return _settle(METHOD, channel, 13, ACK, tag, MULTIPLE if multiple else 0, END)


def nack(channel: int, tag: int, *, requeue: bool) -> bytes:
    """Return the frame that gives a delivery back, or drops it."""
    return _settle(METHOD, channel, 13, NACK, tag, REQUEUE if requeue else 0, END)


def read_frame_head(buffer: bytes | bytearray, offset: int) -> tuple[int, int, int]:
    """Return type, channel and payload size of the frame at an offset."""
    return _frame_head_from(buffer, offset)


def read_confirm(payload: bytes) -> tuple[int, bool]:
    """Return tag and `multiple` of an ack or nack from the broker."""
    tag, bits = _tag_from(payload, 4)
    return tag, bool(bits & MULTIPLE)


def read_deliver(payload: bytes) -> tuple[int, bool]:
    """Return delivery tag and redelivered of a delivery."""
    tag, redelivered = _tag_from(payload, 5 + payload[4])
    return tag, bool(redelivered)


def read_return(payload: bytes) -> tuple[str, str]:
    """Return exchange and routing key of a message that came back."""
    at = 6
    at += 1 + payload[at]
    exchange = str(payload[at + 1 : at + 1 + payload[at]], "utf-8")
    at += 1 + payload[at]
    return exchange, str(payload[at + 1 : at + 1 + payload[at]], "utf-8")


def read_content(payload: bytes) -> Content:
    """Return the header of a message."""
    _, _, size, flags = _content_head_from(payload, 0)
    at = 14
    headers = NO_HEADERS
    texts = ["", "", "", ""]
    for width, slot in _fields_of(flags):
        if width:
            at += width
        elif slot == _TABLE:
            headers, at = pika.data.decode_table(payload, at)
        else:
            end = at + 1 + payload[at]
            if slot != _SKIPPED:
                texts[slot] = str(payload[at + 1 : end], "utf-8", "replace")
            at = end
    return Content(size, headers, *texts)


_FIXED = {HAS_MODE: 1, 1 << 11: 1, HAS_TIMESTAMP: 8}
_TABLE, _SKIPPED = -1, -2
_SLOTS = {HAS_HEADERS: _TABLE, HAS_CORRELATION: 0, HAS_REPLY: 1, HAS_ID: 2, HAS_APP: 3}


@functools.lru_cache(maxsize=256)
def _fields_of(flags: int) -> list[tuple[int, int]]:
    """Return a header's fields in order: bytes of a fixed one or 0, and the text's place in `Content`."""
    bits = [1 << number for number in range(15, 0, -1) if flags & 1 << number]
    return [(_FIXED.get(bit, 0), _SLOTS.get(bit, _SKIPPED)) for bit in bits]
