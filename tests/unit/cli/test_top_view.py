"""What `top` makes of two looks at a node."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from roger_actors.cli import top_view


def host(role, **more):
    plain = {"role": role, "os_pid": 10, "ready": True, "os_state": "R", "silent": 0.0, "processes": 5}
    return {**plain, **more}


def look(at, handled, **hung):
    return {
        "at": at,
        "hosts": {0: host("root", rss=2**25, cpu=1.0), 3: host("app", rss=2**26, cpu=at, **hung)},
        "processes": [
            process("<n.0.1>", 0, mailbox=0, handled=5),
            process("<n.3.1>", 3, mailbox=2, handled=handled, name="till"),
            process("<n.3.2>", 3, mailbox=7, handled=1, state="busy", function="Mailer.handle_cast (m.py:6)"),
        ],
    }


def process(pid, host, **more):
    plain = {"name": None, "class": "C", "state": "waiting", "function": None}
    return {**plain, "pid": pid, "host": host, **more}


HUNG = {
    "error": "no answer",
    "silent": 4.2,
    "processes": None,
    "standing": {"function": "Solver.handle_call (s.py:9)", "name": "solver", "pid": "<n.3.9>", "stack": []},
}


def test_rates_are_what_was_handled_between_two_looks():
    view = top_view.view_of("shop", look(12.0, 300), look(10.0, 100), "rate")

    assert [(one["pid"], one["rate"]) for one in view["processes"]] == [
        ("<n.3.1>", 100.0),
        ("<n.3.2>", 0.0),
        ("<n.0.1>", 0.0),
    ]
    assert view["hosts"][3]["cpu_share"] == 1.0
    assert top_view.summary(view) == "shop: 2 hosts, 10 processes, 100 messages/s"


def test_the_first_look_has_no_rates():
    view = top_view.view_of("shop", look(12.0, 300), None, "mailbox")

    assert {one["rate"] for one in view["processes"]} == {None}
    assert view["hosts"][3]["cpu_share"] is None


@pytest.mark.parametrize(
    ("sort", "first"),
    [("mailbox", "<n.3.2>"), ("handled", "<n.3.1>"), ("memory", "<n.3.2>"), ("cpu", "<n.3.2>")],
)
def test_the_busiest_come_first(sort, first):
    view = top_view.view_of("shop", look(12.0, 300), look(10.0, 100), sort)

    assert view["processes"][0]["pid"] == first


def test_a_host_that_does_not_answer_says_since_when_and_where_it_stands():
    view = top_view.view_of("shop", look(12.0, 300, **HUNG), look(10.0, 100), "mailbox")

    row = top_view.host_rows(view)[1]

    assert row[3] == "no answer for 4 s, computes"
    assert row[7] == "Solver.handle_call (s.py:9) of solver"
    assert top_view.summary(view).endswith("1 host does not answer")


@pytest.mark.parametrize(("letter", "words"), [("T", "stopped"), ("S", "waits"), ("D", "in the kernel")])
def test_what_the_system_sees_is_said_in_words(letter, words):
    info = {"ready": True, "error": "x", "os_state": letter, "silent": 0.0}

    assert top_view.host_state(info) == f"no answer, {words}"


def test_a_host_that_is_not_ready_is_starting():
    assert top_view.host_state({"ready": False}) == "starting"


def test_a_full_screen_fits_the_terminal_and_cannot_be_drawn_on_by_names():
    now = look(12.0, 300, **HUNG)
    now["processes"] += [process(f"<n.3.{n}>", 3, mailbox=0, handled=0, name="\x1b[2J") for n in range(90)]
    view = top_view.view_of("shop", now, look(10.0, 100), "mailbox")
    console = Console(width=100, height=24, file=io.StringIO(), force_terminal=True)

    with console.capture() as captured:
        console.print(top_view.screen(view, 24))

    lines = captured.get().splitlines()
    assert len(lines) <= 24
    assert "\x1b[2J" not in captured.get()
    assert "no answer for 4 s, computes" in captured.get()
