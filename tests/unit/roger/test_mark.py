"""The mark that says, after a host's death, what it was doing."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from roger_actors.roger.worker_host.mark import FenceMark, Mark, Marker, drop_marks, take_mark
from roger_actors.roger.worker_pool.hosts import Watched

Opened = Callable[[Path], FenceMark]


def test_what_runs_and_what_has_ended_can_be_read_until_it_is_taken(tmp_path: Path) -> None:
    marker = Marker(str(tmp_path), 7)
    marker.begin(3)
    marker.end(3)
    marker.begin(4)

    assert take_mark(str(tmp_path), 7) == Mark(running=4, ended=3)
    assert take_mark(str(tmp_path), 7) is None


def test_after_its_end_a_job_is_the_running_one_no_more(tmp_path: Path) -> None:
    marker = Marker(str(tmp_path), 7)
    marker.begin(3)
    marker.end(3)

    assert take_mark(str(tmp_path), 7) == Mark(running=0, ended=3)


def test_a_mark_outlives_sigkill_of_a_process_that_closed_its_descriptors(tmp_path: Path) -> None:
    child = os.fork()
    if child == 0:
        marker = Marker(str(tmp_path), 7)
        os.closerange(3, 4096)
        marker.begin(2**40)
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)

    assert take_mark(str(tmp_path), 7) == Mark(running=2**40, ended=0)


def test_without_a_directory_or_with_one_that_is_gone_there_is_no_mark(tmp_path: Path) -> None:
    for directory in ("", str(tmp_path / "gone")):
        Marker(directory, 7).begin(1)

        assert take_mark(directory, 7) is None


def test_marks_of_a_dead_kernel_s_hosts_are_dropped_and_nothing_else(tmp_path: Path) -> None:
    Marker(str(tmp_path), 7)
    Marker(str(tmp_path), 8)
    (tmp_path / "other").touch()

    drop_marks(str(tmp_path))
    drop_marks("")

    assert [path.name for path in tmp_path.iterdir()] == ["other"]


# -- the fence -----------------------------------------------------------------------------------


@pytest.fixture
def opened() -> Iterator[Opened]:
    with ExitStack() as stack:

        def open_mark(directory: Path) -> FenceMark:
            return stack.enter_context(closing(FenceMark(str(directory), 7)))

        yield open_mark


def test_a_job_that_came_through_no_lane_may_run_for_as_long_as_it_likes(
    tmp_path: Path, opened: Opened
) -> None:
    Marker(str(tmp_path), 7).begin(3)

    assert opened(tmp_path).until() is None


def test_a_job_of_a_lane_may_run_until_its_time_and_later_only_if_that_is_put_off(
    tmp_path: Path, opened: Opened
) -> None:
    marker, fence = Marker(str(tmp_path), 7), opened(tmp_path)
    marker.begin(3, 100.0)
    assert fence.until() == 100.0

    fence.put_off(3, 104.0)

    assert fence.until() == 104.0
    marker.end(3)
    assert fence.until() is None


def test_what_was_put_off_for_one_job_is_not_for_the_next(tmp_path: Path, opened: Opened) -> None:
    marker, fence = Marker(str(tmp_path), 7), opened(tmp_path)
    marker.begin(3, 100.0)
    fence.put_off(3, 200.0)
    marker.end(3)

    marker.begin(4, 110.0)

    assert fence.until() == 110.0


def test_hosts_that_run_a_lane_s_job_for_too_long_are_late_once(tmp_path: Path) -> None:
    for host, until in ((7, 100.0), (8, 300.0), (9, None)):
        Marker(str(tmp_path), host).begin(1, until)
    watched = Watched()

    assert watched.late(str(tmp_path), 99.0) == []
    assert watched.late(str(tmp_path), 100.0) == [7]
    assert watched.late(str(tmp_path), 101.0) == []
    drop_marks(str(tmp_path))
    assert watched.late(str(tmp_path), 500.0) == []
    watched.close()
