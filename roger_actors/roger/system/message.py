"""What travels on the cluster's bus.

JSON with checked shapes: whatever is broadcast by somebody else is refused as a value, never
trusted, and no name in it is imported.
"""

from __future__ import annotations

from typing import Any

import msgspec

TOPIC = "roger.system"
"""The broadcast topic that every node of a system listens to."""

NOT_STARTED = "not started here"
"""What a node answers that was asked about a partition that it does not have."""
NOT_ASKED = "not asked"
"""What a node answers when another was meant."""


class Ask(msgspec.Struct, frozen=True, tag="ask"):
    """A question to every node.

    Attributes:
        id: Told back with every answer.
        op: One of `server.OPERATIONS`.
        args: Its arguments, JSON-like.
        reply_to: Queue for the answers, empty where none is wanted.
    """

    id: str
    op: str
    args: dict[str, Any]
    reply_to: str


class Alive(msgspec.Struct, frozen=True, tag="alive"):
    """A node's sign of life.

    Attributes:
        node: Its name.
        run: Random per start of the node, so that a restart under the same name is a new node.
    """

    node: str
    run: str


class Leaving(msgspec.Struct, frozen=True, tag="leaving"):
    """A node's farewell."""

    node: str
    run: str


class Claim(msgspec.Struct, frozen=True, tag="claim"):
    """A node wants the name that another has, should that one be gone."""

    node: str
    run: str


class Objection(msgspec.Struct, frozen=True, tag="objection"):
    """The holder of a name lives. Attributes: `run`, whose claim it refuses."""

    node: str
    run: str


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
        peers: The nodes that the answering one counts as alive, itself included.
        value: The result; None when `error` is set.
        error: One line, empty for none.
    """

    id: str
    node: str
    peers: list[str]
    value: Any = None
    error: str = ""


_encode = msgspec.json.Encoder().encode
Broadcast = Ask | Alive | Leaving | Claim | Objection | LaneOpened
_broadcasts = msgspec.json.Decoder(Broadcast)
_answers = msgspec.json.Decoder(Answer)


def encode(message: Broadcast | Answer) -> bytes:
    """Return a message as bytes."""
    return _encode(message)


def decode_broadcast(body: bytes) -> Broadcast | None:
    """Return what was broadcast, None if it is nothing this release knows."""
    try:
        message: Broadcast = _broadcasts.decode(body)
    except msgspec.DecodeError:
        return None
    return message


def decode_answer(body: bytes) -> Answer | None:
    """Return an answer, None if it is none."""
    try:
        return _answers.decode(body)
    except msgspec.DecodeError:
        return None
