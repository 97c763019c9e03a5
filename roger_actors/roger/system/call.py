"""Asking all nodes, from any process that has a broker.

Source:
    `Roger.System.call`, with a time limit and a word on who did not answer.
"""

from __future__ import annotations

import asyncio
import secrets
from typing import Any

import attrs

from roger_actors.broker import Broker, Delivery, QueueSpec
from roger_actors.roger.system.message import TOPIC, Answer, Ask, decode_answer, encode

FIRST_ANSWER = 2.0
"""Seconds to wait for the first answer before it is taken that no node runs."""


@attrs.frozen
class Answers:
    """What the nodes answered.

    Attributes:
        values: Node name to its result.
        errors: Node name to one line, for nodes that refused.
        missing: How many live nodes did not answer in time.
    """

    values: dict[str, Any]
    errors: dict[str, str]
    missing: int


class SystemCaller:
    """Asks all nodes over the bus. One per broker object, on its loop."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._reply_to = f"roger.reply.{secrets.token_hex(8)}"
        self._waiting: dict[str, asyncio.Queue[Answer]] = {}
        self._opened: asyncio.Task[None] | None = None

    async def call(self, op: str, args: dict[str, Any], timeout: float) -> Answers:
        """Ask every live node and collect the answers.

        Args:
            op: The operation, one of `roger_actors.roger.system.server.OPERATIONS`.
            args: Its arguments.
            timeout: Seconds for all answers; without a first one in `FIRST_ANSWER` s nobody is there.

        Returns:
            The answers that came; empty where no node runs.
        """
        await self._open()
        ask = Ask(secrets.token_hex(8), op, args, self._reply_to)
        arrived: asyncio.Queue[Answer] = asyncio.Queue()
        self._waiting[ask.id] = arrived
        try:
            await self._broker.broadcast(TOPIC, encode(ask))
            return await collect(arrived, timeout)
        finally:
            del self._waiting[ask.id]

    async def _open(self) -> None:
        if self._opened is None or (self._opened.done() and self._opened.exception() is not None):
            self._opened = asyncio.ensure_future(self._subscribe())
        await asyncio.shield(self._opened)

    async def _subscribe(self) -> None:
        await self._broker.declare([QueueSpec(self._reply_to, kind="classic", exclusive=True)])
        self._consumer = await self._broker.consume(
            self._reply_to, prefetch=1000, on_delivery=self._on_delivery, on_reset=lambda _reason: None
        )

    def _on_delivery(self, delivery: Delivery) -> None:
        self._consumer.ack(delivery)
        answer = decode_answer(delivery.body)
        arrived = self._waiting.get(answer.id) if answer is not None else None
        if answer is not None and arrived is not None:
            arrived.put_nowait(answer)


async def collect(arrived: asyncio.Queue[Answer], timeout: float) -> Answers:
    """Return the answers that come within `timeout` seconds, or earlier when all live nodes have answered."""
    values: dict[str, Any] = {}
    errors: dict[str, str] = {}
    expected = 1
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout
    patience = min(timeout, FIRST_ANSWER)
    while len(values) + len(errors) < expected:
        try:
            answer = await asyncio.wait_for(arrived.get(), patience)
        except TimeoutError:
            break
        expected = max(expected, answer.peers)
        if answer.error:
            errors[answer.node] = answer.error
        else:
            values[answer.node] = answer.value
        patience = max(0.0, deadline - loop.time())
    answered = len(values) + len(errors)
    return Answers(values, errors, missing=expected - answered if answered else 0)
