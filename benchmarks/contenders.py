"""Who is measured on RabbitMQ: how each is started, and the settings that go beside its figures.

One `Participant` per contender; the benchmarks `jobs`, `enqueue` and `latency` choose among them and
treat all of them alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import metadata

import attrs

from benchmarks.digest_log import LOG_VARIABLE
from benchmarks.peers.driver import MODE_VARIABLE, QUEUE_VARIABLE, URL_VARIABLE
from benchmarks.peers.pika_peer import PREFETCH, WINDOW
from benchmarks.subprocesses import ask, python

Settings = Mapping[str, str | int | float | bool]


@attrs.frozen
class Participant:
    """One contender on RabbitMQ.

    Attributes:
        library: Its library and variant, for people.
        name: The same with its processes and threads.
        queue: The queue its jobs go through; each contender has its own.
        enqueue: Command that enqueues; `driver` says what is appended to it.
        work: Command that runs workers until SIGTERM.
        enqueuing: What a reader must know to judge its figures when it enqueues.
        working: The same when it executes.
        declare: Kind of queue that the benchmark declares for it, None if it does so itself.
        before: Command that is run before it enqueues, None for none.
        environment: Variables that it is started with, beside the URL, the queue and the log.
        is_ours: Whether it is this project.
        confirms: Whether each enqueue is confirmed by the broker.
        patience: Seconds that its workers get between SIGTERM and SIGKILL.
    """

    library: str
    name: str
    queue: str
    enqueue: list[str]
    work: list[str]
    enqueuing: Settings
    working: Settings
    declare: str | None = None
    before: list[str] | None = None
    environment: Mapping[str, str] = attrs.Factory(dict)
    is_ours: bool = False
    confirms: bool = False
    patience: float = 1.0

    def make_queue(self, variables: Mapping[str, str]) -> None:
        """Let it declare its queue, if it does so by a command of its own."""
        if self.before is not None:
            ask(self.before, variables, seconds=30)

    def variables(self, url: str, log: str) -> dict[str, str]:
        """Return the environment of its processes."""
        return {URL_VARIABLE: url, QUEUE_VARIABLE: self.queue, LOG_VARIABLE: log, **self.environment}


def bare_pika(kind: str, *, confirms: str = "none") -> Participant:
    """Return the bare loop on a queue of a kind, publishing unconfirmed or `pipelined`."""
    module = ["-m", "benchmarks.peers.pika_peer"]
    window = {"confirm window": WINDOW} if confirms == "pipelined" else {}
    name = f"bare pika, {kind}" + (", confirmed" if confirms == "pipelined" else "")
    return Participant(
        library=name,
        name=name,
        queue=f"bench-pika-{kind}",
        enqueue=python(*module),
        work=python(*module, "work"),
        enqueuing={"queue": kind, "confirms": confirms, **window},
        working={
            "queue": kind,
            "processes": 1,
            "threads": 1,
            "prefetch": PREFETCH,
            "ack": "each, after the job",
        },
        declare=kind,
        environment={MODE_VARIABLE: confirms},
        confirms=confirms == "pipelined",
    )


def dramatiq(processes: int, threads: int) -> Participant:
    """Return dramatiq with its defaults and so many processes of so many threads."""
    command = ("-m", "dramatiq", "benchmarks.peers.dramatiq_peer")
    return Participant(
        library=f"dramatiq {_short('dramatiq')}",
        name=f"dramatiq {_short('dramatiq')} ({processes}×{threads})",
        queue="bench-dramatiq",
        enqueue=python("-m", "benchmarks.peers.dramatiq_peer"),
        work=python(*command, "--processes", str(processes), "--threads", str(threads)),
        enqueuing={"queue": "classic", "confirms": "none (its default)"},
        working={
            "queue": "classic",
            "processes": processes,
            "threads": threads,
            "prefetch": 2 * threads,
            "ack": "each, after the job",
        },
        environment={"dramatiq_queue_prefetch": str(2 * threads)},
    )


def celery(processes: int) -> Participant:
    """Return Celery with a prefork pool of so many processes and late acknowledgement."""
    options = ["--pool", "prefork", "--concurrency", str(processes), "--loglevel", "WARNING"]
    quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    return Participant(
        library=f"Celery {_short('celery')}",
        name=f"Celery {_short('celery')} (prefork {processes})",
        queue="bench-celery",
        enqueue=python("-m", "benchmarks.peers.celery_peer"),
        work=python("-m", "celery", "-A", "benchmarks.peers.celery_peer", "worker", *options, *quiet),
        enqueuing={"queue": "classic", "confirms": "none (its default)"},
        working={
            "queue": "classic",
            "processes": processes,
            "threads": 1,
            "prefetch": 4 * processes,
            "ack": "each, late",
        },
    )


def ours(*, mode: str = "many", killed: bool = False) -> Participant:
    """Return this project, enqueuing `many` at once or `single`, perhaps with a worker host killed."""
    module = ("-m", "benchmarks.peers.roger_peer")
    call = "enqueue_many" if mode == "many" else "enqueue"
    return Participant(
        library=f"roger_actors, {call}",
        name="roger_actors (2×1)" + (", one worker killed" if killed else ""),
        queue="bench-digest",
        enqueue=python(*module),
        work=python("-m", "roger_actors", "run", "benchmarks/peers/roger.toml"),
        enqueuing={"queue": "quorum", "confirms": "every message", "mandatory": True},
        working={
            "queue": "quorum",
            "max_workers": 2,
            "processes": 2,
            "threads": 1,
            "prefetch": "2, up to 102 when jobs are short",
            "ack": "each, after the job",
        },
        before=python(*module, "declare"),
        environment={MODE_VARIABLE: mode},
        is_ours=True,
        confirms=True,
        patience=10.0,
    )


def _short(package: str) -> str:
    return ".".join(metadata.version(package).split(".")[:2])
