"""`roger-actors partitions`: start, stop, reconfigure and delete tenants while nodes run.

What is changed here lasts until the node ends or reloads its file; `delete` is for good.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from roger_actors import Client
from roger_actors.cli import answers
from roger_actors.cli.commands.info import partition_rows
from roger_actors.cli.options import config_option, json_option
from roger_actors.cli.output import print_json, print_table
from roger_actors.roger import load

node_option = click.option("--node", help="Only on the node of this name.  [default: on all]")
queues_argument = click.argument("queues", metavar="QUEUE=WORKERS...", nargs=-1, required=True)


@click.group()
def command() -> None:
    """Start, stop, reconfigure and delete partitions at run time."""


@command.command("list")
@config_option
@json_option
def list_(file: Path, as_json: bool) -> None:
    """List the partitions of every node with their queues."""
    config = load(file)
    with Client(config) as client:
        told = client.info()
    answers.need_one(told, config.redacted_broker)
    if as_json:
        print_json({node: info["partitions"] for node, info in told.values.items()})
        return
    columns, rows = partition_rows(told.values)
    print_table(columns, rows, "no partitions")


@command.command()
@click.argument("partition")
@queues_argument
@node_option
@config_option
@json_option
def start(partition: str, queues: tuple[str, ...], node: str | None, file: Path, as_json: bool) -> int:
    """Run PARTITION with these queues, e.g. `default=10 images=2`; 0 declares without consuming.

    The list is complete: when the partition runs already, queues that are left out are closed.
    """
    return _run(file, partition, queues, node=node, done=f"started {partition}", as_json=as_json)


@command.command()
@click.argument("partition")
@queues_argument
@node_option
@config_option
@json_option
def reconfigure(partition: str, queues: tuple[str, ...], node: str | None, file: Path, as_json: bool) -> int:
    """Give PARTITION another, complete set of queues."""
    return _run(file, partition, queues, node=node, done=f"reconfigured {partition}", as_json=as_json)


@command.command()
@click.argument("partition")
@click.option("--now", is_flag=True, help="Kill its running jobs; they run again elsewhere.")
@node_option
@config_option
@json_option
def stop(partition: str, now: bool, node: str | None, file: Path, as_json: bool) -> int:
    """Stop PARTITION: take no more jobs, let those that run finish."""
    return _ask(
        file,
        "stop_partition",
        partition,
        node=node,
        safe=not now,
        done=f"stopped {partition}",
        as_json=as_json,
    )


@command.command()
@click.argument("partition")
@click.argument("queue_types", metavar="[QUEUE]...", nargs=-1)
@click.confirmation_option("--yes", prompt="Delete its queues with all jobs in them?")
@config_option
@json_option
def delete(partition: str, queue_types: tuple[str, ...], file: Path, as_json: bool) -> int:
    """Stop PARTITION on every node and delete all it owns: queues, jobs, keys.

    Name its queues where no node runs it any more; those that nodes know are deleted anyway.
    """
    return _ask(
        file,
        "delete_partition",
        partition,
        queue_types=list(queue_types),
        done=f"deleted {partition}",
        as_json=as_json,
    )


def _run(
    file: Path, partition: str, queues: Sequence[str], *, node: str | None, done: str, as_json: bool
) -> int:
    """Have a partition run with these queues, whether it runs already or not."""
    wanted = _read(queues)
    return _ask(file, "start_partition", partition, node=node, queues=wanted, done=done, as_json=as_json)


def _ask(
    file: Path,
    operation: str,
    partition: str,
    *,
    node: str | None = None,
    done: str,
    as_json: bool,
    **args: Any,
) -> int:
    config = load(file)
    with Client(config) as client:
        told = client.ask_nodes(operation, partition=partition, node=node, **args)
    answers.need_one(told, config.redacted_broker)
    if node is not None and node not in {*told.values, *told.errors}:
        raise click.UsageError(f"no node is called {node!r}; there are {', '.join(sorted(told.values))}")
    return answers.report(told, done, as_json=as_json)


def _read(queues: Sequence[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for each in queues:
        name, sign, workers = each.partition("=")
        if not sign or not workers.isdecimal() or name in found:
            raise click.UsageError(f"QUEUE=WORKERS: got {each!r}, expected e.g. default=10, each queue once")
        found[name] = int(workers)
    return found
