"""`roger-actors check FILE`: everything that is wrong with a supervision-tree file, at once."""

from __future__ import annotations

from pathlib import Path

import click

from roger_actors import Application
from roger_actors.cli.options import file_argument, json_option
from roger_actors.cli.output import clean, print_facts, print_json
from roger_actors.roger import Checked, Config, Problem, check
from roger_actors.settings import place


@click.command()
@file_argument
@click.option("--no-import", is_flag=True, help="Do not try to import the job modules and classes.")
@click.option("--strict", is_flag=True, help="Take warnings for errors.")
@json_option
def command(file: Path, no_import: bool, strict: bool, as_json: bool) -> int:
    """Say everything that is wrong with a supervision-tree file.

    Each fault is one line, "file:line: key: got ..., expected ... (what OTP calls it)". Exit status 2
    if there is any; warnings alone are status 0, or 2 with --strict. The modules and classes that the
    file names are imported, as a node would; --no-import leaves that out.
    """
    checked = check(file, imports=not no_import)
    wrong = [each for each in checked.problems if strict or each.severity == "error"]
    if as_json:
        problems = [_plain(each) for each in checked.problems]
        print_json({"file": str(file), "ok": not wrong, "problems": problems})
        return 2 if wrong else 0
    for problem in checked.problems:
        print(clean(f"{place(str(file), problem.error.key, problem.line)}{problem}"))
    if not wrong:
        _print_summary(file, checked)
    return 2 if wrong else 0


def _plain(problem: Problem) -> dict[str, object]:
    error = problem.error
    return {
        "severity": problem.severity,
        "line": problem.line,
        "key": error.key,
        "got": repr(error.value),
        "expected": error.expected,
        "kind": error.data.get("kind"),
        "message": str(error),
    }


def _print_summary(file: Path, checked: Checked) -> None:
    print(f"{file}: ok")
    match checked.subject:
        case Config() as config:
            queues = [workers for partition in config.partitions.values() for workers in partition.values()]
            print_facts(
                {
                    "  node": config.name,
                    "  broker": config.redacted_broker,
                    "  jobs": ", ".join(config.jobs),
                    "  partitions": ", ".join(config.partitions),
                    "  queues": f"{len(queues)}, {sum(queues)} jobs at once",
                    "  children": _children(config.application),
                }
            )
        case Application() as application:
            print_facts({"  application": application.name, "  children": _children(application)})


def _children(application: Application) -> str:
    if application.callback is not None:
        return f"those of {application.callback.path}"
    return ", ".join(str(child.id) for child in application.children)
