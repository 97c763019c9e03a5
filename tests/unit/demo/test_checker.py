"""The checker: what it counts, what it calls a fault, and that nothing removed or doubled escapes it."""

from __future__ import annotations

import itertools
import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roger_actors.demo.checker import Unfinished, check
from roger_actors.demo.log import Entry
from roger_actors.demo.tampering import VIOLATIONS, tamper, violate

MS = 1_000_000


class Story:
    """Two logs written by hand, one millisecond a line."""

    def __init__(self) -> None:
        self.enqueued: list[Entry] = []
        self.jobs: list[Entry] = []
        self.buried: list[str] = []
        self.time = 0

    def wait(self, milliseconds: int = 1) -> int:
        self.time += milliseconds * MS
        return self.time

    def enqueue(self, job: str, fate: str | None = "accepted", **known: object) -> None:
        self.enqueued.append(Entry(at=self.wait(), what="intent", job=job, partition="acme", pid=1, **known))
        if fate is not None:
            self.enqueued.append(Entry(at=self.wait(), what=fate, job=job, partition="acme", pid=1))

    def tell(
        self, job: str, what: str, attempt: int = 0, pid: int = 10, kind: str = "", node: str = ""
    ) -> None:
        known = {"job": job, "partition": "acme", "attempt": attempt, "pid": pid, "kind": kind, "node": node}
        self.jobs.append(Entry(at=self.wait(), what=what, **known))

    def kill(self, pid: int = 0, grace: float = 1.0, node: str = "") -> None:
        self.enqueued.append(Entry(at=self.wait(), what="killed", pid=pid, grace=grace, node=node))

    def trouble(self, what: str, seconds: float, node: str = "") -> None:
        self.enqueued.append(Entry(at=self.wait(), what=what, grace=seconds, node=node))

    def check(self):
        return check(self.enqueued, self.jobs, {"acme": self.buried})

    def counts(self):
        return self.check().tenants["acme"]

    def faults(self) -> list[str]:
        return [fault.what for fault in self.check().faults]


@pytest.fixture
def story() -> Story:
    return Story()


def done(story: Story, job: str, pid: int = 10, **known: object) -> None:
    story.enqueue(job, **known)
    story.tell(job, "begun", pid=pid)
    story.tell(job, "done", pid=pid)


# -------------------------------------------------------------------------------------------- counting


def test_a_job_that_was_done_is_not_lost(story):
    done(story, "a")

    assert story.check().is_clean
    assert (story.counts().done, story.counts().lost) == (1, 0)


def test_an_accepted_job_of_which_nothing_is_told_is_lost(story):
    story.enqueue("a")

    assert story.counts().lost == 1
    assert not story.check().is_clean


def test_a_job_that_has_begun_and_never_ended_is_lost(story):
    story.enqueue("a")
    story.tell("a", "begun")

    assert story.counts().lost == 1


def test_a_job_whose_enqueue_failed_is_not_lost(story):
    story.enqueue("a", "unknown")

    assert story.check().is_clean


def test_a_job_told_as_buried_but_not_on_the_shelf_is_lost(story):
    story.enqueue("a", retryable=True)
    story.tell("a", "begun")
    story.tell("a", "buried", kind="error")

    assert story.counts().lost == 1


def test_a_job_that_failed_without_retry_has_failed(story):
    story.enqueue("a")
    story.tell("a", "begun")
    story.tell("a", "failed", kind="error")

    assert story.counts().failed == 1
    assert story.check().is_clean


def test_attempts_that_failed_are_counted_as_retried(story):
    story.enqueue("a", retryable=True)
    for attempt in range(2):
        story.tell("a", "begun", attempt)
        story.tell("a", "failed", attempt, kind="error")
    story.tell("a", "begun", 2)
    story.tell("a", "done", 2)

    assert (story.counts().retried, story.counts().done) == (2, 1)
    assert story.check().is_clean


def test_a_job_that_ended_its_worker_host_runs_the_same_attempt_again(story):
    story.enqueue("a")
    story.tell("a", "begun", pid=10)
    story.tell("a", "failed", pid=11, kind="signal")
    story.tell("a", "begun", pid=11)
    story.tell("a", "done", pid=11)

    assert story.check().is_clean
    assert not story.check().again


# ---------------------------------------------------------------------------------------------- faults


def test_a_second_run_without_a_reason_is_a_fault(story):
    done(story, "a")
    story.tell("a", "begun", pid=11)
    story.tell("a", "done", pid=11)

    assert story.faults() == ["attempt 0 began after the job had left"]


def test_a_job_that_ran_when_the_node_was_killed_may_run_again(story):
    story.enqueue("a")
    story.tell("a", "begun")
    story.kill()
    story.tell("a", "begun", pid=11)
    story.tell("a", "done", pid=11)

    assert story.check().is_clean
    assert list(story.check().again) == ["a"]


def test_a_job_that_ended_just_before_the_node_was_killed_may_run_again(story):
    done(story, "a")
    story.kill(grace=1.0)
    story.tell("a", "begun", pid=11)
    story.tell("a", "done", pid=11)

    assert story.check().is_clean
    assert list(story.check().again) == ["a"]


def test_a_job_that_ended_long_before_the_node_was_killed_may_not_run_again(story):
    done(story, "a")
    story.wait(1500)
    story.kill(grace=1.0)
    story.tell("a", "begun", pid=11)
    story.tell("a", "done", pid=11)

    assert story.faults() == ["attempt 0 began after the job had left"]


def test_a_process_that_writes_after_it_was_killed_is_a_fault(story):
    story.enqueue("a")
    story.tell("a", "begun", pid=10)
    story.kill()
    story.tell("a", "done", pid=10)

    assert "process 10 wrote 'done' after it was killed" in story.faults()


def test_a_job_that_nobody_enqueued_is_a_fault(story):
    story.tell("a", "begun")
    story.tell("a", "done")

    assert story.faults() == ["ran, but nobody enqueued it"]


def test_a_refused_job_that_runs_is_a_fault(story):
    story.enqueue("holder", queue_key="k")
    story.enqueue("a", "refused", queue_key="k")
    story.tell("holder", "begun", pid=9)
    story.tell("holder", "done", pid=9)
    story.tell("a", "begun")
    story.tell("a", "done")

    assert "ran although its enqueue was refused" in story.faults()


# ------------------------------------------------------------------------------------------------ keys


def test_two_jobs_of_an_execution_key_at_the_same_time_are_a_fault(story):
    story.enqueue("a", execution_key="k")
    story.enqueue("b", execution_key="k")
    story.tell("a", "begun", pid=10)
    story.tell("b", "begun", pid=11)
    story.tell("a", "done", pid=10)
    story.tell("b", "done", pid=11)

    assert story.faults() == ["ran at the same time as a, both of execution key 'k'"]


def test_jobs_of_an_execution_key_out_of_order_are_a_fault(story):
    story.enqueue("a", execution_key="k")
    story.enqueue("b", execution_key="k")
    for job in ("b", "a"):
        story.tell(job, "begun")
        story.tell(job, "done")

    assert story.faults() == ["began before a, enqueued earlier, of execution key 'k'"]


def test_jobs_of_the_same_execution_key_in_two_partitions_may_overlap(story):
    story.enqueue("a", execution_key="k")
    story.enqueue("b", execution_key="k")
    story.enqueued = [
        Entry(**{**{f: getattr(e, f) for f in e.__struct_fields__}, "partition": "globex"})
        if e.job == "b"
        else e
        for e in story.enqueued
    ]
    story.tell("a", "begun", pid=10)
    story.tell("b", "begun", pid=11)
    story.tell("a", "done", pid=10)
    story.tell("b", "done", pid=11)

    assert story.check().is_clean


def test_a_queue_key_accepted_twice_at_once_is_a_fault(story):
    story.enqueue("a", queue_key="k")
    story.enqueue("b", queue_key="k")
    for job in ("a", "b"):
        story.tell(job, "begun")
        story.tell(job, "done")

    assert story.faults() == ["accepted while a held queue key 'k'"]


def test_a_queue_key_accepted_again_after_its_holder_has_left_is_right(story):
    done(story, "a", queue_key="k")
    done(story, "b", queue_key="k")

    assert story.check().is_clean


def test_a_refusal_without_a_holder_is_a_fault(story):
    story.enqueue("a", "refused", queue_key="k")

    assert story.faults() == ["refused although nobody held queue key 'k'"]


@pytest.mark.parametrize("trouble", ["killed", "cut", "outage"])
def test_a_refusal_soon_after_a_trouble_that_kept_the_key_is_right(story, trouble):
    done(story, "a", queue_key="k")
    story.trouble(trouble, 2.0)
    story.wait(20_000)
    story.enqueue("b", "refused", queue_key="k")

    assert story.check().is_clean


@pytest.mark.parametrize("trouble", ["killed", "cut", "outage"])
def test_a_refusal_long_after_a_trouble_is_a_fault(story, trouble):
    done(story, "a", queue_key="k")
    story.trouble(trouble, 2.0)
    story.wait(100_000)
    story.enqueue("b", "refused", queue_key="k")

    assert story.faults() == ["refused although nobody held queue key 'k'"]


def test_a_job_that_overlaps_a_later_but_one_of_its_key_is_a_fault(story):
    for job in "abc":
        story.enqueue(job, execution_key="k")
    story.tell("a", "begun", pid=10)
    for job in "bc":
        story.tell(job, "begun", pid=11)
        story.tell(job, "done", pid=11)
    story.tell("a", "done", pid=10)

    assert {fault.job for fault in story.check().faults} == {"b", "c"}


def test_the_order_of_two_enqueuers_is_not_known_where_their_enqueues_overlap(story):
    story.enqueue("a", None, execution_key="k")
    story.enqueued.append(
        Entry(at=story.wait(), what="intent", job="b", partition="acme", pid=2, execution_key="k")
    )
    for pid, job in ((1, "a"), (2, "b")):
        story.enqueued.append(Entry(at=story.wait(), what="accepted", job=job, partition="acme", pid=pid))
    for job in "ba":
        story.tell(job, "begun")
        story.tell(job, "done")

    assert story.check().is_clean


@pytest.mark.parametrize(("seconds", "clean"), [(10.0, True), (0.0001, False)])
def test_a_job_whose_enqueue_the_broker_was_lost_in_may_run_twice(story, seconds, clean):
    for pid in (10, 11):
        story.tell("a", "begun", pid=pid)
        story.tell("a", "done", pid=pid)
    story.enqueued = [
        Entry(at=1 * MS // 2, what="intent", job="a", partition="acme", pid=1),
        Entry(at=2 * MS, what="accepted", job="a", partition="acme", pid=1),
    ]
    story.trouble("outage", seconds)

    assert story.check().is_clean is clean


def test_a_job_that_failed_while_the_broker_was_lost_may_be_retried_twice(story):
    story.enqueue("a", retryable=True)
    story.tell("a", "begun")
    story.tell("a", "failed", kind="error")
    story.trouble("outage", 0.001)
    for pid in (10, 11):
        story.tell("a", "begun", 1, pid=pid)
        story.tell("a", "done", 1, pid=pid)

    assert story.check().is_clean


# ------------------------------------------------------------------------------------- nodes side by side


def test_a_kill_of_one_node_loosens_nothing_of_another(story):
    for job, pid, node in (("a", 10, "one.1"), ("b", 20, "two.1")):
        story.enqueue(job)
        story.tell(job, "begun", pid=pid, node=node)
    story.kill(node="one.1")
    for job in "ab":
        story.tell(job, "begun", pid=30, node="three.1")
        story.tell(job, "done", pid=30, node="three.1")
    story.tell("b", "done", pid=20, node="two.1")

    assert list(story.check().again) == ["a"]
    assert {fault.job for fault in story.check().faults} == {"b"}


def dying(story, *, late):
    """Kill a node while it runs a serial job, which another node has taken over before all of it is dead."""
    story.enqueue("a", execution_key="k")
    story.tell("a", "begun", pid=10, node="one.1")
    since = story.wait()
    story.tell("a", "begun", pid=20, node="two.1")
    if late:
        story.tell("a", "working", pid=10, node="one.1")
    story.enqueued.append(Entry(at=story.wait(), what="killed", since=since, node="one.1", grace=1.0))
    story.tell("a", "done", pid=20, node="two.1")


@pytest.mark.parametrize("late", [False, True])
def test_a_job_may_run_elsewhere_before_all_of_its_killed_node_is_dead(story, late):
    dying(story, late=late)

    assert story.check().is_clean
    assert list(story.check().again) == ["a"]


def test_a_process_of_another_node_may_write_after_a_node_was_killed(story):
    story.enqueue("a")
    story.tell("a", "begun", pid=20, node="two.1")
    story.kill(node="one.1")
    story.tell("a", "done", pid=20, node="two.1")

    assert story.check().is_clean


def test_a_job_of_a_node_without_the_broker_may_run_on_another_meanwhile(story):
    story.enqueue("a")
    story.tell("a", "begun", pid=10, node="one.1")
    story.tell("a", "begun", pid=20, node="two.1")
    story.tell("a", "done", pid=20, node="two.1")
    story.tell("a", "done", pid=10, node="one.1")
    story.trouble("cut", 5.0, node="one.1")

    assert story.check().is_clean
    assert list(story.check().again) == ["a"]


def test_a_job_that_ended_before_its_node_was_without_the_broker_may_not_run_again(story):
    story.enqueue("a")
    story.tell("a", "begun", pid=10, node="one.1")
    story.tell("a", "done", pid=10, node="one.1")
    story.wait(10_000)
    story.tell("a", "begun", pid=20, node="two.1")
    story.tell("a", "done", pid=20, node="two.1")
    story.trouble("cut", 5.0, node="one.1")

    assert story.faults() == ["attempt 0 began after the job had left"]


def serial_on_two_nodes(story, *, alive_after, killed=False):
    """Run a serial job on a node that is cut off, then on another; the first may be killed long after."""
    story.enqueue("a", execution_key="k")
    story.tell("a", "begun", pid=10, node="one.1")
    story.tell("a", "working", pid=10, node="one.1")
    story.tell("a", "begun", pid=20, node="two.1")
    if alive_after:
        story.tell("a", "working", pid=10, node="one.1")
    story.tell("a", "done", pid=20, node="two.1")
    story.trouble("cut", 5.0, node="one.1")
    if killed:
        story.kill(node="one.1")


@pytest.mark.parametrize("killed", [False, True])
def test_a_serial_job_ended_without_a_word_on_a_node_that_was_cut_off_overlaps_nothing(story, killed):
    serial_on_two_nodes(story, alive_after=False, killed=killed)

    assert story.check().is_clean


def test_a_serial_job_that_still_works_on_a_node_that_was_cut_off_overlaps(story):
    serial_on_two_nodes(story, alive_after=True)

    assert story.faults() == ["ran at the same time as a, both of execution key 'k'"]


def test_a_job_that_works_without_having_begun_is_a_fault(story):
    story.enqueue("a")
    story.tell("a", "working")
    story.tell("a", "begun")
    story.tell("a", "done")

    assert story.faults() == ["working was told of attempt 0, which was not running"]


# ------------------------------------------------------------------------------ what a host's death does


def test_a_job_that_ended_on_a_host_just_before_it_died_may_run_again(story):
    story.enqueue("innocent")
    story.enqueue("guilty")
    story.tell("innocent", "begun", pid=10)
    story.tell("innocent", "done", pid=10)
    story.tell("guilty", "begun", pid=10)
    story.tell("innocent", "failed", pid=11, kind="signal")
    for job in ("innocent", "guilty"):
        story.tell(job, "begun", pid=11)
        story.tell(job, "done", pid=11)

    assert story.check().is_clean
    assert set(story.check().again) == {"innocent", "guilty"}


def test_a_host_that_dies_without_a_word_about_it_is_a_fault(story):
    story.enqueue("a")
    story.tell("a", "begun", pid=10)
    story.tell("a", "begun", pid=11)
    story.tell("a", "done", pid=11)

    assert story.faults() == ["1 worker hosts died in a job, but 0 such ends were told"]


def test_a_retry_that_begins_before_the_hook_has_told_of_the_death_is_right(story):
    story.enqueue("a")
    story.tell("a", "begun", pid=10)
    story.tell("a", "begun", pid=11)
    story.tell("a", "failed", pid=12, kind="signal")
    story.tell("a", "done", pid=11)

    assert story.check().is_clean


# ------------------------------------------------------------------------------------------- tampering


def random_story(seed: int) -> Story:
    """Return a clean story of a few jobs: each way a job can go, in some order, on some hosts."""
    chosen = random.Random(seed)
    story = Story()
    pids = itertools.count(100)
    for number in range(chosen.randint(1, 8)):
        job = f"job-{number}"
        way = chosen.choice(["done", "retried", "failed", "buried", "died", "refused", "cancelled"])
        _tell_way(story, job, way, chosen, pids)
        if chosen.random() < 0.3:
            story.wait(chosen.randint(1, 3000))
    return story


def _tell_way(story, job, way, chosen, pids):
    pid = chosen.choice([10, 11])
    match way:
        case "done":
            done(story, job, pid)
        case "retried":
            story.enqueue(job, retryable=True)
            for attempt in range(chosen.randint(1, 3)):
                story.tell(job, "begun", attempt, pid)
                story.tell(job, "failed", attempt, pid, "error")
            story.tell(job, "begun", attempt + 1, pid)
            story.tell(job, "done", attempt + 1, pid)
        case "failed":
            story.enqueue(job)
            story.tell(job, "begun", 0, pid)
            story.tell(job, "failed", 0, pid, "error")
        case "buried":
            story.enqueue(job, retryable=True)
            story.tell(job, "begun", 0, pid)
            story.tell(job, "buried", 0, pid, "error")
            story.buried.append(job)
        case "died":
            story.enqueue(job)
            story.tell(job, "begun", 0, next(pids))
            story.tell(job, "failed", 0, pid, chosen.choice(["signal", "status"]))
            story.tell(job, "begun", 0, pid)
            story.tell(job, "done", 0, pid)
        case "refused":
            story.enqueue(f"{job}-holder", queue_key=job)
            story.enqueue(job, "refused", queue_key=job)
            story.tell(f"{job}-holder", "begun", 0, pid)
            story.tell(f"{job}-holder", "done", 0, pid)
        case "cancelled":
            story.enqueue(job)
            story.tell(job, "begun", 0, next(pids))
            story.enqueued.append(Entry(at=story.wait(), what="cancel", job=job, partition="acme"))
            story.tell(job, "cancelled", 0, pid)


@given(st.integers(0, 1_000_000))
@settings(max_examples=60, deadline=None)
def test_every_line_that_is_removed_or_doubled_is_noticed(seed):
    story = random_story(seed)
    assert story.check().is_clean, story.faults()

    for log in (story.enqueued, story.jobs):
        whole = list(log)
        for index, times in itertools.product(range(len(whole)), (0, 2)):
            log[:] = [*whole[:index], *[whole[index]] * times, *whole[index + 1 :]]
            assert not story.check().is_clean, (whole[index], times)
        log[:] = whole


def test_the_self_test_tries_a_line_of_every_sort_and_notices_each():
    story = Story()
    pids = itertools.count(100)
    chosen = random.Random(1)
    for way in ("done", "retried", "failed", "buried", "died", "refused", "cancelled"):
        _tell_way(story, way, way, chosen, pids)

    tried = tamper(story.enqueued, story.jobs, {"acme": story.buried}, seed=1)

    assert {each.what for each in tried} == {e.what for e in [*story.enqueued, *story.jobs]}
    assert len(tried) == 2 * len({each.what for each in tried})
    assert all(each.noticed for each in tried)


def busy_story(count: int) -> Story:
    """Return a clean story of many jobs on few keys, with kills."""
    story = Story()
    for number in range(count):
        keys = {"execution_key": "e"} if number % 3 == 0 else {"queue_key": "q"} if number % 3 == 1 else {}
        done(story, f"job-{number}", pid=10 + number // 500, **keys)
        if number % 500 == 499:
            story.kill(grace=0.001)
    return story


@pytest.mark.parametrize("seed", range(5))
def test_each_promise_that_is_broken_is_noticed(seed):
    story = busy_story(1200)

    tried = violate(story.enqueued, story.jobs, {"acme": story.buried}, seed)

    assert [each.what for each in tried] == list(VIOLATIONS)
    assert [each.what for each in tried if not each.noticed] == []


def test_what_a_checker_costs_grows_no_faster_than_the_log():
    seconds = []
    for count in (2_000, 16_000):
        story = busy_story(count)
        began = time.process_time()
        assert story.check().is_clean
        seconds.append(time.process_time() - began)

    assert seconds[1] < 8 * 4 * seconds[0]  # by the square it would be 64 times as long


def test_the_unfinished_jobs_are_those_that_were_accepted_and_have_not_left():
    story = Story()
    done(story, "done")
    story.enqueue("queued")
    story.enqueue("refused", "refused", queue_key="k")
    story.enqueue("retried", retryable=True)
    story.tell("retried", "begun")
    story.tell("retried", "failed", kind="error")
    story.enqueue("running")
    story.tell("running", "begun")
    unfinished = Unfinished()

    unfinished.take(story.enqueued, [])
    for job in story.jobs:
        unfinished.take([], [job])

    assert unfinished.jobs == {"queued", "retried", "running"}
    assert (unfinished.accepted, unfinished.finished) == (4, 1)
