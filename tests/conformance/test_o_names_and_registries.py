"""Section O: names and registries. An owner of a key is `beside` the registry, or `away` on another host."""

from __future__ import annotations

from contextlib import asynccontextmanager

import pytest
from conformance_registry import Keeper, Keepers, Names
from conformance_world import Player

from roger_actors.errors import (
    ChildAlreadyStarted,
    NameTaken,
    NoProcess,
    NotRegistered,
    UnknownRegistry,
)
from roger_actors.otp import (
    KILL,
    KILLED,
    SHUTDOWN,
    Exit,
    GenServer,
    Ok,
    Registered,
    Registry,
    Supervisor,
    Unregistered,
    Via,
    process,
)
from roger_actors.otp.reason import NOPROC

both = pytest.mark.parametrize("where", ["beside", "away"])
named = pytest.mark.parametrize("kind", ["a host's name", "a registry's name", "a user's name"])


class Quiet(GenServer):
    """A server that is only there."""

    def init(self):
        return Ok(None)


@asynccontextmanager
async def registry(keys="unique", **options):
    """Run a registry called `keys`, not linked to the test."""
    pid = await Registry.start(keys, name="keys", **options)
    try:
        yield pid
    finally:
        process.exit(pid, KILL)


@asynccontextmanager
async def name_of(kind):
    """Lend a name of a kind."""
    async with registry():
        yield {
            "a host's name": "a name",
            "a registry's name": Registry.via("keys", "a name"),
            "a user's name": Via(Names(), "a name"),
        }[kind]


@pytest.mark.otp_line(209)
@named
async def test_line_209_a_taken_name_is_refused_with_its_holder_and_starts_nothing(world, kind):
    async with name_of(kind) as name:
        holder = await Quiet.start(name=name)
        before = set(process.here().processes)

        for start in (Quiet.start, Quiet.start_link, Quiet.start_monitor):
            with pytest.raises(NameTaken) as caught:
                await start(name=name)
            assert caught.value.holder == holder

        assert process.whereis(name) == holder
        assert set(process.here().processes) == before
        await world.nothing()
        await GenServer.stop(holder)

    sup = await world.supervisor([world.child("a", options={"name": "taken"})])
    with pytest.raises(ChildAlreadyStarted) as refused:
        await Supervisor.start_child(sup, world.child("b", options={"name": "taken"}))
    assert refused.value.pid == (await world.pids(sup))["a"]
    assert await Player.call(refused.value.pid, ("reply", 1)) == 1


@pytest.mark.otp_line(210)
@pytest.mark.parametrize("kind", ["a host's name", "a registry's name"])
async def test_line_210_a_dead_holders_name_can_be_taken_at_once(world, kind):
    async with name_of(kind) as name:
        for _ in range(50):
            process.exit(await Quiet.start(name=name), KILL)
        last = await Quiet.start(name=name)
        assert process.whereis(name) == last
        process.exit(last, KILL)

    for _ in range(10):
        process.exit(await world.player(name="again"), KILL)
    assert await world.is_alive(await world.player(name="again"))


@pytest.mark.otp_line(211)
@both
@pytest.mark.parametrize("kind", ["a registry's name", "a user's name"])
async def test_line_211_any_object_can_keep_names(world, kind, where):
    async with name_of(kind) as name:
        nobody = Via(name.registry, ("keys", "nobody"))
        with pytest.raises(NoProcess):
            await Player.call(nobody, "x")
        with pytest.raises(NoProcess):
            process.send(nobody, "x")
        Player.cast(nobody, "x")
        assert (await world.down(process.monitor(nobody))).reason is NOPROC

        pid = await world.player("a", host=world.place(where))
        assert name.registry.register_name(name.key, pid)
        assert not name.registry.register_name(name.key, pid)
        Player.cast(name, ("set", 1))
        process.send(name, "sent")
        assert await Player.call(name, ("value",)) == 1
        await world.journalled("got", "a", "sent")
        ref = process.monitor(name)
        await GenServer.stop(name, SHUTDOWN)
        assert (await world.down(ref)).reason is SHUTDOWN

        name.registry.unregister_name(name.key)
        assert process.whereis(name) is None


@pytest.mark.otp_line(212)
@both
async def test_line_212_a_unique_key_has_one_owner_and_its_type_counts(world, where):
    async with registry():
        sup = await world.supervisor([])
        keepers = Keepers(world, "keys")
        owner, other = await keepers.start(sup, where), await keepers.start(sup, where)
        strict = [1, 1.0, True, "1", b"1", (1,), (1.0,), frozenset({1}), frozenset({True})]

        for key in strict:
            assert await Keeper.call(owner, ("register", key)) is None
        for asks in (owner, other):
            for key in strict:
                error = await Keeper.call(asks, ("register", key))
                assert isinstance(error, NameTaken)
                assert error.holder == owner

        found = await Registry.keys("keys", owner)
        assert sorted(map(repr, found)) == sorted(map(repr, strict))
        await world.stop(sup)


@pytest.mark.otp_line(213)
@both
async def test_line_213_entries_vanish_with_their_owner_and_a_dead_one_is_never_seen(world, where):
    async with registry() as pid:
        sup = await world.supervisor([])
        owner = await Keepers(world, "keys").start(sup, where)
        await Keeper.call(owner, ("register", "key"))
        assert await Registry.lookup("keys", "key") == [(owner, None)]
        if where == "beside":
            await GenServer.suspend(pid)  # it cannot clean up

        await kill(world, owner)

        if where == "away":
            await GenServer.get_status(pid)
        assert await Registry.lookup("keys", "key") == []
        assert (await Registry.keys("keys", owner), await Registry.select("keys")) == ([], [])
        await Registry.register("keys", "key", "mine")
        await GenServer.resume(pid)
        await GenServer.get_status(pid)
        assert await Registry.lookup("keys", "key") == [(process.self(), "mine")]
        await Registry.unregister("keys", "key")
        await world.stop(sup)


async def kill(world, pid):
    """Kill a process and wait until it has ended."""
    ref = process.monitor(pid)
    process.exit(pid, KILL)
    return (await world.down(ref)).reason


@pytest.mark.otp_line(214)
@both
async def test_line_214_an_owner_is_linked_while_it_has_a_key(world, where):
    async with registry() as pid:
        sup = await world.supervisor([], max_restarts=0)
        keepers = Keepers(world, "keys")
        owner, former, trapping = [
            await keepers.start(sup, where, **options) for options in ({}, {}, {"trap": True})
        ]
        for key in "ab":
            await Keeper.call(owner, ("register", key))
            await Keeper.call(former, ("register", key + key))
            await Keeper.call(trapping, ("register", key + key + key))
        await Keeper.call(owner, ("unregister", "a"))
        for key in ("aa", "bb"):
            await Keeper.call(former, ("unregister", key))
        ref = process.monitor(owner)

        await kill(world, pid)

        assert (await world.down(ref)).reason is KILLED
        assert await Keeper.call(former, ("got",)) == []
        assert await Keeper.call(trapping, ("got",)) == [Exit(pid, KILLED)]
        await world.stop(sup)


@pytest.mark.otp_line(215)
@both
async def test_line_215_owners_update_listeners_hear_and_unknown_registries_raise(world, where):
    process.register("listener")
    async with registry(listeners=["listener", "nobody"]):
        sup = await world.supervisor([])
        keepers = Keepers(world, "keys")
        owner, other = await keepers.start(sup, where), await keepers.start(sup, where)
        await Keeper.call(owner, ("register", "key", 1))
        assert await process.receive(5.0) == Registered("keys", "key", owner, 1)

        assert isinstance(await Keeper.call(other, ("update_value", "key", str)), NotRegistered)
        assert await Keeper.call(owner, ("update_value", "key", str)) in [("1", 1), ["1", 1]]
        assert await Registry.lookup("keys", "key") == [(owner, "1")]

        await Keeper.call(other, ("unregister", "key"))
        await Keeper.call(owner, ("unregister", "key"))
        assert await process.receive(5.0) == Unregistered("keys", "key", owner)
        await Keeper.call(owner, ("register", "key", 2))
        await process.receive(5.0)
        await kill(world, owner)
        await world.nothing()
        await world.stop(sup)

    lost = await Keepers(world, "unknown").start(sup := await world.supervisor([]), where)
    for request in (("register", "key"), ("lookup", "key"), ("meta", "x"), ("count",)):
        assert isinstance(await Keeper.call(lost, request), UnknownRegistry)
    with pytest.raises(UnknownRegistry):
        process.whereis(Registry.via("unknown", "key"))
    await world.stop(sup)


@pytest.mark.otp_line(216)
@pytest.mark.parametrize("name", [7, 1.0, b"name", ("name", 1), ["name"], True])
async def test_line_216_no_name_is_none_and_a_wrong_one_raises_before_any_process_is_made(world, name):
    before = set(process.here().processes)

    for start in (Quiet.start, Quiet.start_link, Quiet.start_monitor):
        with pytest.raises(TypeError):
            await start(name=name)
    for spawn in (process.spawn, process.spawn_link, process.spawn_monitor):
        with pytest.raises(TypeError):
            spawn(print, name=name)

    assert set(process.here().processes) == before
    await world.nothing()
    unnamed = await Quiet.start(name=None)
    assert (await GenServer.get_status(unnamed))["name"] is None
    await GenServer.stop(unnamed)
