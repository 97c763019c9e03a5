"""The job thread: what it runs, what it says of it, and what cannot harm it."""

from __future__ import annotations

import asyncio
import gc
import logging
import queue
import sys
import threading
import weakref

import attrs
import pytest

from roger_actors.roger.jobs.codec import encode
from roger_actors.roger.jobs.hooks import Hooks
from roger_actors.roger.jobs.job import Job
from roger_actors.roger.worker_host.executor import BROKEN, Executor, Loaded, Refused, Stopped
from roger_actors.roger.worker_host.protocol import Done, Failure, HookDone, Run, RunHook

LIMIT = 10.0

# what the jobs of these tests do and see; they run in this process, on the job thread
seen: list[object] = []
gates: dict[str, threading.Event] = {}


class Nothing(Job):
    def perform(self, args):
        seen.append(("run", args))
        return args


class Second(Job):
    version = 2

    @classmethod
    def upcast(cls, args, from_version):
        if args == "raise":
            raise ValueError(args)
        return [args]

    def perform(self, args):
        seen.append(("second", args))


class Waits(Job):
    def perform(self, args):
        gates["begun"].set()
        assert gates["go"].wait(LIMIT)


class Raises(Job):
    retryable = True
    retry_levels = (1, 1, 1)

    def perform(self, args):
        self.below(args)

    def below(self, args):
        raise ValueError(args)


class Once(Job):
    def perform(self, args):
        raise ValueError(args)


class Exits(Job):
    def perform(self, args):
        raise {"exit": SystemExit, "interrupt": KeyboardInterrupt, "generator": GeneratorExit}[args](3)


class Evil(Exception):
    def __str__(self):
        raise SystemExit


class Huge(Exception):
    def __str__(self):
        return "x" * 10_000_000 + "\ud800"


class RaisesOddly(Job):
    def perform(self, args):
        raise {"evil": Evil, "huge": Huge}[args]


class Recurses(Job):
    def perform(self, args):
        return self.perform(args)


class Async(Job):
    async def perform(self, args):
        await asyncio.sleep(0)
        seen.append(asyncio.get_running_loop())
        if args == "raise":
            raise ValueError(args)
        if args == "exit":
            raise SystemExit(args)
        if args == "leave":
            seen.append(asyncio.create_task(asyncio.Event().wait()))
        return args


class ShowsRecord(Job):
    def perform(self, args):
        seen.append(self.record)


class ClosesOutput(Job):
    def perform(self, args):
        sys.stdout = None


class Thing:
    """Can be seen to be gone."""


class Holds(Job):
    def perform(self, args):
        thing = Thing()
        seen.append(weakref.ref(thing))
        raise ValueError(args)


class AsyncHolds(Job):
    async def perform(self, args):
        thing = Thing()
        seen.append(weakref.ref(thing))
        raise ValueError(args)


class Watching(Hooks):
    def worker_start(self):
        seen.append("start")

    def worker_stop(self):
        seen.append("stop")

    def before_run(self, partition, record):
        seen.append(("before", partition, record.args))
        return "state"

    def after_run(self, partition, record, result, before_state):
        seen.append(("after", partition, record.args, result, before_state))

    def on_error(self, partition, record, failure, stacktrace, before_state):
        seen.append(("error", record.retry_count, failure[0], str(failure[1]), stacktrace, before_state))

    async def on_buried(self, partition, record, failure, stacktrace, before_state):
        await asyncio.sleep(0)
        seen.append(("buried", record.retry_count, failure[0], str(failure[1]), before_state))

    def on_cancel(self, partition, record):
        seen.append(("cancel", partition, record.id))


class Failing(Hooks):
    def before_run(self, partition, record):
        raise ValueError("before")

    def after_run(self, partition, record, result, before_state):
        seen.append(before_state)
        raise SystemExit("after")

    def on_error(self, *args):
        raise Evil

    def on_cancel(self, partition, record):
        raise KeyboardInterrupt

    def worker_stop(self):
        raise ValueError("stop")


class RefusesStart(Hooks):
    def worker_start(self):
        raise ConnectionError("no database")


class Harness:
    """Runs an executor with a stand-in for the loop thread: this one."""

    def __init__(self, hooks="", **options):
        self.posted = queue.SimpleQueue()
        self.batches = []
        self.later = []
        self.executor = Executor(
            jobs=[__name__],
            hooks=hooks and f"{__name__}:{hooks}",
            on_results=self.batches.append,
            post=self.posted.put,
            later=lambda seconds, run: self.later.append(run),
            **options,
        )
        self.executor.start()
        self.tickets = 0

    def run(self, job_class, args=None, **fields):
        self.tickets += 1
        record = attrs.evolve(job_class.create(args), **fields)
        self.executor.submit(Run(self.tickets, "acme", encode(record)))
        return self.tickets

    def turn(self):
        """Let the loop thread do what it was asked to; return what came of it."""
        before = len(self.batches)
        self.posted.get(timeout=LIMIT)()
        while self.later:
            self.later.pop()()
        return [outcome for batch in self.batches[before:] for outcome in batch]

    def until(self, kind):
        while not (found := [outcome for outcome in self.turn() if isinstance(outcome, kind)]):
            pass
        return found[-1]

    def outcome(self, job_class, args=None, **fields):
        ticket = self.run(job_class, args, **fields)
        done = self.until(Done)
        assert done.ticket == ticket
        return done


@pytest.fixture
def start():
    seen.clear()
    gates.update(begun=threading.Event(), go=threading.Event())
    started = []

    def begin(hooks="", **options):
        started.append(Harness(hooks, **options))
        return started[-1]

    yield begin
    gates["go"].set()
    for harness in started:
        harness.executor.stop()
        assert harness.executor.join(LIMIT)
    seen.clear()


# -- start and stop -------------------------------------------------------------------------------


def test_the_first_word_names_the_classes_and_the_versions_above_one(start):
    names = ["Nothing", "Waits", "Raises", "Once", "Exits", "RaisesOddly", "Recurses", "Async"]
    names += ["ShowsRecord", "ClosesOutput", "Holds", "AsyncHolds", "Second", "Second@2"]

    assert start().turn()[0] == Loaded(sorted(f"{__name__}.{name}" for name in names))


def test_a_module_that_cannot_be_imported_is_refused_on_one_line(caplog):
    outcomes = queue.SimpleQueue()
    executor = Executor(jobs=["no.such.module"], on_results=outcomes.put, post=lambda run: run(), later=None)

    executor.start()

    assert executor.join(LIMIT)
    assert outcomes.get() == [Refused("no.such.module: ModuleNotFoundError: No module named 'no'")]
    assert outcomes.get() == [Stopped()]


@pytest.mark.parametrize(
    ("hooks", "detail"),
    [
        ("RefusesStart", "worker_start: ConnectionError: no database"),
        ("Nothing", "Nothing: is no subclass of roger_actors.Hooks"),
        ("Missing", "Missing: is no subclass of roger_actors.Hooks"),
    ],
)
def test_hooks_that_cannot_start_refuse_the_host(start, caplog, hooks, detail):
    refused = start(hooks).turn()[0]

    assert isinstance(refused, Refused)
    assert refused.detail.endswith(detail)
    assert "\n" not in refused.detail


def test_the_hooks_of_start_and_stop_frame_everything(start):
    harness = start("Watching")
    harness.outcome(Nothing, 1)

    harness.executor.stop()
    harness.until(Stopped)

    assert seen[0] == "start"
    assert seen[-1] == "stop"


def test_a_stop_lets_the_running_job_finish_and_drops_the_others(start):
    harness = start()
    running, waiting = harness.run(Waits), harness.run(Nothing)
    assert gates["begun"].wait(LIMIT)

    assert harness.executor.stop() == [waiting]
    gates["go"].set()

    assert harness.until(Done).ticket == running
    assert harness.executor.join(LIMIT)
    assert seen == []


# -- jobs -----------------------------------------------------------------------------------------


def test_jobs_run_in_the_order_given(start):
    harness = start()
    for number in range(50):
        harness.run(Nothing, number)

    while harness.until(Done).ticket < 50:
        pass

    assert seen == [("run", number) for number in range(50)]
    told = [outcome for batch in harness.batches for outcome in batch if isinstance(outcome, Done)]
    assert [done.ticket for done in told] == list(range(1, 51))


def test_what_ends_between_two_turns_of_the_loop_is_told_in_one_batch(start):
    harness = start()
    harness.turn()
    for number in range(50):
        harness.run(Nothing, number)
    harness.run(Waits)
    assert gates["begun"].wait(LIMIT)

    assert [done.ticket for done in harness.turn()] == list(range(1, 51))
    assert harness.posted.empty()


def test_while_more_jobs_wait_results_are_held_back_a_moment_to_travel_together(start):
    harness = start()
    harness.turn()
    first, running, last = harness.run(Nothing), harness.run(Waits), harness.run(Nothing)
    assert gates["begun"].wait(LIMIT)

    harness.posted.get(timeout=LIMIT)()
    assert len(harness.batches) == 1
    harness.later.pop()()
    assert [done.ticket for done in harness.batches[-1]] == [first]
    gates["go"].set()

    assert harness.until(Done).ticket in (running, last)


def test_the_last_result_is_told_at_once(start):
    harness = start()
    harness.turn()
    harness.run(Nothing)

    harness.posted.get(timeout=LIMIT)()

    assert isinstance(harness.batches[-1][0], Done)
    assert harness.later == []


def test_a_job_that_returned_is_done_with_its_time(start):
    done = start().outcome(Nothing, 7)

    assert done.ok
    assert done.failure is None
    assert done.started_at > 1_600_000_000_000
    assert 0 <= done.seconds < LIMIT


def test_the_record_says_when_its_job_began(start):
    done = start().outcome(ShowsRecord, {"id": 7})

    assert seen[0].started_at == done.started_at
    assert seen[0].args == {"id": 7}


def test_a_job_may_be_asynchronous_and_all_share_one_loop(start):
    harness = start()

    assert harness.outcome(Async).ok
    assert harness.outcome(Async).ok
    assert seen[0] is seen[1]


def test_tasks_that_an_asynchronous_job_leaves_behind_are_ended_with_it(start):
    assert start().outcome(Async, "leave").ok
    assert seen[1].cancelled()


# -- failures -------------------------------------------------------------------------------------


def test_an_exception_is_told_with_type_message_and_a_stack_that_begins_at_perform(start):
    failure = start().outcome(Raises, "because").failure

    assert (failure.kind, failure.type, failure.message) == ("error", "ValueError", "because")
    lines = failure.stack.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[1].endswith(", in perform")
    assert lines[-1] == "ValueError: because"


@pytest.mark.parametrize(("args", "kind"), [("raise", "error"), ("exit", "exit")])
def test_an_asynchronous_job_fails_alike(start, args, kind):
    failure = start().outcome(Async, args).failure

    assert (failure.kind, failure.message) == (kind, args)
    assert failure.stack.splitlines()[1].endswith(", in perform")


@pytest.mark.parametrize("how", ["exit", "interrupt", "generator"])
def test_what_would_end_the_interpreter_is_a_failure_of_kind_exit(start, how):
    harness = start()

    assert harness.outcome(Exits, how).failure.kind == "exit"
    assert harness.outcome(Nothing).ok


def test_an_exception_whose_text_raises_is_told_all_the_same(start):
    failure = start().outcome(RaisesOddly, "evil").failure

    assert failure.type == f"{__name__}.Evil"
    assert failure.message == "<str() of it raised SystemExit>"


def test_a_huge_message_is_shortened_and_can_travel(start):
    failure = start().outcome(RaisesOddly, "huge").failure

    assert len(failure.message) < 2_100
    assert len(failure.stack) < 16_100
    assert failure.message.endswith("x\\ud800")


def test_endless_recursion_is_an_ordinary_failure(start):
    failure = start().outcome(Recurses).failure

    assert failure.type == "RecursionError"
    assert len(failure.stack) < 2_000


def test_a_payload_that_is_no_job_fails_with_its_cause(start):
    harness = start()
    harness.executor.submit(Run(1, "acme", b"{}"))

    failure = harness.until(Done).failure

    assert failure.type == "roger_actors.errors.UndecodableJob"
    assert failure.message == "payload is no job: Object missing required field `v`"


def test_an_unknown_class_is_told_as_such_and_by_name(start):
    failure = start().outcome(Nothing, module="no.such.Job").failure

    assert (failure.kind, failure.type) == ("class", "roger_actors.errors.UnknownJobClass")


def test_a_job_of_a_newer_version_is_not_begun_and_told_as_such(start):
    failure = start("Watching").outcome(Nothing, version=2).failure

    assert (failure.kind, failure.type) == ("class", "roger_actors.errors.NewerJob")
    assert seen == ["start"]


def test_a_job_of_an_older_version_is_run_with_its_arguments_brought_up(start):
    start().outcome(Second, args=7, version=1)

    assert seen == [("second", [7])]


def test_what_upcast_raises_is_a_failure_of_the_job(start):
    failure = start().outcome(Second, args="raise", version=1).failure

    assert (failure.kind, failure.type, failure.message) == ("error", "ValueError", "raise")
    assert "in upcast" in failure.stack


@pytest.mark.parametrize("job_class", [Holds, AsyncHolds])
def test_nothing_of_a_failed_job_is_kept_alive(start, job_class):
    harness = start("Failing")
    gc.disable()
    try:
        harness.outcome(job_class)
        harness.outcome(Nothing)
        assert seen[0]() is None
    finally:
        gc.enable()


def test_a_job_that_takes_standard_output_away_harms_nothing(start, monkeypatch):
    monkeypatch.setattr(sys, "stdout", sys.stdout)
    harness = start()

    assert harness.outcome(ClosesOutput).ok
    assert harness.outcome(Nothing).ok


def test_a_process_that_no_longer_works_is_ended_with_status_70(start):
    ended = queue.SimpleQueue()
    harness = start(is_intact=lambda: not seen, end_process=ended.put)

    harness.outcome(Nothing)

    assert ended.get_nowait() == BROKEN


# -- recall ---------------------------------------------------------------------------------------


def test_only_jobs_that_have_not_begun_are_recalled(start):
    harness = start()
    running, first, second = harness.run(Waits), harness.run(Nothing, 1), harness.run(Nothing, 2)
    assert gates["begun"].wait(LIMIT)

    assert harness.executor.recall([running, first, 99]) == [first]
    assert harness.executor.recall([first]) == []
    gates["go"].set()

    while harness.until(Done).ticket != second:
        pass
    assert seen == [("run", 2)]


def test_each_ticket_is_either_recalled_or_run_never_both(start):
    harness = start()
    for number in range(2000):
        harness.run(Nothing, number)
    recalled = {ticket for ticket in range(2000, 0, -1) if harness.executor.recall([ticket])}
    harness.executor.stop()
    assert harness.executor.join(LIMIT)
    while not harness.posted.empty():
        harness.turn()

    done = {outcome.ticket for batch in harness.batches for outcome in batch if isinstance(outcome, Done)}
    assert not done & recalled
    assert {number + 1 for _, number in seen} == done


# -- hooks ----------------------------------------------------------------------------------------


def test_the_state_of_before_run_and_the_result_reach_after_run(start):
    start("Watching").outcome(Nothing, 7)

    assert seen[1:] == [("before", "acme", 7), ("run", 7), ("after", "acme", 7, 7, "state")]


def test_on_error_gets_kind_exception_stack_and_state(start):
    start("Watching").outcome(Once, "because")

    name, count, kind, message, stack, state = seen[-1]
    assert (name, count, kind, message, state) == ("error", 0, "error", "because", "state")
    assert stack.splitlines()[1].endswith(", in perform")


def test_after_the_last_level_on_buried_is_called_instead_of_on_error(start):
    harness = start("Watching")

    for count in range(4):
        harness.outcome(Raises, "because", retry_count=count)

    told = [event[:2] for event in seen if event[0] in ("error", "buried")]
    assert told == [("error", 0), ("error", 1), ("error", 2), ("buried", 3)]


def test_the_node_s_levels_decide_for_a_class_without_its_own(start):
    harness = start("Watching", retry_levels=[0.0])

    harness.outcome(Raises, retry_levels=None, retry_count=0)
    harness.outcome(Raises, retry_levels=None, retry_count=1)

    assert [event[:2] for event in seen if event[0] in ("error", "buried")] == [("error", 0), ("buried", 1)]


def test_failing_hooks_are_logged_and_harm_no_job(start, caplog):
    harness = start("Failing")

    assert harness.outcome(Nothing, 7).ok
    assert harness.outcome(Once, "because").failure.message == "because"
    harness.executor.submit(RunHook(9, "on_cancel", "acme", encode(Nothing.create(1, "an-id"))))
    assert harness.until(HookDone).ticket == 9
    harness.executor.stop()
    harness.until(Stopped)

    assert ("run", 7) in seen
    assert None in seen
    logged = [
        record.getMessage().splitlines()[0] for record in caplog.records if record.levelno == logging.ERROR
    ]
    hooks = [line.split()[1] for line in logged]
    assert hooks == ["before_run", "after_run", "before_run", "on_error", "on_cancel", "worker_stop"]
    assert "hook on_cancel failed for job an-id of partition acme" in logged


@pytest.mark.parametrize(
    ("hook", "failure", "event"),
    [
        ("on_cancel", None, ("cancel", "acme", "an-id")),
        (
            "on_buried",
            Failure("signal", "", "its worker host was ended by signal 11", ""),
            (
                "buried",
                0,
                "signal",
                "job an-id did not end by itself: its worker host was ended by signal 11",
                None,
            ),
        ),
        (
            "on_error",
            Failure("timeout", "JobTimeout", "", ""),
            ("error", 0, "timeout", "job an-id ran longer than its max_execution_time of 5.0 s", "", None),
        ),
    ],
)
def test_a_hook_is_called_for_a_job_that_ended_elsewhere(start, hook, failure, event):
    harness = start("Watching")
    payload = encode(attrs.evolve(Once.create(1, "an-id"), max_execution_time=5.0))

    harness.executor.submit(RunHook(3, hook, "acme", payload, failure))

    assert harness.until(HookDone) == HookDone(3)
    assert seen[-1] == event


def test_a_hook_for_a_payload_that_is_no_job_is_answered(start, caplog):
    harness = start("Watching")

    harness.executor.submit(RunHook(3, "on_cancel", "acme", b""))

    assert harness.until(HookDone) == HookDone(3)
    assert "hook on_cancel was not called: payload is no job: it is empty" in caplog.text
