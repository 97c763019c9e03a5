"""The queues that a configuration wants, beside those that there are: found out, and mended.

For the command line; no node takes part, and a queue is mended only while nobody consumes it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping
from contextlib import asynccontextmanager

import attrs

from roger_actors.broker import Broker, Difference, QueueKind, QueueSpec, open_broker
from roger_actors.errors import ConfigError
from roger_actors.roger import queue
from roger_actors.roger.config import Config

MENDING = ".mend"
"""What the name of a queue ends with that keeps another's messages while that one is mended."""


@attrs.frozen(kw_only=True)
class QueueCheck:
    """What a look at the queues gave.

    Attributes:
        wanted: How many queues the configuration has.
        differences: Those that are declared otherwise.
        unfinished: Those whose mending was interrupted; mending them again goes on.
        orphaned: Queues of the broker that belong to no partition of the configuration, sorted.
    """

    wanted: int
    differences: tuple[Difference, ...]
    unfinished: tuple[str, ...]
    orphaned: tuple[str, ...]


def wanted_queues(partitions: Mapping[str, Iterable[str]], kind: QueueKind) -> dict[str, QueueSpec]:
    """Return the queues that a configuration decides about, by their names.

    A lane is none of them: it stays of the kind that it was first declared with.

    Args:
        partitions: The queue types of each partition.
        kind: Of the queues of jobs.
    """
    specs = [
        QueueSpec(queue.make_name(partition, name), kind)
        for partition, types in partitions.items()
        for name in types
    ]
    specs += [QueueSpec(queue.buried_name(partition), kind) for partition in partitions]
    specs += [QueueSpec(queue.QUARANTINE), QueueSpec(queue.PARKED, kind)]
    return {spec.name: spec for spec in specs}


def orphans(names: Iterable[str], prefix: str, wanted: Collection[str]) -> tuple[str, ...]:
    """Return which of a broker's queues are a partition's by their name, and no wanted one.

    Args:
        names: As the broker has them, those of other systems too.
        prefix: Before the names of this system.
        wanted: Names without the prefix.
    """
    own = {name.removeprefix(prefix) for name in names if name.startswith(prefix)}
    return tuple(sorted(name for name in own - set(wanted) if _is_of_partition(name)))


def _is_of_partition(name: str) -> bool:
    partition, dot, suffix = name.partition(".")
    if dot:
        return suffix in {"lane", "buried"} and queue.is_id(partition)
    partition, dash, kind = name.rpartition("-")
    return bool(dash) and queue.is_id(partition) and queue.is_type(kind)


async def check_queues(config: Config, names: Iterable[str] = ()) -> QueueCheck:
    """Compare the queues of a configuration with those on its broker.

    Args:
        config: Whose.
        names: The queues that there are, for the orphaned ones; AMQP has no question for that.

    Raises:
        BrokerError: The broker is not there, or does not answer.
    """
    async with _opened(config) as (broker, wanted):
        found = [await broker.compare(spec) for spec in wanted.values()]
        kept = [name for name in wanted if await broker.counts(name + MENDING) is not None]
    return QueueCheck(
        wanted=len(wanted),
        differences=tuple(each for each in found if each is not None),
        unfinished=tuple(kept),
        orphaned=orphans(names, config.prefix, {*wanted, *map(queue.lane_name, config.partitions)}),
    )


async def mend_queues(
    config: Config, names: Collection[str] | None, on_mended: Callable[[str, int], None], *, is_quiet: bool
) -> None:
    """Declare queues as the configuration has them, and keep their messages.

    Args:
        config: Whose.
        names: Which; None for all that need it.
        on_mended: Called for each with the number of messages that it got back.
        is_quiet: Whether nobody enqueues meanwhile; a quorum queue is not mended otherwise.

    Raises:
        ConfigError: A name is none of the configuration's queues.
        QueueInUse: One is consumed, or may be published to; those before it are mended.
        BrokerError: The broker does not answer; mending again goes on.
    """
    async with _opened(config) as (broker, wanted):
        unknown = sorted(set(names or ()) - set(wanted))
        if unknown:
            raise ConfigError(key="queue", value=unknown[0], expected="one of the configuration's queues")
        for name, spec in wanted.items():
            if names is not None and name not in names:
                continue
            if await broker.compare(spec) is None and await broker.counts(name + MENDING) is None:
                continue
            on_mended(name, await broker.mend(spec, config.enqueue_timeout, is_quiet=is_quiet))


@asynccontextmanager
async def _opened(config: Config) -> AsyncIterator[tuple[Broker, dict[str, QueueSpec]]]:
    broker = open_broker(
        config.broker, prefix=config.prefix, name=f"queues of {config.name}", heartbeat=config.heartbeat
    )
    await broker.connect(config.enqueue_timeout)
    try:
        yield broker, wanted_queues(config.partitions, config.queue_kind)
    finally:
        await broker.close()
