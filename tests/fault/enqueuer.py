"""A process that only enqueues, and survives what is done to the nodes.

    python enqueuer.py TABLES.json DIRECTORY SEED

What it enqueues stands in DIRECTORY/work.json: a number of jobs, or jobs until the file `quiet` appears.
It tries again, under the same id, whatever it does not know the fate of; then it ends.
"""

from __future__ import annotations

import json
import random
import sys
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs

from roger_actors import Client
from roger_actors.demo import jobs, plan
from roger_actors.demo.enqueuing import Enqueuer, in_batches
from roger_actors.demo.log import Log
from roger_actors.demo.plan import Maker, Places, Planned

ENDS = (b'"what":"done"', b'"what":"buried"', b'"what":"cancelled"')


@attrs.frozen
class Work:
    """What an enqueuer does.

    Attributes:
        jobs: How many it enqueues; 0 for as many as there is time for.
        every: Seconds between two enqueues, or batches.
        together: Jobs of a batch.
        ahead: How many jobs may be enqueued and not have ended, before it waits.
        trouble: Share of jobs that bring trouble, the rest being short; 1.0 for the mixture of the demo.
    """

    jobs: int = 0
    every: float = 0.06
    together: int = 1
    ahead: int = 1_000_000
    trouble: float = 1.0


def mixture(maker: Maker, places: Places, chosen: random.Random) -> Iterator[Planned]:
    """Give jobs without end: half honest work, half trouble and keys."""
    files = plan.sources(chosen.randrange(1_000_000), 1000)
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


def short(maker: Maker, chosen: random.Random) -> Iterator[Planned]:
    """Give short jobs without end: a third has an execution key, a queue key, or both."""
    files = plan.sources(chosen.randrange(1_000_000), 1000)
    make = maker.make
    tenants = ["acme", "globex"]
    number = 0
    while True:
        tenant = chosen.choice(tenants)
        number += 1
        about, sole = chosen.randrange(40), chosen.randrange(200)
        yield make(jobs.Digest, tenant, file=chosen.choice(files))
        yield make(jobs.Nap, tenant, seconds=0.002)
        match number % 3:
            case 0:
                yield make(jobs.Serial, tenant, seconds=0.002, about=about, number=number)
            case 1:
                yield make(jobs.Unique, tenant, seconds=0.002, about=sole)
            case _:
                yield make(jobs.UniqueSerial, tenant, seconds=0.002, about=about, sole=sole, number=number)


def planned(work: Work, places: Places, seed: int) -> Iterator[Planned]:
    """Give what is enqueued, in order."""
    chosen = random.Random(seed)
    maker = Maker(places, seed)
    troubled, calm = mixture(maker, places, chosen), short(maker, chosen)
    while True:
        if chosen.random() < work.trouble:
            yield next(troubled)
        else:
            for _ in range(3):
                yield next(calm)


class Ended:
    """Counts the jobs that have ended, by what is appended to their log."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self.count = 0

    def look(self) -> int:
        """Return how many there are now; a word that was cut in two is not missed, as lines are whole."""
        if self._path.exists():
            with self._path.open("rb") as file:
                file.seek(self._offset)
                data = file.read()
            whole = data.rfind(b"\n") + 1
            self._offset += whole
            self.count += sum(data.count(word, 0, whole) for word in ENDS)
        return self.count


def main() -> None:
    tables = json.loads(Path(sys.argv[1]).read_text())
    places = plan.Places(Path(sys.argv[2]))
    seed = int(sys.argv[3])
    work = Work(**json.loads((places.directory / "work.json").read_text()))
    quiet = places.directory / "quiet"
    pause = threading.Event()
    ended = Ended(places.jobs)
    again: deque[Planned] = deque()
    source = planned(work, places, seed)
    fates: Counter[str] = Counter()
    with Client(tables) as client:
        enqueuer = Enqueuer(client, Log(places.enqueued, durable=True))
        while again or not (quiet.exists() or (work.jobs and fates["accepted"] >= work.jobs)):
            while fates["accepted"] - ended.look() > work.ahead and not quiet.exists():
                pause.wait(0.02)
            chosen = [again.popleft() for _ in range(min(len(again), work.together))]
            for batch in in_batches(chosen or [next(source) for _ in range(work.together)], work.together):
                outcomes = enqueuer.enqueue_many(batch)
                fates.update(outcomes)
                again.extend(each for each, fate in zip(batch, outcomes, strict=True) if fate == "unknown")
            pause.wait(work.every)


if __name__ == "__main__":
    main()
