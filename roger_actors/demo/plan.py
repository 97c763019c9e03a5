"""What a run enqueues, decided by a seed: honest work over the standard library, trouble in between.

Everything here is pure but for looking which files there are.
"""

from __future__ import annotations

import random
import sysconfig
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import attrs

from roger_actors.demo import jobs
from roger_actors.roger import Job, JobRecord

QUEUES: Final[Mapping[str, Mapping[str, int]]] = {
    "acme": {"default": 3, "archive": 2},
    "globex": {"default": 3, "reports": 2},
}
"""The two tenants and their queues."""
HOOKS: Final = "roger_actors.demo.recorded:RecordingHooks"
MODULE: Final = "roger_actors.demo.jobs"
SAME_KEY: Final = 10
"""Enqueues with one queue key."""
IN_A_ROW: Final = 5
"""Jobs with one execution key."""
_NO_SOURCES: Final = frozenset({"site-packages", "test", "__pycache__"})


@attrs.frozen
class Places:
    """Where a run writes.

    Attributes:
        directory: Everything of the run.
    """

    directory: Path

    @property
    def enqueued(self) -> Path:
        """The enqueuer's log."""
        return self.directory / "enqueued.log"

    @property
    def jobs(self) -> Path:
        """The log of jobs and hooks."""
        return self.directory / "jobs.log"

    @property
    def node(self) -> Path:
        """What the node logs."""
        return self.directory / "node.log"

    @property
    def child(self) -> Path:
        """Pids of the job to be cancelled and of its subprocess."""
        return self.directory / "child"


@attrs.frozen
class Planned:
    """One enqueue to come. Attributes: `partition`, `record`."""

    partition: str
    record: JobRecord


def sources(seed: int, count: int) -> list[str]:
    """Return files of the standard library, the same ones for the same seed."""
    library = Path(sysconfig.get_paths()["stdlib"])
    files = sorted([*library.glob("*.py"), *library.glob("[a-z]*[a-z]/*.py")])
    files = [path for path in files if path.parent.name not in _NO_SOURCES]
    chosen = random.Random(seed)  # noqa: S311 - no secret
    return [str(path) for path in chosen.choices(files, k=count)]


class Maker:
    """Makes the jobs of one run, with ids that follow from its seed.

    Args:
        places: Where its logs are.
        seed: Chooses ids and files.
    """

    def __init__(self, places: Places, seed: int) -> None:
        self._places = places
        self._chosen = random.Random(seed)  # noqa: S311 - no secret

    def make(self, job_class: type[Job], partition: str, **args: Any) -> Planned:
        """Return one planned enqueue."""
        name = job_class.__name__.lower()
        given = {"log": str(self._places.jobs), "partition": partition, **args}
        return Planned(partition, job_class.create(given, f"{name}-{self._chosen.randbytes(5).hex()}"))

    def once(self) -> str:
        """Return a path that no other job of this run is given."""
        return str(self._places.directory / f"once-{self._chosen.randbytes(5).hex()}")

    def work(self, files: Sequence[str]) -> list[Planned]:
        """Return honest work over files, taking turns between tenants and queues."""
        kinds = [
            ("acme", jobs.Digest),
            ("globex", jobs.Digest),
            ("acme", jobs.Compress),
            ("globex", jobs.Count),
        ]
        return [
            self.make(job_class, partition, file=file)
            for file, (partition, job_class) in zip(files, kinds * len(files), strict=False)
        ]


def trouble(maker: Maker, places: Places) -> list[Planned]:
    """Return one of each that a job can do wrong, and some with keys."""
    make = maker.make
    return [
        make(jobs.Parent, "acme", child=str(places.child)),
        make(jobs.Overtime, "globex"),
        make(jobs.Segfault, "acme"),
        make(jobs.Flaky, "acme", succeeds=2),
        make(jobs.ExitsOnce, "globex", once=maker.once()),
        make(jobs.Hopeless, "globex"),
        make(jobs.Refusing, "acme"),
        make(jobs.OvertimeOnce, "acme"),
        *(make(jobs.Unique, "acme", about="report", seconds=1.0, number=n) for n in range(SAME_KEY)),
        *(make(jobs.Serial, "globex", about="account", seconds=0.1, number=n) for n in range(IN_A_ROW)),
    ]


def tables(name: str, broker: str, places: Places, **node: Any) -> dict[str, Any]:
    """Return the configuration of a run's node.

    Args:
        name: Of the node.
        broker: Its URL.
        places: Where it logs to.
        node: More settings of `[node]`.
    """
    file = {"class": "logging.FileHandler", "filename": str(places.node), "formatter": "line"}
    line = {"format": "%(asctime)s %(process)d %(levelname)-7s %(name)s %(message)s"}
    return {
        "node": {
            "name": name,
            "broker": broker,
            "jobs": [MODULE],
            "hooks": HOOKS,
            "retry_levels": [0.4, 0.8, 1.2],
            "shutdown_timeout": 10.0,
            **node,
        },
        "logging": {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"line": line},
            "handlers": {"file": file},
            "root": {"level": "INFO", "handlers": ["file"]},
        },
        "partitions": {tenant: {"queues": dict(queues)} for tenant, queues in QUEUES.items()},
    }
