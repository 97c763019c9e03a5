"""Who may import whom, and how little `import roger_actors` costs."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "roger_actors"


def run_python(code: str) -> str:
    # Measuring coverage in the subprocess would load sqlite3 itself.
    plain = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    done = subprocess.run(
        [sys.executable, "-c", code], env=plain, capture_output=True, text=True, check=False, timeout=30
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_import_contracts_hold() -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("heavy", ["pika", "thespian", "sqlite3", "click", "rich"])
def test_importing_the_package_does_not_load(heavy: str) -> None:
    loaded = run_python("import sys, roger_actors; print(*sys.modules)").split()

    assert heavy not in loaded


@pytest.mark.parametrize("heavy", ["pika", "thespian", "sqlite3", "multiprocessing"])
def test_importing_the_otp_layer_does_not_load(heavy: str) -> None:
    loaded = run_python("import sys, roger_actors.otp; print(*sys.modules)").split()

    assert heavy not in loaded


FOR_TYPES_ALONE = {
    "bootstrap.py": "the handle's type; thespian is loaded when a node is started",
    "otp/runtime/remote.py": "a part of the runtime that has a file of its own",
    "otp/runtime/scheduler.py": "the same",
    "otp/runtime/records.py": "a process knows its runtime, which is made of parts",
    "otp/serving/server_process.py": "the running half of a GenServer, which starts it",
}
"""Modules besides the lazy fronts that may import under TYPE_CHECKING, with the reason."""


def test_nothing_else_is_imported_for_types_alone() -> None:
    guarded = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
    }

    fronts = {name for name in guarded if name.endswith("__init__.py")}

    assert guarded - fronts == set(FOR_TYPES_ALONE), (
        "a type that is needed is a dependency: import it for real"
    )
