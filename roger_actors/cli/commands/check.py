"""`roger-actors check FILE`: everything that is wrong with a supervision-tree file, at once."""

from __future__ import annotations

from pathlib import Path

import click

from roger_actors.cli.options import file_argument, json_option
from roger_actors.cli.output import clean, print_facts, print_json
from roger_actors.errors import ConfigError, InvalidConfig
from roger_actors.roger import Config, check_imports, load


@click.command()
@file_argument
@click.option("--no-import", is_flag=True, help="Do not try to import the job modules and classes.")
@json_option
def command(file: Path, no_import: bool, as_json: bool) -> int:
    """Say everything that is wrong with a supervision-tree file.

    Each fault is one line, "key: got ..., expected ...". Exit status 2 if there is any. The modules
    and classes that the file names are imported, as a node would; --no-import leaves that out.
    """
    config, problems = _checked(file, imports=not no_import)
    if as_json:
        print_json({"file": str(file), "ok": not problems, "problems": [_plain(each) for each in problems]})
    elif config is None or problems:
        for problem in problems:
            print(clean(str(problem)))
    else:
        _print_summary(file, config)
    return 2 if problems else 0


def _checked(file: Path, *, imports: bool) -> tuple[Config | None, list[ConfigError]]:
    try:
        config = load(file)
    except InvalidConfig as error:
        return None, list(error.problems)
    return config, check_imports(config) if imports else []


def _plain(problem: ConfigError) -> dict[str, str]:
    return {
        "key": problem.key,
        "got": repr(problem.value),
        "expected": problem.expected,
        "message": str(problem),
    }


def _print_summary(file: Path, config: Config) -> None:
    queues = [workers for partition in config.partitions.values() for workers in partition.values()]
    print(f"{file}: ok")
    print_facts(
        {
            "  node": config.name,
            "  broker": config.redacted_broker,
            "  jobs": ", ".join(config.jobs),
            "  partitions": ", ".join(config.partitions),
            "  queues": f"{len(queues)}, {sum(queues)} jobs at once",
            "  children": ", ".join(child.id for child in config.children),
        }
    )
