"""`roger-actors parked`: well-formed jobs of classes that no running node knows."""

from __future__ import annotations

from pathlib import Path

import click

from roger_actors import Client
from roger_actors.cli import shelved
from roger_actors.cli.options import config_option, count_option, json_option


@click.group()
def command() -> None:
    """Look at jobs of classes that no running node knows.

    They are of a newer release, or their module is not in `jobs`; nodes try them again by themselves.
    """


@command.command("list")
@count_option
@config_option
@json_option
def list_(count: int, file: Path, as_json: bool) -> None:
    """List the parked jobs, oldest first."""
    with Client(file) as client:
        kept = client.parked(count)
    shelved.print_list(kept, "nothing is parked", as_json=as_json)
