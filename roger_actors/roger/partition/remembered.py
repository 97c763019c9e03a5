"""Which partitions a node wants, remembered through restarts of its kernel host and of the node.

What is started, stopped and reconfigured at run time stands until the partitions of the node's own
configuration change, or are read again (`Replace`): so a restart changes nothing, and who edits the file
gets what the file says. It is kept in the broker's tables under the node's name.

Source:
    New here: Roger starts again with what its configuration says.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from roger_actors.broker import Change
from roger_actors.roger.kernel import Kernel

TABLE = "partitions"
"""One entry for every node that was told something at run time."""

Wanted = dict[str, dict[str, int]]


class Remembered(msgspec.Struct, frozen=True):
    """What a node was told at run time.

    Attributes:
        configured: The partitions of its configuration at that time.
        wanted: Those that it was told to run.
    """

    configured: Wanted
    wanted: Wanted


_encode = msgspec.json.Encoder(order="deterministic").encode
_decode = msgspec.json.Decoder(Remembered).decode


def still_stands(found: Remembered | None, configured: Wanted) -> Wanted | None:
    """Return what was told at run time, None if nothing was, or the configuration is another by now."""
    return found.wanted if found is not None and found.configured == configured else None


async def recall(kernel: Kernel) -> Wanted | None:
    """Return what this node was told last, None if it is to run what its configuration says.

    Raises:
        BrokerError: The tables did not answer.
    """
    key, limit = table_key(kernel.node), kernel.config.enqueue_timeout
    current = await kernel.broker.tables.get(TABLE, key, limit)
    wanted = still_stands(_decode(current) if current is not None else None, _configured(kernel))
    if wanted is None and current is not None:
        await kernel.broker.tables.change([Change(TABLE, key, current, None)], limit)
    return wanted


async def remember(kernel: Kernel, wanted: Mapping[str, Mapping[str, int]]) -> None:
    """Write down what the node wants now.

    Raises:
        BrokerError: The tables did not answer; what is remembered may be the old or the new.
    """
    key, limit = table_key(kernel.node), kernel.config.enqueue_timeout
    now = {name: dict(queues) for name, queues in wanted.items()}
    configured = _configured(kernel)
    value = None if now == configured else _encode(Remembered(configured, now))
    current = await kernel.broker.tables.get(TABLE, key, limit)
    while current != value:
        (answer,) = await kernel.broker.tables.change([Change(TABLE, key, current, value)], limit)
        current = answer.current


def table_key(node: str) -> str:
    """Return the key of a node's entry."""
    return f"{node}/wanted"


def _configured(kernel: Kernel) -> Wanted:
    return {name: dict(queues) for name, queues in kernel.config.partitions.items()}
