"""Sizes: printed as a report (`pytest -rP`), with a hard limit on what the report would hide.

Code lines leave out blank lines, comments and docstrings; a nested function counts as part of the function
that holds it.
"""

from __future__ import annotations

import ast
import io
import statistics
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "roger_actors"

MODULE_LINES = 450
MODULE_CODE = 300
FUNCTION_CODE = 40
POSITIONAL = 5
MEDIAN, P95 = 8, 25

OUTLIERS: dict[str, str] = {
    "broker/amqp/publisher.py": "confirms, returns, the window and repeats share one sequence of numbers",
    "broker/embedded/engine.py": "what is done in one SQLite transaction, one method each",
    "otp/runtime/remote.py": "what one host says to another and hears from it is one protocol",
    "transport/thespian/actors.py:_startChildActor": "Thespian calls it with these arguments",
    "transport/thespian/node.py:start_node": "steps of which each must be undone when a later one fails",
    "transport/thespian/transport.py": "all that Thespian asks of a transport is one class",
}
"""`module.py` or `module.py:function` that is over a limit, with the reason why it is not split."""

NO_CODE = {
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
    tokenize.COMMENT,
}
Function = ast.FunctionDef | ast.AsyncFunctionDef


def code_lines(source: str, tree: ast.AST) -> set[int]:
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in NO_CODE:
            lines.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        for statement in body if isinstance(body, list) else []:
            # A bare string is a docstring, of the thing or of the attribute above it.
            if isinstance(statement, ast.Expr) and isinstance(getattr(statement.value, "value", None), str):
                lines.difference_update(range(statement.lineno, (statement.end_lineno or 0) + 1))
    return lines


def functions(node: ast.AST) -> Iterator[Function]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Function):
            if not any("overload" in ast.unparse(mark) for mark in child.decorator_list):
                yield child
        else:
            yield from functions(child)


def measure() -> tuple[list[str], list[int]]:
    """Return what is over a limit, and the code lines of every function."""
    faults, sizes = [], []
    for path in sorted(PACKAGE.rglob("*.py")):
        source = path.read_text()
        tree = ast.parse(source)
        code = code_lines(source, tree)
        name = path.relative_to(PACKAGE).as_posix()
        if name not in OUTLIERS:
            faults += [f"{name}: {n} lines" for n in [source.count("\n")] if n > MODULE_LINES]
            faults += [f"{name}: {n} code lines" for n in [len(code)] if n > MODULE_CODE]
        for function in functions(tree):
            size = len(code & set(range(function.lineno, (function.end_lineno or 0) + 1)))
            sizes.append(size)
            if f"{name}:{function.name}" in OUTLIERS:
                continue
            positional = [
                a for a in function.args.posonlyargs + function.args.args if a.arg not in {"self", "cls"}
            ]
            faults += [f"{name}:{function.name}: {size} code lines"] if size > FUNCTION_CODE else []
            faults += [f"{name}:{function.name}: {n} positional" for n in [len(positional)] if n > POSITIONAL]
    return faults, sizes


def test_modules_and_functions_keep_to_the_limits(capsys: pytest.CaptureFixture[str]) -> None:
    faults, sizes = measure()

    with capsys.disabled():
        print(
            f" [{len(sizes)} functions, median {statistics.median(sizes)}, longest {max(sizes)} code lines] ",
            end="",
        )

    assert not faults, "\n".join(faults)


def test_functions_are_short_on_the_whole() -> None:
    _, sizes = measure()

    assert statistics.median(sizes) <= MEDIAN
    assert statistics.quantiles(sizes, n=20)[-1] <= P95


def test_every_outlier_still_exists() -> None:
    gone = []
    for entry in OUTLIERS:
        name, _, function = entry.partition(":")
        path = PACKAGE / name
        known = {f.name for f in functions(ast.parse(path.read_text()))} if path.exists() else set()
        if not path.exists() or (function and function not in known):
            gone.append(entry)

    assert not gone
