"""`roger-actors buried`: jobs that failed for good, kept with their cause."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import attrs
import click

from roger_actors import Client
from roger_actors.cli import shelved
from roger_actors.cli.options import (
    MOST,
    config_option,
    count_option,
    json_argument,
    json_option,
    need_job_modules,
    some_or_all,
)
from roger_actors.cli.output import print_done, print_json
from roger_actors.roger import load

STAYS: Final = "its queue key is taken by another job, or its queue is gone"
"""Why a job that was to be requeued is still buried."""


@click.group()
def command() -> None:
    """Look at jobs that failed for good; requeue, edit or delete them."""


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
@some_or_all("job_id")
@config_option
@json_option
def requeue(partition: str, job_id: tuple[str, ...] | None, file: Path, as_json: bool) -> None:
    """Give buried jobs of PARTITION, or all, a fresh start from their first attempt."""
    with Client(file) as client:
        before = client.buried(partition, MOST)
        done = client.requeue_buried(partition, job_id)
        after = client.buried(partition, MOST)
    stays = shelved.in_both(before, after), STAYS
    shelved.report(done, "requeued", job_id, f"{partition}'s buried jobs", stays=stays, as_json=as_json)


@command.command()
@click.argument("partition")
@click.argument("job_id")
@click.argument("args", metavar="ARGS-JSON")
@config_option
@json_option
def edit(partition: str, job_id: str, args: str, file: Path, as_json: bool) -> None:
    """Give one buried job of PARTITION other arguments and a fresh start.

    ARGS-JSON is one JSON value; - reads it from the standard input. The job keeps its id. Its keys are
    computed anew if its class is in the file's job modules, and else stay as they are.
    """
    config = load(file)
    value = json_argument(args)
    need_job_modules(config)
    with Client(config) as client:
        queued = client.edit_buried(partition, job_id, value)
    if as_json:
        print_json({"partition": partition, **attrs.asdict(queued)})
    else:
        print_done(f"requeued {queued.id}")


@command.command()
@click.argument("partition")
@some_or_all("job_id")
@config_option
@json_option
def delete(partition: str, job_id: tuple[str, ...] | None, file: Path, as_json: bool) -> None:
    """Delete buried jobs of PARTITION, or all."""
    with Client(file) as client:
        done = client.delete_buried(partition, job_id)
    shelved.report(done, "deleted", job_id, f"{partition}'s buried jobs", as_json=as_json)
