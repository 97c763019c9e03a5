"""What several commands share: where the configuration is, and whether to print JSON."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from roger_actors.roger import Config, load

F = TypeVar("F", bound=Callable[..., Any])

DEFAULT_FILE = "roger.toml"
VARIABLE = "ROGER_CONFIG"
PATH = click.Path(path_type=Path)


def file_argument(function: F) -> F:
    """Add the argument FILE, by default `$ROGER_CONFIG` or `roger.toml`."""
    return click.argument("file", type=PATH, required=False, callback=_given_or_default)(function)


def config_option(function: F) -> F:
    """Add the option `--config FILE`, by default `$ROGER_CONFIG` or `roger.toml`."""
    return click.option(
        "-c",
        "--config",
        "file",
        type=PATH,
        metavar="FILE",
        callback=_given_or_default,
        help=f"Supervision-tree file.  [default: ${VARIABLE} or {DEFAULT_FILE}]",
    )(function)


def json_option(function: F) -> F:
    """Add the flag `--json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON for a program.")(function)


def count_option(function: F) -> F:
    """Add the option `-n COUNT`."""
    return click.option(
        "-n",
        "--count",
        type=click.IntRange(1, 10_000),
        default=100,
        show_default=True,
        help="At most so many.",
    )(function)


def read(file: Path) -> Config:
    """Return the checked configuration of a file."""
    return load(file)


def _given_or_default(_ctx: click.Context, _parameter: click.Parameter, value: Path | None) -> Path:
    return value if value is not None else Path(os.environ.get(VARIABLE) or DEFAULT_FILE)
