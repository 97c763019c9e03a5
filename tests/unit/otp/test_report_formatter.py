"""Reports on one line, cut by depth and by length, never without supervisor and id."""

from __future__ import annotations

import logging

import pytest

from roger_actors.otp import Crash, Fault, ReportFormatter


def record(message="text", *args, exc_info=None, **extra):
    found = logging.LogRecord("roger_actors.otp.supervisor", logging.ERROR, "f", 1, message, args, exc_info)
    found.__dict__.update(extra)
    return found


def report(**changes):
    return {
        "kind": "child_terminated",
        "context": "child_terminated",
        "supervisor": "top",
        "reason": Crash("ValueError", "broken", "a\nlong\ntraceback"),
        "offender": {"pid": 7, "id": "mailer", "start": "shop:Mailer", "restart": "permanent"},
        **changes,
    }


def line(of, **options):
    return ReportFormatter("%(message)s", **options).format(record("x", report=of))


def test_a_report_is_one_line_with_everything():
    assert line(report()) == (
        "supervisor='top' context='child_terminated' id='mailer' pid=7 reason=ValueError: broken "
        "start='shop:Mailer' restart='permanent'"
    )


@pytest.mark.parametrize("limit", [60, 90, 120])
def test_however_short_supervisor_and_id_are_kept(limit):
    long = report(reason="r" * 1000, supervisor="s" * 1000)
    long["offender"]["id"] = ("i" * 1000, 1)

    text = line(long, chars_limit=limit)

    assert text.startswith("supervisor='sss")
    assert "id=('iii" in text or "id=['iii" in text
    assert len(text) < 2 * limit


def test_a_report_is_cut_to_its_length():
    assert len(line(report(reason="r" * 5000), chars_limit=200)) == 200


def test_data_below_the_depth_is_left_out():
    nested = report(reason=Fault("failed_to_start_child", Fault("a", Fault("b", {"c": ["secret"]}))))

    assert "secret" in line(nested, depth=9)
    assert "secret" not in line(nested, depth=2)
    assert "reason=Fault('failed_to_start_child', Fault('a', …))" in line(nested, depth=2)


def test_any_other_record_is_one_line_too():
    try:
        raise ValueError("two\nlines")
    except ValueError as error:
        info = (ValueError, error, error.__traceback__)

    text = ReportFormatter().format(record("first %s\n  second", "line", exc_info=info))

    assert text.startswith("ERROR roger_actors.otp.supervisor: first line | second | Traceback")
    assert text.endswith("ValueError: two | lines")


def test_the_record_is_left_as_it_was_for_other_handlers():
    given = record("a %s", "b", report=report())

    ReportFormatter().format(given)

    assert given.getMessage() == "a b"


@pytest.mark.parametrize("options", [{"depth": 0}, {"chars_limit": 39}])
def test_limits_that_leave_nothing_are_refused(options):
    with pytest.raises(ValueError, match="depth is 1 or more"):
        ReportFormatter(**options)
