"""Which keys are put aside, when a side lane is empty, and which copies run."""

from __future__ import annotations

from typing import Any

from roger_actors.broker import Delivery
from roger_actors.roger import queue
from roger_actors.roger.jobs.codec import decode_header, encode
from roger_actors.roger.jobs.job import JobRecord
from roger_actors.roger.partition.side_lanes import (
    COPIED_AGAIN,
    LEFT_WAITING,
    MOST_WAITING,
    Aside,
    Copies,
    End,
    number_of,
    to_put_aside,
)


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
