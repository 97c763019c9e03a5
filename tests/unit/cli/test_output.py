"""What commands print: cleaned, aligned, readable in every width."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from roger_actors.cli import output

ROWS = [("exjlzo2jlfnu4hakf56zyxquo4daquqc", "myapp.jobs.Bury", 2, None)]
COLUMNS = ("id", "class", "attempts#", "cause")


@pytest.fixture
def terminal(monkeypatch):
    """Makes the output a terminal of so many columns."""

    def of(width: int) -> None:
        console = Console(force_terminal=True, width=width, highlight=False, color_system=None)
        monkeypatch.setattr(output, "stdout", lambda: console)

    return of


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred", "\\x1b[31mred"),
        ("a\rb\x00\x9bc", "a\\x0db\\x00\\x9bc"),
        ("right \u202e to left", "right \\x202e to left"),
        ("two\n\tlines, größe", "two\n\tlines, größe"),
    ],
)
def test_control_characters_become_visible(text, shown):
    assert output.clean(text) == shown


@given(st.text())
def test_no_text_can_move_the_cursor_or_change_a_colour(text):
    assert all(
        character.isprintable() or character in "\n\t" or ord(character) > 0x9F
        for character in output.clean(text)
    )


@pytest.mark.parametrize(
    ("passed", "shown"),
    [(0, "0 s"), (59, "59 s"), (61, "1 min 1 s"), (3600, "1 h"), (90_000, "1 d 1 h"), (-5, "0 s")],
)
def test_how_long_ago_is_told_in_two_units(passed, shown):
    assert output.ago(1e9, now=1e9 + passed) == shown


def test_never_is_a_dash():
    assert output.ago(0.0) == "-"


def test_into_a_pipe_a_table_is_plain_columns_of_full_width(capsys):
    output.print_table(COLUMNS, [*ROWS, ("b", "c" * 200, 10, "it\nbroke")], "nothing")

    head, first, second = capsys.readouterr().out.splitlines()
    assert head.split() == ["id", "class", "attempts", "cause"]
    assert first.endswith("2  -")
    assert second.endswith("10  it broke")


def test_an_empty_table_is_a_sentence(capsys):
    output.print_table(COLUMNS, [], "nothing is parked")

    assert capsys.readouterr().out == "nothing is parked\n"


def test_on_a_terminal_long_cells_are_folded_and_ids_are_not(terminal, capsys):
    terminal(70)

    output.print_table(COLUMNS, [(*ROWS[0][:3], "a cause of some length " * 3)], "")

    lines = capsys.readouterr().out.splitlines()
    assert lines[1].startswith("exjlzo2jlfnu4hakf56zyxquo4daquqc  ")
    assert len(lines) > 3
    assert all(len(line) <= 70 for line in lines)


def test_on_a_narrow_terminal_each_row_is_a_block_of_lines(terminal, capsys):
    terminal(40)

    output.print_table(COLUMNS, ROWS, "")

    assert capsys.readouterr().out.splitlines() == [
        "id        exjlzo2jlfnu4hakf56zyxquo4daquqc",
        "class     myapp.jobs.Bury",
        "attempts  2",
        "cause     -",
        "",
    ]


def test_json_into_a_pipe_is_one_line(capsys):
    output.print_json({"a": ["ö", 1]})

    out = capsys.readouterr().out
    assert out == '{"a": ["ö", 1]}\n'
    assert json.loads(out) == {"a": ["ö", 1]}
