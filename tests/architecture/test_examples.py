"""The programs of `docs/examples` run and print what stands beside them; README and pages show them."""

from __future__ import annotations

import ast
import builtins
import importlib
import logging
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "docs" / "examples"
PAGES = ROOT / "docs" / "pages"
PROGRAMS = sorted(path.stem for path in EXAMPLES.glob("*.py") if path.with_suffix(".txt").exists())
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SNIPPET = re.compile(r'--8<-- "([^"]+)"')


def blocks(page: Path, language: str) -> list[str]:
    return [body for found, body in FENCE.findall(page.read_text()) if found == language]


@pytest.mark.examples
@pytest.mark.live
@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_prints_what_stands_beside_it(name: str, run_directory: Path) -> None:
    shutil.copytree(EXAMPLES, run_directory, dirs_exist_ok=True)

    done = subprocess.run(
        [sys.executable, "-W", "error", f"{name}.py"],
        cwd=run_directory,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )
    for path in run_directory.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    assert done.returncode == 0, done.stderr
    assert done.stdout == (EXAMPLES / f"{name}.txt").read_text()


@pytest.mark.examples
@pytest.mark.live
def test_the_examples_of_tests_pass(run_directory: Path) -> None:
    for path in EXAMPLES.glob("test_*.py"):
        shutil.copy(path, run_directory)

    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider"),
            *("-p", "roger_actors.testing.pytest_plugin", "."),
        ],
        cwd=run_directory,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )
    for path in run_directory.iterdir():
        path.unlink()

    assert done.returncode == 0, done.stdout


def test_the_readme_shows_the_two_programs_and_their_output() -> None:
    readme = ROOT / "README.md"
    programs = [(EXAMPLES / f"{name}.py").read_text() for name in ("first_process", "first_job")]
    outputs = [(EXAMPLES / f"{name}.txt").read_text() for name in ("first_process", "first_job")]

    assert blocks(readme, "python") == programs
    assert blocks(readme, "text")[:2] == outputs


def test_the_page_for_otp_programmers_shows_its_program_and_output() -> None:
    page = PAGES / "from-otp.md"

    assert blocks(page, "python") == [(EXAMPLES / "from_otp.py").read_text()]
    assert blocks(page, "text") == [(EXAMPLES / "from_otp.txt").read_text()]


def test_every_example_is_shown_on_a_page() -> None:
    shown = {name for page in PAGES.rglob("*.md") for name in SNIPPET.findall(page.read_text())}
    files = {
        path.relative_to(EXAMPLES).as_posix()
        for path in EXAMPLES.rglob("*")
        if path.suffix in {".py", ".toml", ".txt"}
    }

    assert (
        files - shown - {"first_job.py", "first_job.txt", "from_otp.py", "from_otp.txt", "test_counter.txt"}
        == set()
    )


PYTHON_BLOCKS = [
    pytest.param(body, id=f"{page.relative_to(PAGES)}-{number}")
    for page in sorted(PAGES.rglob("*.md"))
    for number, body in enumerate(blocks(page, "python"), 1)
    if not SNIPPET.search(body)
]


@pytest.mark.parametrize("block", PYTHON_BLOCKS)
def test_a_block_of_python_in_a_page_runs(block: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(builtins, "print", lambda *_: None)

    try:
        exec(compile(block, "page", "exec"), {"__name__": "page"})
    finally:
        logging.disable(logging.NOTSET)  # a block may switch reports off for what it shows


@pytest.mark.parametrize("path", sorted(EXAMPLES.rglob("*.py")), ids=lambda path: path.stem)
def test_an_example_imports_only_names_that_exist(path: Path) -> None:
    wanted = [
        (node.module or "", name.name)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("roger_actors")
        for name in node.names
    ]

    missing = [
        f"{module}.{name}" for module, name in wanted if not hasattr(importlib.import_module(module), name)
    ]

    assert wanted
    assert not missing
