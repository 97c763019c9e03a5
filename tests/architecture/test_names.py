"""The names: one home for each, no rooms for leftovers, and a docstring on all that is public."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import roger_actors

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "roger_actors"
BANNED_MODULES = {"utils", "util", "common", "helpers", "helper", "misc", "core", "base_utils", "stuff"}
MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(roger_actors.__path__, "roger_actors.")
    if not module.name.endswith("__main__")
)
FRONTS = ["roger_actors"] + [
    f"roger_actors.{name}" for name in ("otp", "transport", "broker", "roger", "testing")
]


def test_no_module_is_a_room_for_leftovers() -> None:
    found = [name for name in MODULES if BANNED_MODULES & set(name.split("."))]

    assert not found


def test_every_folder_of_modules_is_a_package() -> None:
    folders = {path.parent for path in PACKAGE.rglob("*.py")}

    assert not [str(folder.relative_to(ROOT)) for folder in folders if not (folder / "__init__.py").exists()]


def test_no_folder_holds_more_than_fourteen_entries() -> None:
    crowded = {}
    for folder in {path.parent for path in PACKAGE.rglob("*.py")} - {PACKAGE}:
        entries = [e.name for e in folder.iterdir() if e.name not in {"__init__.py", "__pycache__"}]
        if len(entries) > CROWDED.get(folder.relative_to(PACKAGE).as_posix(), 14):
            crowded[folder.relative_to(ROOT).as_posix()] = len(entries)

    assert not crowded


CROWDED = {"cli/commands": 22, "otp": 24, "transport/thespian": 18}
"""Folders that may hold more entries than fourteen. The binding to Thespian stands behind one door: its
parts (link, hub, children, heartbeat …) are used by nobody else, so a folder below would hide none. In
`otp` each behaviour has a file under its OTP name, as in Erlang and Elixir, and in `cli/commands` each
command one."""


@pytest.mark.parametrize("front", FRONTS)
def test_the_public_names_of_a_layer_are_sorted_and_there(front: str) -> None:
    module = importlib.import_module(front)
    names = list(module.__all__)

    missing = [name for name in names if not hasattr(module, name)]

    assert not missing
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("front", FRONTS)
def test_every_public_class_and_function_has_a_docstring(front: str) -> None:
    module = importlib.import_module(front)

    silent = [
        name
        for name in module.__all__
        if (inspect.isclass(value := getattr(module, name)) or inspect.isfunction(value))
        and not inspect.getdoc(value)
    ]

    assert not silent


@pytest.mark.parametrize("name", MODULES)
def test_every_module_says_what_it_is_for(name: str) -> None:
    spec = importlib.util.find_spec(name)
    assert spec is not None
    assert spec.origin is not None

    doc = ast.get_docstring(ast.parse(Path(spec.origin).read_text()))

    assert doc, "no module docstring"
    assert doc.splitlines()[0].endswith((".", ":", ")")), "the first line is a sentence"


def test_everything_public_has_a_docstring() -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("interrogate"), "-v", "roger_actors"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert done.returncode == 0, done.stdout


def test_no_comment_promises_work_for_later() -> None:
    marks = ("TODO", "FIXME", "XXX", "HACK")
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in PACKAGE.rglob("*.py")
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if "#" in line and any(mark in line.partition("#")[2].split() for mark in marks)
    ]

    assert not found
