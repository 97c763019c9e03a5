"""Which partitions a node wants, remembered through a restart of its kernel host.

What is started, stopped and reconfigured at run time lasts until the node ends. Should its kernel
host be killed meanwhile, the next one asks the broker's tables what its predecessor had; entries of
earlier runs of a node of the same name are deleted.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from roger_actors.broker import Change
from roger_actors.roger.kernel import Kernel

TABLE = "partitions"
"""One entry for every run of a node."""

Wanted = dict[str, dict[str, int]]

_encode = msgspec.json.Encoder(order="deterministic").encode
_decoder = msgspec.json.Decoder(Wanted)


async def recall(kernel: Kernel) -> Wanted | None:
    """Return what this run of the node wanted last, None if nothing was changed at run time.

    Raises:
        BrokerError: The tables did not answer.
    """
    limit = kernel.config.enqueue_timeout
    found = await kernel.broker.tables.scan(TABLE, f"{kernel.node}/", limit)
    mine = found.pop(_key(kernel), None)
    if found:
        stale = [Change(TABLE, key, value, None) for key, value in found.items()]
        await kernel.broker.tables.change(stale, limit)
    return None if mine is None else _decoder.decode(mine)


async def remember(kernel: Kernel, wanted: Mapping[str, Mapping[str, int]]) -> None:
    """Write down what the node wants now.

    Raises:
        BrokerError: The tables did not answer; what is remembered may be the old or the new.
    """
    limit = kernel.config.enqueue_timeout
    value = _encode(wanted)
    current = await kernel.broker.tables.get(TABLE, _key(kernel), limit)
    while current != value:
        (answer,) = await kernel.broker.tables.change([Change(TABLE, _key(kernel), current, value)], limit)
        current = answer.current


def _key(kernel: Kernel) -> str:
    return f"{kernel.node}/{kernel.run}"
