"""`roger-actors queues`: queues that are declared otherwise than the configuration has them; mending them."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TextIO

import attrs
import click

from roger_actors.cli.options import config_option, json_option, some_or_all
from roger_actors.cli.output import print_done, print_json, print_table
from roger_actors.roger import QueueCheck, check_queues, load, mend_queues


@click.group()
def command() -> None:
    """Find queues that are declared otherwise than wanted, and mend them."""


@command.command()
@click.option(
    "--names",
    type=click.File(),
    help="The broker's queues, one a line, to list orphaned ones: from `rabbitmqctl -q list_queues name`.",
)
@config_option
@json_option
def check(names: TextIO | None, file: Path, as_json: bool) -> int:
    """Show the queues that are not as the configuration has them.

    Exit status 1 if there are any, or if a mending was interrupted. Orphaned queues are only shown.
    """
    existing = [line.strip() for line in names] if names is not None else []
    found = asyncio.run(check_queues(load(file), existing))
    if as_json:
        print_json(attrs.asdict(found))
    else:
        _print(found)
    return 1 if found.differences or found.unfinished else 0


def _print(found: QueueCheck) -> None:
    rows = [(each.queue, each.setting, each.wanted, each.found) for each in found.differences]
    print_table(("queue", "setting", "wanted", "found"), rows, f"{found.wanted} queues are as wanted")
    for name in found.unfinished:
        print_done(f"{name}: a mending was interrupted; `roger-actors queues mend {name}` goes on")
    for name in found.orphaned:
        print_done(f"{name}: orphaned, no partition of the configuration has it")


@command.command()
@some_or_all("queue")
@click.option(
    "--quiet", "is_quiet", is_flag=True, help="Nobody enqueues meanwhile: needed for a quorum queue."
)
@config_option
def mend(queue: tuple[str, ...] | None, is_quiet: bool, file: Path) -> None:
    """Declare queues, or all that need it, as the configuration has them; their messages are kept.

    Stop the partition first on every node. If it is interrupted, run it again.
    """
    count = 0

    def tell(name: str, messages: int) -> None:
        nonlocal count
        count += 1
        print_done(f"mended {name}, {messages} messages")
        sys.stdout.flush()

    asyncio.run(mend_queues(load(file), queue, tell, is_quiet=is_quiet))
    if not count:
        print_done("nothing to mend")
