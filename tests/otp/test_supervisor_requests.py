"""What supervisors are asked, beyond the lines of the list."""

from __future__ import annotations

import time

import pytest

from roger_actors.errors import ChildrenWithoutIds, StartFailed
from roger_actors.otp import (
    SHUTDOWN,
    ChildSpec,
    DynamicSupervisor,
    GenServer,
    Start,
    Stop,
    Supervisor,
    SupervisorFlags,
    TaskSupervisor,
    process,
)
from roger_actors.testing.puppet import Puppet


def child(id_, journal=None, *, options=None, **fields):
    return ChildSpec(id=id_, start=Start(Puppet, id_, journal, **{"trap": True, **(options or {})}), **fields)


async def start(children, **options):
    return await Supervisor.start_link(children, **{"strategy": "one_for_one", "max_restarts": 10, **options})


def reports(caplog):
    return [record.report for record in caplog.records if hasattr(record, "report")]


async def test_a_start_that_fails_on_request_is_told_to_the_caller_and_not_reported(caplog):
    begins = [None, Stop("broken")]
    sup = await start([child("a", options={"begins": lambda: begins.pop(0)})])
    await Supervisor.terminate_child(sup, "a")

    with pytest.raises(StartFailed):
        await Supervisor.restart_child(sup, "a")
    with pytest.raises(StartFailed):
        await Supervisor.start_child(sup, child("b", options={"begins": lambda: Stop("broken")}))

    assert not reports(caplog)


@pytest.mark.slow
@pytest.mark.otp_line(150)
@pytest.mark.parametrize("behaviour", [Supervisor, DynamicSupervisor])
async def test_starting_and_stopping_many_children_is_about_linear(behaviour):
    costs = [await cost_of_children(behaviour, count) for count in (500, 5_000)]

    assert costs[1] < 4 * costs[0]


async def cost_of_children(behaviour, count):
    """Seconds of CPU per child: its start and its part of the stop."""
    begun = time.process_time()
    sup = await (start([]) if behaviour is Supervisor else DynamicSupervisor.start_link())
    for number in range(count):
        await behaviour.start_child(sup, child(number, restart="temporary"))
    await GenServer.stop(sup, SHUTDOWN)
    await process.receive()
    return (time.process_time() - begun) / count


async def test_under_simple_one_for_one_extra_arguments_are_a_list():
    sup = await Supervisor.start_link([child("a")], flags=SupervisorFlags(strategy="simple_one_for_one"))

    with pytest.raises(StartFailed) as caught:
        await Supervisor.start_child(sup, child("b"))

    assert caught.value.reason.kind == "badarg"
    assert await Supervisor.which_children(sup) == []


@pytest.mark.parametrize("kind", [DynamicSupervisor, TaskSupervisor])
async def test_what_needs_a_childs_id_is_refused_by_a_dynamic_supervisor_that_lives_on(kind):
    supervisor = await kind.start_link()

    for request, *arguments in [
        (Supervisor.restart_child, "a"),
        (Supervisor.delete_child, "a"),
        (Supervisor.which_child, "a"),
        (Supervisor.get_childspec, "a"),
        (Supervisor.change_code, []),
    ]:
        with pytest.raises(ChildrenWithoutIds, match=f"^{request.__name__} is for supervisors"):
            await request(supervisor, *arguments)

    assert await Supervisor.which_children(supervisor) == []
