"""`roger-actors demo`: two tenants through everything bad that a job can do, and a count of what was lost."""

from __future__ import annotations

import random
from typing import Any

import attrs
import click

from roger_actors.cli.demo_screen import Screen, print_outcome
from roger_actors.cli.options import json_option
from roger_actors.cli.output import print_json
from roger_actors.demo.run import Demo, Outcome, Settings


@click.command()
@json_option
@click.option(
    "--jobs",
    type=click.IntRange(1, 100_000),
    default=400,
    show_default=True,
    help="Jobs that do honest work.",
)
@click.option("--seed", type=int, help="Chooses files and ids.  [default: random, shown]")
@click.option(
    "--broker", metavar="URL", help="Broker to use.  [default: an embedded one, removed afterwards]"
)
@click.option(
    "--limit", type=click.FloatRange(min=1.0), default=28.0, show_default=True, help="Seconds for all of it."
)
def command(as_json: bool, jobs: int, seed: int | None, broker: str | None, limit: float) -> int:
    """Run two tenants through crashes and count what was lost.

    A few hundred jobs hash, count and compress the standard library's sources. Among them: one that
    raises until its second retry, one that segfaults, one that calls os._exit, one that blocks in C past
    its time limit, one that is cancelled while its subprocess runs, ten enqueues with one queue key, five
    jobs with one execution key. Exit status 1 if anything is lost or left behind.
    """
    chosen = random.randrange(1_000_000) if seed is None else seed  # noqa: S311 - no secret
    settings = Settings(jobs=jobs, seed=chosen, broker=broker, limit=limit)
    with Screen(quiet=as_json) as screen:
        screen.begin(settings)
        outcome = Demo(settings, screen.show).play()
    if as_json:
        print_json(to_mapping(outcome, chosen))
    else:
        print_outcome(outcome)
    return 0 if outcome.is_good else 1


def to_mapping(outcome: Outcome, seed: int) -> dict[str, Any]:
    """Return an outcome as builtins."""
    verdict = outcome.verdict
    return {
        "ok": outcome.is_good,
        "seed": seed,
        "tenants": {tenant: attrs.asdict(counts) for tenant, counts in verdict.tenants.items()},
        "lost": verdict.lost,
        "faults": [attrs.asdict(fault) for fault in verdict.faults],
        "ran_twice": verdict.again,
        "self_test": [attrs.asdict(each) for each in outcome.tampering],
        "left_behind": outcome.left,
        "cancelled_after": outcome.cancelled_after,
        "jobs_seconds": outcome.jobs_seconds,
        "seconds": outcome.seconds,
        "tree": outcome.tree,
        "node_log": outcome.node_log,
    }
