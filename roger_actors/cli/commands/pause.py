"""`roger-actors pause`: a queue's jobs wait until `resume`, on every node, through restarts."""

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
    """Stop starting the jobs of PARTITION's QUEUE, on every node, until `resume`.

    Jobs that run go on; jobs can still be enqueued. It holds through restarts.
    """
    with Client(file) as client:
        told = client.pause(queue_type, partition)
    if not as_json and not told.values and not told.errors:
        print_done("paused; no node is running")
        return 0
    return answers.report(told, f"paused {partition} {queue_type}", as_json=as_json)
