"""What is declared on RabbitMQ, as values: names, arguments, and the levels that delays are made of.

A delay is a sum of levels. Level `i` is a queue whose messages expire after a fixed time and an
exchange of the same name in front of it. A message carries one header for each level it has to wait
in; the exchange puts it into its queue if it carries the header, and passes it on to the exchange of
the next shorter level if not (that is its *alternate exchange*). When a message expires, its queue
dead-letters it to the exchange of the next shorter level, too. Each queue holds messages of one
waiting time, so the oldest expires first and none holds back another. After the last level stands the
exchange `roger.deliver`, to which every queue is bound under its own name; what has no queue there
goes to the quarantine, because messages that cannot be routed would stop the level for everyone.

Everything here is pure. AMQP's milliseconds are made here and nowhere else.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import attrs

from roger_actors.broker.base import MAX_DELAY, QUARANTINE, QueueSpec

RESOLUTION = 0.25
"""Seconds: the waiting time of level 0; delays are rounded up to multiples of it."""
# A queue's TTL must fit 32 bits of milliseconds: 2**24 quarters of a second are 48.5 days, so the last
# level stands several times.
TOP = 24
TOPS = 7
UNITS = tuple(2 ** min(i, TOP) for i in range(TOP + TOPS))
DELIVER = "roger.deliver"
UNROUTABLE = "roger.unroutable"
BUS = "roger.bus"
DELIVERY_LIMIT = 1_000_000

Argument = str | int | bool


@attrs.frozen
class Exchange:
    """An exchange to be declared, durable.

    Attributes:
        name: Its name, without prefix.
        kind: `direct`, `fanout` or `headers`.
        alternate: Exchange that gets what this one cannot route; empty for none.
    """

    name: str
    kind: str
    alternate: str = ""


@attrs.frozen
class Level:
    """One step of a delay.

    Attributes:
        name: Of its queue, of its exchange and of the header that sends a message into it.
        units: How long a message waits here, in units of `RESOLUTION`.
        below: The exchange that comes next.
    """

    name: str
    units: int
    below: str

    @property
    def exchange(self) -> Exchange:
        """The exchange in front of the level's queue."""
        return Exchange(self.name, "headers", alternate=self.below)

    def queue_arguments(self, prefix: str) -> dict[str, Argument]:
        """Return what the level's queue is declared with."""
        return {
            "x-queue-type": "quorum",
            "x-message-ttl": round(self.units * RESOLUTION * 1000),
            "x-dead-letter-exchange": prefix + self.below,
            "x-dead-letter-strategy": "at-least-once",
            "x-overflow": "reject-publish",
            "x-delivery-limit": DELIVERY_LIMIT,
        }


def _level_name(index: int) -> str:
    return f"roger.delay.{index}"


LEVELS = tuple(
    Level(_level_name(index), units, _level_name(index - 1) if index else DELIVER)
    for index, units in enumerate(UNITS)
)
"""All levels, shortest first."""

EXCHANGES = (
    Exchange(UNROUTABLE, "fanout"),
    Exchange(DELIVER, "direct", alternate=UNROUTABLE),
    Exchange(BUS, "direct"),
)
"""What stands on every broker from the first connection on."""

QUARANTINE_SPEC = QueueSpec(QUARANTINE)


def levels_for(delay: float) -> tuple[Level, ...]:
    """Return the levels whose waiting times add up to a delay, longest first.

    Args:
        delay: Seconds, above 0, at most `MAX_DELAY`; rounded up to `RESOLUTION`.

    Raises:
        ValueError: The delay is out of range.
    """
    if not 0 < delay <= MAX_DELAY:
        detail = f"a delay of {delay} s is not between 0 and {MAX_DELAY:.0f} s"
        raise ValueError(detail)
    units = max(1, math.ceil(round(delay / RESOLUTION, 6)))
    chosen = []
    for level in reversed(LEVELS):
        if units >= level.units:
            units -= level.units
            chosen.append(level)
    return tuple(chosen)


def queue_arguments(spec: QueueSpec) -> dict[str, Argument]:
    """Return what a queue is declared with, besides durable and exclusive."""
    arguments: dict[str, Argument] = {}
    if not spec.exclusive:
        # Said for a classic queue, too: a vhost may have another default, and that would have a limit.
        arguments["x-queue-type"] = spec.kind
    if spec.kind == "quorum" and not spec.exclusive:
        # From RabbitMQ 4.0 on the limit would be 20, and a look into the queue counts as a delivery.
        arguments["x-delivery-limit"] = DELIVERY_LIMIT
    if spec.single_active:
        arguments["x-single-active-consumer"] = True
    return arguments


def own_headers(headers: Mapping[str, object]) -> dict[str, str | int]:
    """Return headers without the broker's and those of the delay levels."""
    return {
        name: value
        for name, value in headers.items()
        if not name.startswith(("x-", "roger.delay.")) and isinstance(value, str | int)
    }
