from __future__ import annotations

import pytest

from roger_actors.errors import ConfigError, NameTaken, NoProcess, NotRegistered, StartFailed, UnknownRegistry
from roger_actors.otp import (
    GenServer,
    Ok,
    Registered,
    Registry,
    Unregistered,
    Via,
    process,
)
from roger_actors.otp.registry.table import strict
from roger_actors.testing.puppet import Puppet


async def registers(registry, entries, ready):
    for key, value in entries:
        await Registry.register(registry, key, value)
    process.send(ready, process.self())
    await process.receive()


async def owner(registry, *entries):
    """Start a process that registers itself, and return its pid when it has."""
    process.spawn(registers, registry, entries, process.self())
    return await process.receive()


async def test_a_shared_key_has_many_owners_and_one_may_have_it_many_times():
    await Registry.start_link("duplicate", name="topics")
    me = process.self()
    other = await owner("topics", ("news", 1))
    for value in (1, 2):
        await Registry.register("topics", "news", value)

    assert sorted(await Registry.lookup("topics", "news")) == sorted([(other, 1), (me, 1), (me, 2)])
    assert await Registry.keys("topics", me) == ["news", "news"]
    assert await Registry.values("topics", "news", me) == [1, 2]
    assert await Registry.count("topics") == 3
    await Registry.unregister("topics", "news")
    assert await Registry.lookup("topics", "news") == [(other, 1)]


async def test_predicates_choose_entries():
    await Registry.start_link("duplicate", name="r")
    first = await owner("r", ("a", 1), ("a", 5), ("b", 7))
    second = await owner("r", ("a", 3))

    assert sorted(await Registry.match("r", "a", lambda value: value > 2)) == sorted(
        [(first, 5), (second, 3)]
    )
    assert await Registry.count_match("r", "a", lambda value: value > 2) == 2
    assert await Registry.select("r", lambda key, pid, value: pid == first and value > 1) == [
        ("a", first, 5),
        ("b", first, 7),
    ]
    assert len(await Registry.select("r")) == await Registry.count("r") == 4


async def test_only_what_matches_is_unregistered_and_the_last_entry_of_a_key_is_told():
    process.register("listener")
    await Registry.start_link("duplicate", name="r", listeners=["listener"])
    me = process.self()
    for value in range(4):
        await Registry.register("r", "a", value)
    told = [await process.receive() for _ in range(4)]

    await Registry.unregister_match("r", "a", lambda value: value % 2)
    assert await Registry.values("r", "a", me) == [0, 2]
    await Registry.unregister_match("r", "a", lambda value: value > 100)
    await Registry.unregister_match("r", "a", lambda _: True)
    await Registry.unregister_match("r", "a", lambda _: True)

    assert told == [Registered("r", "a", me, value) for value in range(4)]
    assert await process.receive(0) == Unregistered("r", "a", me)
    assert await Registry.count("r") == 0


async def test_dispatch_calls_a_function_here_and_only_if_there_is_an_owner():
    await Registry.start_link("duplicate", name="r")
    pid = await owner("r", ("a", 1))
    calls = []

    async def slowly(entries):
        await process.sleep(1)
        calls.append(("slowly", entries, process.self()))

    await Registry.dispatch("r", "a", calls.append)
    await Registry.dispatch("r", "a", slowly)
    await Registry.dispatch("r", "nobody", calls.append)
    with pytest.raises(ZeroDivisionError):
        await Registry.dispatch("r", "a", lambda entries: len(entries) / 0)

    assert calls == [[(pid, 1)], ("slowly", [(pid, 1)], process.self())]


async def test_meta_belongs_to_the_registry():
    await Registry.start_link(name="r", meta={"zone": "eu"})

    await Registry.put_meta("r", "limit", 5)

    assert [await Registry.meta("r", key, "none") for key in ("zone", "limit", "other")] == ["eu", 5, "none"]
    await Registry.delete_meta("r", "zone")
    await Registry.delete_meta("r", "zone")
    assert await Registry.meta("r", "zone") is None


async def test_a_value_is_updated_by_its_owner_of_a_unique_key():
    await Registry.start_link("unique", name="r")
    await Registry.start_link("duplicate", name="shared")
    await Registry.register("r", "a", 1)
    await Registry.register("shared", "a", 1)

    assert await Registry.update_value("r", "a", lambda value: value + 1) == (2, 1)
    with pytest.raises(ConfigError, match="unique"):
        await Registry.update_value("shared", "a", lambda value: value + 1)


async def test_a_server_is_started_under_a_key_with_a_value_and_is_found_by_it(journal):
    await Registry.start_link("unique", name="r")
    name = Registry.via("r", "a", {"zone": "eu"})

    pid = await Puppet.start("a", journal, name=name)

    assert await Registry.lookup("r", "a") == [(pid, {"zone": "eu"})]
    assert await Puppet.call(Registry.via("r", "a"), ("reply", 1)) == 1
    assert name == Registry.via("r", "a", {"zone": "eu"})
    assert repr(Registry.via("r", "a")) == "Via(Registry, ('r', 'a'))"
    with pytest.raises(NameTaken):
        await Puppet.start("b", journal, name=name)
    Registry.unregister_name(("r", "a"))
    Registry.unregister_name(("r", "a"))
    with pytest.raises(NoProcess):
        process.send(name, "x")


async def test_shared_keys_are_no_names():
    await Registry.start_link("duplicate", name="r")

    with pytest.raises(ConfigError, match="unique"):
        await Puppet.start(name=Registry.via("r", "a"))


async def test_what_is_no_registry_is_not_taken_for_one():
    await Puppet.start(name="puppet")
    nobody = await Puppet.start()
    await GenServer.stop(nobody)

    for registry in ("puppet", "nobody", nobody, Via(Registry, ("nobody", "r"))):
        with pytest.raises(NoProcess):
            await Registry.lookup(registry, "a")
    with pytest.raises(UnknownRegistry):
        await Registry.count("nobody")


@pytest.mark.parametrize("options", [{"keys": "some"}, {"listeners": "name"}, {"listeners": [7]}])
async def test_wrong_options_are_refused(options):
    with pytest.raises(StartFailed) as caught:
        await Registry.start_link(**options)

    assert caught.value.reason.kind.endswith("ConfigError")


async def test_a_key_without_a_hash_is_refused_to_who_gives_it():
    registry = await Registry.start_link(name="r")

    for use in (Registry.register("r", []), Registry.lookup("r", ([],)), Registry.put_meta("r", {}, 1)):
        with pytest.raises(TypeError):
            await use
    with pytest.raises(TypeError):
        Registry.via("r", [])

    assert process.is_alive(registry)


def test_a_strict_key_has_its_type_inside_too():
    keys = [1, 1.0, True, (1,), (True,), ((1,), 1), ((1.0,), 1), frozenset({1}), frozenset({1.0})]

    assert len({strict(key) for key in keys}) == len(keys)
    assert strict((1, "a")) == strict((1, "a"))


async def test_a_registry_that_is_busy_or_suspended_answers_its_own_host():
    registry = await Registry.start_link(name="r")
    await GenServer.suspend(registry)

    await Registry.register("r", "a", 1)

    assert await Registry.lookup("r", "a") == [(process.self(), 1)]
    await GenServer.resume(registry)


async def test_a_link_that_was_there_before_stays():
    registry = await Registry.start_link(name="r")

    await Registry.register("r", "a")
    await Registry.unregister("r", "a")

    assert registry in process.current().links


async def test_a_living_owner_keeps_its_keys_whatever_it_sends_the_registry():
    class Rude(GenServer):
        async def init(self):
            await Registry.register("r", "a")
            process.exit(process.whereis("r"), "for you")
            return Ok(None)

    registry = await Registry.start_link(name="r")
    rude = await Rude.start()
    await GenServer.get_status(registry)

    assert await Registry.lookup("r", "a") == [(rude, None)]


async def test_a_status_shows_no_values():
    registry = await Registry.start_link(name="r")
    await Registry.register("r", "a", "secret")

    status = await GenServer.get_status(registry)

    assert status["state"] == {"keys": "unique", "entries": 1}


def test_a_value_that_cannot_travel_is_the_askers_trouble(node):
    node.run(keep_what_cannot_travel)
    far = node.start_host("kernel")

    with pytest.raises(Exception, match="cannot be sent"):
        node.run(look_up_from_afar, host=far)

    assert node.run(is_there, "r")


async def keep_what_cannot_travel():
    process.spawn(register_a_lambda)
    await process.sleep(1)


async def register_a_lambda():
    await Registry.start("unique", name="r")
    await Registry.register("r", "a", lambda: None)
    await process.receive()


async def look_up_from_afar():
    await Registry.lookup(("r", 0), "a")


async def is_there(name):
    return process.whereis(name) is not None


async def test_a_value_is_not_replaced_under_a_key_that_was_taken_away_meanwhile():
    registry = await Registry.start_link("unique", name="r")
    await Registry.register("r", "a", 1)

    def is_slow(old):
        Registry.unregister_name(("r", "a"))
        return old + 1

    with pytest.raises(NotRegistered):
        await Registry.update_value("r", "a", is_slow)

    assert process.is_alive(registry)
    assert await Registry.lookup("r", "a") == []
