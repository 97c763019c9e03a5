"""Broadcasts: everyone who listens, nobody who does not."""

from __future__ import annotations

import asyncio


class _Ear:
    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self._changed = asyncio.Event()

    def __call__(self, body: bytes) -> None:
        self.heard.append(body)
        self._changed.set()

    async def wait(self, count: int) -> list[bytes]:
        async with asyncio.timeout(10.0):
            while len(self.heard) < count:
                self._changed.clear()
                await self._changed.wait()
        return self.heard


async def test_everyone_who_subscribed_hears_it_the_sender_too(brokers):
    sender, other = await brokers.open("sender"), await brokers.open("other")
    ears = [_Ear(), _Ear()]
    await sender.subscribe("news", ears[0])
    await other.subscribe("news", ears[1])

    await sender.broadcast("news", b"hello")

    assert [await ear.wait(1) for ear in ears] == [[b"hello"], [b"hello"]]


async def test_a_topic_is_heard_by_its_subscribers_only_and_in_order(brokers):
    broker = await brokers.open()
    news, weather = _Ear(), _Ear()
    await broker.subscribe("news", news)
    await broker.subscribe("weather", weather)

    for number in range(20):
        await broker.broadcast("news" if number % 2 else "weather", b"%d" % number)

    assert await news.wait(10) == [b"%d" % number for number in range(1, 20, 2)]
    assert await weather.wait(10) == [b"%d" % number for number in range(0, 20, 2)]


async def test_what_was_said_before_is_not_heard(brokers):
    broker = await brokers.open()
    await broker.broadcast("news", b"old")
    ear = _Ear()

    await broker.subscribe("news", ear)
    await broker.broadcast("news", b"new")

    assert await ear.wait(1) == [b"new"]
