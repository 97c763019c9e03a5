"""The journal: only what stands under the reigning epoch counts, and a snapshot replaces all before it."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from roger_actors.broker.amqp.journal import (
    Batch,
    Entry,
    Epoch,
    Hello,
    Replica,
    Snapshot,
    State,
    decode,
    encode,
)
from roger_actors.broker.base import Change, Changed


def _read(*entries: Entry) -> Replica:
    replica = Replica()
    for position, entry in enumerate(entries):
        replica.apply(decode(encode(entry)), 0.0, position)
    return replica


def _batch(epoch: str, number: int, **writes: bytes | None) -> Batch:
    return Batch(epoch, number, [("t", key, value) for key, value in writes.items()], [])


def _part(epoch: str, number: int, part: int, parts: int, *, reign: int = 0, **entries: bytes) -> Snapshot:
    packed = msgspec.Raw(encode([("t", key, value) for key, value in entries.items()]))
    return Snapshot(epoch, number, part, parts, packed, [], reign=reign)


def _snapshot(state: State, epoch: str, now: float = 0.0) -> list[Snapshot]:
    return [
        Snapshot(
            epoch,
            state.number,
            part,
            part + 1 if is_last else 0,
            msgspec.Raw(encode(piece)),
            state.answers() if is_last else [],
            state.leases(piece, now),
        )
        for part, (piece, is_last) in enumerate(state.slices())
    ]


def _decide(state: State, *changes: Change, request: str = "r", now: float = 0.0) -> list[Changed]:
    return state.decide(request, changes, state.begin("a"), now)


def _everything(state: State) -> dict[tuple[str, str], bytes]:
    return {(table, key): value for piece, _ in state.slices() for table, key, value in piece}


def test_batches_count_under_their_own_epoch():
    replica = _read(Hello("x"), Epoch("a"), _batch("a", 1, k=b"1"), _batch("a", 2, k=b"2", m=b"3"))

    assert replica.state.scan("t", "") == {"k": b"2", "m": b"3"}


def test_a_deposed_owner_changes_nothing_after_its_successor_has_begun():
    replica = _read(
        Epoch("a"), _batch("a", 1, k=b"1"), Epoch("b"), _batch("a", 2, k=b"late"), _batch("b", 1, m=b"2")
    )

    assert replica.state.scan("t", "") == {"k": b"1", "m": b"2"}


def test_a_batch_that_was_published_twice_counts_once_and_one_after_a_gap_not_at_all():
    replica = _read(
        Epoch("a"),
        _batch("a", 1, k=b"1"),
        _batch("a", 2, k=b"2"),
        _batch("a", 1, k=b"1"),
        _batch("a", 4, k=b"4"),
    )

    assert replica.state.get("t", "k") == b"2"


def test_a_value_of_none_is_a_deletion():
    assert _read(Epoch("a"), _batch("a", 1, k=b"1"), _batch("a", 2, k=None)).state.get("t", "k") is None


def test_a_snapshot_of_a_deposed_owner_does_not_count():
    late = _part("a", 1, 0, 1, k=b"old")

    assert _read(Epoch("a"), Epoch("b"), _batch("b", 1, k=b"new"), late).state.get("t", "k") == b"new"


@given(
    st.dictionaries(
        st.tuples(st.sampled_from("tu"), st.text(max_size=3)), st.binary(max_size=3), max_size=30
    ),
    st.integers(0, 3),
)
def test_reading_from_a_snapshot_on_is_the_same_as_reading_everything(state, dropped):
    writes = [(table, key, value) for (table, key), value in state.items()]
    start = [Epoch("a"), Batch("a", 1, writes, [("r1", [True])]), Hello("b")]
    parts = _snapshot(_read(*start).state, "a")
    after = [Batch("a", 2, [("t", "last", b"x")], [])]

    rest = _read(*start[dropped:], *parts, *after).state

    assert _everything(rest) == _everything(_read(*start, *parts, *after).state)
    assert _decide(rest, Change("t", "k", b"?", b"!"), request="r1")[0].done


def test_a_large_state_is_written_in_several_parts(monkeypatch):
    monkeypatch.setattr("roger_actors.broker.amqp.journal.SNAPSHOT_BYTES", 100)
    replica = _read(Epoch("a"), Batch("a", 1, [("t", f"key-{n}", b"v" * 10) for n in range(50)], []))

    parts = _snapshot(replica.state, "a")

    assert len(parts) > 3
    assert _everything(_read(*parts).state) == _everything(replica.state)


def test_what_changes_between_the_parts_of_a_snapshot_is_in_it(monkeypatch):
    monkeypatch.setattr("roger_actors.broker.amqp.journal.SNAPSHOT_BYTES", 0)
    before = Batch("a", 1, [("t", f"p/{n}", b"old") for n in range(4)], [])
    owner = _read(Epoch("a"), before).state
    entries: list[Entry] = []
    for part, (piece, is_last) in enumerate(owner.slices()):
        raw = msgspec.Raw(encode(piece))
        entries.append(Snapshot("a", owner.number, part, part + 1 if is_last else 0, raw, []))
        batch = owner.begin("a")
        changes = [
            Change("t", "p/0", owner.get("t", "p/0"), b"%d" % part),
            Change("t", "p/2", b"old", None),
            Change("t", f"new/{part}", None, b"new"),
        ]
        owner.decide(f"r{part}", changes, batch, 0.0)
        entries.append(batch)

    assert len(entries) >= 6
    assert _everything(_read(*entries).state) == _everything(owner)
    assert _everything(_read(Epoch("a"), before, *entries).state) == _everything(owner)


def test_a_snapshot_of_which_a_batch_between_its_parts_is_missing_does_not_count():
    replica = _read(
        Epoch("a"), _batch("a", 1, k=b"1"), _part("a", 1, 0, 0, m=b"2"), _part("a", 2, 1, 2, n=b"3")
    )

    assert replica.state.scan("t", "") == {"k": b"1"}
    assert replica.needed == 0


def test_half_a_snapshot_changes_nothing():
    replica = _read(Epoch("a"), _batch("a", 1, k=b"1"), _part("a", 1, 0, 2, m=b"2"))

    assert replica.state.scan("t", "") == {"k": b"1"}


def test_what_stands_before_a_whole_snapshot_is_not_needed():
    assert _read(Epoch("a"), _batch("a", 1, k=b"1"), _part("a", 1, 0, 1, k=b"1")).needed == 2


def test_the_timeout_that_an_owner_has_met_is_known_to_the_next():
    assert _read(Epoch("a", 60.0), Epoch("b")).timeout == 60.0


def test_a_request_that_is_asked_again_gets_its_old_answer_and_changes_nothing():
    state = _read(Epoch("a"), Batch("a", 1, [("t", "k", b"1")], [("r1", [True, False])])).state
    batch = state.begin("a")

    results = state.decide("r1", [Change("t", "k", None, b"1"), Change("t", "m", b"?", b"!")], batch, 0.0)

    assert [result.done for result in results] == [True, False]
    assert batch.writes == []


def test_changes_of_one_batch_see_those_before_them():
    state = State()
    batch = state.begin("a")

    first = state.decide("r1", [Change("t", "k", None, b"1")], batch, 0.0)
    second = state.decide("r2", [Change("t", "k", None, b"2"), Change("t", "k", b"1", b"3")], batch, 0.0)

    assert first == [Changed(True, b"1")]
    assert second == [Changed(False, b"1"), Changed(True, b"3")]


def test_a_scan_of_one_partition_finds_its_keys_and_no_others():
    state = State()
    keys = ["acme/1", "acme/2", "acme-east/1", "acme", "other/1"]
    _decide(state, *[Change("t", key, None, b"v") for key in keys])

    assert set(state.scan("t", "acme/")) == {"acme/1", "acme/2"}
    assert set(state.scan("t", "acme/2")) == {"acme/2"}
    assert set(state.scan("t", "acm")) == {"acme/1", "acme/2", "acme-east/1", "acme"}
    assert set(state.scan("t", "acme-")) == {"acme-east/1"}
    assert set(state.scan("t", "")) == set(keys)


def test_an_entry_with_a_lease_is_deleted_when_it_is_over():
    state = State()
    _decide(state, Change("t", "k", None, b"v", lease=60.0), now=100.0)
    batch = state.begin("a")

    state.lapse(batch, 159.0, 10)
    assert state.get("t", "k") == b"v"

    state.lapse(batch, 160.0, 10)
    assert state.get("t", "k") is None
    assert batch.writes == [("t", "k", None)]


def test_an_entry_that_was_written_again_keeps_nothing_of_its_lease():
    state = State()
    _decide(state, Change("t", "k", None, b"v", lease=60.0))
    _decide(state, Change("t", "k", b"v", b"w"), request="r2")

    state.lapse(state.begin("a"), 1000.0, 10)

    assert state.get("t", "k") == b"w"


def test_a_successor_counts_what_a_snapshot_left_of_a_lease():
    owner = State()
    _decide(owner, Change("t", "k", None, b"v", lease=60.0), now=0.0)
    successor = _read(*_snapshot(owner, "a", now=50.0)).state

    successor.lapse(successor.begin("b"), 9.0, 10)
    assert successor.get("t", "k") == b"v"
    successor.lapse(successor.begin("b"), 10.0, 10)
    assert successor.get("t", "k") is None


def test_leases_that_ended_early_do_not_pile_up(monkeypatch):
    monkeypatch.setattr("roger_actors.broker.amqp.journal.SUPERFLUOUS_LAPSES", 10)
    state = State()
    for number in range(500):
        _decide(state, Change("t", f"{number}", None, b"v", lease=60.0), request=f"r{number}")
        _decide(state, Change("t", f"{number}", b"v", None), request=f"s{number}")

    assert len(state._queue) < 20


def test_a_change_that_begins_so_is_made_whatever_follows():
    state = State()
    _decide(state, Change("t", "k", None, b"mine, attempt 3"))

    assert _decide(state, Change("t", "k", b"yours", None, begins=True), request="r2") == [
        Changed(False, b"mine, attempt 3")
    ]
    assert _decide(state, Change("t", "k", b"mine", None, begins=True), request="r3") == [Changed(True, None)]


def test_a_kept_entry_counts_as_absent_when_its_lease_is_over_and_can_be_read_all_the_same():
    owner = State()
    claim = Change("t", "k", None, b"v", lease=60.0, kept=True)
    _decide(owner, claim)
    state = _read(*_snapshot(owner, "a", now=20.0)).state

    assert not state.has_lapsed(1000.0)
    assert _decide(state, claim._replace(new=b"w"), request="r2", now=39.0) == [Changed(False, b"v")]
    assert state.get("t", "k") == b"v"
    assert _decide(state, claim._replace(new=b"w"), request="r3", now=40.0) == [Changed(True, b"w")]
    assert _decide(state, claim._replace(new=b"x"), request="r4", now=99.0) == [Changed(False, b"w")]


def test_the_entries_of_a_log_are_numbered_and_the_oldest_go():
    state = State()
    changes = [Change("t", f"p/{name}", None, b"v", log=3) for name in "abcde"]

    results = _decide(state, *changes, Change("t", "q/a", None, b"v", log=3))

    assert [result.current for result in results] == [b"1 v", b"2 v", b"3 v", b"4 v", b"5 v", b"1 v"]
    assert state.scan("t", "p/") == {"p/c": b"3 v", "p/d": b"4 v", "p/e": b"5 v"}


def test_a_deletion_leaves_no_lease_behind():
    state = State()
    claim = Change("t", "k", None, b"v", lease=60.0, kept=True)
    _decide(state, claim)
    _decide(state, claim._replace(expected=b"v", new=None), request="r2")
    _decide(state, Change("t", "k", None, b"w"), request="r3")

    assert _decide(state, claim, request="r4", now=1000.0) == [Changed(False, b"w")]


def test_of_two_snapshots_whose_epochs_are_forgotten_that_of_the_later_reign_counts():
    stale = _part("old", 3, 0, 1, reign=1, key=b"old")
    right = [_part("new", 2, 0, 0, reign=2, key=b"new"), _part("new", 2, 1, 2, reign=2, other=b"new")]

    for order in ([stale, *right], [right[0], stale, right[1]], [*right, stale]):
        replica = _read(*order, _batch("old", 4, key=b"older"), _batch("new", 3, more=b"new"))

        assert replica.state.scan("t", "") == {"key": b"new", "other": b"new", "more": b"new"}
        assert replica.reign == 2


def test_each_epoch_is_a_reign():
    assert _read(Epoch("a"), Epoch("b"), _part("b", 0, 0, 1, reign=7), Epoch("c")).reign == 8
