"""A process that only enqueues, and survives what is done to the node.

    python enqueuer.py TABLES.json DIRECTORY SEED

It enqueues a mixture of honest work and trouble until the file `quiet` appears, and tries again, under
the same id, whatever it does not know the fate of; then it ends.
"""

from __future__ import annotations

import json
import random
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from roger_actors import Client
from roger_actors.demo import jobs, plan
from roger_actors.demo.enqueuing import Enqueuer
from roger_actors.demo.log import Log
from roger_actors.demo.plan import Maker, Places, Planned

EVERY = 0.06


def mixture(maker: Maker, places: Places, seed: int) -> Iterator[Planned]:
    """Give jobs without end: half honest work, half trouble and keys."""
    chosen = random.Random(seed)
    files = plan.sources(seed, 1000)
    hold = str(places.directory / "hold")
    make = maker.make
    kinds: list[tuple[int, Callable[[], Planned]]] = [
        (20, lambda: make(jobs.Digest, "acme", file=chosen.choice(files))),
        (15, lambda: make(jobs.Count, "globex", file=chosen.choice(files))),
        (10, lambda: make(jobs.Compress, "acme", file=chosen.choice(files))),
        (10, lambda: make(jobs.Nap, "acme", seconds=chosen.uniform(0.05, 0.3))),
        (14, lambda: make(jobs.Flaky, chosen.choice(["acme", "globex"]), succeeds=chosen.choice([1, 2]))),
        (4, lambda: make(jobs.UniqueFlaky, "globex", succeeds=1, about=chosen.randrange(3))),
        (6, lambda: make(jobs.Unique, "acme", seconds=0.1, about=chosen.randrange(2))),
        (2, lambda: make(jobs.Hopeless, "globex")),
        (2, lambda: make(jobs.ExitsOnce, "globex", once=maker.once(), hold=hold)),
        (1, lambda: make(jobs.Segfault, "acme", hold=hold)),
        (2, lambda: make(jobs.OvertimeOnce, "acme", hold=hold)),
        (2, lambda: make(jobs.UniqueOvertimeOnce, "globex", hold=hold, about=chosen.randrange(3))),
    ]
    weights = [weight for weight, _ in kinds]
    while True:
        for _ in range(9):
            yield chosen.choices(kinds, weights)[0][1]()
        about = chosen.choice(["debit", "credit", "loan"])
        for number in range(3):
            yield make(jobs.Serial, "globex", seconds=0.3, about=about, number=number)


def main() -> None:
    tables = json.loads(Path(sys.argv[1]).read_text())
    places = plan.Places(Path(sys.argv[2]))
    seed = int(sys.argv[3])
    quiet = places.directory / "quiet"
    pause = threading.Event()
    unknown: list[Planned] = []
    with Client(tables) as client:
        enqueuer = Enqueuer(client, Log(places.enqueued, durable=True))
        work = mixture(Maker(places, seed), places, seed)
        while unknown or not quiet.exists():
            planned = unknown.pop(0) if unknown else next(work)
            if not enqueuer.enqueue(planned):
                unknown.append(planned)
            pause.wait(EVERY)


if __name__ == "__main__":
    main()
