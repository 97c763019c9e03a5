"""What live nodes answered to a command, as lines and as an exit status."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import click

from roger_actors.cli.output import clean, print_done, print_json
from roger_actors.roger import Answers

NOT_ASKED: Final = "not asked"
"""What a node answers that was not the one named with `--node`."""


def as_mapping(answers: Answers) -> dict[str, Any]:
    """Return the answers as builtins, for JSON."""
    return {"nodes": answers.values, "errors": answers.errors, "missing": list(answers.missing)}


def need_one(answers: Answers, broker: str) -> None:
    """End the command with an error when no node has answered."""
    if not answers.values and not answers.errors:
        raise click.ClickException(f"no node answers on {broker}")


def report(
    answers: Answers, done: str, *, as_json: bool, words: Mapping[str, str] = MappingProxyType({})
) -> int:
    """Print what the nodes made of a command.

    Args:
        answers: Theirs.
        done: What each that did it has done, in words.
        as_json: Whether to print JSON.
        words: What to print for an answer, instead of the answer itself.

    Returns:
        The exit status: 1 if a node refused, or did not answer in time.
    """
    if as_json:
        print_json(as_mapping(answers))
        return _status(answers)
    for node, value in sorted(answers.values.items()):
        if value != NOT_ASKED:
            said = words.get(value, value) if isinstance(value, str) and value != "ok" else done
            print_done(f"{node}: {said}")
    print_failures(answers)
    return _status(answers)


def print_failures(answers: Answers) -> None:
    """Say on the error stream which nodes refused and which were silent."""
    for node, error in sorted(answers.errors.items()):
        print(f"error: {clean(node)}: {clean(error)}", file=sys.stderr)
    for node in answers.missing:
        print(f"error: {clean(node)}: did not answer in time", file=sys.stderr)


def _status(answers: Answers) -> int:
    return 1 if answers.errors or answers.missing else 0
