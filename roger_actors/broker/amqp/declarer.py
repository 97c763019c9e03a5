"""Queues, exchanges and levels on RabbitMQ: declared, looked into, emptied, deleted."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from typing import Any, TypeVar

from roger_actors.broker.amqp.connecting.connection import SwiftConnection
from roger_actors.broker.amqp.control import Channel, Control
from roger_actors.broker.base import Delivery, QueueCounts, QueueSpec
from roger_actors.broker.topology import (
    DELIVER,
    EXCHANGES,
    LEVELS,
    QUARANTINE_SPEC,
    UNROUTABLE,
    Exchange,
    Level,
    own_headers,
    queue_arguments,
)
from roger_actors.errors import BrokerError, ChannelClosed, TopologyMismatch

PRECONDITION_FAILED = 406
NOT_FOUND = 404

T = TypeVar("T")


class Declarer:
    """What is asked of RabbitMQ about its queues.

    Args:
        control: The channels to ask on.
        prefix: Put before every queue and exchange name.
    """

    def __init__(self, control: Control, prefix: str) -> None:
        self._control, self._prefix = control, prefix

    async def declare_base(self, channel: Channel) -> None:
        """Declare what stands on every broker: three exchanges and the quarantine."""
        for exchange in EXCHANGES:
            await self._declare_exchange(channel, exchange)
        await self.declare_queue(channel, QUARANTINE_SPEC)
        quarantine = self._prefix + QUARANTINE_SPEC.name
        await channel.ask("queue_bind", queue=quarantine, exchange=self._prefix + UNROUTABLE)

    async def _declare_exchange(self, channel: Channel, exchange: Exchange) -> None:
        arguments = {"alternate-exchange": self._prefix + exchange.alternate} if exchange.alternate else {}
        await channel.ask(
            "exchange_declare",
            exchange=self._prefix + exchange.name,
            exchange_type=exchange.kind,
            durable=True,
            arguments=arguments,
        )

    async def declare_queue(self, channel: Channel, spec: QueueSpec) -> None:
        """Declare one queue and bind it, so that delayed messages find it."""
        name = self._prefix + spec.name
        try:
            await channel.ask(
                "queue_declare",
                queue=name,
                durable=not spec.exclusive,
                exclusive=spec.exclusive,
                arguments=queue_arguments(spec),
            )
        except ChannelClosed as error:
            if error.data["code"] == PRECONDITION_FAILED:
                raise mismatch(spec.name, error.data["text"]) from error
            raise
        if not spec.exclusive:
            await channel.ask("queue_bind", queue=name, exchange=self._prefix + DELIVER, routing_key=name)

    async def declare_all(
        self, specs: Sequence[QueueSpec], connection: SwiftConnection | None = None
    ) -> list[BrokerError | None]:
        """Declare queues in parallel; returns the error of each, or None.

        Args:
            specs: Which.
            connection: Only on this connection.
        """

        async def one(spec: QueueSpec) -> BrokerError | None:
            try:
                await self._control.run(lambda c: self.declare_queue(c, spec), connection=connection)
            except BrokerError as error:
                return error
            return None

        return await asyncio.gather(*map(one, specs))

    def prepare_delays(self) -> asyncio.Future[None]:
        """Declare the delay levels; the task ends when they stand."""
        return asyncio.get_running_loop().create_task(self._declare_delays(), name="amqp-delays")

    async def _declare_delays(self) -> None:
        async def exchanges(channel: Channel) -> None:
            for level in LEVELS:  # shortest first: each names the one below as its alternate
                await self._declare_exchange(channel, level.exchange)

        await self._control.run(exchanges)
        await asyncio.gather(*map(self._declare_level, LEVELS))

    async def _declare_level(self, level: Level) -> None:
        name = self._prefix + level.name

        async def act(channel: Channel) -> None:
            arguments = level.queue_arguments(self._prefix)
            await channel.ask("queue_declare", queue=name, durable=True, arguments=arguments)
            match = {"x-match": "all", level.name: True}
            await channel.ask("queue_bind", queue=name, exchange=name, arguments=match)

        await self._control.run(act)

    async def delete(self, queue: str) -> None:
        """Delete a queue with what is in it, and forget it."""
        await self._control.run(lambda c: c.ask("queue_delete", queue=self._prefix + queue))

    async def purge(self, queue: str) -> int:
        """Remove what is ready in a queue and answer how many that were."""
        try:
            answer = await self._control.run(lambda c: c.ask("queue_purge", queue=self._prefix + queue))
        except ChannelClosed as error:
            return _if_missing(error, 0)
        return int(answer.message_count)

    async def counts(self, queue: str) -> QueueCounts | None:
        """Return how full a queue is, None if it does not exist."""
        try:
            answer = await self._control.run(
                lambda c: c.ask("queue_declare", queue=self._prefix + queue, passive=True)
            )
        except ChannelClosed as error:
            return _if_missing(error, None)
        return QueueCounts(messages=int(answer.message_count), consumers=int(answer.consumer_count))

    async def peek(self, queue: str, count: int) -> list[Delivery]:
        """Return up to `count` ready messages, oldest first, and put them back."""

        async def look(channel: Channel) -> list[Delivery]:
            found: list[Delivery] = []
            while len(found) < count and (got := await channel.get(self._prefix + queue)) is not None:
                found.append(_from_get(queue, got))
            if found:
                channel.nack_all()
            return found

        try:
            return await self._control.run(look)
        except ChannelClosed as error:
            return _if_missing(error, [])

    async def take(self, queue: str, message_id: str) -> Delivery | None:
        """Remove one ready message by its id and return it; looks through the queue."""

        async def search(channel: Channel) -> Delivery | None:
            seen = 0
            found: Delivery | None = None
            while found is None and (got := await channel.get(self._prefix + queue)) is not None:
                seen += 1
                delivery = _from_get(queue, got)
                if delivery.message_id == message_id:
                    channel.ack(delivery.tag)
                    found = delivery
            if seen - (found is not None):
                channel.nack_all()
            # A question behind the acks: its answer says that the broker has seen them.
            await channel.ask("queue_declare", queue=self._prefix + queue, passive=True)
            return found

        try:
            return await self._control.run(search)
        except ChannelClosed as error:
            return _if_missing(error, None)


def _from_get(queue: str, got: tuple[Any, Any, bytes]) -> Delivery:
    method, properties, body = got
    return Delivery(
        body,
        properties.message_id or "",
        queue,
        own_headers(properties.headers or {}),
        bool(method.redelivered),
        -1,
        int(method.delivery_tag),
        properties.reply_to or "",
        properties.correlation_id or "",
        properties.app_id or "",
    )


def _if_missing(error: ChannelClosed, value: T) -> T:
    if error.data["code"] != NOT_FOUND:
        raise error
    return value


_INEQUIVALENT = re.compile(
    r"inequivalent arg '([^']+)' for queue .*: received (.*) but current is (.*)", re.DOTALL
)
_VALUE = re.compile(r"(?:the value )?'(.*?)'(?: of type '.*')?", re.DOTALL)


def mismatch(name: str, text: str) -> TopologyMismatch:
    """Return the error for a queue that exists with other settings, from what RabbitMQ said of it."""
    said = _INEQUIVALENT.search(text)
    if said is None:
        return TopologyMismatch(name=name, setting="something", wanted="otherwise", found=text)
    setting, wanted, found = said.groups()
    return TopologyMismatch(name=name, setting=setting, wanted=_value(wanted), found=_value(found))


def _value(said: str) -> str:
    value = _VALUE.fullmatch(said.strip())
    return value[1] if value else said.strip()
