"""Section L: PartitionSupervisor and Task.Supervisor."""

from __future__ import annotations

import pytest
from conformance_world import ABNORMAL

from roger_actors.errors import CallTimeout
from roger_actors.otp import (
    ChildSpec,
    Down,
    Exit,
    Start,
    Supervisor,
    Task,
    TaskSupervisor,
    Timeout,
    process,
)
from roger_actors.otp.reason import NORMAL, TIMEOUT, CallExit


async def start_tasks(world):
    """Start a supervisor of tasks where children live; return its pid."""
    child = ChildSpec(id="tasks", start=Start(TaskSupervisor), host=world.elsewhere)
    top = await world.supervisor([child])
    return (await Supervisor.which_child(top, "tasks")).pid


async def obey():
    """Do what a message says: a reason to exit with, or the result."""
    kind, value = await process.receive()
    if kind == "exit":
        process.exit(value)
    return value


async def own(start, supervisor, told):
    """Own a task, tell its pid, and wait for its result."""
    task = await start(supervisor, obey)
    process.send(told, task.pid)
    return await Task.await_(task, 30.0)


async def callers_through(supervisor):
    """Return this task's pid, and the callers of a task that it asks for work."""
    task = await TaskSupervisor.async_(supervisor, process.callers)
    return process.self(), await Task.await_(task, 30.0)


@pytest.mark.otp_line(167)
async def test_line_167_children_of_a_task_supervisor_are_temporary_unless_told(world):
    tasks = await start_tasks(world)
    left = await TaskSupervisor.start_child(tasks, obey)
    kept = await TaskSupervisor.start_child(tasks, obey, restart="permanent")

    for pid in (left, kept):
        ref = process.monitor(pid)
        process.send(pid, ("exit", ABNORMAL))
        assert (await world.down(ref)).reason == ABNORMAL

    [again] = await TaskSupervisor.children(tasks)
    assert again not in {left, kept}


@pytest.mark.otp_line(168)
async def test_line_168_async_links_the_caller_and_async_nolink_only_tells_it(world):
    tasks = await start_tasks(world)

    owner = process.spawn(own, TaskSupervisor.async_, tasks, process.self())
    watch = process.monitor(owner)
    process.send(await process.receive(10.0), ("exit", ABNORMAL))
    assert (await world.down(watch)).reason == ABNORMAL

    process.trap_exit(False)
    task = await TaskSupervisor.async_nolink(tasks, obey)
    process.send(task.pid, ("exit", ABNORMAL))
    assert await process.receive(10.0) == Down(task.ref, task.pid, ABNORMAL)
    await world.nothing()


@pytest.mark.otp_line(169)
async def test_line_169_a_wait_that_is_too_long_ends_the_caller_and_a_late_result_reaches_nobody(world):
    tasks = await start_tasks(world)

    async def impatient():
        await Task.await_(await TaskSupervisor.async_nolink(tasks, obey), 0.05)

    reason = (await world.down(process.monitor(process.spawn(impatient)))).reason
    assert isinstance(reason, CallExit)
    assert reason.reason is TIMEOUT

    task = await TaskSupervisor.async_(tasks, obey)
    with pytest.raises(CallTimeout):
        await Task.await_(task, 0.05)
    assert not any(target == task.pid for target, _ in (process.current().watches or {}).values())
    process.send(task.pid, ("return", "late"))
    assert await process.receive(10.0) == Exit(task.pid, NORMAL)
    assert isinstance(await process.receive(0.2), Timeout)


@pytest.mark.otp_line(170)
async def test_line_170_tasks_know_who_asked_for_their_work_and_who_asked_for_that(world):
    tasks = await start_tasks(world)

    task = await TaskSupervisor.async_(tasks, callers_through, tasks)
    middle, callers = await Task.await_(task, 30.0)

    assert middle == task.pid
    assert callers == (middle, process.self())
