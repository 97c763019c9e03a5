"""The logs: appended whole, read back as they were, and half a line is not read."""

from __future__ import annotations

import pytest

from roger_actors.demo.log import Entry, Log, Tail, read

ENTRY = Entry(at=1, what="begun", job="a", partition="acme", pid=7)


def test_what_was_appended_is_read_back(tmp_path):
    log = Log(tmp_path / "log", durable=True)
    other = Entry(at=2, what="failed", job="a", kind="error", detail="ä\nb")
    log.append(ENTRY, other)
    log.close()

    assert read(tmp_path / "log") == [ENTRY, other]


def test_a_log_that_nobody_has_written_is_empty(tmp_path):
    assert read(tmp_path / "log") == []


def test_a_line_that_is_being_written_is_read_when_it_is_whole(tmp_path):
    path = tmp_path / "log"
    log = Log(path)
    log.append(ENTRY)
    log.close()
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:10])
    tail = Tail(path)

    assert tail.read() == [ENTRY]
    assert tail.read() == []

    path.write_bytes(whole + whole)

    assert tail.read() == [ENTRY]


def test_two_writers_append_to_the_same_log(tmp_path):
    first, second = Log(tmp_path / "log"), Log(tmp_path / "log")
    for log in (first, second, first):
        log.append(ENTRY)
    first.close()
    second.close()

    assert read(tmp_path / "log") == [ENTRY] * 3


def test_a_line_that_is_none_of_ours_is_refused(tmp_path):
    (tmp_path / "log").write_bytes(b'{"at": 1, "what": "laughed"}\n')

    with pytest.raises(ValueError, match="laughed"):
        read(tmp_path / "log")
