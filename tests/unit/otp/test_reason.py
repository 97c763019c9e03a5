from __future__ import annotations

from roger_actors.otp.reason import Crash, of_exception


def fails() -> None:
    raise ValueError("no")


def test_a_crash_shows_the_frames_of_what_failed_and_not_of_what_caught_it() -> None:
    try:
        fails()
    except ValueError as error:
        reason = of_exception(error)

    assert isinstance(reason, Crash)
    assert str(reason) == "ValueError: no"
    assert "in fails" in reason.traceback
    assert "in test_a_crash" not in reason.traceback


def test_a_crash_right_where_it_is_caught_still_shows_where() -> None:
    try:
        raise ValueError("no")
    except ValueError as error:
        reason = of_exception(error)

    assert "in test_a_crash" in reason.traceback


def test_the_cause_of_a_crash_is_shown_whole() -> None:
    try:
        try:
            fails()
        except ValueError as error:
            raise RuntimeError("because") from error
    except RuntimeError as error:
        reason = of_exception(error)

    assert "in fails" in reason.traceback
    assert "direct cause" in reason.traceback
