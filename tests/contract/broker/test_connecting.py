"""Connecting: said when it stands, address without a password, closing twice is nothing."""

from __future__ import annotations

import pytest

from roger_actors.broker import open_broker
from roger_actors.errors import ConfigError


async def test_a_broker_says_when_it_is_connected(brokers):
    told = []
    broker = open_broker(brokers.url, name="test")
    broker.on_connected = lambda: told.append("up")

    assert not broker.is_connected
    await broker.connect(10.0)
    brokers.opened.append(broker)

    assert broker.is_connected
    assert told == ["up"]


async def test_closing_twice_does_nothing_and_tells_nobody_of_a_loss(brokers):
    told = []
    broker = await brokers.open()
    broker.on_disconnected = told.append

    await broker.close()
    await broker.close()

    assert not broker.is_connected
    assert told == []


async def test_its_address_shows_no_password(brokers):
    broker = await brokers.open()

    assert broker.address.startswith(f"{brokers.kind}:")
    assert "@" not in broker.address


@pytest.mark.parametrize("url", ["", "redis://localhost", "embedded:", "roger.db", "http://u:secret@host/"])
def test_a_url_of_no_known_kind_is_refused_without_its_password(url):
    with pytest.raises(ConfigError, match="expected embedded:PATH") as refusal:
        open_broker(url, name="test")

    assert "secret" not in str(refusal.value)
