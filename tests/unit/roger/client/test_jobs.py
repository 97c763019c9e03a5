"""What counts of what several nodes say of a job."""

from __future__ import annotations

from typing import Any

from roger_actors.roger import JobStatus
from roger_actors.roger.client.jobs import best


def said(state: Any, node: str = "a", since: float = 0.0) -> JobStatus:
    return JobStatus(id="j", partition="acme", state=state, node=node, since=since)


def test_who_has_the_job_counts_more_than_who_remembers_an_earlier_attempt() -> None:
    assert best([said("retrying", "a", 9.0), said("running", "b", 1.0)]) == said("running", "b", 1.0)
    assert best([said("waiting", "a"), said("taken", "b")]) == said("taken", "b")


def test_of_those_who_remember_the_latest_counts() -> None:
    assert best([said("retrying", "a", 1.0), said("done", "b", 2.0)]) == said("done", "b", 2.0)


def test_where_nobody_has_seen_it_there_is_nothing_to_say() -> None:
    assert best([said("unseen")]) is None
    assert best([]) is None
