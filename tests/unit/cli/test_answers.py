"""What nodes answered, as lines and as a status."""

from __future__ import annotations

import click
import pytest

from roger_actors.cli import answers
from roger_actors.roger import Answers


def test_an_answer_is_said_in_the_command_s_words(capsys):
    told = Answers({"b": "ok", "a": "noted", "c": "not asked", "d": 3}, {})

    assert answers.report(told, "done", as_json=False, words={"noted": "taken note"}) == 0
    assert capsys.readouterr().out.splitlines() == ["a: taken note", "b: done", "d: done"]


def test_refusals_and_silence_are_errors_and_status_1(capsys):
    told = Answers({}, {"a": "no \x1b such thing"}, ("b", "c"))

    assert answers.report(told, "done", as_json=False) == 1
    assert capsys.readouterr().err.splitlines() == [
        "error: a: no \\x1b such thing",
        "error: b: did not answer in time",
        "error: c: did not answer in time",
    ]


def test_as_json_everything_is_told(capsys):
    assert answers.report(Answers({"a": "ok"}, {}, ("b",)), "done", as_json=True) == 1
    assert capsys.readouterr().out == '{"nodes": {"a": "ok"}, "errors": {}, "missing": ["b"]}\n'


def test_no_answer_at_all_names_the_broker():
    with pytest.raises(click.ClickException, match="no node answers on embedded:x"):
        answers.need_one(Answers({}, {}), "embedded:x")
