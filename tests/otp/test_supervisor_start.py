"""How a child may be given to its supervisor, beyond the lines of the list."""

from __future__ import annotations

import asyncio

import pytest

from roger_actors.errors import ChildNotFound, InvalidChildSpec
from roger_actors.otp import ChildSpec, DynamicSupervisor, GenServer, Ok, Start, Supervisor, process
from roger_actors.testing.puppet import Puppet


async def start(children, **options):
    return await Supervisor.start_link(children, **{"strategy": "one_for_one", **options})


async def test_a_start_may_be_named_by_its_path():
    sup = await start([ChildSpec(id="a", start=Start("roger_actors.testing.puppet:Puppet", "by path"))])

    pid = (await Supervisor.which_child(sup, "a")).pid

    assert (await GenServer.get_state(pid))["label"] == "by path"


async def test_a_start_function_may_use_asyncio(journal):
    async def starts():
        async with asyncio.timeout(5):
            await asyncio.sleep(1)
        return await Puppet.start_link("late", journal)

    await start([ChildSpec(id="a", start=Start(starts))])

    assert journal == [("started", "late")]


class OnlyJustBegun(Puppet):
    """Begins in a task; its first message is there and is handled before whoever started it runs again."""

    async def init(self, *args, **options):
        await process.sleep(0.1)
        begun = super().init(*args, **options)
        Puppet.cast(process.self(), ("exit", "crash"))
        process.send(process.spawn(process.receive), "so that processes run first")
        return begun


async def test_a_child_that_ends_before_its_supervisor_knows_that_it_began_is_restarted(journal):
    crashes = ChildSpec(id="a", start=Start(OnlyJustBegun, "a", journal))

    sup = await start([crashes], max_restarts=2)

    assert (await process.receive()).pid == sup
    assert [entry[0] for entry in journal].count("started") == 3


class Counter(GenServer[int]):
    def init(self, start=0):
        return Ok(start)


class Once(Counter):
    @classmethod
    def child_spec(cls, *args):
        return {"id": "once", "start": Start(cls, *args), "restart": "temporary", "colour": "ignored"}


@pytest.mark.parametrize(
    ("child", "spec"),
    [
        (Counter, ChildSpec(id="Counter", start=Start(Counter))),
        ((Counter, 3), ChildSpec(id="Counter", start=Start(Counter, 3))),
        ((Once, 3), ChildSpec(id="once", start=Start(Once, 3), restart="temporary")),
        (
            ("a", Start(Counter), "transient", 1.0, "worker", ["m"]),
            ChildSpec(
                id="a", start=Start(Counter), restart="transient", shutdown=1.0, type="worker", modules=["m"]
            ),
        ),
        (DynamicSupervisor, ChildSpec(id="DynamicSupervisor", start=Start(DynamicSupervisor))),
    ],
)
async def test_a_child_is_given_as_elixir_or_erlang_would(child, spec):
    assert Supervisor.child_spec(child) == spec
    sup = await start([child])
    assert (await Supervisor.which_child(sup, spec.id)).pid
    other = Supervisor.child_spec(child, id="other")
    assert await Supervisor.start_child(sup, other)


async def test_a_class_that_gives_no_spec_is_no_child():
    class Wrong(Counter):
        @classmethod
        def child_spec(cls):
            return "what"

    with pytest.raises(InvalidChildSpec, match="Wrong"):
        Supervisor.child_spec(Wrong)


def test_a_callable_without_a_name_goes_by_its_class():
    class Starter:
        def __call__(self):
            raise NotImplementedError

    assert Start(Starter()).path.endswith("Starter")


@pytest.mark.parametrize("id_", [[], ("tuple", []), {}])
async def test_an_id_that_cannot_be_one_is_refused_and_nobodys(id_):
    spec = ChildSpec(id=id_, start=Start(Puppet))
    sup = await start([])

    with pytest.raises(InvalidChildSpec) as caught:
        await Supervisor.start_child(sup, spec)
    assert caught.value.kind == "invalid_id"
    for asked in (Supervisor.terminate_child, Supervisor.restart_child, Supervisor.delete_child):
        with pytest.raises(ChildNotFound):
            await asked(sup, id_)
    for asked in (Supervisor.which_child, Supervisor.get_childspec):
        with pytest.raises(ChildNotFound):
            await asked(sup, id_)
    assert process.is_alive(sup)
