"""What travels on the cluster's bus.

JSON with checked shapes: whatever is broadcast by somebody else is refused as a value, never
trusted, and no name in it is imported.
"""

from __future__ import annotations

from typing import Any

import msgspec

TOPIC = "roger.system"
"""The broadcast topic that every node of a system listens to."""

HEARTBEAT = 2.0
"""Seconds between two signs of life of a node."""

PEER_LOST = 7.0
"""Seconds of silence after which a node no longer counts as alive."""

NOT_STARTED = "not started here"
"""What a node answers that was asked about a partition that it does not have."""


class Ask(msgspec.Struct, frozen=True, tag="ask"):
    """A question to every node.

    Attributes:
        id: Told back with every answer.
        op: One of `server.OPERATIONS`.
        args: Its arguments, JSON-like.
        reply_to: Queue for the answers.
    """

    id: str
    op: str
    args: dict[str, Any]
    reply_to: str


class Alive(msgspec.Struct, frozen=True, tag="alive"):
    """A node's sign of life.

    Attributes:
        node: Its name.
        incarnation: Random per start, so that a restart under the same name is a new node.
    """

    node: str
    incarnation: str


class Leaving(msgspec.Struct, frozen=True, tag="leaving"):
    """A node's farewell."""

    node: str
    incarnation: str


class LaneOpened(msgspec.Struct, frozen=True, tag="lane"):
    """A client's word that a partition has serial jobs from now on.

    Attributes:
        partition: Whose lane is to be consumed.
    """

    partition: str


class Answer(msgspec.Struct, frozen=True):
    """A node's answer.

    Attributes:
        id: That of the question.
        node: Who answers.
        peers: How many nodes the answering one counts as alive, itself included.
        value: The result; None when `error` is set.
        error: One line, empty for none.
    """

    id: str
    node: str
    peers: int
    value: Any = None
    error: str = ""


_encode = msgspec.json.Encoder().encode
_broadcasts = msgspec.json.Decoder(Ask | Alive | Leaving | LaneOpened)
_answers = msgspec.json.Decoder(Answer)


def encode(message: Ask | Alive | Leaving | LaneOpened | Answer) -> bytes:
    """Return a message as bytes."""
    return _encode(message)


def decode_broadcast(body: bytes) -> Ask | Alive | Leaving | LaneOpened | None:
    """Return what was broadcast, None if it is nothing this release knows."""
    try:
        message: Ask | Alive | Leaving | LaneOpened = _broadcasts.decode(body)
    except msgspec.DecodeError:
        return None
    return message


def decode_answer(body: bytes) -> Answer | None:
    """Return an answer, None if it is none."""
    try:
        return _answers.decode(body)
    except msgspec.DecodeError:
        return None
