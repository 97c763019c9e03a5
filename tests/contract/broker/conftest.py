"""The same tests for both brokers: each gets `brokers`, which opens broker objects on one fresh system.

Async tests are run here, on a loop of their own, with a limit; what they opened is closed.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from roger_actors.broker import Broker, Consumer, Delivery, Message, QueueSpec, open_broker

LIMIT = 25.0
WAIT = 10.0


class Brokers:
    """Opens broker objects on one system and closes them at the end."""

    def __init__(self, kind: str, url: str) -> None:
        self.kind = kind
        self.url = url
        self.opened: list[Broker] = []

    async def open(self, name: str = "test", *, queues: tuple[str, ...] = (), prefix: str = "") -> Broker:
        broker = open_broker(self.url, prefix=prefix, name=name)
        await broker.connect(WAIT)
        self.opened.append(broker)
        await broker.declare([QueueSpec(queue) for queue in queues])
        return broker

    async def close(self) -> None:
        for broker in self.opened:
            await broker.close()


class Inbox:
    """Keeps what a consumer was given; acks nothing by itself."""

    def __init__(self) -> None:
        self.deliveries: list[Delivery] = []
        self.resets: list[str] = []
        self.consumer: Consumer
        self._changed = asyncio.Event()

    async def consume(self, broker: Broker, queue: str, prefetch: int = 10) -> Inbox:
        self.consumer = await broker.consume(
            queue, prefetch=prefetch, on_delivery=self._on_delivery, on_reset=self._on_reset
        )
        return self

    def _on_delivery(self, delivery: Delivery) -> None:
        self.deliveries.append(delivery)
        self._changed.set()

    def _on_reset(self, reason: str) -> None:
        self.resets.append(reason)
        self._changed.set()

    @property
    def bodies(self) -> list[bytes]:
        return [delivery.body for delivery in self.deliveries]

    async def wait(self, count: int, seconds: float = WAIT) -> list[Delivery]:
        async with asyncio.timeout(seconds):
            while len(self.deliveries) < count:
                self._changed.clear()
                await self._changed.wait()
        return self.deliveries

    async def wait_reset(self, seconds: float = WAIT) -> str:
        async with asyncio.timeout(seconds):
            while not self.resets:
                self._changed.clear()
                await self._changed.wait()
        return self.resets[-1]

    async def ack(self, count: int) -> list[bytes]:
        """Wait for deliveries, ack them and return their bodies."""
        found = (await self.wait(count))[:count]
        for delivery in found:
            assert self.consumer.ack(delivery)
        del self.deliveries[:count]
        return [delivery.body for delivery in found]


@pytest.fixture
def inbox() -> type[Inbox]:
    return Inbox


@pytest.fixture
def say() -> Any:
    """Make messages for a queue out of their bodies."""
    return lambda queue, *bodies, **more: [Message(queue, body, **more) for body in bodies]


@pytest.fixture(params=["embedded", "amqp"])
def brokers(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Brokers]:
    if request.param == "embedded":
        yield Brokers("embedded", f"embedded:{tmp_path}/roger.db")
    else:
        request.node.add_marker("rabbitmq")
        yield Brokers("amqp", request.getfixturevalue("amqp_url"))


def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run an async test; its brokers are closed whatever comes of it."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = inspect.signature(pyfuncitem.obj).parameters
    arguments = {name: pyfuncitem.funcargs[name] for name in names}

    async def run() -> None:
        try:
            async with asyncio.timeout(LIMIT):
                await pyfuncitem.obj(**arguments)
        finally:
            for value in arguments.values():
                if isinstance(value, Brokers):
                    await value.close()

    asyncio.run(run())
    return True
