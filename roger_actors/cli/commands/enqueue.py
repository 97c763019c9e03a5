"""`roger-actors enqueue`: one job from the command line.

The class is looked up among those of the configured job modules; nothing is imported because an
argument names it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import attrs
import click

from roger_actors import Client
from roger_actors.cli.options import config_option, json_argument, json_option, need_job_modules
from roger_actors.cli.output import print_done, print_json
from roger_actors.errors import InvalidTime
from roger_actors.roger import Config, Job, JobRecord, Registry, load


@click.command()
@click.argument("partition")
@click.argument("job_class", metavar="CLASS")
@click.argument("args", metavar="ARGS-JSON")
@click.option("--queue", help="Queue type, instead of the class's own.")
@click.option("--delay", type=click.FloatRange(0), default=0.0, help="Seconds before it may start.")
@click.option(
    "--at",
    metavar="TIME",
    help="When it may start, instead: ISO 8601 with a zone, as 2027-01-31T09:00+01:00.",
)
@click.option(
    "--timeout", type=click.FloatRange(0, min_open=True), help="Seconds to wait for the broker's confirm."
)
@click.option("--id", "job_id", help="The job's id, instead of a random one.")
@config_option
@json_option
def command(
    *,
    partition: str,
    job_class: str,
    args: str,
    queue: str | None,
    delay: float,
    at: str | None,
    timeout: float | None,
    job_id: str | None,
    file: Path,
    as_json: bool,
) -> None:
    """Put a job of CLASS into PARTITION and print its id.

    CLASS is the registered name of a class in the file's job modules (myapp.jobs.Resize), or its
    last part where that is clear. ARGS-JSON is one JSON value; - reads it from the standard input.
    When this returns, the broker has the job on disk.
    """
    config = load(file)
    record = _create(config, job_class, json_argument(args), job_id)
    moment = None if at is None else _moment(at)
    with Client(config) as client:
        try:
            queued = client.enqueue(
                record, partition, override_queue=queue, delay=delay, at=moment, timeout=timeout
            )
        except InvalidTime as error:
            raise click.UsageError(str(error)) from None
    if as_json:
        print_json({"partition": partition, **attrs.asdict(queued)})
    else:
        print_done(queued.id)


def _moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise click.UsageError(f"--at is {text!r}, expected ISO 8601, as 2027-01-31T09:00+01:00") from None


def _create(config: Config, name: str, args: Any, job_id: str | None) -> JobRecord:
    need_job_modules(config)
    registry = Registry.load(config.jobs)
    job_class: type[Job] = registry.find(_registered(name, registry.names))
    return job_class.create(args, id=job_id)


def _registered(name: str, names: Sequence[str]) -> str:
    """Return the registered name that the command line means, itself or the end of one."""
    meant = [each for each in names if each == name or each.endswith(f".{name}")]
    if name in meant or len(meant) == 1:
        return name if name in meant else meant[0]
    if meant:
        raise click.UsageError(f"CLASS {name!r} may mean {' or '.join(meant)}")
    near = get_close_matches(name, [*names, *(each.rpartition(".")[2] for each in names)], n=1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(names) or 'none'}"
    raise click.UsageError(f"no job class {name!r} in the configured job modules; {hint}")
