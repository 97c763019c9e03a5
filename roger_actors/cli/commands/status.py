"""`roger-actors status`: where a job is; with `--wait`, how it ended."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import attrs
import click

from roger_actors import Client
from roger_actors.cli.options import config_option, json_option
from roger_actors.cli.output import clean, print_done, print_json
from roger_actors.roger import JobNotEnded, JobStatus

WORDS = {
    "running": "runs",
    "taken": "waits for a worker host",
    "waiting": "waits for its execution key",
    "retrying": "has failed and is tried again",
    "done": "is done",
    "failed": "has failed for good",
    "buried": "is buried",
    "parked": "is parked: no running node knows its class",
    "cancelled": "is cancelled",
    "dropped": "was dropped: another job has its queue key",
    "unseen": "has not been seen: it is in its queue, delayed, unknown, or gone long ago",
}
"""Each state, for people."""


@click.command()
@click.argument("partition")
@click.argument("job_id")
@click.option("--wait", "seconds", type=float, help="Wait up to so many seconds for its end.")
@config_option
@json_option
def command(partition: str, job_id: str, seconds: float | None, file: Path, as_json: bool) -> int:
    """Say where the job JOB_ID of PARTITION is.

    With --wait the exit status is 0 if it was done, 3 if it ended otherwise, 1 if it did not end in time.
    """
    try:
        with Client(file) as client:
            if seconds is None:
                found = client.jobs.status(job_id, partition)
            else:
                found = client.jobs.wait(job_id, partition, seconds)
    except JobNotEnded as error:
        raise click.ClickException(clean(str(error))) from error
    if as_json:
        print_json(attrs.asdict(found))
    else:
        print_done(_sentence(found))
    return 0 if seconds is None or found.state == "done" else 3


def _sentence(found: JobStatus) -> str:
    parts = [WORDS[found.state]]
    if found.node:
        parts.append(f"on {clean(found.node)}" if found.state in ("running", "taken", "waiting") else "")
    if found.since:
        parts.append(f"since {datetime.fromtimestamp(found.since, UTC):%Y-%m-%d %H:%M:%S} UTC")
    if found.retry_count:
        parts.append(f"(attempt {found.retry_count + 1})")
    if found.cause:
        parts.append(f": {clean(found.cause.splitlines()[0])}")
    return f"{clean(found.id)} " + " ".join(part for part in parts if part)
