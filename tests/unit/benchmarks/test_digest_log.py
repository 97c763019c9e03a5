"""The checker of the benchmarks' log notices what it is there to notice."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchmarks.digest_log import (
    LINE_LENGTH,
    LOG_VARIABLE,
    Entry,
    arguments,
    count_distinct,
    count_entries,
    doubled_jobs,
    foreign_jobs,
    last_entry,
    missing_jobs,
    read_entries,
    run_job,
    steady_rate,
)


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    # The job keeps its log open for as long as its process lives, so it gets a process of its own.
    path = tmp_path / "log"
    monkeypatch.setenv(LOG_VARIABLE, str(path))
    return path


def run_in_child(jobs: list[dict[str, str]]) -> int:
    pid = os.fork()
    if pid == 0:
        for job in jobs:
            run_job(job)
        os._exit(0)
    os.waitpid(pid, 0)
    return pid


def test_the_same_seed_gives_the_same_arguments_and_another_gives_others() -> None:
    assert arguments(5, 1) == arguments(5, 1)
    assert arguments(5, 1) != arguments(5, 2)


def test_every_job_leaves_one_line_with_its_process(log: Path) -> None:
    jobs = arguments(20, 1)

    pid = run_in_child(jobs)

    assert log.stat().st_size == 20 * LINE_LENGTH
    assert count_entries(log) == 20
    assert {entry.process for entry in read_entries(log)} == {pid}
    assert last_entry(log) == read_entries(log)[-1]
    assert missing_jobs(read_entries(log), jobs) == 0


def test_a_removed_line_is_a_missing_job(log: Path) -> None:
    jobs = arguments(20, 1)
    run_in_child(jobs)

    log.write_bytes(log.read_bytes()[LINE_LENGTH:])

    assert missing_jobs(read_entries(log), jobs) == 1


def test_a_doubled_line_is_a_job_that_ran_twice_and_does_not_hide_a_missing_one(log: Path) -> None:
    jobs = arguments(20, 1)
    run_in_child(jobs)

    lines = log.read_bytes()
    log.write_bytes(lines[LINE_LENGTH:] + lines[-LINE_LENGTH:])

    entries = read_entries(log)
    assert list(doubled_jobs(entries).values()) == [2]
    assert missing_jobs(entries, jobs) == 1
    assert count_distinct(log, 20) == 19


def test_a_line_of_another_run_is_foreign(log: Path) -> None:
    run_in_child([*arguments(3, 1), *arguments(2, 2)])

    assert foreign_jobs(read_entries(log), arguments(3, 1)) == 2


def test_the_rate_leaves_out_the_first_and_last_twentieth() -> None:
    steady = [Entry(str(n), 10**9 + n * 10**6, 1) for n in range(90)]
    slow_start = [Entry(f"a{n}", n * 10**8, 1) for n in range(5)]
    slow_end = [Entry(f"z{n}", 2 * 10**9 + n * 10**9, 1) for n in range(5)]

    assert steady_rate([*slow_start, *steady, *slow_end]) == pytest.approx(1000.0)
