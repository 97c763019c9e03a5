"""Which keys are put aside, when a side lane is empty, and which copies run."""

from __future__ import annotations

from collections import deque
from math import inf
from typing import Any, cast

import attrs

from roger_actors.broker import Delivery
from roger_actors.clock import Clock, ManualClock
from roger_actors.roger import queue
from roger_actors.roger.jobs.codec import decode_header, encode
from roger_actors.roger.jobs.job import JobRecord
from roger_actors.roger.kernel import Kernel
from roger_actors.roger.partition.holding import Source, State
from roger_actors.roger.partition.moving import look_at_waiting, take_serial
from roger_actors.roger.partition.side_lanes import (
    COPIED_AGAIN,
    COUNTED_EVERY,
    LEFT_WAITING,
    MOST_WAITING,
    Aside,
    Copies,
    End,
    LookAtWaiting,
    number_of,
    to_put_aside,
)
from roger_actors.roger.worker_host.fence import Proof
from roger_actors.testing import LocalNode


def copy(job_id: str = "a", *, redelivered: bool = False, **headers: Any) -> Any:
    record = JobRecord(id=job_id, module="m.Job", args={}, execution_key="k")
    body = encode(record)
    delivery = Delivery(body, job_id, "q", headers, redelivered, 1, 1)
    return delivery, decode_header(body)


def test_nothing_is_put_aside_while_there_is_room():
    assert to_put_aside({"a": MOST_WAITING}) == []
    assert to_put_aside({}) == []


def test_the_keys_with_the_most_waiting_jobs_are_put_aside_until_few_wait():
    assert to_put_aside({"cold": 10, "hot": MOST_WAITING, "warm": 20}) == ["hot"]

    many = {str(n): 2 for n in range(MOST_WAITING)}
    assert 2 * (len(many) - len(to_put_aside(many))) <= LEFT_WAITING


def test_each_key_has_one_side_lane_of_those_there_are():
    numbers = {number_of(str(n)) for n in range(1000)}

    assert numbers == set(range(queue.SIDE_LANES))
    assert number_of("k") == number_of("k")


def test_a_side_lane_is_empty_when_its_latest_marker_has_come_and_nothing_was_published_since():
    end = End()
    assert not end.is_reached
    first = end.renew()
    second = end.renew()
    end.came(first)
    assert not end.is_reached
    end.came(second)
    assert end.is_reached
    end.since += 1
    assert not end.is_reached


def test_of_two_copies_of_an_attempt_the_marked_second_one_does_not_run():
    copies = Copies()

    assert not copies.is_second(*copy())
    assert copies.is_second(*copy(**{COPIED_AGAIN: 1}))


def test_a_copy_runs_that_is_the_only_one_or_another_attempt_or_was_delivered_again():
    copies = Copies()

    assert not copies.is_second(*copy(**{COPIED_AGAIN: 1}))
    assert not copies.is_second(*copy(**{COPIED_AGAIN: 1}, redelivered=True))
    assert not copies.is_second(*copy())  # published again by somebody else
    assert not copies.is_second(*copy(deaths=1, **{COPIED_AGAIN: 1}))


def test_what_is_in_hand_is_given_back_when_the_lane_may_be_another_s():
    aside = Aside()
    aside.early.append(copy("a"))
    aside.moving.append(copy("b"))
    aside.keys.add("k")
    aside.is_loaded = True

    assert [delivery.message_id for delivery in aside.forget()] == ["a", "b"]
    assert not aside.keys
    assert not aside.is_loaded
    assert aside.forget() == []


@attrs.frozen
class KernelOfTest:
    """What of a kernel counts here."""

    partitions: dict[str, dict[str, int]] = attrs.field(factory=dict)
    clock: Clock = attrs.field(factory=ManualClock)


def holding(**lines: list[Any]) -> State:
    """Return a consumer's state that serves its lane, with what waits for each key."""
    state = State(cast(Kernel, KernelOfTest()), "acme")
    state.keys = {key: deque(line) for key, line in lines.items()}
    state.lane_is_ours, state.proof = True, Proof("acme", cast(Any, None))
    state.proof.until = inf
    return state


def test_a_key_whose_first_job_has_waited_for_long_is_put_aside_and_one_that_goes_on_is_not():
    first, second, third, fourth = (copy(name) for name in "abcd")

    async def scenario() -> None:
        state = holding(stuck=[first, second], going=[third, fourth])
        look_at_waiting(state, LookAtWaiting())
        assert not state.aside.keys

        state.keys["going"].popleft()
        look_at_waiting(state, LookAtWaiting())
        assert state.aside.keys == {"stuck"}
        assert list(state.aside.moving) == [first, second]
        assert [*state.keys["stuck"], *state.keys["going"]] == [fourth]

    with LocalNode() as node:
        node.run(scenario)


def test_a_job_of_a_paused_queue_is_put_aside_before_those_that_wait_for_its_key_which_is_free_then():
    head, other = copy("a"), copy("b")

    async def scenario() -> None:
        state = holding(k=[other])
        state.held_back.append(head)
        for _ in range(2):
            look_at_waiting(state, LookAtWaiting())
        assert list(state.aside.moving) == [head, other]
        assert state.held_back == []
        assert state.keys == {}

    with LocalNode() as node:
        node.run(scenario)


def test_jobs_that_wait_for_the_lane_itself_stay_where_they_are():
    head = copy("a")

    async def scenario() -> None:
        state = holding(k=[])
        state.held_back.append(head)
        state.lane_is_ours = False
        for _ in range(2):
            look_at_waiting(state, LookAtWaiting())
        assert state.held_back == [head]
        assert not state.aside.keys

    with LocalNode() as node:
        node.run(scenario)


def test_a_busy_key_is_put_aside_with_its_first_job_if_that_waits_for_the_lane():
    head, others = copy("head"), [copy(f"job-{n}") for n in range(MOST_WAITING + COUNTED_EVERY)]

    async def scenario() -> None:
        state = holding()
        lane = state.lane = Source("acme.lane", "", 1)
        state.lane_is_ours, state.aside.is_loaded = False, True
        for delivery, header in [head, *others]:
            take_serial(state, lane, delivery, header)

        assert list(state.aside.moving)[: len(others)] == [head, *others[:-1]]
        assert state.held_back == []

    with LocalNode() as node:
        node.run(scenario)
