"""Everything that can be said of a supervision-tree file before it is started, in one run.

Source:
    New here; what OTP refuses when a supervisor starts is refused by the same functions.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Literal

import attrs

from roger_actors.errors import ConfigError, InvalidConfig
from roger_actors.otp import Application
from roger_actors.roger.config.tree_file import check_imports
from roger_actors.roger.config.value import Config
from roger_actors.settings import line_of, lines_of, read_tables

_TABLES_OF_APPLICATIONS: Final = {"application", "children", "supervision"}


@attrs.frozen
class Problem:
    """One thing that is wrong in a file.

    Attributes:
        severity: `error`: it would not start, or not as it says; `warning`: it would, and be regretted.
        error: The key, what it is and what was expected; for some also what OTP calls it.
        line: Where it stands; None for what stands nowhere.
    """

    severity: Literal["error", "warning"]
    error: ConfigError
    line: int | None

    def __str__(self) -> str:
        """Return it without the file: the line is told apart."""
        return str(self.error) if self.severity == "error" else f"warning: {self.error}"


@attrs.frozen
class Checked:
    """What a check has found.

    Attributes:
        subject: What the file describes, None if that cannot be read.
        problems: In the order of the file, errors and warnings.
    """

    subject: Config | Application | None
    problems: tuple[Problem, ...]


def check(path: str | os.PathLike[str], *, imports: bool = True) -> Checked:
    """Return everything that is wrong with a file: of a node, or of an application alone.

    Args:
        path: The TOML file. One without `[node]` that has `[application]` or `[[children]]` is an
            application's; every other is a node's.
        imports: Whether to import what it names, and try whether that can be started. This runs the
            top-level code of the user's modules in this process.
    """
    file = Path(path)
    try:
        tables = read_tables(file)
    except InvalidConfig as error:
        return Checked(None, tuple(Problem("error", problem, None) for problem in error.problems))
    lines = lines_of(file.read_text())
    subject, errors = _read(file, tables)
    if imports:
        errors += _trial(subject)
    told = {str(error): error for error in errors}  # reading and trying may find the same
    problems = [
        *(Problem("error", error, line_of(lines, error.key)) for error in told.values()),
        *(Problem("warning", warning, line_of(lines, warning.key)) for warning in _advice(subject)),
    ]
    return Checked(subject, tuple(sorted(problems, key=lambda problem: problem.line or 0)))


def _read(file: Path, tables: dict[str, Any]) -> tuple[Config | Application, list[ConfigError]]:
    if {"application", "children"} & tables.keys() and tables.keys() <= _TABLES_OF_APPLICATIONS:
        return Application.as_far_as_good(tables, environ=os.environ)
    return Config.as_far_as_good(tables, directory=file.parent.resolve(), environ=os.environ)


def _trial(subject: Config | Application) -> list[ConfigError]:
    return check_imports(subject) if isinstance(subject, Config) else subject.trial()


def _advice(subject: Config | Application) -> Iterator[ConfigError]:
    application = subject.application if isinstance(subject, Config) else subject
    yield from application.advice()
    value = application.flags.auto_shutdown
    if isinstance(subject, Config) and value != "never":
        expected = "'never': the app host is a permanent child, and is started again as soon as it has ended"
        yield ConfigError(key="supervision.children.auto_shutdown", value=value, expected=expected)
