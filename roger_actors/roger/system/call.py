"""Asking all nodes, from any process that has a broker.

Source:
    `Roger.System.call`, with a time limit and a word on who did not answer.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

import attrs

from roger_actors.broker import Broker, Delivery, QueueSpec
from roger_actors.roger.system.message import TOPIC, Answer, Ask, decode_answer, encode
from roger_actors.roger.system.peers import LOST_AFTER

FIRST_ANSWER = 2.0
"""Seconds to wait for the first answer before it is taken that no node runs."""


@attrs.frozen
class Answers:
    """What the nodes answered.

    Attributes:
        values: Node name to its result.
        errors: Node name to one line, for nodes that refused.
        missing: Names of the live nodes that did not answer in time, sorted.
    """

    values: dict[str, Any]
    errors: dict[str, str]
    missing: tuple[str, ...] = ()


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
            return await collect(arrived, timeout, self._alive)
        finally:
            del self._waiting[ask.id]

    async def _alive(self, timeout: float) -> set[str]:
        """Return the nodes that some node counts as alive now."""
        ask = Ask(secrets.token_hex(8), "ping", {}, self._reply_to)
        arrived: asyncio.Queue[Answer] = asyncio.Queue()
        self._waiting[ask.id] = arrived
        alive: set[str] = set()
        try:
            async with asyncio.timeout(timeout):
                await self._broker.broadcast(TOPIC, encode(ask))
                while True:
                    alive.update((await arrived.get()).peers)
        except TimeoutError:
            return alive
        finally:
            del self._waiting[ask.id]

    async def cast(self, op: str, args: dict[str, Any]) -> None:
        """Tell every live node; none answers.

        Raises:
            BrokerError: The broker did not take it.
        """
        await self._broker.broadcast(TOPIC, encode(Ask(secrets.token_hex(8), op, args, reply_to="")))

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


async def collect(
    arrived: asyncio.Queue[Answer], timeout: float, alive: Callable[[float], Awaitable[set[str]]]
) -> Answers:
    """Return the answers that come in time, or earlier when all living nodes have answered.

    Args:
        arrived: Where the answers come.
        timeout: Seconds for all of them; without a first one in `FIRST_ANSWER` s nobody is there.
        alive: Asks, within some seconds, which nodes live: one that dies meanwhile is not waited for.
    """
    got: dict[str, Answer] = {}
    expected: set[str] = set()
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout
    patience = min(timeout, FIRST_ANSWER)
    while not got or expected - got.keys():
        try:
            answer = await asyncio.wait_for(arrived.get(), patience)
        except TimeoutError:
            if not got or loop.time() >= deadline:
                break
            expected = await alive(min(FIRST_ANSWER, deadline - loop.time()))
        else:
            got[answer.node] = answer
            expected.update(answer.peers)
        patience = max(0.0, min(LOST_AFTER, deadline - loop.time()))
    return Answers(
        {node: answer.value for node, answer in got.items() if not answer.error},
        {node: answer.error for node, answer in got.items() if answer.error},
        tuple(sorted(expected - got.keys())) if got else (),
    )
