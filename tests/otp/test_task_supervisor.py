from __future__ import annotations

from contextlib import aclosing

import pytest

from roger_actors.errors import (
    ChildNotFound,
    InvalidChildSpec,
    NoProcess,
    ServerExited,
    StartFailed,
    TooManyChildren,
    Undeliverable,
)
from roger_actors.otp import (
    KILL,
    KILLED,
    NORMAL,
    SHUTDOWN,
    Crash,
    Down,
    DynamicSupervisor,
    Exit,
    GenServer,
    Response,
    Task,
    TaskExit,
    TaskOk,
    TaskSupervisor,
    Timeout,
    process,
)
from roger_actors.otp.reason import NOCONNECTION, TIMEOUT


def double(number):
    return 2 * number


def fails():
    raise ValueError("broken")


def host_of():
    return process.self().host


async def slowly(seconds, value=None):
    await process.sleep(seconds)
    return value


async def traps(seconds):
    process.trap_exit()
    await process.sleep(seconds)


async def nothing_comes():
    assert isinstance(await process.receive(0.5), Timeout)


async def end_of(pid):
    ref = process.monitor(pid)
    return (await process.receive(500, lambda one: isinstance(one, Down) and one.ref == ref)).reason


def links():
    return process.current().links or set()


@pytest.fixture
def two_hosts(node):
    """The number of an app host with a supervisor named `tasks`; such tests run in another app host."""
    host = node.start_host()
    node.spawn(keep_tasks, host=host)
    node.settle()
    return host


async def keep_tasks():
    await TaskSupervisor.start_link(name="tasks")
    await process.receive()


# ---------------------------------------------------------------- one host


async def test_a_task_is_a_child_of_the_supervisor_and_linked_to_its_owner():
    supervisor = await TaskSupervisor.start_link(name="tasks")

    task = await TaskSupervisor.async_("tasks", slowly, 1.0, "value")

    assert await TaskSupervisor.children(supervisor) == [task.pid]
    assert task.pid in links()
    assert await Task.await_(task) == "value"
    assert await TaskSupervisor.children(supervisor) == []


async def test_the_crash_of_a_linked_task_ends_its_owner_and_not_the_supervisor():
    supervisor = await TaskSupervisor.start_link()

    async def owner():
        await Task.await_(await TaskSupervisor.async_(supervisor, fails))

    assert (await end_of(process.spawn(owner))).kind == "ValueError"
    assert process.is_alive(supervisor)


async def test_a_linked_task_ends_with_its_owner():
    supervisor = await TaskSupervisor.start_link()

    async def owner():
        await Task.await_(await TaskSupervisor.async_(supervisor, slowly, 100.0), None)

    pid = process.spawn(owner)
    await process.sleep(0.1)
    [task] = await TaskSupervisor.children(supervisor)
    process.exit(pid, "abnormal")

    assert not process.is_alive(task)


async def test_the_crash_of_a_task_without_link_is_only_told():
    process.trap_exit(False)
    supervisor = await TaskSupervisor.start_link()

    task = await TaskSupervisor.async_nolink(supervisor, fails)
    assert task.pid not in links()
    down = await process.receive(1.0)
    assert (down.ref, down.reason.kind) == (task.ref, "ValueError")

    failing = await TaskSupervisor.async_nolink(supervisor, fails)
    with pytest.raises(ServerExited):
        await Task.await_(failing)
    await nothing_comes()


async def test_a_result_that_nobody_waits_for_comes_as_a_message():
    supervisor = await TaskSupervisor.start_link()

    task = await TaskSupervisor.async_nolink(supervisor, double, 2)

    assert await process.receive(1.0) == Response(task.ref, 4)
    await nothing_comes()


async def test_a_task_whose_owner_ends_before_it_gave_it_work_ends_too():
    supervisor = await TaskSupervisor.start_link()
    ran = []

    async def owner():
        await TaskSupervisor.async_nolink(supervisor, ran.append, "the work")

    await GenServer.suspend(supervisor)
    pid = process.spawn(owner)
    await process.sleep(0.1)
    process.exit(pid, KILL)
    await GenServer.resume(supervisor)
    await process.sleep(0.1)

    assert await TaskSupervisor.children(supervisor) == []
    assert ran == []


async def test_a_task_that_gets_no_work_in_time_ends():
    async def gives_up():
        from roger_actors.otp.behaviours.task_process import await_work

        process.trap_exit()
        await_work(process.current(), process.self())
        message = await process.receive(6.0)
        process.send(test, message.reason)

    test = process.self()
    process.spawn(gives_up)

    assert await process.receive(10.0) is TIMEOUT


@pytest.mark.parametrize("start", [TaskSupervisor.async_, TaskSupervisor.async_nolink])
async def test_a_full_supervisor_takes_no_task(start):
    supervisor = await TaskSupervisor.start_link(max_children=1)
    first = await start(supervisor, slowly, 1.0)

    with pytest.raises(TooManyChildren):
        await start(supervisor, double, 1)

    await Task.await_(first)
    assert await Task.await_(await start(supervisor, double, 1)) == 2


async def test_no_supervisor_is_noproc():
    with pytest.raises(NoProcess):
        await TaskSupervisor.async_("nobody", double, 1)


async def test_wrong_options_are_refused():
    with pytest.raises(StartFailed):
        await TaskSupervisor.start_link(max_children=-1)
    supervisor = await TaskSupervisor.start_link()
    with pytest.raises(InvalidChildSpec):
        await TaskSupervisor.async_(supervisor, double, 1, shutdown="soon")
    with pytest.raises(InvalidChildSpec):
        await TaskSupervisor.start_child(supervisor, double, 1, restart="sometimes")


async def test_a_child_is_temporary_unless_told_and_linked_to_nobody_else():
    supervisor = await TaskSupervisor.start_link()

    pid = await TaskSupervisor.start_child(supervisor, slowly, 1.0)
    assert pid not in links()
    assert await TaskSupervisor.children(supervisor) == [pid]
    process.exit(pid, "abnormal")

    assert await TaskSupervisor.children(supervisor) == []


async def test_a_child_is_restarted_as_told_and_does_the_same_work_again():
    supervisor = await TaskSupervisor.start_link()
    ran = []

    async def work(what):
        ran.append(what)
        await process.sleep(1.0)

    pid = await TaskSupervisor.start_child(supervisor, work, "this", restart="transient")
    await process.sleep(0.1)
    process.exit(pid, "abnormal")
    [again] = await TaskSupervisor.children(supervisor)
    await process.sleep(2.0)

    assert again != pid
    assert ran == ["this", "this"]
    assert await TaskSupervisor.children(supervisor) == []


async def test_too_many_restarts_end_the_supervisor():
    supervisor = await TaskSupervisor.start_link(max_restarts=1, max_seconds=5.0)
    await TaskSupervisor.start_child(supervisor, fails, restart="permanent")

    assert await end_of(supervisor) is SHUTDOWN


async def test_a_child_has_its_own_limit_when_the_supervisor_stops(node):
    supervisor = await TaskSupervisor.start_link()
    patient = await TaskSupervisor.start_child(supervisor, traps, 100.0, shutdown=2.0)
    killed = await TaskSupervisor.async_nolink(supervisor, traps, 100.0, shutdown="brutal_kill")
    await process.sleep(0.1)
    before = node.clock.monotonic()

    await TaskSupervisor.stop(supervisor)

    assert node.clock.monotonic() - before == pytest.approx(2.0)
    assert await Task.yield_(killed) == TaskExit(KILLED)
    assert not process.is_alive(patient)


async def test_a_child_can_be_terminated_by_its_pid():
    supervisor = await TaskSupervisor.start_link()
    pid = await TaskSupervisor.start_child(supervisor, slowly, 100.0)

    await TaskSupervisor.terminate_child(supervisor, pid)

    assert not process.is_alive(pid)
    with pytest.raises(ChildNotFound):
        await TaskSupervisor.terminate_child(supervisor, pid)
    assert (await TaskSupervisor.count_children(supervisor)).specs == 0


async def test_callers_reach_through_the_supervisor():
    supervisor = await TaskSupervisor.start_link()

    async def outer():
        inner = await TaskSupervisor.async_(supervisor, process.callers)
        return process.self(), await Task.await_(inner)

    task = await TaskSupervisor.async_(supervisor, outer)
    middle, callers = await Task.await_(task)

    assert callers == (middle, process.self())
    got = []
    await TaskSupervisor.start_child(supervisor, lambda: got.append(process.callers()))
    await process.sleep(0.1)
    assert got == [(process.self(),)]


# ---------------------------------------------------------------- streams


async def outcomes(stream):
    return [outcome async for outcome in stream]


@pytest.mark.parametrize("stream", [TaskSupervisor.async_stream, TaskSupervisor.async_stream_nolink])
async def test_a_stream_runs_under_the_supervisor_within_its_limit(stream):
    supervisor = await TaskSupervisor.start_link(max_children=2)

    async def work(number):
        return number, await TaskSupervisor.count_children(supervisor)

    found = await outcomes(stream(supervisor, range(10), work, max_concurrency=2))

    assert [outcome.value[0] for outcome in found] == list(range(10))
    assert {outcome.value[1].active for outcome in found} <= {1, 2}
    await nothing_comes()


async def test_a_stream_wider_than_its_supervisor_is_refused():
    supervisor = await TaskSupervisor.start_link(max_children=1)

    with pytest.raises(TooManyChildren):
        await outcomes(TaskSupervisor.async_stream(supervisor, [1.0, 1.0], slowly, max_concurrency=2))

    assert await TaskSupervisor.children(supervisor) == []


async def test_a_crash_in_a_linked_stream_ends_an_owner_that_does_not_trap_exits():
    supervisor = await TaskSupervisor.start_link()

    async def owner():
        await outcomes(TaskSupervisor.async_stream(supervisor, ["gone"], process.exit))

    assert await end_of(process.spawn(owner)) == "gone"
    assert process.is_alive(supervisor)


async def test_a_crash_in_a_stream_without_links_is_an_outcome():
    process.trap_exit(False)
    supervisor = await TaskSupervisor.start_link()

    found = await outcomes(
        TaskSupervisor.async_stream_nolink(supervisor, ["gone"], process.exit, zip_input_on_exit=True)
    )

    assert found == [TaskExit(("gone", "gone"))]


async def test_linked_tasks_of_a_stream_end_with_its_owner_and_others_do_not():
    for stream, left in ((TaskSupervisor.async_stream, 0), (TaskSupervisor.async_stream_nolink, 2)):
        supervisor = await TaskSupervisor.start_link()

        async def owner(stream=stream, supervisor=supervisor):
            await outcomes(stream(supervisor, [10.0, 10.0], slowly, max_concurrency=2, timeout=None))

        pid = process.spawn(owner)
        await process.sleep(0.1)
        process.exit(pid, KILL)

        assert len(await TaskSupervisor.children(supervisor)) == left


@pytest.mark.parametrize("stream", [TaskSupervisor.async_stream, TaskSupervisor.async_stream_nolink])
async def test_a_stream_that_is_left_early_kills_what_still_runs(stream):
    supervisor = await TaskSupervisor.start_link()

    async with aclosing(stream(supervisor, [1.0, 100.0], traps, max_concurrency=2, timeout=None)) as found:
        assert await anext(found) == TaskOk(None)

    assert await TaskSupervisor.children(supervisor) == []


# ---------------------------------------------------------------- two hosts


def on_an_app_host(node, scenario, *args):
    node.run(scenario, *args, host=node.start_host())


def test_a_task_runs_on_its_supervisors_host_and_its_result_comes_back(node, two_hosts):
    async def scenario():
        supervisor = ("tasks", two_hosts)
        assert await Task.await_(await TaskSupervisor.async_(supervisor, host_of)) == two_hosts
        task = await TaskSupervisor.async_nolink(supervisor, slowly, 1.0, "value")
        assert await Task.yield_(task, 0.5) is None
        assert await Task.await_(task) == "value"
        found = await outcomes(TaskSupervisor.async_stream(supervisor, [1, 2, 3], double))
        assert found == [TaskOk(2), TaskOk(4), TaskOk(6)]
        await nothing_comes_but_exits()

    on_an_app_host(node, scenario)


async def nothing_comes_but_exits():
    while not isinstance(message := await process.receive(0.5), Timeout):
        assert isinstance(message, Exit)
        assert message.reason is NORMAL


def test_a_task_on_another_host_tells_how_it_ended(node, two_hosts):
    async def scenario():
        process.trap_exit()
        supervisor = ("tasks", two_hosts)
        with pytest.raises(ServerExited) as caught:
            await Task.await_(await TaskSupervisor.async_nolink(supervisor, fails))
        assert isinstance(caught.value.reason, Crash)

        linked = await TaskSupervisor.async_(supervisor, slowly, 100.0)
        assert await Task.shutdown(linked) is None
        late = await TaskSupervisor.async_nolink(supervisor, slowly, 2.0)
        assert await Task.yield_many([late], 1.0, on_timeout="kill_task") == [(late, None)]
        assert await TaskSupervisor.children(supervisor) == []
        await nothing_comes()

    on_an_app_host(node, scenario)


def test_the_loss_of_the_supervisors_host_is_the_end_of_its_tasks(node, two_hosts):
    async def scenario():
        process.trap_exit()
        supervisor = ("tasks", two_hosts)
        tasks = [await TaskSupervisor.async_nolink(supervisor, slowly, 100.0) for _ in range(3)]
        node.kill_host(two_hosts)
        reasons = [await Task.yield_(task) for task in tasks]
        assert reasons[0] not in {None, TaskExit(NOCONNECTION)}
        assert reasons == [reasons[0]] * 3

    on_an_app_host(node, scenario)


def test_what_cannot_travel_is_refused_where_it_is_sent(node, two_hosts):
    async def scenario():
        supervisor = ("tasks", two_hosts)
        with pytest.raises(Undeliverable, match="lambda"):
            await TaskSupervisor.async_(supervisor, lambda: 1)
        with pytest.raises(Undeliverable):
            await TaskSupervisor.start_child(supervisor, lambda: 1)
        assert await TaskSupervisor.children(supervisor) == []

    on_an_app_host(node, scenario)


def unportable():
    return lambda: 1


def test_a_result_that_cannot_travel_ends_its_task_and_its_owner_is_told(node, two_hosts):
    async def scenario():
        supervisor = ("tasks", two_hosts)
        task = await TaskSupervisor.async_nolink(supervisor, unportable)
        with pytest.raises(ServerExited) as caught:
            await Task.await_(task)
        assert "Undeliverable" in caught.value.reason.kind

    on_an_app_host(node, scenario)


async def test_it_is_a_dynamic_supervisor():
    supervisor = await TaskSupervisor.start_link()

    assert (await DynamicSupervisor.count_children(supervisor)).specs == 0
