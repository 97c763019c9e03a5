"""The journal: only what stands under the reigning epoch counts, and a snapshot replaces all before it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from roger_actors.broker.amqp.journal import (
    Batch,
    Epoch,
    Hello,
    Replica,
    Snapshot,
    decode,
    encode,
)
from roger_actors.broker.base import Change, Changed


def _read(*entries) -> Replica:
    replica = Replica()
    for entry in entries:
        replica.apply(decode(encode(entry)))
    return replica


def _batch(epoch: str, number: int, **writes: bytes | None) -> Batch:
    return Batch(epoch, number, [("t", key, value) for key, value in writes.items()], [])


def test_batches_count_under_their_own_epoch():
    replica = _read(Hello("x"), Epoch("a"), _batch("a", 1, k=b"1"), _batch("a", 2, k=b"2", m=b"3"))

    assert replica.scan("t", "") == {"k": b"2", "m": b"3"}


def test_a_deposed_owner_changes_nothing_after_its_successor_has_begun():
    replica = _read(
        Epoch("a"), _batch("a", 1, k=b"1"), Epoch("b"), _batch("a", 2, k=b"late"), _batch("b", 1, m=b"2")
    )

    assert replica.scan("t", "") == {"k": b"1", "m": b"2"}


def test_a_batch_that_was_published_twice_counts_once_and_one_after_a_gap_not_at_all():
    replica = _read(
        Epoch("a"),
        _batch("a", 1, k=b"1"),
        _batch("a", 2, k=b"2"),
        _batch("a", 1, k=b"1"),
        _batch("a", 4, k=b"4"),
    )

    assert replica.get("t", "k") == b"2"


def test_a_value_of_none_is_a_deletion():
    assert _read(Epoch("a"), _batch("a", 1, k=b"1"), _batch("a", 2, k=None)).get("t", "k") is None


def test_a_snapshot_of_a_deposed_owner_does_not_count():
    late = Snapshot("a", 1, 0, 1, [("t", "k", b"old")], [])

    assert _read(Epoch("a"), Epoch("b"), _batch("b", 1, k=b"new"), late).get("t", "k") == b"new"


@given(
    st.dictionaries(
        st.tuples(st.sampled_from("tu"), st.text(max_size=3)), st.binary(max_size=3), max_size=30
    ),
    st.integers(0, 3),
)
def test_reading_from_a_snapshot_on_is_the_same_as_reading_everything(state, dropped):
    writes = [(table, key, value) for (table, key), value in state.items()]
    start = [Epoch("a"), Batch("a", 1, writes, [("r1", [True])]), Hello("b")]
    full = _read(*start)
    parts = list(full.snapshot("a"))
    after = [Batch("a", 2, [("t", "last", b"x")], [])]

    rest = _read(*start[dropped:], *parts, *after)

    whole = _read(*start, *parts, *after)
    assert {t: e for t, e in rest.tables.items() if e} == {t: e for t, e in whole.tables.items() if e}
    assert rest.decide("r1", [Change("t", "k", b"?", b"!")], {})[0][0].done


def test_a_large_state_is_written_in_several_parts(monkeypatch):
    monkeypatch.setattr("roger_actors.broker.amqp.journal.SNAPSHOT_BYTES", 100)
    replica = _read(Epoch("a"), Batch("a", 1, [("t", f"key-{n}", b"v" * 10) for n in range(50)], []))

    parts = list(replica.snapshot("a"))

    assert len(parts) > 3
    assert _read(*parts).tables == replica.tables


def test_half_a_snapshot_changes_nothing():
    replica = _read(Epoch("a"), _batch("a", 1, k=b"1"), Snapshot("a", 1, 0, 2, [("t", "m", b"2")], []))

    assert replica.scan("t", "") == {"k": b"1"}


def test_a_request_that_is_asked_again_gets_its_old_answer_and_changes_nothing():
    replica = _read(Epoch("a"), Batch("a", 1, [("t", "k", b"1")], [("r1", [True, False])]))

    results, writes = replica.decide("r1", [Change("t", "k", None, b"1"), Change("t", "m", b"?", b"!")], {})

    assert [result.done for result in results] == [True, False]
    assert writes == []


def test_changes_of_one_batch_see_those_before_them():
    ahead: dict = {}
    replica = Replica()

    first, _ = replica.decide("r1", [Change("t", "k", None, b"1")], ahead)
    second, _ = replica.decide("r2", [Change("t", "k", None, b"2"), Change("t", "k", b"1", b"3")], ahead)

    assert first == [Changed(True, b"1")]
    assert second == [Changed(False, b"1"), Changed(True, b"3")]
