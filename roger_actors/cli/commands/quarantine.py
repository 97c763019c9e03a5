"""`roger-actors quarantine`: payloads that are no job, or that nobody could take, with their cause."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from roger_actors import Client
from roger_actors.cli import shelved
from roger_actors.cli.options import MOST, config_option, count_option, json_option, some_or_all

STAYS: Final = "the queue it came from is gone, or not known"
"""Why a payload that was to be requeued is still there."""


@click.group()
def command() -> None:
    """Look at payloads nobody could take; requeue or delete them."""


@command.command("list")
@count_option
@config_option
@json_option
def list_(count: int, file: Path, as_json: bool) -> None:
    """List the quarantined payloads, oldest first."""
    with Client(file) as client:
        kept = client.quarantine(count)
    shelved.print_list(kept, "nothing is in quarantine", as_json=as_json)


@command.command()
@click.argument("message_id")
@config_option
@json_option
def show(message_id: str, file: Path, as_json: bool) -> None:
    """Show one quarantined payload with its cause."""
    with Client(file) as client:
        kept = client.quarantine(MOST)
    shelved.print_one(kept, message_id, "quarantine", as_json=as_json)


@command.command()
@some_or_all("message_id")
@config_option
@json_option
def requeue(message_id: tuple[str, ...] | None, file: Path, as_json: bool) -> None:
    """Publish payloads, or all, unchanged to the queue they came from."""
    with Client(file) as client:
        before = client.quarantine(MOST)
        done = client.requeue_quarantine(message_id)
        after = client.quarantine(MOST)
    stays = shelved.in_both(before, after), STAYS
    shelved.report(done, "requeued", message_id, "quarantine", stays=stays, as_json=as_json)


@command.command()
@some_or_all("message_id")
@config_option
@json_option
def delete(message_id: tuple[str, ...] | None, file: Path, as_json: bool) -> None:
    """Delete quarantined payloads, or all."""
    with Client(file) as client:
        done = client.delete_quarantine(message_id)
    shelved.report(done, "deleted", message_id, "quarantine", as_json=as_json)
