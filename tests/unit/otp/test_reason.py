from __future__ import annotations

import pytest

from roger_actors.errors import StartFailed
from roger_actors.otp import Down, Pid, Ref, wire
from roger_actors.otp.reason import (
    NOPROC,
    CallExit,
    Crash,
    ExitStatus,
    Fault,
    Reason,
    Shutdown,
    Signal,
    of_exception,
)
from roger_actors.transport import HostId

NO_DB = Crash("RuntimeError", "no db", "Traceback …\n  in init")


def fails() -> None:
    raise ValueError("no")


def test_a_crash_shows_the_frames_of_what_failed_and_not_of_what_caught_it() -> None:
    try:
        fails()
    except ValueError as error:
        ended = of_exception(error)

    assert isinstance(ended, Crash)
    assert str(ended) == "ValueError: no"
    assert "in fails" in ended.traceback
    assert "in test_a_crash" not in ended.traceback


def test_a_crash_right_where_it_is_caught_still_shows_where() -> None:
    try:
        raise ValueError("no")
    except ValueError as error:
        ended = of_exception(error)

    assert "in test_a_crash" in ended.traceback


def test_the_cause_of_a_crash_is_shown_whole() -> None:
    try:
        try:
            fails()
        except ValueError as error:
            raise RuntimeError("because") from error
    except RuntimeError as error:
        ended = of_exception(error)

    assert "in fails" in ended.traceback
    assert "direct cause" in ended.traceback


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (Fault("reached_max_restart_intensity"), "reached_max_restart_intensity"),
        (Fault("bad_cast", "1"), "bad_cast: 1"),
        (
            Fault("start_spec", Fault("duplicate_child_name", "a", "a")),
            "start_spec: duplicate_child_name 'a'",
        ),
        (Fault("start_spec", Fault("invalid_restart", 7, "a")), "start_spec: invalid_restart 7 (child 'a')"),
        (Fault("failed_to_start_child", NO_DB, "a"), "child 'a' did not start: RuntimeError: no db"),
        (
            Shutdown(Fault("failed_to_start_child", Shutdown("later"), 1)),
            "shutdown: child 1 did not start: shutdown: later",
        ),
        (CallExit(NOPROC, "no process 'a'"), "noproc (no process 'a')"),
        (Signal(9), "Signal(9)"),
        (ExitStatus(3), "ExitStatus(3)"),
    ],
)
def test_a_reason_is_said_in_plain_words(value: Reason, said: str) -> None:
    assert str(value) == said
    assert wire.loads(wire.dumps(value)) == value
    assert str(StartFailed(what="server", reason=value)) == f"server did not start: {said}"


def test_a_message_shows_a_reason_as_it_is_written_and_without_a_traceback() -> None:
    down = Down(Ref("n", HostId(0), 1), Pid("n", HostId(0), 2), Shutdown(Fault("why", NO_DB)))

    assert str(down) == (
        "Down(ref=#Ref<n.0.1>, process=<n.0.2>, "
        "reason=Shutdown(Fault('why', Crash('RuntimeError', 'no db'))))"
    )
    assert repr(Fault("why", None, "a")) == "Fault('why', None, 'a')"
    assert repr(Shutdown(None)) == "Shutdown(None)"


def test_what_is_inside_a_reason_may_fail_to_show_itself() -> None:
    class Mute:
        def __repr__(self) -> str:
            raise ValueError

    assert "__repr__ failed" in str(Fault("bad_start", Mute()))
    assert "__repr__ failed" in repr(Shutdown(Mute()))
