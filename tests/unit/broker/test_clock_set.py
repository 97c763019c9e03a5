"""The embedded broker's delays when somebody sets the wall clock: none gets longer or shorter."""

from __future__ import annotations

import pytest

from roger_actors.broker.embedded.schema import open_file
from roger_actors.broker.embedded.store import Store

NOON = 1_800_000_000.0


@pytest.fixture
def store(tmp_path):
    connection = open_file(tmp_path / "roger.db", "OFF")
    store = Store(connection, 0, "")
    store.entries.boot = "this boot"
    store.follow_clock(NOON)
    store.publish([("jobs", 10.0, "id", None, b"body")], NOON)
    yield store
    connection.close()


@pytest.mark.parametrize("jump", [-3600.0, 3600.0, -1.5])
def test_what_is_delayed_is_moved_along_with_the_clock(store, jump):
    store.follow_clock(NOON + jump)

    assert store.next_due() == NOON + 10.0 + jump


def test_it_is_moved_once_however_many_processes_see_it(store):
    for _ in range(3):
        store.follow_clock(NOON - 3600.0)

    assert store.next_due() == NOON + 10.0 - 3600.0


def test_what_a_clock_drifts_moves_nothing(store):
    store.follow_clock(NOON + 0.5)

    assert store.next_due() == NOON + 10.0


def test_after_a_boot_of_the_machine_the_wall_clock_is_believed(store):
    store.entries.boot = "the next boot"
    store.follow_clock(NOON - 3600.0)

    assert store.next_due() == NOON + 10.0
