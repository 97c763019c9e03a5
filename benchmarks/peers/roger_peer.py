"""Ours: quorum queue, every publish confirmed and mandatory, ack after `perform` has returned.

The node is the one of `roger.toml`, started by its own command (see `contenders`). `declare` makes the
queue exist, which a client does not do by itself.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from benchmarks.peers.driver import MODE_VARIABLE, Arguments, drive
from benchmarks.peers.roger_jobs import Digest
from roger_actors import Client, Config, Node, RogerActorsError, load

TREE_FILE = Path(__file__).with_name("roger.toml")
PARTITION = "bench"


class ManyEnqueuer:
    """`enqueue_many`, with everything in one call."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def enqueue(self, jobs: Arguments) -> None:
        """Enqueue jobs; return when every one is confirmed."""
        outcomes = self.client.enqueue_many([Digest.create(job) for job in jobs], PARTITION)
        refused = [outcome for outcome in outcomes if isinstance(outcome, RogerActorsError)]
        if refused:
            sys.exit(f"{len(refused)} of {len(outcomes)} refused, first: {refused[0]}")


class SingleEnqueuer:
    """`enqueue`, one job per call."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def enqueue(self, jobs: Arguments) -> None:
        """Enqueue jobs one after another, each confirmed before the next."""
        for job in jobs:
            self.client.enqueue(Digest.create(job), PARTITION)


def config(*, max_workers: int | None = None) -> Config:
    """Return the node's configuration, with another number of workers if given."""
    loaded = load(TREE_FILE)
    if max_workers is None:
        return loaded
    mapping = loaded.to_mapping()
    mapping["partitions"][PARTITION]["queues"] = dict.fromkeys(loaded.partitions[PARTITION], max_workers)
    return Config.from_mapping(mapping)


def declare() -> None:
    """Make the queue: a node whose queue has no workers declares it and consumes nothing."""
    with Node.start(config(max_workers=0)):
        print("{}")


if __name__ == "__main__":
    if sys.argv[1] == "declare":
        declare()
    else:
        with Client(config()) as opened:
            mode = SingleEnqueuer if os.environ.get(MODE_VARIABLE) == "single" else ManyEnqueuer
            drive(mode(opened))
