"""`roger-actors health`: whether a node of this machine does what it should, for probes of containers."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from roger_actors.cli.options import file_argument, json_option, name_of
from roger_actors.cli.output import clean, print_done, print_json


@click.command()
@file_argument
@click.option("--live", is_flag=True, help="Only whether the kernel host answers, whatever the broker does.")
@click.option(
    "--timeout",
    type=click.FloatRange(0.1, 60.0),
    default=5.0,
    show_default=True,
    help="Seconds that the node has to answer.",
)
@json_option
def command(*, file: Path, live: bool, timeout: float, as_json: bool) -> int:
    """Say whether the running node of FILE, or of that name, is ready: all its queues are consumed.

    Exit status 0 if it is, 1 if it is not, with one line for each cause. The broker is not asked, so
    this may be run every few seconds. With --live, 1 means that the node should be started anew; a
    broker that is away is no reason for that, the node mends it itself.
    """
    from roger_actors.bootstrap import ask_system, look_into

    name = name_of(file)
    with look_into(name) as outside:
        if live:
            ask_system(outside, name, "ping", {}, timeout)
            found: dict[str, Any] = {"live": True}
        else:
            found = ask_system(outside, name, "health", {}, timeout)
    if as_json:
        print_json(found)
    elif live or found["ready"]:
        print_done(f"{name}: {'live' if live else 'ready'}")
    for cause in () if as_json or live else _causes(found):
        print(f"error: {clean(name)}: {clean(cause)}", file=sys.stderr)
    return 0 if live or found["ready"] else 1


def _causes(found: Mapping[str, Any]) -> Iterator[str]:
    if found["ready"]:
        return
    if found["broker_error"]:
        yield f"broker: {found['broker_error']}"
    for partition, reason in sorted(found["waiting"].items()):
        yield f"partition {partition} is waiting: {reason}"
    for queue in found["unconsumed"]:
        yield f"queue {queue} is not consumed"
    for partition in found["silent"]:
        yield f"partition {partition} does not answer"
    if found["draining"]:
        yield "it is being stopped, and takes no more jobs"
    if not any(found[key] for key in ("broker_error", "waiting", "unconsumed", "silent", "draining")):
        yield "it does not hear the other nodes yet"
