"""The names of a partition's queues.

A partition owns one queue per queue type (`<partition>-<type>`), one lane for its serial jobs
(`<partition>.lane`) with side lanes for busy keys (`<partition>.lane.<number>`), and one shelf for its
buried ones (`<partition>.buried`). Two shelves serve the whole system. Ids hold no dots, so the forms
never meet; a prefix for all of them is the broker object's business.

Source:
    `Roger.Queue.make_name`.
"""

from __future__ import annotations

import functools
import re
from typing import Final, NewType

from roger_actors.errors import ConfigError

PartitionId = NewType("PartitionId", str)
"""Name of a tenant."""
QueueType = NewType("QueueType", str)
"""Name of one of a tenant's queues."""

QUARANTINE: Final = "roger.quarantine"
"""Payloads that are no job, and messages that nobody could take."""
PARKED: Final = "roger.parked"
"""Well-formed jobs of a class that this release does not know."""
DEFAULT_TYPE: Final = QueueType("default")
"""The queue type of a job class that names none."""
SIDE_LANES: Final = 8
"""Side lanes that a partition may have."""
MAX_ID: Final = 100
"""Longest partition id or queue type, in characters; a queue's name stays under AMQP's 255 bytes."""

_TYPE: Final = re.compile(r"[A-Za-z0-9_]+")
_ID: Final = re.compile(r"[A-Za-z0-9_]+(-[A-Za-z0-9_]+)*")
_ID_WORDS: Final = f"letters, digits and '_', with single '-' between them, {MAX_ID} characters at most"
ID_PATTERN: Final = rf"^(?=.{{1,{MAX_ID}}}$){_ID.pattern}$"
TYPE_PATTERN: Final = rf"^(?=.{{1,{MAX_ID}}}$){_TYPE.pattern}$"
"""What the two look like, for the file's schema."""
TYPE_WORDS: Final = f"letters, digits and '_', {MAX_ID} characters at most"
"""What a queue type may be made of, for messages."""


def make_name(partition: str, queue_type: str, postfix: str = "") -> str:
    """Return the name of a queue, with something behind it where `postfix` is given."""
    return f"{partition}-{queue_type}{postfix}"


def lane_name(partition: str) -> str:
    """Return the name of the queue that a partition's jobs with an execution key go through."""
    return f"{partition}.lane"


def side_lane_name(partition: str, number: int) -> str:
    """Return the name of a queue that takes jobs of busy execution keys out of a partition's lane."""
    return f"{lane_name(partition)}.{number}"


def buried_name(partition: str) -> str:
    """Return the name of the queue that keeps a partition's buried jobs."""
    return f"{partition}.buried"


def of_job(partition: str, queue_type: str, execution_key: str | None) -> str:
    """Return the name of the queue that carries a job: its type's, or the lane if it is serial."""
    return make_name(partition, queue_type) if execution_key is None else lane_name(partition)


def is_id(word: str) -> bool:
    """Whether a word may be a partition id."""
    return len(word) <= MAX_ID and _ID.fullmatch(word) is not None


@functools.lru_cache(maxsize=1024)
def is_type(word: str) -> bool:
    """Whether a word may be a queue type: no `-`, so that no two partitions' queues share a name."""
    return len(word) <= MAX_ID and _TYPE.fullmatch(word) is not None


def partition_id(word: str) -> PartitionId:
    """Return a word as a partition id.

    Raises:
        ConfigError: It is none.
    """
    if not is_id(word):
        raise ConfigError(key="partition", value=word, expected=_ID_WORDS)
    return PartitionId(word)


def queue_type(word: str) -> QueueType:
    """Return a word as a queue type.

    Raises:
        ConfigError: It is none.
    """
    if not is_type(word):
        raise ConfigError(key="queue type", value=word, expected=TYPE_WORDS)
    return QueueType(word)
