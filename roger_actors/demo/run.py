"""The demo's run: a node, an enqueuer, trouble, and what the checker makes of the logs.

`Demo.play` blocks until everything has ended and tells whoever watches about ten times a second how
far it is. Nothing of it draws: the command line does.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs

from roger_actors.bootstrap import Node
from roger_actors.clock import SystemClock
from roger_actors.demo import plan, processes
from roger_actors.demo.checker import Verdict, check
from roger_actors.demo.enqueuing import Enqueuer, in_batches
from roger_actors.demo.log import Entry, Log, Tail, now
from roger_actors.demo.plan import Planned
from roger_actors.demo.tampering import Tampering, tamper
from roger_actors.roger import Client

LIMIT = 28.0
"""Seconds after which what has not ended counts as lost."""
PREFIX = "roger-demo."
"""Put in front of every queue's name on a broker that was given."""
LOOK_EVERY = 0.1
"""Seconds between two looks at the logs."""
STOP_LATE = 1.0
"""Seconds that running jobs get when the time is up."""
GONE_WITHIN = 2.0
"""Seconds in which nothing of a stopped node may be left."""


@attrs.frozen(kw_only=True)
class Settings:
    """What to run.

    Attributes:
        jobs: Honest jobs; the trouble comes on top.
        seed: Chooses files, ids and the order.
        broker: URL; None for an embedded one in the run's directory.
        limit: Seconds for all of it.
    """

    jobs: int = 300
    seed: int = 1
    broker: str | None = None
    limit: float = LIMIT


@attrs.frozen(kw_only=True)
class Progress:
    """How far a run is.

    Attributes:
        phase: What is going on.
        elapsed: Seconds since the start.
        planned: Enqueues planned, by tenant.
        verdict: What the logs say so far; jobs under way count as lost in it.
        news: What jobs did not survive since the last look.
    """

    phase: str
    elapsed: float
    planned: Mapping[str, int]
    verdict: Verdict
    news: list[Entry]


@attrs.frozen(kw_only=True)
class Outcome:
    """What a run has shown.

    Attributes:
        verdict: The checker's.
        tampering: The checker's own test.
        tree: The supervision tree before the stop, as plain data.
        left: What was left behind: processes, subprocesses, files.
        cancelled_after: Seconds from the cancel to the end of the job and its subprocess; None if
            there was nothing to cancel.
        jobs_seconds: Seconds from the first enqueue to the last end.
        seconds: Seconds in all.
        node_log: The end of the node's log, when something went wrong.
    """

    verdict: Verdict
    tampering: list[Tampering]
    tree: dict[str, Any]
    left: list[str]
    cancelled_after: float | None
    jobs_seconds: float
    seconds: float
    node_log: str = ""

    @property
    def unnoticed(self) -> list[Tampering]:
        """What the checker did not notice."""
        return [each for each in self.tampering if not each.noticed]

    @property
    def is_good(self) -> bool:
        """Whether nothing was lost, nothing was left, and the checker can be believed."""
        return self.verdict.is_clean and not self.left and bool(self.tampering) and not self.unnoticed


class Demo:
    """One run in a temporary directory of its own.

    Args:
        settings: What to run.
        watch: Told how far it is.
    """

    def __init__(self, settings: Settings, watch: Callable[[Progress], None]) -> None:
        self._settings = settings
        self._watch = watch
        self._clock = SystemClock()
        self._began = self._clock.monotonic()
        self._directory = Path(tempfile.mkdtemp(prefix="roger-demo-"))
        self._places = plan.Places(self._directory)
        self._tails = Tail(self._places.enqueued), Tail(self._places.jobs)
        self._enqueued: list[Entry] = []
        self._jobs: list[Entry] = []
        self._left: list[str] = []
        self._cancelled_after: float | None = None
        self._pause = threading.Event()

    def play(self) -> Outcome:
        """Run it and return what it has shown; nothing is left of it, unless it says so.

        Raises:
            TransportDown: The node did not start.
        """
        token = secrets.token_hex(8)
        try:
            with _environment({processes.MARK: token, "ROGER_RUNTIME_DIR": str(self._directory / "run")}):
                return self._play(token)
        finally:
            shutil.rmtree(self._directory, ignore_errors=True)

    def _play(self, token: str) -> Outcome:
        planned = self._plan()
        prefix = {} if self._settings.broker is None else {"prefix": PREFIX}
        broker = self._settings.broker or f"embedded:{self._directory / 'roger.db'}"
        tables = plan.tables("demo", broker, self._places, **prefix)
        self._show("starting the node", planned)
        node = Node.start(tables)
        try:
            first = self._clock.monotonic()
            self._work(node, planned)
            jobs_seconds = self._clock.monotonic() - first
            tree = node.tree()
            self._show("stopping the node", planned)
        finally:
            node.stop(STOP_LATE if self._elapsed() > self._settings.limit else None)
        self._look_for_processes(token)
        buried = self._buried(tables)
        self._look_for_files()
        self._look()
        verdict = check(self._enqueued, self._jobs, buried)
        tampering = (
            tamper(self._enqueued, self._jobs, buried, self._settings.seed) if verdict.is_clean else []
        )
        return Outcome(
            verdict=verdict,
            tampering=tampering,
            tree=tree,
            left=self._left,
            cancelled_after=self._cancelled_after,
            jobs_seconds=jobs_seconds,
            seconds=self._elapsed(),
            node_log="" if verdict.is_clean and not self._left else self._node_log(),
        )

    def _plan(self) -> list[list[Planned]]:
        """Return the batches to enqueue: trouble first, one by one, then honest work."""
        maker = plan.Maker(self._places, self._settings.seed)
        trouble = plan.trouble(maker, self._places)
        work = maker.work(plan.sources(self._settings.seed, self._settings.jobs))
        return [*([each] for each in trouble), *in_batches(work)]

    # -- while it runs ---------------------------------------------------------------------------

    def _work(self, node: Node, planned: list[list[Planned]]) -> None:
        enqueuing = threading.Thread(target=self._enqueue, args=(node, planned), name="demo enqueuer")
        enqueuing.start()
        parent = next(each for batch in planned for each in batch if each.record.module.endswith(".Parent"))
        try:
            while self._elapsed() < self._settings.limit:
                verdict = self._show("running", planned)
                is_enqueued = not enqueuing.is_alive()
                if is_enqueued and self._cancelled_after is None and self._places.child.exists():
                    self._cancel(node, parent)
                elif is_enqueued and verdict.lost == 0:
                    return
                self._pause.wait(LOOK_EVERY)
        finally:
            enqueuing.join()

    def _enqueue(self, node: Node, planned: list[list[Planned]]) -> None:
        log = Log(self._places.enqueued, durable=True)
        enqueuer = Enqueuer(node, log)
        try:
            for batch in planned:
                if len(batch) == 1:
                    enqueuer.enqueue(batch[0])
                else:
                    enqueuer.enqueue_many(batch)
        finally:
            log.close()

    def _cancel(self, node: Node, parent: Planned) -> None:
        """Cancel the job that has started a subprocess, and see both go."""
        pids = [int(word) for word in self._places.child.read_text().split()]
        if len(pids) < 2:
            return  # it is being written
        log = Log(self._places.enqueued, durable=True)
        log.append(Entry(at=now(), what="cancel", job=parent.record.id, partition=parent.partition))
        log.close()
        began = self._clock.monotonic()
        node.cancel(parent.record.id, parent.partition)
        left = processes.wait_until_gone(pids, GONE_WITHIN)
        self._cancelled_after = self._clock.monotonic() - began
        self._left += [f"process {pid} of the cancelled job" for pid in left]

    def _show(self, phase: str, planned: list[list[Planned]]) -> Verdict:
        fresh = self._look()
        verdict = check(self._enqueued, self._jobs)
        enqueues = Counter(each.partition for batch in planned for each in batch)
        news = [entry for entry in fresh if entry.what in ("failed", "cancelled", "buried")]
        self._watch(
            Progress(phase=phase, elapsed=self._elapsed(), planned=enqueues, verdict=verdict, news=news)
        )
        return verdict

    def _look(self) -> list[Entry]:
        """Read what is new in both logs, the enqueuer's first, and return what the jobs wrote."""
        jobs = self._tails[1].read()  # before the other, so that no job is seen without its intent
        self._enqueued += self._tails[0].read()
        self._jobs += jobs
        return jobs

    def _elapsed(self) -> float:
        return self._clock.monotonic() - self._began

    # -- when it has ended -----------------------------------------------------------------------

    def _buried(self, tables: Mapping[str, Any]) -> dict[str, list[str]]:
        """Return what lies on the shelves, by a client of its own, after the node has gone; empty them."""
        with Client(tables) as client:
            return {
                tenant: [shelved.message_id for shelved in client.delete_buried(tenant)]
                for tenant in plan.QUEUES
            }

    def _look_for_processes(self, token: str) -> None:
        processes.wait_until_gone(processes.marked(token), GONE_WITHIN)
        left = processes.marked(token)
        self._left += [f"process {pid} {command}" for pid, command in left.items()]

    def _look_for_files(self) -> None:
        runtime = self._directory / "run"
        self._left += [f"file {path}" for path in sorted(runtime.rglob("*")) if not path.is_dir()]

    def _node_log(self) -> str:
        with contextlib.suppress(OSError):
            return self._places.node.read_text(errors="replace")[-4000:]
        return ""


@contextlib.contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables that the node's processes inherit, and take them back."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
