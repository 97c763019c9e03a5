from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing

import pytest

from roger_actors.errors import CallTimeout, InvalidTask, ServerExited
from roger_actors.otp import (
    KILL,
    KILLED,
    NORMAL,
    SHUTDOWN,
    ChildSpec,
    Crash,
    Down,
    Exit,
    GenServer,
    NoReply,
    Ok,
    Reply,
    Response,
    Start,
    Supervisor,
    Task,
    TaskExit,
    TaskOk,
    Timeout,
    process,
)
from roger_actors.otp.reason import NOPROC, TIMEOUT, CallExit


def double(number):
    return 2 * number


async def slowly(seconds, value):
    await process.sleep(seconds)
    return value


async def for_ever():
    await process.sleep(float("inf"))


async def obeys_late(seconds):
    process.trap_exit()
    await process.receive(matching=lambda message: isinstance(message, Exit))
    await process.sleep(seconds)


def fails(text="broken"):
    raise ValueError(text)


def ends(reason):
    process.exit(reason)


async def nothing_comes():
    assert isinstance(await process.receive(0.5), Timeout)


async def end_of(pid):
    ref = process.monitor(pid)
    return (await process.receive(10, lambda one: isinstance(one, Down) and one.ref == ref)).reason


def links():
    return process.current().links or set()


# ---------------------------------------------------------------- async_ and await_


async def test_a_task_runs_a_function_in_a_linked_process_and_its_owner_gets_the_result():
    task = Task.async_(process.self)

    assert task.owner == process.self()
    assert task.pid in links()
    assert await Task.await_(task) == task.pid


async def test_a_coroutine_function_is_awaited_in_the_tasks_process():
    assert await Task.await_(Task.async_(slowly, 1.0, "value")) == "value"


async def test_a_task_that_is_awaited_leaves_nothing_but_the_exit_signal_of_its_link():
    before = dict(process.here().calls)
    task = Task.async_(double, 2)
    assert await Task.await_(task) == 4

    assert await process.receive(1.0) == Exit(task.pid, NORMAL)
    await nothing_comes()
    assert not process.current().watches
    assert process.here().calls == before


async def test_the_result_may_be_waiting_already():
    tasks = [Task.async_(double, number) for number in range(3)]
    await process.sleep(0.1)

    assert [await Task.await_(task) for task in reversed(tasks)] == [4, 2, 0]


async def test_an_owner_that_does_not_wait_gets_the_result_as_a_message_and_no_down():
    process.trap_exit(False)
    task = Task.async_(double, 2)

    assert await process.receive(1.0) == Response(task.ref, 4)
    await nothing_comes()


async def test_the_crash_of_a_task_is_raised_at_an_owner_that_traps_exits():
    task = Task.async_(fails)

    with pytest.raises(ServerExited) as caught:
        await Task.await_(task)

    assert isinstance(caught.value.reason, Crash)
    assert caught.value.reason.kind == "ValueError"
    assert (await process.receive(0.1)).pid == task.pid


async def test_the_crash_of_a_task_ends_an_owner_that_does_not_trap_exits():
    async def owner():
        await Task.await_(Task.async_(fails))

    reason = await end_of(process.spawn(owner))

    assert isinstance(reason, Crash)
    assert reason.kind == "ValueError"


async def test_a_task_ends_with_its_owner():
    async def owner(watcher):
        process.send(watcher, Task.async_(for_ever).pid)
        await for_ever()

    pid = process.spawn(owner, process.self())
    task = await process.receive()
    ref = process.monitor(task)

    process.exit(pid, "abnormal")

    assert await process.receive() == Down(ref, task, "abnormal")


async def test_a_task_that_exits_without_a_result_is_told_with_its_reason():
    for reason in (NORMAL, SHUTDOWN, "other"):
        with pytest.raises(ServerExited) as caught:
            await Task.await_(Task.async_(ends, reason))
        assert caught.value.reason == reason


async def test_a_late_result_reaches_nobody():
    task = Task.async_(slowly, 1.0, "late")
    process.unlink(task.pid)

    with pytest.raises(CallTimeout):
        await Task.await_(task, 0.1)

    assert await end_of(task.pid) is NORMAL
    await nothing_comes()


async def test_a_wait_that_is_too_long_ends_the_owner(node):
    async def owner():
        await Task.await_(Task.async_(for_ever))

    before = node.clock.monotonic()
    reason = await end_of(process.spawn(owner))

    assert isinstance(reason, CallExit)
    assert reason.reason is TIMEOUT
    assert node.clock.monotonic() - before == pytest.approx(5.0)


async def test_only_the_owner_may_ask_for_a_result():
    task = Task.async_(double, 1)
    said = []

    async def other():
        for ask in (Task.await_, Task.yield_, Task.shutdown):
            with pytest.raises(InvalidTask) as caught:
                await ask(task)
            said.append(caught.value.task)
        with pytest.raises(ValueError, match="belongs to"):
            Task.ignore(task)

    assert await end_of(process.spawn(other)) is NORMAL
    assert said == [task.pid] * 3
    assert await Task.await_(task) == 2


async def test_a_result_can_be_taken_once():
    task = Task.async_(double, 1)
    await Task.await_(task)

    with pytest.raises(InvalidTask, match="taken"):
        await Task.await_(task)


async def test_a_wait_that_is_cancelled_loses_no_result():
    task = Task.async_(slowly, 1.0, "value")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(Task.await_(task), 0.5)
    assert await Task.await_(task) == "value"

    tasks = [Task.async_(for_ever), Task.async_(for_ever)]
    waiting = asyncio.get_running_loop().create_task(Task.await_many(tasks))
    await asyncio.sleep(0)
    process.here().answered(tasks[0].ref.number, "first")
    await asyncio.sleep(0)
    process.here().answered(tasks[1].ref.number, "second")
    waiting.cancel()  # the answer is there, but the wait has not gone on yet
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert await Task.await_many(tasks) == ["first", "second"]


async def test_a_task_needs_an_owner(node):
    with pytest.raises(RuntimeError):
        await asyncio.get_running_loop().run_in_executor(None, Task.async_, double, 1)


async def test_a_server_gets_results_and_ends_of_its_tasks_in_handle_info():
    class Owner(GenServer):
        trap_exit = True

        def init(self):
            return Ok({})

        def handle_call(self, request, sender, state):
            task = Task.async_(*request)
            state[task.ref] = sender
            return NoReply(state)

        def handle_info(self, message, state):
            if not isinstance(message, Exit):
                GenServer.reply(state.pop(message.ref), message)
            return NoReply(state)

    server = await Owner.start()

    assert (await Owner.call(server, (double, 4))).value == 8
    assert (await Owner.call(server, (ends, "gone"))).reason == "gone"


async def test_a_server_may_wait_for_a_task_while_other_messages_queue_up():
    class Owner(GenServer):
        def init(self):
            return Ok(0)

        async def handle_call(self, request, sender, state):
            task = Task.async_(slowly, 1.0, 5)
            for number in range(3):
                GenServer.cast(process.self(), number)
            return Reply((await Task.await_(task), state), state)

        def handle_cast(self, request, state):
            return NoReply(state + 1)

    server = await Owner.start()

    assert await Owner.call(server, "work") == (5, 0)
    assert await GenServer.get_state(server) == 3


# ---------------------------------------------------------------- await_many


async def test_many_results_come_in_the_order_of_the_tasks():
    tasks = [Task.async_(slowly, seconds, seconds) for seconds in (3.0, 1.0, 2.0)]

    assert await Task.await_many(tasks) == [3.0, 1.0, 2.0]
    assert await Task.await_many([]) == []


async def test_many_results_share_one_limit(node):
    tasks = [Task.async_(slowly, seconds, seconds) for seconds in (1.0, 2.0, 3.0)]
    for task in tasks:
        process.unlink(task.pid)
    before = node.clock.monotonic()

    with pytest.raises(CallTimeout) as caught:
        await Task.await_many(tasks, 2.5)

    assert caught.value.process == tasks[2].pid
    assert node.clock.monotonic() - before == pytest.approx(2.5)
    await process.sleep(5)
    await nothing_comes()


async def test_the_first_failure_of_many_ends_the_wait(node):
    tasks = [Task.async_(for_ever), Task.async_(slowly, 1.0, None), Task.async_(fails)]
    before = node.clock.monotonic()

    with pytest.raises(ServerExited) as caught:
        await Task.await_many(tasks)

    assert caught.value.process == tasks[2].pid
    assert node.clock.monotonic() == before


# ---------------------------------------------------------------- yield_


async def test_yield_may_be_repeated_until_there_is_a_result(node):
    task = Task.async_(slowly, 8.0, "value")
    before = node.clock.monotonic()

    assert await Task.yield_(task) is None
    assert await Task.yield_(task, 0) is None
    assert await Task.yield_(task) == TaskOk("value")
    assert node.clock.monotonic() - before == pytest.approx(8.0)
    with pytest.raises(InvalidTask):
        await Task.yield_(task)


async def test_yield_tells_how_a_task_ended():
    assert await Task.yield_(Task.async_(ends, "gone")) == TaskExit("gone")


async def test_what_comes_between_two_yields_is_not_lost():
    task = Task.async_(slowly, 1.0, "value")
    assert await Task.yield_(task, 0.5) is None
    await process.sleep(1.0)

    assert await Task.yield_(task, 0) == TaskOk("value")


async def test_yield_many_tells_of_each_task_what_is_known():
    tasks = [Task.async_(double, 1), Task.async_(ends, "gone"), Task.async_(for_ever)]

    assert await Task.yield_many(tasks, 1.0) == [
        (tasks[0], TaskOk(2)),
        (tasks[1], TaskExit("gone")),
        (tasks[2], None),
    ]
    assert process.is_alive(tasks[2].pid)


async def test_yield_many_returns_when_so_many_have_ended(node):
    tasks = [Task.async_(slowly, seconds, seconds) for seconds in (3.0, 1.0, 2.0)]
    before = node.clock.monotonic()

    results = await Task.yield_many(tasks, limit=2, on_timeout="kill_task")

    assert [outcome for _, outcome in results] == [None, TaskOk(1.0), TaskOk(2.0)]
    assert node.clock.monotonic() - before == pytest.approx(2.0)
    assert await Task.await_(tasks[0]) == 3.0


@pytest.mark.parametrize(("on_timeout", "lives"), [("kill_task", False), ("ignore", True)])
async def test_yield_many_deals_with_late_tasks(on_timeout, lives):
    task = Task.async_(slowly, 2.0, "late")

    assert await Task.yield_many([task], 1.0, on_timeout=on_timeout) == [(task, None)]

    assert process.is_alive(task.pid) is lives
    await process.sleep(5)
    await nothing_comes()


# ---------------------------------------------------------------- shutdown and ignore


async def test_shutdown_stops_a_task_and_nothing_of_it_comes_later():
    task = Task.async_(for_ever)

    assert await Task.shutdown(task) is None

    assert not process.is_alive(task.pid)
    await nothing_comes()


async def test_shutdown_gives_a_result_that_is_there():
    task = Task.async_(double, 4)
    await process.sleep(0.1)

    assert await Task.shutdown(task) == TaskOk(8)


async def test_shutdown_gives_a_result_that_comes_meanwhile():
    async def obeys():
        process.trap_exit()
        await process.receive(matching=lambda message: isinstance(message, Exit))
        return "in the end"

    task = Task.async_(obeys)
    await process.sleep(0)

    assert await Task.shutdown(task) == TaskOk("in the end")


async def test_shutdown_kills_a_task_that_does_not_obey(node):
    task = Task.async_(obeys_late, 100.0)
    await Task.yield_(task, 0.1)
    before = node.clock.monotonic()

    assert await Task.shutdown(task, 2.0) == TaskExit(KILLED)

    assert node.clock.monotonic() - before == pytest.approx(2.0)
    await nothing_comes()


async def test_shutdown_may_wait_as_long_as_it_takes():
    task = Task.async_(obeys_late, 100.0)
    await Task.yield_(task, 0.1)

    assert await Task.shutdown(task, None) == TaskOk(None)


async def test_shutdown_with_brutal_kill_waits_for_nothing():
    task = Task.async_(obeys_late, 100.0)
    await Task.yield_(task, 0.1)

    assert await Task.shutdown(task, "brutal_kill") is None


async def test_shutdown_tells_how_a_task_had_ended():
    task = Task.async_(ends, "gone")
    await process.sleep(0.1)
    assert await Task.shutdown(task) == TaskExit("gone")

    obeyed = Task.async_(ends, SHUTDOWN)
    await process.sleep(0.1)
    assert await Task.shutdown(obeyed) is None


async def test_shutdown_of_a_task_that_is_over_and_read_is_noproc():
    task = Task.async_(double, 4)
    await Task.await_(task)
    await process.sleep(0.1)

    assert await Task.shutdown(task) == TaskExit(NOPROC)


async def test_an_ignored_task_runs_on_without_link_or_result():
    task = Task.async_(slowly, 1.0, "value")

    assert Task.ignore(task) is None

    assert task.pid not in links()
    assert await end_of(task.pid) is NORMAL
    await nothing_comes()
    with pytest.raises(InvalidTask):
        await Task.yield_(task)


async def test_ignore_gives_what_had_come():
    done, ended = Task.async_(double, 4), Task.async_(ends, "gone")
    await process.sleep(0.1)

    assert Task.ignore(done) == TaskOk(8)
    assert Task.ignore(ended) == TaskExit("gone")


# ---------------------------------------------------------------- completed, start, start_link


async def test_a_completed_task_has_its_result_and_no_process():
    task = Task.completed("value")
    assert task.pid is None
    assert await Task.await_(task) == "value"

    assert await Task.yield_(Task.completed(1)) == TaskOk(1)
    assert await Task.shutdown(Task.completed(2)) == TaskOk(2)


async def test_start_link_links_and_start_does_not():
    linked = await Task.start_link(fails)
    alone = await Task.start(for_ever)

    assert (await process.receive(1.0)).pid == linked
    assert alone not in links()


async def test_a_task_is_a_child_of_a_supervisor():
    ran = []
    child = ChildSpec(id="once", start=Start(Task, ran.append, 1), restart="temporary")
    supervisor = await Supervisor.start_link([child, (Task, ran.append, 2)], strategy="one_for_one")
    await process.sleep(0.1)

    assert ran == [1, 2]
    assert await Supervisor.which_children(supervisor) == []


async def test_the_log_of_a_crash_names_the_callers(caplog):
    with caplog.at_level(logging.ERROR):
        await end_of(await Task.start(fails))

    assert caplog.records[0].callers == (process.self(),)


async def test_callers_are_who_asked_for_the_work_the_nearest_first():
    async def inner():
        return process.callers()

    async def outer():
        return process.self(), await Task.await_(Task.async_(inner))

    assert process.callers() == ()
    middle, callers = await Task.await_(Task.async_(outer))
    assert callers == (middle, process.self())


# ---------------------------------------------------------------- async_stream


async def outcomes(stream):
    return [outcome async for outcome in stream]


async def test_a_stream_gives_the_results_in_the_order_of_the_items():
    stream = Task.async_stream([3.0, 1.0, 2.0], slowly, "done", max_concurrency=3)

    assert await outcomes(stream) == [TaskOk("done")] * 3
    assert await outcomes(Task.async_stream(range(5), double)) == [TaskOk(2 * n) for n in range(5)]
    assert await outcomes(Task.async_stream([], double)) == []


async def wait_for(seconds):
    await process.sleep(seconds)
    return seconds


async def test_an_unordered_stream_gives_the_results_as_they_come():
    stream = Task.async_stream([3.0, 1.0, 2.0], wait_for, max_concurrency=3, ordered=False)

    assert await outcomes(stream) == [TaskOk(1.0), TaskOk(2.0), TaskOk(3.0)]


@pytest.mark.parametrize("ordered", [True, False])
async def test_a_stream_runs_no_more_tasks_at_once_than_it_may(ordered):
    running, most = 0, 0

    async def work(number):
        nonlocal running, most
        running += 1
        most = max(most, running)
        await process.sleep(1.0 + number % 3)
        running -= 1

    await outcomes(Task.async_stream(range(20), work, max_concurrency=4, ordered=ordered))

    assert most == 4


async def test_a_slow_first_item_does_not_keep_the_others_waiting(node):
    before = node.clock.monotonic()

    await outcomes(Task.async_stream([4.0, 1.0, 1.0, 1.0, 1.0], wait_for, max_concurrency=2))

    assert node.clock.monotonic() - before == pytest.approx(4.0)


async def test_a_stream_takes_items_as_there_is_room():
    taken = []

    def items():
        for number in range(1000):
            taken.append(number)
            yield number

    stream = Task.async_stream(items(), double, max_concurrency=2)
    assert taken == []
    async with aclosing(stream):
        async for outcome in stream:
            if outcome == TaskOk(6):
                break

    assert len(taken) <= 8


async def test_a_stream_leaves_nothing_in_its_owners_mailbox():
    await outcomes(Task.async_stream(range(10), double))
    await outcomes(Task.async_stream([1], ends, max_concurrency=1))

    await nothing_comes()
    assert links() == {process.current().parent} - {None}


async def test_a_crash_is_an_outcome_for_an_owner_that_traps_exits():
    results = await outcomes(Task.async_stream(["a", "b"], ends))
    assert results == [TaskExit("a"), TaskExit("b")]

    results = await outcomes(Task.async_stream(["a"], ends, zip_input_on_exit=True))
    assert results == [TaskExit(("a", "a"))]


async def test_a_crash_ends_an_owner_that_does_not_trap_exits_and_all_its_tasks():
    pids = []

    async def work(number):
        pids.append(process.self())
        await process.sleep(1.0)
        if number == 0:
            process.exit("broken")
        await for_ever()

    async def owner():
        await outcomes(Task.async_stream(range(3), work, max_concurrency=3))

    assert await end_of(process.spawn(owner)) == "broken"
    assert [process.is_alive(pid) for pid in pids] == [False] * 3


async def test_the_tasks_of_a_stream_end_with_its_owner():
    pids = []

    async def work(_):
        pids.append(process.self())
        await for_ever()

    async def owner(trap):
        process.trap_exit(trap)
        await outcomes(Task.async_stream(range(2), work, max_concurrency=2, timeout=None))

    for trap in (False, True):
        pid = process.spawn(owner, trap)
        await process.sleep(0.1)
        process.exit(pid, KILL)
        await process.sleep(0.1)
    assert len(pids) == 4
    assert [process.is_alive(pid) for pid in pids] == [False] * 4


async def test_a_late_task_of_a_stream_ends_it(node):
    pids = []

    async def work(seconds):
        pids.append(process.self())
        return await wait_for(seconds)

    before = node.clock.monotonic()
    stream = Task.async_stream([1.0, 9.0, 8.0], work, max_concurrency=3, timeout=2.0)
    assert await anext(stream) == TaskOk(1.0)
    with pytest.raises(CallTimeout):
        await anext(stream)

    assert node.clock.monotonic() - before == pytest.approx(2.0)
    assert not any(process.is_alive(pid) for pid in pids)
    await nothing_comes()


async def test_a_late_task_of_a_stream_is_killed_if_told_so():
    pids = []

    async def work(seconds):
        pids.append(process.self())
        process.trap_exit()
        return await wait_for(seconds)

    stream = Task.async_stream(
        [9.0, 1.0], work, timeout=2.0, on_timeout="kill_task", zip_input_on_exit=True, max_concurrency=2
    )
    assert await outcomes(stream) == [TaskExit((9.0, TIMEOUT)), TaskOk(1.0)]
    assert not process.is_alive(pids[0])


async def test_a_task_is_killed_in_time_even_if_nobody_asks_for_its_result():
    pids = []

    async def work(_):
        pids.append(process.self())
        await for_ever()

    stream = Task.async_stream([1], work, timeout=1.0, on_timeout="kill_task")
    asked = asyncio.get_running_loop().create_task(anext(stream))
    await process.sleep(1.5)
    assert not process.is_alive(pids[0])
    assert await asked == TaskExit(TIMEOUT)
    await stream.aclose()


@pytest.mark.parametrize("closing", [True, False])
async def test_a_stream_that_is_left_early_kills_what_still_runs(closing):
    pids = []

    async def work(seconds):
        pids.append(process.self())
        process.trap_exit()
        return await wait_for(seconds)

    stream = Task.async_stream([1.0, 100.0], work, max_concurrency=2, timeout=None)
    if closing:
        async with aclosing(stream):
            assert await anext(stream) == TaskOk(1.0)
    else:
        async for outcome in stream:
            assert outcome == TaskOk(1.0)
            break
        del stream
        await process.sleep(0)
    assert not process.is_alive(pids[1])
    await nothing_comes()
    assert links() == {process.current().parent} - {None}


async def test_items_that_raise_end_the_stream():
    def items():
        yield 100.0
        raise LookupError("no more")

    with pytest.raises(LookupError):
        await outcomes(Task.async_stream(items(), wait_for, max_concurrency=2))
    await nothing_comes()


@pytest.mark.parametrize(
    "options", [{"max_concurrency": 0}, {"timeout": -1}, {"on_timeout": "wait"}, {"max_concurrency": True}]
)
async def test_wrong_options_of_a_stream_are_refused_at_once(options):
    with pytest.raises(ValueError, match=next(iter(options)).split("_")[0]):
        Task.async_stream([], double, **options)


async def test_tasks_of_a_stream_know_their_caller():
    def work(_):
        return process.callers()

    assert await outcomes(Task.async_stream([1], work)) == [TaskOk((process.self(),))]


async def test_a_task_that_is_killed_before_it_begins_is_told():
    task = Task.async_(for_ever)
    process.exit(task.pid, KILL)

    with pytest.raises(ServerExited) as caught:
        await Task.await_(task)
    assert caught.value.reason is KILLED
