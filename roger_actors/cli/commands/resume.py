"""`roger-actors resume`: undo `pause`."""

from __future__ import annotations

from pathlib import Path

import click

from roger_actors import Client
from roger_actors.cli import answers
from roger_actors.cli.options import config_option, json_option
from roger_actors.cli.output import print_done


@click.command()
@click.argument("partition")
@click.argument("queue_type", metavar="QUEUE")
@config_option
@json_option
def command(partition: str, queue_type: str, file: Path, as_json: bool) -> int:
    """Start the jobs of PARTITION's paused QUEUE again, on every node."""
    with Client(file) as client:
        told = client.resume(queue_type, partition)
    if not as_json and not told.values and not told.errors:
        print_done("resumed; no node is running")
        return 0
    return answers.report(told, f"resumed {partition} {queue_type}", as_json=as_json)
