"""`roger-actors partitions`: start, stop, reconfigure and delete tenants while nodes run.

What is changed here lasts until the node ends or reloads its file; `delete` is for good.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import click

from roger_actors import Client
from roger_actors.cli import answers
from roger_actors.cli.commands.info import partition_rows
from roger_actors.cli.options import config_option, json_option
from roger_actors.cli.output import print_json, print_table
from roger_actors.roger import Answers, load

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
    wanted = _read(queues)
    return _do(
        file,
        lambda client: client.partition.start(partition, wanted, node=node),
        node=node,
        done=f"started {partition}",
        as_json=as_json,
    )


@command.command()
@click.argument("partition")
@queues_argument
@node_option
@config_option
@json_option
def reconfigure(partition: str, queues: tuple[str, ...], node: str | None, file: Path, as_json: bool) -> int:
    """Give PARTITION another, complete set of queues on the nodes that have it."""
    wanted = _read(queues)
    return _do(
        file,
        lambda client: client.partition.reconfigure(partition, wanted, node=node),
        node=node,
        done=f"reconfigured {partition}",
        as_json=as_json,
    )


@command.command()
@click.argument("partition")
@click.option("--now", is_flag=True, help="Kill its running jobs; they run again elsewhere.")
@node_option
@config_option
@json_option
def stop(partition: str, now: bool, node: str | None, file: Path, as_json: bool) -> int:
    """Stop PARTITION: take no more jobs, let those that run finish."""

    def stop_it(client: Client) -> Answers:
        end = client.partition.stop if now else client.partition.safe_stop
        return end(partition, node=node)

    return _do(file, stop_it, node=node, done=f"stopped {partition}", as_json=as_json)


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
    return _do(
        file,
        lambda client: client.partition.delete(partition, queue_types),
        done=f"deleted {partition}",
        as_json=as_json,
    )


def _do(
    file: Path, act: Callable[[Client], Answers], *, node: str | None = None, done: str, as_json: bool
) -> int:
    config = load(file)
    with Client(config) as client:
        told = act(client)
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
