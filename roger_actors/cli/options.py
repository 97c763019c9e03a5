"""What several commands share: where the configuration is, and whether to print JSON."""

from __future__ import annotations

import functools
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar, cast

import click

from roger_actors.errors import InvalidConfig
from roger_actors.roger import Config, check_imports, load

F = TypeVar("F", bound=Callable[..., Any])

MOST: Final = 10_000
"""Messages that one look at a shelf goes through."""
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


def node_option(function: F) -> F:
    """Add the option `--node NAME`: a running node of this machine, by default the one of the file."""

    @functools.wraps(function)
    def with_name(*args: Any, file: Path, node: str | None, **kwargs: Any) -> Any:
        if node is None and not file.exists():
            raise click.UsageError(f"which node? Give --node NAME, or its file with -c: there is no {file}")
        return function(*args, node=node or load(file).name, **kwargs)

    option = click.option("--node", metavar="NAME", help="The running node, instead of the one of FILE.")
    return config_option(option(cast("F", with_name)))


def name_of(file: Path) -> str:
    """Return the name of the node that an argument means: a configuration file, or the name itself."""
    is_name = not file.exists() and file.suffix != ".toml" and len(file.parts) == 1
    return str(file) if is_name else load(file).name


def timeout_option(function: F) -> F:
    """Add the option `--timeout SECONDS`, for which the hosts of a node have time to answer."""
    return click.option(
        "--timeout",
        type=click.FloatRange(0.1, 60.0),
        default=2.0,
        show_default=True,
        help="Seconds that a host has to answer; one that does not is shown as it stands.",
    )(function)


def count_option(function: F) -> F:
    """Add the option `-n COUNT`."""
    return click.option(
        "-n",
        "--count",
        type=click.IntRange(1, MOST),
        default=100,
        show_default=True,
        help="At most so many.",
    )(function)


def json_argument(text: str) -> Any:
    """Return what the argument ARGS-JSON means; `-` reads it from the standard input."""
    text = sys.stdin.read() if text == "-" else text
    try:
        return json.loads(text)
    except ValueError as error:
        raise click.UsageError(f"ARGS-JSON is no JSON: {error}: {text[:60]!r}") from None
    except RecursionError:
        raise click.UsageError("ARGS-JSON is nested too deeply") from None


def need_job_modules(config: Config) -> None:
    """See that the job modules of a configuration can be imported.

    Raises:
        InvalidConfig: One cannot; lists all.
    """
    problems = check_imports(config, children=False)
    if problems:
        raise InvalidConfig(source=problems[0].key, problems=tuple(problems))


def some_or_all(name: str) -> Callable[[F], F]:
    """Add an argument for some messages and the flag `--all`; the command gets the ids, None for all."""

    def add(function: F) -> F:
        @functools.wraps(function)
        def with_choice(*args: Any, take_all: bool, **kwargs: Any) -> Any:
            ids = tuple(dict.fromkeys(kwargs.pop(name))) or None
            if take_all == (ids is not None):
                raise click.UsageError(f"give {name.upper()} or --all")
            return function(*args, **{name: ids}, **kwargs)

        argument = click.argument(name, nargs=-1)
        option = click.option("--all", "take_all", is_flag=True, help="All of them.")
        return argument(option(cast("F", with_choice)))

    return add


def _given_or_default(_ctx: click.Context, _parameter: click.Parameter, value: Path | None) -> Path:
    file = value if value is not None else Path(os.environ.get(VARIABLE) or DEFAULT_FILE)
    directory = str(file.parent.resolve())
    if not sys.flags.safe_path and directory not in sys.path:
        sys.path.insert(1, directory)  # behind the working directory; a node that is started has the same
    return file
