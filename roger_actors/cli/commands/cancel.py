"""`roger-actors cancel`: a job that waits never starts, one that runs is killed."""

from __future__ import annotations

from pathlib import Path

import click

from roger_actors import Client
from roger_actors.cli import answers
from roger_actors.cli.options import config_option, json_option
from roger_actors.cli.output import print_done

WORDS = {
    "running": "it was running and is killed",
    "waiting": "it was waiting and will not start",
    "noted": "it will not start here",
    "not running here": "does not run the partition",
}
"""What a node says it did, for people."""


@click.command()
@click.argument("partition")
@click.argument("job_id")
@config_option
@json_option
def command(partition: str, job_id: str, file: Path, as_json: bool) -> int:
    """Cancel the job JOB_ID of PARTITION, waiting or running.

    When this returns, every live node has taken note, and the job does not start any more. Where no
    node runs, the cancel waits for the first one.
    """
    with Client(file) as client:
        told = client.cancel(job_id, partition)
    if not as_json and not told.values and not told.errors:
        print_done("cancelled; no node is running, the first one will find it")
        return 0
    return answers.report(told, "cancelled", as_json=as_json, words=WORDS)
