"""What Roger's own tests assert, on both brokers, with real processes."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import roger_test_jobs as jobs

from roger_actors import Node
from roger_actors.broker import QueueSpec
from roger_actors.errors import DuplicateJob, PartitionNotStarted, Unroutable

pytestmark = pytest.mark.timeout(120)

Until = Callable[..., Any]


def enqueue(tenant: Any, job: Any, args: Any = None, **options: Any) -> str:
    record = job.create({} if args is None else args)
    return str(tenant.node.enqueue(record, tenant.name, **options).id)


@pytest.mark.roger_line(5)
def test_an_enqueued_job_runs_with_its_arguments(tenant: Any, events: Any) -> None:
    job = enqueue(tenant, jobs.Tell, {"a": [1, {"b": None}]})

    assert events.next("ran", id=job)["args"] == {"a": [1, {"b": None}]}


def test_an_asynchronous_job_runs(tenant: Any, events: Any) -> None:
    job = enqueue(tenant, jobs.AsyncTell, {"x": 1})

    events.next("ran", id=job)


@pytest.mark.roger_line(5)
def test_the_same_job_without_a_queue_key_runs_as_often_as_it_is_enqueued(tenant: Any, events: Any) -> None:
    record = jobs.Tell.create({})

    tenant.node.enqueue(record, tenant.name)
    tenant.node.enqueue(record, tenant.name)

    assert [told["id"] for told in events.take(2, "ran")] == [record.id, record.id]


@pytest.mark.roger_line(6)
def test_a_queue_key_is_refused_until_its_job_has_run(tenant: Any, events: Any, wait_until: Until) -> None:
    tenant.node.pause("default", tenant.name)
    first = enqueue(tenant, jobs.Unique, {"n": 1})
    for _ in range(3):
        with pytest.raises(DuplicateJob) as refused:
            enqueue(tenant, jobs.Unique, {"n": 1})
        assert refused.value.holder == first

    tenant.node.resume("default", tenant.name)
    events.next("ran", id=first)
    wait_until(lambda: tenant.counts("done") == 1)

    second = enqueue(tenant, jobs.Unique, {"n": 1})
    events.next("ran", id=second)


@pytest.mark.roger_fault("key freed at a retry")
def test_a_key_is_held_through_retries_and_free_once_the_job_is_buried(
    tenant: Any, events: Any, wait_until: Until
) -> None:
    job = enqueue(tenant, jobs.UniqueFailing)
    events.next("on_error", id=job, retry_count=1)
    with pytest.raises(DuplicateJob):
        enqueue(tenant, jobs.UniqueFailing)

    events.next("on_buried", id=job)
    wait_until(lambda: tenant.counts("buried") == 1)

    enqueue(tenant, jobs.UniqueFailing)


@pytest.mark.roger_line(7)
def test_jobs_of_one_execution_key_run_one_after_another_in_their_order(tenant: Any, events: Any) -> None:
    for n in range(5):
        enqueue(tenant, jobs.Serial, {"n": n, "key": "k"})

    told = [events.next(limit=10.0) for _ in range(20)]
    spoken = [(each["event"], each["n"]) for each in told if each["event"] in ("start", "stop")]
    assert spoken == [(event, n) for n in range(5) for event in ("start", "stop")]


def test_jobs_of_different_execution_keys_run_at_the_same_time(tenant: Any, events: Any) -> None:
    for n in range(4):
        enqueue(tenant, jobs.Serial, {"n": n, "key": f"k{n}"})

    assert len(events.take(4, "stop")) == 4


@pytest.mark.roger_fault("both keys wait")
def test_a_job_with_both_keys_waits_runs_and_frees_both(tenant: Any, events: Any, wait_until: Until) -> None:
    tenant.node.pause("default", tenant.name)
    for n in range(3):
        enqueue(tenant, jobs.UniqueAndSerial, {"n": n, "key": "k"})
    with pytest.raises(DuplicateJob):
        enqueue(tenant, jobs.UniqueAndSerial, {"n": 2, "key": "k"})
    tenant.node.resume("default", tenant.name)

    assert [told["n"] for told in events.take(3, "stop")] == [0, 1, 2]
    wait_until(lambda: tenant.counts("done") == 3)
    enqueue(tenant, jobs.UniqueAndSerial, {"n": 2, "key": "k"})
    events.next("stop", n=2)


@pytest.mark.roger_line(8)
def test_a_waiting_job_that_is_cancelled_never_starts(tenant: Any, events: Any) -> None:
    tenant.node.pause("default", tenant.name)
    job = enqueue(tenant, jobs.Tell)

    answers = tenant.node.cancel(job, tenant.name)
    tenant.node.resume("default", tenant.name)

    assert answers.missing == ()
    events.next("on_cancel", id=job)
    events.none("ran", within=0.3, id=job)


@pytest.mark.roger_line(8)
def test_cancelling_a_running_job_kills_it_and_its_subprocess(
    tenant: Any, events: Any, wait_until: Until
) -> None:
    job = enqueue(tenant, jobs.Waits)
    begun = events.next("begun", id=job)

    tenant.node.cancel(job, tenant.name)

    wait_until(lambda: not Path(f"/proc/{begun['pid']}").exists())
    wait_until(lambda: not Path(f"/proc/{begun['child']}").exists())
    events.next("on_cancel", id=job)
    events.none("on_error", within=0.2, id=job)
    wait_until(lambda: tenant.counts("cancelled") == 1)


@pytest.mark.roger_fault("cancel beside a held key")
def test_a_cancelled_job_that_waits_for_its_key_leaves_the_key_alone(tenant: Any, events: Any) -> None:
    ids = [enqueue(tenant, jobs.Serial, {"n": n, "key": "k"}) for n in range(3)]
    events.next("start", n=0)

    tenant.node.cancel(ids[1], tenant.name)

    events.next("on_cancel", id=ids[1])
    assert [told["n"] for told in events.take(2, "stop")] == [0, 2]


@pytest.mark.roger_line(8)
def test_a_cancel_stands_until_it_is_taken_back_and_the_job_runs_then(tenant: Any, events: Any) -> None:
    state = tenant.node.global_state
    tenant.node.pause("default", tenant.name)
    job = enqueue(tenant, jobs.Tell)
    tenant.node.cancel(job, tenant.name)

    assert state.cancelled(tenant.name, job)
    assert state.cancelled(tenant.name, job, remove=True)
    assert not state.cancelled(tenant.name, job)

    tenant.node.resume("default", tenant.name)
    events.next("ran", id=job)


def test_cancelling_an_id_that_does_not_exist_harms_nobody(tenant: Any, events: Any) -> None:
    tenant.node.cancel("nosuchjob", tenant.name)

    events.next("ran", id=enqueue(tenant, jobs.Tell))


@pytest.mark.roger_line(9)
def test_a_job_over_its_time_limit_is_killed_even_inside_a_blocking_c_call(
    tenant: Any, events: Any, wait_until: Until
) -> None:
    long = enqueue(tenant, jobs.Limited, {"long": True})
    short = enqueue(tenant, jobs.Limited, {"long": False})

    events.next("ran", id=short)
    assert events.next("on_error", id=long)["kind"] == "timeout"
    wait_until(lambda: tenant.counts("failed") == 1)
    events.none("ran", within=0.1, id=long)


@pytest.mark.roger_line(10)
def test_a_failing_job_is_retried_by_its_levels_and_then_buried(
    tenant: Any, events: Any, wait_until: Until
) -> None:
    job = enqueue(tenant, jobs.FailingByTheSecond, {"x": 1})

    errors = [events.next("on_error", id=job) for _ in range(3)]
    buried = events.next("on_buried", id=job)

    told = [each["at"] for each in (*errors, buried)]
    assert all(later - earlier >= 1.0 for earlier, later in itertools.pairwise(told))
    events.none("on_error", within=0.1, id=job)

    assert [error["retry_count"] for error in errors] == [0, 1, 2]
    assert {error["kind"] for error in errors} == {"error"}
    assert "perform" in errors[0]["stack"].splitlines()[1]
    assert buried["retry_count"] == 3
    wait_until(lambda: tenant.counts("buried") == 1)
    (kept,) = tenant.node.buried(tenant.name)
    assert (kept.message_id, kept.attempts, kept.kind) == (job, 4, "error")
    assert kept.cause == "ValueError: boom"
    assert "in perform" in kept.stack


def test_every_buried_job_is_kept(tenant: Any, events: Any, wait_until: Until) -> None:
    records = [jobs.Segfaults.create({"n": n}) for n in range(2)]
    tenant.node.enqueue_many(records, tenant.name)

    wait_until(lambda: tenant.counts("buried") == 2, 30.0)

    kept = tenant.node.buried(tenant.name)
    assert {each.message_id for each in kept} == {record.id for record in records}
    assert {each.kind for each in kept} == {"signal"}
    assert "signal 11" in kept[0].cause


def test_a_buried_job_can_be_requeued_and_deleted(tenant: Any, events: Any, wait_until: Until) -> None:
    job = enqueue(tenant, jobs.UniqueFailing)
    events.next("on_buried", id=job)
    wait_until(lambda: tenant.counts("buried") == 1)

    (moved,) = tenant.node.requeue_buried(tenant.name, job)
    events.next("on_error", id=job, retry_count=0)
    events.next("on_buried", id=job)
    wait_until(lambda: tenant.counts("buried") == 2)
    (deleted,) = tenant.node.delete_buried(tenant.name)

    assert moved.message_id == deleted.message_id == job
    assert tenant.node.buried(tenant.name) == []


def test_a_retried_job_that_succeeds_is_done(tenant: Any, events: Any, wait_until: Until) -> None:
    job = enqueue(tenant, jobs.FailsOnce)

    assert events.next("ran", id=job)["retry_count"] == 1
    wait_until(lambda: tenant.counts("done") == 1)


def test_a_job_that_is_not_retryable_fails_once_and_is_gone(
    tenant: Any, events: Any, wait_until: Until
) -> None:
    job = enqueue(tenant, jobs.NotRetried)

    assert events.next("on_error", id=job)["retry_count"] == 0
    wait_until(lambda: tenant.counts("failed") == 1)
    events.none("on_error", within=0.3, id=job)


@pytest.mark.roger_line(11)
def test_of_101_jobs_that_fail_for_good_each_is_buried_and_told(
    tenant: Any, events: Any, wait_until: Until
) -> None:
    records = [jobs.FailingTwice.create({"n": n}) for n in range(101)]

    tenant.node.enqueue_many(records, tenant.name)

    told = events.take(101, "on_buried")
    assert {each["id"] for each in told} == {record.id for record in records}
    wait_until(lambda: tenant.counts("buried") == 101)
    assert len(tenant.node.buried(tenant.name, 200)) == 101


@pytest.mark.parametrize("job_class", [jobs.Exits, jobs.ClosesEverything, jobs.KillsItsGroup])
def test_a_job_that_ends_its_host_harms_nobody_and_is_buried_in_the_end(
    tenant: Any, events: Any, wait_until: Until, job_class: Any
) -> None:
    neighbour = enqueue(tenant, jobs.Slow, {"seconds": 1.0})
    events.next("begun", id=neighbour)
    culprit = enqueue(tenant, job_class)

    for _ in range(3):
        events.next("begun", id=culprit)

    events.next("on_buried", id=culprit)
    events.next("ran", id=neighbour)
    wait_until(lambda: tenant.counts("buried") == 1)


@pytest.mark.roger_fault("hook raises")
def test_a_failing_hook_harms_nothing(tenant: Any, events: Any, wait_until: Until) -> None:
    running = [enqueue(tenant, jobs.Slow, {"seconds": 1.0}) for _ in range(5)]
    for job in running:
        events.next("begun", id=job)
    tenant.node.pause("other", tenant.name)
    cancelled = enqueue(tenant, jobs.Tell, {"hook": "raise"}, override_queue="other")
    tenant.node.cancel(cancelled, tenant.name)
    tenant.node.resume("other", tenant.name)

    done = enqueue(tenant, jobs.Tell, {"hook": "raise"})
    buried = enqueue(tenant, jobs.FailingTwice, {"hook": "raise"})

    events.next("on_cancel", id=cancelled)
    events.next("after_run", id=done)
    events.next("on_error", id=buried)
    events.next("on_buried", id=buried)
    assert {told["id"] for told in [events.next("ran", id=job) for job in [*running, done]]} == {
        *running,
        done,
    }
    wait_until(lambda: tenant.counts("done") == 6)
    counted = {name: tenant.counts(name) for name in ("retried", "buried", "cancelled")}
    assert counted == {"retried": 1, "buried": 1, "cancelled": 1}
    events.none("ran", within=0.1, id=cancelled)


@pytest.mark.roger_line(22)
def test_hooks_are_called_around_a_job_and_share_a_value(tenant: Any, events: Any) -> None:
    job = enqueue(tenant, jobs.Tell, {"v": 1})

    assert events.next("before_run", id=job)["partition"] == tenant.name
    after = events.next("after_run", id=job)
    assert after["result"] == {"v": 1}
    assert after["before_state"] == f"before {job}"


@pytest.mark.roger_line(22)
def test_on_error_gets_kind_exception_and_a_stack_that_begins_at_perform(tenant: Any, events: Any) -> None:
    job = enqueue(tenant, jobs.NotRetried)

    told = events.next("on_error", id=job)

    assert (told["kind"], told["message"]) == ("error", "'gone'")
    assert "in perform" in told["stack"].splitlines()[1]


@pytest.mark.roger_line(13)
def test_reconfiguring_adds_changes_and_closes_queues(tenant: Any, events: Any) -> None:
    tenant.start(default=20, third=40)

    queues = tenant.info()["queues"]
    assert {name: queue["max_workers"] for name, queue in queues.items()} == {"default": 20, "third": 40}
    job = enqueue(tenant, jobs.Tell, override_queue="third")
    events.next("ran", id=job)

    tenant.start(third=40)
    assert set(tenant.info()["queues"]) == {"third"}
    waiting = enqueue(tenant, jobs.Tell)
    events.none("ran", within=0.3, id=waiting)


@pytest.mark.roger_line(14)
@pytest.mark.roger_line(18)
def test_a_paused_queue_runs_nothing_until_it_is_resumed(tenant: Any, events: Any) -> None:
    answers = tenant.node.pause("default", tenant.name)
    assert answers.missing == ()
    job = enqueue(tenant, jobs.Tell)
    events.none("ran", within=0.3, id=job)
    assert tenant.node.paused(tenant.name) == ["default"]
    queue = tenant.info()["queues"]["default"]
    assert (queue["paused"], queue["message_count"], queue["consumer_count"]) == (True, 1, 0)

    tenant.start(other=1)
    tenant.start(default=10)
    events.none("ran", within=0.3, id=job)

    tenant.node.resume("default", tenant.name)
    events.next("ran", id=job)
    assert tenant.node.paused(tenant.name) == []


@pytest.mark.roger_line(18)
@pytest.mark.roger_line(15)
def test_paused_queues_are_listed_until_they_are_resumed(tenant: Any) -> None:
    state, names = tenant.node.global_state, ["a", "b", "default"]
    tenant.start(default=1, a=1, b=1)
    for name in names:
        state.queue_pause(tenant.name, name)
    assert state.queue_get_paused(tenant.name) == names

    for name in names:
        state.queue_resume(tenant.name, name)
    assert state.queue_get_paused(tenant.name) == []


@pytest.mark.roger_line(15)
def test_a_partition_that_was_never_started_has_no_jobs_to_cancel_and_no_paused_queues(tenant: Any) -> None:
    state = tenant.node.global_state

    with pytest.raises(PartitionNotStarted, match="'nobody'"):
        state.cancel_job("nobody", "job")
    with pytest.raises(PartitionNotStarted):
        state.queue_get_paused("nobody")

    assert state.cancelled("nobody", "job", remove=True)


@pytest.mark.roger_line(16)
def test_a_partition_that_cannot_be_opened_is_listed_as_waiting_with_the_reason(
    tenant: Any, events: Any, wait_until: Until
) -> None:
    node, name = tenant.node, f"w{tenant.name}"
    service = node.service()
    other_kind = "classic" if node.config.queue_kind == "quorum" else "quorum"
    service.wait(service.broker.declare([QueueSpec(f"{name}-default", other_kind)]))

    node.partition.start(name, {"default": 1})

    told = wait_until(lambda: "other settings" in node.node_info.waiting_partitions().get(name, ""))
    assert told
    assert name not in node.node_info.running_partition_ids()
    assert tenant.name in node.node_info.running_partition_ids()
    assert name in node.info.waiting_partitions().values[node.config.name]

    service.wait(service.broker.delete(f"{name}-default"))
    wait_until(lambda: name in node.node_info.partitions()["running"])
    node.partition.delete(name)


def test_a_queue_key_can_be_asked_for_and_freed_by_force(tenant: Any, events: Any) -> None:
    state = tenant.node.global_state
    tenant.node.pause("default", tenant.name)
    job = enqueue(tenant, jobs.Unique, {"n": 1})

    assert state.queued(tenant.name, "unique-1") == job
    assert state.remove_queued(tenant.name, "unique-1") == job

    assert state.queued(tenant.name, "unique-1") is None
    assert state.remove_queued(tenant.name, "unique-1") is None
    following = enqueue(tenant, jobs.Unique, {"n": 1})
    tenant.node.resume("default", tenant.name)
    events.next("ran", id=following)


def test_who_runs_under_an_execution_key_can_be_asked(tenant: Any, events: Any, wait_until: Until) -> None:
    ids = [enqueue(tenant, jobs.SerialSlow, {"key": "k", "seconds": 0.5}) for _ in range(2)]
    for job in ids:
        events.next("begun", id=job)
        assert tenant.node.global_state.executing(tenant.name, "k") == job

    wait_until(lambda: tenant.node.global_state.executing(tenant.name, "k") is None)


def test_purging_answers_the_number_and_leaves_nothing(tenant: Any, events: Any) -> None:
    tenant.node.pause("default", tenant.name)
    for _ in range(3):
        enqueue(tenant, jobs.Tell)

    assert tenant.node.purge(tenant.name, "default") == 3
    assert tenant.info()["queues"]["default"]["message_count"] == 0


@pytest.mark.roger_line(16)
def test_queued_jobs_are_listed_newest_first_and_stay(tenant: Any, events: Any) -> None:
    tenant.node.pause("default", tenant.name)
    ids = [enqueue(tenant, jobs.Tell) for _ in range(2)]

    for info in (tenant.node.info, tenant.node.node_info):
        listed = info.queued_jobs(tenant.name, "default")
        assert [record.id for record in listed] == ids[::-1]
        assert all(record.queued_at > 0 and record.started_at == 0 for record in listed)

    tenant.node.resume("default", tenant.name)
    events.take(2, "ran")


@pytest.mark.roger_line(17)
def test_a_running_job_is_listed_while_it_runs(tenant: Any, events: Any, wait_until: Until) -> None:
    before = time.time()
    job = enqueue(tenant, jobs.Slow, {"seconds": 0.5})
    events.next("begun", id=job)

    (listed,) = tenant.node.node_info.running_jobs(tenant.name)
    assert listed["id"] == job
    assert before * 1000 <= listed["started_at"] <= time.time() * 1000
    listed_by_all = tenant.node.info.running_jobs().values[tenant.node.config.name]
    assert [each["id"] for each in listed_by_all[tenant.name]] == [job]
    events.next("ran", id=job)
    wait_until(lambda: tenant.node.node_info.running_jobs(tenant.name) == [])


@pytest.mark.roger_fault("enqueue to nothing")
def test_an_enqueue_to_what_was_never_started_is_refused(tenant: Any) -> None:
    with pytest.raises(Unroutable, match="does not exist"):
        tenant.node.enqueue(jobs.Tell.create({}), "nobody")
    with pytest.raises(Unroutable):
        enqueue(tenant, jobs.Tell, override_queue="nosuchqueue")
    with pytest.raises(Unroutable):
        enqueue(tenant, jobs.Serial, {"n": 1, "key": "k"}, override_queue="nosuchqueue")


def test_a_stopped_partition_is_gone_and_can_be_started_again(tenant: Any, events: Any) -> None:
    tenant.stop()
    assert tenant.info() == {}

    tenant.start(a=1, b=2, c=3)
    assert set(tenant.info()["queues"]) == {"a", "b", "c"}
    tenant.start(default=10)


def test_stopping_safely_lets_running_jobs_finish(tenant: Any, events: Any, wait_until: Until) -> None:
    job = enqueue(tenant, jobs.Slow, {"seconds": 0.5})
    events.next("begun", id=job)

    tenant.stop(safe=True)

    events.next("ran", id=job)
    wait_until(lambda: tenant.info() == {})


def test_every_node_answers_a_ping(node: Node, tenant: Any) -> None:
    answers = node.ask_nodes("ping")

    assert answers.values == {node.config.name: "pong"}
    assert answers.missing == ()


def test_a_delayed_job_does_not_start_early(tenant: Any, events: Any) -> None:
    late = enqueue(tenant, jobs.Tell, delay=1.0)
    now = enqueue(tenant, jobs.Tell)

    assert events.next("ran")["id"] == now
    events.none("ran", within=0.4, id=late)
    events.next("ran", id=late)


def test_many_jobs_are_enqueued_at_once_and_each_outcome_is_told(tenant: Any, events: Any) -> None:
    tenant.node.pause("default", tenant.name)
    records = [jobs.Unique.create({"n": n % 3}) for n in range(6)]

    outcomes = tenant.node.enqueue_many(records, tenant.name)

    assert [isinstance(outcome, DuplicateJob) for outcome in outcomes] == [False] * 3 + [True] * 3
    tenant.node.resume("default", tenant.name)
    events.take(3, "ran")


@pytest.mark.roger_fault("payload that is no job")
@pytest.mark.roger_fault("undecodable bytes")
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe",
        b"[1]",
        b'{"v":0,"id":"x","class":"y","args":{}}',
        b'{"v":1}',
        b"[" * 100_000,
        b"x" * (10 << 20),
    ],
    ids=["empty", "bytes", "shape", "version", "fields", "nesting", "10-MiB"],
)
def test_a_payload_that_is_no_job_is_quarantined_and_its_neighbours_run(
    tenant: Any, events: Any, wait_until: Until, body: bytes
) -> None:
    from roger_actors.broker import Message

    service = tenant.node.service()
    name = f"bad-{os.urandom(4).hex()}"
    service.wait(_publish(service.broker, Message(f"{tenant.name}-default", body, name, tenant.name)))
    job = enqueue(tenant, jobs.Tell)

    events.next("ran", id=job)
    found = wait_until(lambda: [each for each in tenant.node.quarantine(1000) if each.message_id == name])
    assert found[0].body == body
    assert found[0].queue == f"{tenant.name}-default"
    assert "\n" not in found[0].cause
    assert [each.message_id for each in tenant.node.delete_quarantine(name)] == [name]


async def _publish(broker: Any, message: Any) -> None:
    await broker.publish(message, 5.0)


@pytest.mark.roger_fault("payload that is no job")
def test_a_job_of_an_unknown_class_is_parked_and_shown(tenant: Any, events: Any, wait_until: Until) -> None:
    import attrs

    record = attrs.evolve(jobs.Tell.create({}), module="newer.release.Class")
    tenant.node.enqueue(record, tenant.name)

    found = wait_until(lambda: [each for each in tenant.node.parked() if each.message_id == record.id])
    assert "newer.release.Class" in found[0].cause
    events.next("ran", id=enqueue(tenant, jobs.Tell))
