"""The names of queues."""

from __future__ import annotations

import pytest

from roger_actors.errors import ConfigError
from roger_actors.roger import queue


def test_a_queue_is_named_after_its_partition_and_type():
    assert queue.make_name("acme", "default") == "acme-default"
    assert queue.make_name("acme", "default", ".old") == "acme-default.old"


@pytest.mark.roger_fault("queue per key")
def test_a_job_goes_to_its_type_s_queue_unless_it_is_serial():
    assert queue.of_job("acme", "images", None) == "acme-images"
    assert queue.of_job("acme", "images", "user-3") == "acme.lane"


def test_lane_and_shelves_have_dots_which_no_id_has():
    names = [queue.lane_name("roger"), queue.buried_name("roger"), queue.QUARANTINE, queue.PARKED]

    assert len(set(names)) == 4
    assert all("." in name for name in names)
    assert not any(queue.is_id(name) for name in names)


@pytest.mark.parametrize("word", ["a", "acme", "Acme_2", "a-b", "3f2a-11", "x" * 100])
def test_letters_digits_underscores_and_single_dashes_make_an_id(word):
    assert queue.partition_id(word) == word


@pytest.mark.parametrize("word", ["a", "images", "Images_2", "x" * 100])
def test_letters_digits_and_underscores_make_a_queue_type(word):
    assert queue.queue_type(word) == word


def test_no_two_partitions_queues_share_a_name():
    with pytest.raises(ConfigError, match="queue type: got 'b-c'"):
        queue.queue_type("b-c")
    assert queue.make_name("a-b", "c") != queue.make_name("a", "b_c")


@pytest.mark.parametrize("word", ["", "a.b", "-a", "a-", "a--b", "a b", "é", "a\n", "x" * 101])
def test_anything_else_is_refused_by_name(word):
    with pytest.raises(ConfigError, match=r"partition: got .*, expected letters"):
        queue.partition_id(word)
    with pytest.raises(ConfigError, match=r"queue type: got .*, expected letters"):
        queue.queue_type(word)
