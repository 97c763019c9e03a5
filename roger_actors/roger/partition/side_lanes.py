"""Side lanes: durable queues for jobs whose execution key is busy, so that they leave room in the lane.

A lane holds a limited number of deliveries. When too many of them wait for busy keys, the keys with the
most waiting jobs are put *aside*: those jobs, and all that come later with such a key, are moved to one
of a few side lanes, and the lane goes on with other keys. A side lane is consumed beside the lane, by
the same consumer, one job of a key at a time; when it is empty its keys are back in the lane.

What makes it safe:

- An entry of a durable table says that a key is aside. It is there before the first job is moved, and
  goes when nothing is left. Whoever gets the lane reads the entries before it takes a delivery.
- Moves are made in order, one batch after another; a delivery is acked when its copy is confirmed.
- A side lane is empty when a *marker*, published behind everything, has come out of it.
- A job may be in its side lane twice when a crash came between copy and ack. One that was delivered
  again is marked in its copy; if such a one follows a copy of the same attempt, it is acked unrun.

Source:
    New here; in Roger each execution key has a waiting queue.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict, deque
from collections.abc import Mapping
from typing import NamedTuple
from zlib import crc32

from roger_actors.broker import Delivery
from roger_actors.errors import BrokerError
from roger_actors.roger import queue
from roger_actors.roger.global_state import flags
from roger_actors.roger.jobs.codec import JobHeader

TABLE = "side_lanes"
MOST_WAITING = 250
"""Deliveries of a lane that may wait for their execution keys in a node's memory."""
LEFT_WAITING = 100
"""How many of them may stay when there were more."""
COUNTED_EVERY = 25
"""Deliveries that come to wait between two looks at how many there are."""
WAITS_LONG = 30.0
"""Seconds between two looks for jobs that keep a delivery of the lane waiting since the look before."""
WINDOW = 50
"""Deliveries of a side lane that may be held at once."""
BATCH = 250
"""Jobs that are moved at once."""
COPIES_KEPT = 4 * BATCH
"""Jobs out of side lanes that are remembered: a crash leaves no more than a batch of second copies."""
TRY_AGAIN = 1.0
"""Seconds between two tries of what the broker did not take."""
MARKER = "marker"
"""The header of a message that is no job."""
COPIED_AGAIN = "again"
"""The header of a job in a side lane of which there may be a copy already."""

Waiting = tuple[Delivery, JobHeader]


class Move(NamedTuple):
    """A batch for side lanes.

    Attributes:
        epoch: The `Aside.epoch` in which it was made.
        batch: The jobs, oldest first.
        new: Execution keys to be written into the table before.
        gone: Execution keys to be deleted from it before that.
    """

    epoch: int
    batch: list[Waiting]
    new: frozenset[str]
    gone: frozenset[str]


class Moved(NamedTuple):
    """To the consumer: what became of each job of a batch; an error for each if the table was not changed."""

    move: Move
    is_written: bool
    failures: list[BrokerError | None]


class Loaded(NamedTuple):
    """To the consumer: the execution keys that are aside."""

    epoch: int
    keys: frozenset[str]


class Wake(NamedTuple):
    """To the consumer: jobs wait in side lanes, and perhaps nobody serves them."""


class LookAtWaiting(NamedTuple):
    """To the consumer: look which jobs have waited for long."""


class MoveAgain(NamedTuple):
    """To the consumer: try again to move what could not be moved."""


# -- deciding ------------------------------------------------------------------------------------


def table_key(partition: str, key: str) -> str:
    """Return the table's key for an execution key that is aside; with `""` the prefix of all."""
    return flags.table_key(partition, key)


def number_of(key: str) -> int:
    """Return which side lane an execution key belongs to."""
    return crc32(key.encode()) % queue.SIDE_LANES


def to_put_aside(waiting: Mapping[str, int]) -> list[str]:
    """Return the execution keys to put aside, none while there is room.

    Args:
        waiting: How many jobs wait in memory for each key.
    """
    total = sum(waiting.values())
    if total <= MOST_WAITING:
        return []
    chosen = []
    for key, count in sorted(waiting.items(), key=lambda item: item[1], reverse=True):
        if total <= LEFT_WAITING:
            break
        chosen.append(key)
        total -= count
    return chosen


def still_waiting(before: Mapping[str, Waiting], now: Mapping[str, Waiting]) -> list[str]:
    """Return the execution keys for which the same delivery is the first to wait as before."""
    return [key for key, (delivery, _) in now.items() if key in before and before[key][0] == delivery]


class Copies:
    """The latest jobs that came out of side lanes, to recognise a second copy of one."""

    def __init__(self) -> None:
        self._seen: OrderedDict[tuple[str, int, str | int], None] = OrderedDict()

    def is_second(self, delivery: Delivery, header: JobHeader) -> bool:
        """Whether a job that comes out of a side lane is the second copy of one that came before.

        Only one that was marked when it was copied can be; and one that is delivered again is the same
        copy, not a second one.
        """
        attempt = header.id, header.retry_count, delivery.headers.get("deaths", 0)
        is_second = COPIED_AGAIN in delivery.headers and not delivery.redelivered and attempt in self._seen
        self._seen[attempt] = None
        if len(self._seen) > COPIES_KEPT:
            self._seen.popitem(last=False)
        return is_second


class End:
    """Whether a side lane is empty, told by a marker that was published behind what is in it."""

    __slots__ = ("has_come", "marker", "since")

    def __init__(self) -> None:
        self.marker = ""
        self.has_come = False
        self.since = 0

    def renew(self) -> str:
        """Return a new marker, to be published now."""
        self.marker, self.has_come, self.since = secrets.token_hex(8), False, 0
        return self.marker

    def came(self, marker: str) -> None:
        """Note that a marker came out; only the last one counts."""
        self.has_come = self.has_come or marker == self.marker

    @property
    def is_reached(self) -> bool:
        """Whether everything that was published has come out."""
        return self.has_come and self.since == 0


class Aside:
    """What a partition's consumer knows of its side lanes.

    Attributes:
        epoch: Counts how often everything was forgotten.
        copies: What came out of side lanes lately.
        counted: Deliveries that came to wait.
        is_moving: Whether a batch is on its way.
        is_loading: Whether the table is being read.
        is_loaded: Whether it was read since the lane was given to us.
        keys: Execution keys that are aside.
        written: Those of which the table says so.
        gone: Those of which it does and should not any more.
        ends: The open side lanes.
        moving: Deliveries of the lane that are to be moved, oldest first.
        early: Deliveries of the lane that came before the table was read.
        first: For each execution key, what was the first to wait at the last look.
        is_watched: Whether such a look is due.
    """

    def __init__(self) -> None:
        self.epoch = 0
        self.copies = Copies()
        self.counted = 0
        self.is_moving = False
        self.is_loading = False
        self.is_loaded = False
        self.keys: set[str] = set()
        self.written: set[str] = set()
        self.gone: set[str] = set()
        self.ends: dict[int, End] = {}
        self.moving: deque[Waiting] = deque()
        self.early: list[Waiting] = []
        self.first: dict[str, Waiting] = {}
        self.is_watched = False

    def forget(self) -> list[Delivery]:
        """Know nothing, since the lane may be another's now; returns the deliveries that were in hand."""
        in_hand = [delivery for delivery, _ in (*self.early, *self.moving)]
        for known in (self.keys, self.written, self.gone, self.ends, self.moving, self.early):
            known.clear()
        self.first.clear()
        self.is_loaded = False
        self.epoch += 1
        return in_hand

    def has_to_move(self) -> bool:
        """Whether a batch should be sent on its way."""
        return not self.is_moving and bool(self.moving or self.gone)
