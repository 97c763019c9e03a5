"""The pages: all in the menu, one sentence per line, commands and settings that exist."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import attrs
import pytest
from packaging.requirements import Requirement

from roger_actors import Config
from roger_actors.cli.app import COMMANDS

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "pages"
WRITTEN = sorted(path for path in PAGES.rglob("*.md"))
FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


def prose(page: Path) -> list[str]:
    """Return the lines of a page that are sentences: no code, table, heading or comment."""
    text = FENCED.sub("", page.read_text())
    return [line for line in text.splitlines() if line and not re.match(r"\s*([|#<:!]|\d+\.\s|- )", line)]


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: page.relative_to(PAGES).as_posix())
def test_a_page_is_in_the_menu(page: Path) -> None:
    menu = (ROOT / "docs" / "mkdocs.yml").read_text()

    assert page.relative_to(PAGES).as_posix() in menu


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: page.relative_to(PAGES).as_posix())
def test_a_page_has_one_sentence_per_line(page: Path) -> None:
    crowded = [line for line in prose(page) if re.search(r"[a-z)`][.?!] [A-Z]", line)]

    assert not crowded


def test_the_drawing_of_the_layers_shows_what_there_is() -> None:
    page = (PAGES / "explanation" / "architecture.md").read_text()
    drawing = page.split("```mermaid")[1].split("```")[0]
    drawn = set(re.findall(r"[a-z]+", drawing.replace("flowchart TD", "")))
    package = ROOT / "roger_actors"
    there = {
        path.stem for path in package.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()
    }

    assert drawn == there - {"__init__", "__main__"}


def test_every_file_that_a_page_names_is_there() -> None:
    package = ROOT / "roger_actors"
    named = {
        (page.name, name)
        for page in WRITTEN
        for name in re.findall(
            r"`(?:roger_actors/)?((?:\w+/)*\w+\.py|(?:roger|otp|broker|transport)/\w+/)`", page.read_text()
        )
    }
    elsewhere = {path.name for path in (ROOT / "docs" / "examples").rglob("*.py")}

    gone = {
        (page, name)
        for page, name in named
        if not (package / name).exists() and not (ROOT / name).exists() and name not in elsewhere
    }

    assert gone == set()


def test_every_command_is_on_the_page_of_the_command_line() -> None:
    page = (PAGES / "reference" / "cli.md").read_text()

    assert not [name for name in COMMANDS if not re.search(rf"`{name}\b", page)]


def test_every_setting_of_a_node_is_on_the_page_of_the_file_with_its_default() -> None:
    page = (PAGES / "reference" / "config.md").read_text()
    tables = {"log_level", "logging", "partitions", "supervision", "application"}
    rows = dict(re.findall(r"^\| `(\w+)` \|.*\| ([^|]+) \|$", page, re.MULTILINE))

    fields = [field for field in attrs.fields(Config) if field.name not in tables]
    plain = {
        f.name: f.default for f in fields if isinstance(f.default, int | float) and f.name != "max_payload"
    }

    assert {field.name for field in fields} - rows.keys() == set()
    assert {name: float(rows[name].strip("`")) for name in plain} == plain


def test_pins_are_within_the_ranges_that_users_get() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = (ROOT / ".ci" / "requirements.txt").read_text().splitlines()
    pins = dict(line.lower().split("==") for line in lines if "==" in line)

    for text in project["dependencies"]:
        wanted = Requirement(text)
        assert wanted.specifier.contains(pins[wanted.name.lower()]), text


def test_every_runtime_dependency_has_its_reason_on_the_page() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    page = (PAGES / "explanation" / "dependencies.md").read_text()
    names = [re.split(r"[<>=!\[]", text)[0] for text in project["dependencies"]]

    assert not [name for name in names if f"| {name} |" not in page]


def test_the_changelog_begins_with_what_is_unreleased() -> None:
    heads = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)

    assert heads[0] == "[Unreleased]"
