"""How what is kept aside is shown, whatever bytes it is."""

from __future__ import annotations

import json

import click
import pytest

from roger_actors.cli import shelved
from roger_actors.roger import Shelved

JOB = Shelved(
    message_id="a",
    queue="acme-default",
    partition="acme",
    cause="ValueError: no\nmore",
    kind="error",
    stack="Traceback\n",
    attempts=3,
    node="n",
    at=1.0,
    body=b'{"v":1,"class":"m.C","args":{"n":1}}',
)


@pytest.mark.parametrize("body", [b"", b"\xff\x00", b"[" * 100_000, b"[1]", b'{"class": 3}', b"x" * 5000])
def test_bytes_that_are_no_job_are_shown_as_they_are_and_not_too_long(body, capsys):
    kept = Shelved(message_id="a", queue="q", body=body)

    shelved.print_one([kept], "a", "quarantine", as_json=False)

    out = capsys.readouterr().out
    assert "class      -" in out or "class    -" in out or "class " in out
    assert "payload" in out
    assert "\x00" not in out
    assert len(out) < 3000


def test_a_job_is_shown_with_its_class_arguments_cause_and_stack(capsys):
    shelved.print_one([JOB], "a", "acme's buried jobs", as_json=False)

    out = capsys.readouterr().out
    assert "class      m.C" in out
    assert 'args       {"n": 1}' in out
    assert out.endswith("\n\nTraceback\n")


def test_a_list_has_the_first_line_of_every_cause(capsys):
    shelved.print_list([JOB], "none", as_json=False)

    assert capsys.readouterr().out.splitlines()[1].endswith("ValueError: no")


def test_as_json_the_payload_is_whole(capsys):
    shelved.print_one([Shelved(message_id="a", queue="q", body=b"\xff")], "a", "quarantine", as_json=True)

    told = json.loads(capsys.readouterr().out)
    assert (told["payload"], told["payload_base64"]) == ("\\xff", "/w==")


def test_what_is_not_there_is_an_error():
    with pytest.raises(click.ClickException, match="b is not in quarantine"):
        shelved.print_one([JOB], "b", "quarantine", as_json=False)
    with pytest.raises(click.ClickException, match="b is not in quarantine"):
        shelved.report([], "deleted", ["b"], "quarantine", as_json=False)


def test_of_several_that_were_named_each_that_was_not_moved_is_told_with_its_reason(capsys):
    with pytest.raises(click.ClickException, match="b stays: its key is taken; c is not in the shelf"):
        shelved.report(
            [JOB], "requeued", ["a", "b", "c"], "the shelf", stays=({"b"}, "its key is taken"), as_json=False
        )
    assert capsys.readouterr().out == "requeued a\n"


def test_of_all_those_that_stay_are_told_and_not_those_that_were_moved_and_came_back(capsys):
    with pytest.raises(click.ClickException, match=r"^b stays: why$"):
        shelved.report([JOB], "requeued", None, "the shelf", stays=({"a", "b"}, "why"), as_json=True)
    assert json.loads(capsys.readouterr().out) == {"requeued": ["a"]}
