"""On which line of a file each key stands."""

from __future__ import annotations

import tomllib

from hypothesis import given
from hypothesis import strategies as st

from roger_actors.settings import line_of, lines_of

FILE = """\
# a comment
top = 1

[node]  # another
name = "a"
broker = '''
[not.a.table]
x = 1
'''
jobs = [
  "a",
  ["b"],
]

[partitions."a b".queues]
default = 1

[[children]]
id = "a"
a.b = 1

[[children.children]]
id = "b"
args = { x = 1, "y z" = { q = 2 } }

[[children.children]]
id = "c"

[[children]]
"quoted.key" = 1
[children.kwargs]
n = 1
"""


def test_each_key_and_header_has_the_line_it_stands_on():
    assert lines_of(FILE) == {
        "top": 2,
        "node": 4,
        "node.name": 5,
        "node.broker": 6,
        "node.jobs": 10,
        'partitions."a b".queues': 15,
        'partitions."a b".queues.default': 16,
        "children[0]": 18,
        "children[0].id": 19,
        "children[0].a": 20,
        "children[0].a.b": 20,
        "children[0].children[0]": 22,
        "children[0].children[0].id": 23,
        "children[0].children[0].args": 24,
        "children[0].children[1]": 26,
        "children[0].children[1].id": 27,
        "children[1]": 29,
        'children[1]."quoted.key"': 30,
        "children[1].kwargs": 31,
        "children[1].kwargs.n": 32,
    }


def test_what_has_no_line_of_its_own_is_on_that_of_what_holds_it():
    lines = lines_of(FILE)

    assert line_of(lines, "node.jobs[1][0]") == 10
    assert line_of(lines, 'children[0].children[0].args."y z".q') == 24
    assert line_of(lines, "children[1].start") == 29
    assert line_of(lines, 'children[1]."quoted.key".x') == 30
    assert line_of(lines, "line 3") is None
    assert line_of(lines, "nothing.at.all") is None
    assert line_of({}, "") is None


WORDS = st.sampled_from(["a", "b-c", '"x y"', "'q.r'"])
VALUES = st.sampled_from(["1", '"s"', "[1,\n 2]", "{ a = 1 }", '"""m\n[z]\n"""'])


@given(st.lists(st.tuples(WORDS, VALUES), unique_by=lambda pair: pair[0]))
def test_any_good_table_has_a_line_for_each_of_its_keys(pairs):
    text = "[t]\n" + "".join(f"{key} = {value}\n" for key, value in pairs)
    lines = lines_of(text)

    assert len(tomllib.loads(text)["t"]) == len(lines) - 1
    for path, number in lines.items():
        if path != "t":
            key = text.splitlines()[number - 1].partition(" = ")[0]
            assert key in {pair[0] for pair in pairs}
