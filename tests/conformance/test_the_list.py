"""The suite itself: one test for each line, under its name and number."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from conformance_table import left_out, read_list

HERE = Path(__file__).parent


def _marked():
    """Return (file, function, marked lines) of every test of a line."""
    for path in sorted(HERE.glob("test_[a-p]_*.py")):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.AsyncFunctionDef | ast.FunctionDef) and node.name.startswith("test_"):
                lines = [
                    int(ast.literal_eval(mark.args[0]))
                    for mark in node.decorator_list
                    if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.otp_line"
                ]
                yield path, node.name, lines


def test_the_list_has_224_lines():
    assert sorted(read_list()) == list(range(1, 225))


def test_a_test_is_named_after_the_one_line_it_shows():
    for path, name, lines in _marked():
        found = re.match(r"test_line_(\d{3})_\w+", name)
        assert found, f"{path.name}: {name}"
        assert lines == [int(found[1])], f"{path.name}: {name} is marked {lines}"


def test_a_test_stands_in_the_file_of_its_section():
    sections = {number: line.section[0].lower() for number, line in read_list().items()}
    for path, name, (number,) in _marked():
        assert path.name.startswith(f"test_{sections[number]}_"), f"{name} in {path.name}"


def test_every_line_has_one_test_or_a_reason():
    tests = [number for _, _, lines in _marked() for number in lines]
    assert sorted([*tests, *left_out()]) == sorted(read_list())
