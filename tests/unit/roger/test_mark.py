"""The mark that says, after a host's death, what it was doing."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from roger_actors.roger.worker_host.mark import Mark, Marker, drop_marks, take_mark


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
