"""Section L: PartitionSupervisor and Task.Supervisor."""

from __future__ import annotations

import os

import pytest
from conformance_world import ABNORMAL

from roger_actors.errors import CallTimeout, ConfigError
from roger_actors.otp import (
    SHUTDOWN,
    ChildSpec,
    Down,
    Exit,
    GenServer,
    PartitionSupervisor,
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


async def start_partitions(world, **options):
    """Start three partitions where children live; return their pids in order."""
    options = {"name": "parts", "partitions": 3, **options}
    await PartitionSupervisor.start_link(world.child("part"), **options)
    return [PartitionSupervisor.whereis("parts", number) for number in range(options["partitions"])]


@pytest.mark.otp_line(163)
async def test_line_163_name_and_child_are_mandatory_and_other_options_checked(world):
    for wrong in (
        {"name": None},
        {"partitions": 0},
        {"partitions": 1.5},
        {"auto_shutdown": "any_significant"},
        {"auto_shutdown": "all_significant"},
    ):
        with pytest.raises(ConfigError, match=next(iter(wrong))):
            await start_partitions(world, **wrong)
    with pytest.raises(TypeError, match="name"):
        await PartitionSupervisor.start_link(world.child("part"))
    with pytest.raises(TypeError, match="child_spec"):
        await PartitionSupervisor.start_link(name="parts")
    assert await world.journal() == []

    await PartitionSupervisor.start_link(world.child("part"), name="parts")
    assert PartitionSupervisor.partitions("parts") == os.cpu_count()


@pytest.mark.otp_line(164)
async def test_line_164_a_key_always_reaches_the_same_partition(world):
    pids = await start_partitions(world)
    assert len(set(pids)) == 3

    for key in (0, 5, -5, 2**80, -(2**80)):
        assert PartitionSupervisor.whereis("parts", key) == pids[abs(key) % 3]
    for key in ("user", b"user", ("user", 7), None, 2.5, frozenset({"a", "b"}), process.self()):
        before = PartitionSupervisor.whereis("parts", key)
        GenServer.cast(before, ("set", key))
        again = PartitionSupervisor.whereis("parts", key)
        assert (again, await GenServer.call(again, ("value",))) == (before, key)
    assert {PartitionSupervisor.whereis("parts", f"user {number}") for number in range(50)} == set(pids)


@pytest.mark.otp_line(165)
async def test_line_165_each_partition_has_arguments_of_its_own_and_its_number_as_id(world):
    def numbered(args, number):
        return [*args, "partition", number]

    pids = await start_partitions(world, with_arguments=numbered)

    given = [await GenServer.call(pid, ("args",)) for pid in pids]
    assert given == [["partition", number] for number in range(3)]
    found = await PartitionSupervisor.which_children("parts")
    assert {info.id: info.pid for info in found} == dict(enumerate(pids))


@pytest.mark.otp_line(166)
async def test_line_166_resize_stops_and_restarts_partitions_up_to_the_first_number(world):
    pids = await start_partitions(world)
    watches = [process.monitor(pid) for pid in pids]

    assert await PartitionSupervisor.resize("parts", 1) == 3
    assert [(await world.down(watches[number])).reason for number in (1, 2)] == [SHUTDOWN] * 2
    assert {PartitionSupervisor.whereis("parts", key) for key in (0, 1, 2, "user")} == {pids[0]}

    assert await PartitionSupervisor.resize("parts", 3) == 1
    again = [PartitionSupervisor.whereis("parts", number) for number in range(3)]
    assert again[0] == pids[0]
    assert not set(again[1:]) & set(pids)
    with pytest.raises(ConfigError, match="from 0 to 3"):
        await PartitionSupervisor.resize("parts", 4)

    await PartitionSupervisor.resize("parts", 0)
    with pytest.raises(ConfigError, match="parts"):
        PartitionSupervisor.whereis("parts", 1)


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
