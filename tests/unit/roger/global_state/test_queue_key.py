"""Who holds a queue key, and what happens to a keyed job that is about to start."""

from __future__ import annotations

from roger_actors.broker import Change
from roger_actors.roger.global_state import queue_key
from roger_actors.roger.global_state.queue_key import LAPSE, Claim, Verdict

NOW = 1000.0


def record(job_id: str = "job", attempt: int = 0, *, published: bool = True, at: float = NOW) -> bytes:
    return queue_key.encode(Claim(job_id, attempt, published, at))


def claim(job_id: str = "job") -> Change:
    return queue_key.claiming("acme", "resize-7", job_id, NOW)


def test_a_claim_expects_nobody_to_hold_the_key() -> None:
    assert claim().expected is None
    assert queue_key.decode(claim().new) == Claim("job", 0, published=False, at=NOW)


def test_a_published_job_keeps_its_key() -> None:
    assert queue_key.taking_over(claim("other"), record(at=NOW - 10 * LAPSE)) is None


def test_a_claim_lapses_by_the_clock_of_the_tables_and_stays_readable() -> None:
    assert (claim().lease, claim().kept) == (LAPSE, True)


def test_a_claim_that_has_not_lapsed_is_not_taken_over_whatever_its_stamp_says() -> None:
    assert queue_key.taking_over(claim("other"), record(published=False, at=NOW - 10 * LAPSE)) is None


def test_a_published_claim_does_not_lapse() -> None:
    assert queue_key.publishing(claim()).lease == 0.0
    assert queue_key.failing("acme", "resize-7", record(published=False), 0).lease == 0.0


def test_a_key_is_released_only_by_the_job_that_holds_it_at_whatever_attempt() -> None:
    change = queue_key.releasing("acme", "resize-7", "job")

    assert change.applies_to(record("job", 3))
    assert change.applies_to(record("job", published=False))
    assert not change.applies_to(record("job-2"))
    assert not change.applies_to(record("jo"))
    assert not change.applies_to(None)


def test_the_same_job_may_claim_again_after_an_unsure_answer() -> None:
    mine = record(published=False)

    change = queue_key.taking_over(claim(), mine)

    assert change is not None
    assert change.expected == mine


def test_a_key_that_has_become_free_is_simply_claimed_again() -> None:
    assert queue_key.taking_over(claim(), None) == claim()


def test_publishing_replaces_exactly_the_claim_that_was_made() -> None:
    change = queue_key.publishing(claim())

    assert change.expected == claim().new
    assert queue_key.decode(change.new) == Claim("job", 0, published=True, at=NOW)


def test_the_job_and_attempt_of_the_record_run() -> None:
    assert queue_key.verdict(record("job", 2), "job", 2) is Verdict.RUN


def test_an_unpublished_claim_whose_job_is_there_after_all_runs() -> None:
    assert queue_key.verdict(record("job", published=False), "job", 0) is Verdict.RUN


def test_a_job_whose_key_was_taken_over_is_dropped() -> None:
    assert queue_key.verdict(record("other"), "job", 0) is Verdict.DROP


def test_a_job_that_has_left_for_good_is_dropped_when_it_comes_again() -> None:
    assert queue_key.verdict(None, "job", 0) is Verdict.DROP


def test_an_attempt_that_has_failed_already_only_has_its_retry_published_again() -> None:
    failed = queue_key.failing("acme", "resize-7", record("job", 0), 0)

    assert queue_key.verdict(failed.new, "job", 0) is Verdict.REPUBLISH_RETRY
    assert queue_key.verdict(failed.new, "job", 1) is Verdict.RUN


def test_an_attempt_from_long_ago_is_dropped() -> None:
    assert queue_key.verdict(record("job", 3), "job", 1) is Verdict.DROP


def test_keys_of_different_partitions_never_meet() -> None:
    assert queue_key.table_key("a", "b") != queue_key.table_key("a-b", "")
    assert queue_key.table_key("a", "x/y") != queue_key.table_key("b", "x/y")
