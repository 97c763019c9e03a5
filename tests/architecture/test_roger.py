"""Every line that Roger's own tests assert, and every fault of it, has its tests: found by their marks."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

TESTS = Path(__file__).parents[1]

LINES = {
    1: "create: class, args, string id; keys are computed; decode keeps them; none when not defined",
    2: "execute returns what perform returns",
    3: "decode refuses: no id, unknown class, class without perform, class of a wrong type; each told apart",
    4: "key set: add, remove, contains, add many, save and load; union and difference change the first only",
    5: "enqueue runs the job with its args; without a queue key the same job runs twice",
    6: "the same queue key twice is a duplicate, again and again, and accepted after the first has run",
    7: "jobs of one execution key run one after another, whatever the number of workers",
    8: "a cancel stands until it is removed; on_cancel for a queued job and for a running one",
    9: "a job over its limit never finishes and its on_error gets timeout; one inside it finishes",
    10: "on_error at each retry after its delay, then on_buried",
    11: "101 jobs that fail for good are 101 on_buried",
    12: "a connection killed 10 ms after the enqueue: the job runs within 10 s",
    13: "reconfigure changes, adds and removes queues",
    14: "pause and resume; through reconfigure, cluster-wide, through the end of the consumer",
    15: "paused queues are listed and resumed; an error for a partition that is not started",
    16: "partitions, waiting ones too; queued jobs newest first, with their stamps, and still there",
    17: "a running job is listed with its start, and gone when done",
    18: "a paused queue's counts; purge answers the number and leaves none",
    19: "start, stop, a supervisor that ended, start again with three queues",
    20: "configured partitions start with the node with all their queues",
    21: "every node answers a ping; a cast is taken",
    22: "before_run and after_run share a value; on_error gets kind, exception and a stack from perform",
}
OF_VALUES = {1, 2, 3, 4}
"""Lines that are about values alone: no broker is in them."""
ON_BOTH = "broker_url"
"""The fixture of tests/live that is once each broker; what depends on it is on both."""


class Marked(NamedTuple):
    path: Path
    name: str
    fixtures: set[str]
    marks: list[tuple[str, object]]


def marks_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[tuple[str, object]]:
    for mark in function.decorator_list:
        if isinstance(mark, ast.Call) and ast.unparse(mark.func).startswith("pytest.mark.roger_"):
            yield ast.unparse(mark.func).rpartition(".")[2], ast.literal_eval(mark.args[0])


def functions(path: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    body = ast.parse(path.read_text()).body
    return [node for node in body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def asked(function: ast.FunctionDef | ast.AsyncFunctionDef) -> set[str]:
    return {argument.arg for argument in [*function.args.args, *function.args.kwonlyargs]}


def reaches(names: set[str], fixtures: dict[str, set[str]]) -> set[str]:
    """Return the fixtures that some need, and those that these need."""
    found: set[str] = set()
    while names:
        found |= names
        names = {inner for name in names for inner in fixtures.get(name, ())} - found
    return found


def marked() -> Iterator[Marked]:
    for path in sorted(TESTS.rglob("test_*.py")):
        shared = path.parent / "conftest.py"
        fixtures = {
            function.name: asked(function)
            for source in (shared, path)
            if source.exists()
            for function in functions(source)
            if any("fixture" in ast.unparse(mark) for mark in function.decorator_list)
        }
        for function in functions(path):
            if found := list(marks_of(function)):
                yield Marked(path, function.name, reaches(asked(function), fixtures), found)


MARKED = list(marked())


@pytest.mark.parametrize("line", LINES, ids=lambda line: f"line-{line}")
def test_every_line_of_roger_s_tests_has_a_test_on_both_brokers(line: int) -> None:
    tests = [test for test in MARKED if ("roger_line", line) in test.marks]
    assert tests, LINES[line]
    for test in tests:
        if line in OF_VALUES:
            assert "unit" in test.path.parts, f"{test.name} is about values"
        else:
            assert ON_BOTH in test.fixtures, f"{test.name} is not on both brokers"


def test_no_test_is_marked_with_a_line_that_does_not_exist() -> None:
    lines = {value for test in MARKED for kind, value in test.marks if kind == "roger_line"}

    assert lines <= set(LINES)


def faults() -> dict[str, str]:
    read = tomllib.loads(Path(__file__).with_name("roger_faults.toml").read_text())
    return {**read["seen"], **read["read"]}


def test_the_faults_seen_in_roger_are_twenty_one_and_seven_were_read_in_its_source() -> None:
    assert len(faults()) == 21 + 7


@pytest.mark.parametrize("fault", faults())
def test_every_fault_of_roger_s_has_a_test(fault: str) -> None:
    assert [test for test in MARKED if ("roger_fault", fault) in test.marks], faults()[fault]


def test_no_test_is_marked_with_a_fault_that_does_not_exist() -> None:
    names = {value for test in MARKED for kind, value in test.marks if kind == "roger_fault"}

    assert names <= set(faults())
