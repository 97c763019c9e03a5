"""`roger-actors buried`: jobs that failed for good, kept with their cause."""

from __future__ import annotations

from pathlib import Path

import click

from roger_actors import Client
from roger_actors.cli import shelved
from roger_actors.cli.options import MOST, config_option, count_option, json_option, one_or_all


@click.group()
def command() -> None:
    """Look at jobs that failed for good; requeue or delete them."""


@command.command("list")
@click.argument("partition")
@count_option
@config_option
@json_option
def list_(partition: str, count: int, file: Path, as_json: bool) -> None:
    """List the buried jobs of PARTITION, oldest first."""
    with Client(file) as client:
        kept = client.buried(partition, count)
    shelved.print_list(kept, f"{partition} has no buried jobs", as_json=as_json, queues=False)


@command.command()
@click.argument("partition")
@click.argument("job_id")
@config_option
@json_option
def show(partition: str, job_id: str, file: Path, as_json: bool) -> None:
    """Show one buried job with its arguments, cause and stack trace."""
    with Client(file) as client:
        kept = client.buried(partition, MOST)
    shelved.print_one(kept, job_id, f"{partition}'s buried jobs", as_json=as_json)


@command.command()
@click.argument("partition")
@one_or_all("job_id")
@config_option
@json_option
def requeue(partition: str, job_id: str | None, file: Path, as_json: bool) -> None:
    """Give one buried job of PARTITION, or all, a fresh start from its first attempt."""
    with Client(file) as client:
        done = client.requeue_buried(partition, job_id)
    shelved.report(done, "requeued", job_id, f"{partition}'s buried jobs", as_json=as_json)


@command.command()
@click.argument("partition")
@one_or_all("job_id")
@config_option
@json_option
def delete(partition: str, job_id: str | None, file: Path, as_json: bool) -> None:
    """Delete one buried job of PARTITION, or all."""
    with Client(file) as client:
        done = client.delete_buried(partition, job_id)
    shelved.report(done, "deleted", job_id, f"{partition}'s buried jobs", as_json=as_json)
