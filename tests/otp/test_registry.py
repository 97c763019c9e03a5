from __future__ import annotations

import pytest

from roger_actors.errors import NameTaken, StartFailed
from roger_actors.otp import KILL, Registry, process


async def registers(registry, key, value, ready):
    await Registry.register(registry, key, value)
    process.send(ready, process.self())
    await process.receive()


async def owner(registry, key, value=None):
    """Start a process that registers itself, and return its pid when it has."""
    process.spawn(registers, registry, key, value, process.self())
    return await process.receive()


@pytest.mark.otp_line(212)
async def test_a_unique_key_has_one_owner_and_tells_who():
    registry = await Registry.start_link("unique")
    first = await owner(registry, "key", 1)

    with pytest.raises(NameTaken) as caught:
        await Registry.register(registry, "key")

    assert caught.value.holder == first
    assert await Registry.lookup(registry, "key") == [(first, 1)]


@pytest.mark.otp_line(212)
async def test_the_owner_may_not_register_twice_and_keys_are_told_apart_by_type():
    registry = await Registry.start_link("unique")
    await Registry.register(registry, 1)

    with pytest.raises(NameTaken):
        await Registry.register(registry, 1)
    await Registry.register(registry, 1.0)

    assert len(await Registry.keys(registry, process.self())) == 2


@pytest.mark.otp_line(213)
async def test_entries_vanish_with_their_owner_at_once():
    registry = await Registry.start_link("unique")
    first = await owner(registry, "key")

    process.exit(first, KILL)

    assert await Registry.lookup(registry, "key") == []
    await Registry.register(registry, "key", "mine")
    await process.sleep(0.01)
    assert await Registry.lookup(registry, "key") == [(process.self(), "mine")]


async def test_a_shared_key_has_many_owners():
    registry = await Registry.start_link("duplicate", name="topics")
    owners = {await owner("topics", "news"), await owner("topics", "news")}

    assert {pid for pid, _ in await Registry.lookup("topics", "news")} == owners
    await Registry.register(registry, "news")
    await Registry.unregister(registry, "news")
    assert len(await Registry.lookup("topics", "news")) == 2


async def test_other_kinds_of_keys_are_refused():
    with pytest.raises(StartFailed):
        await Registry.start_link("some")
