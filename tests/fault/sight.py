"""What the two logs of a run say so far, read as they grow."""

from __future__ import annotations

from roger_actors.demo.checker import Unfinished
from roger_actors.demo.log import Entry, Tail
from roger_actors.demo.plan import Places


class Sight:
    """Follows both logs.

    Attributes:
        enqueued: All lines of the enqueuers' log.
        jobs: All lines of the jobs' log.
        last: The last line of each job.
        running: The last line of each job that is at work, or was when its process was killed.
        unbegun: Of the accepted jobs with an execution key that have not begun: when they were accepted.
        keys: Partition and execution key of each job that has one.
    """

    def __init__(self, places: Places) -> None:
        self._tails = Tail(places.enqueued), Tail(places.jobs)
        self._unfinished = Unfinished()
        self.enqueued: list[Entry] = []
        self.jobs: list[Entry] = []
        self.last: dict[str, Entry] = {}
        self.running: dict[str, Entry] = {}
        self.unbegun: dict[str, int] = {}
        self.keys: dict[str, tuple[str, str]] = {}

    def look(self) -> Sight:
        """Read what is new: the jobs' log before the other, so that no job is seen without its intent."""
        jobs = self._tails[1].read()
        enqueued = self._tails[0].read()
        self._unfinished.take(enqueued, jobs)
        self.enqueued += enqueued
        self.jobs += jobs
        for entry in enqueued:
            self._take_enqueued(entry)
        for entry in jobs:
            self._take(entry)
        return self

    def _take_enqueued(self, entry: Entry) -> None:
        if entry.what == "intent" and entry.execution_key is not None:
            self.keys[entry.job] = (entry.partition, entry.execution_key)
        elif entry.what == "accepted" and entry.job in self.keys and entry.job not in self.last:
            self.unbegun[entry.job] = entry.at

    def _take(self, entry: Entry) -> None:
        self.last[entry.job] = entry
        self.unbegun.pop(entry.job, None)
        if entry.what in ("begun", "working"):
            self.running[entry.job] = entry
        else:
            self.running.pop(entry.job, None)

    @property
    def unfinished(self) -> set[str]:
        """Jobs that were accepted and whose end nothing tells."""
        return self._unfinished.jobs

    @property
    def finished(self) -> int:
        """How many jobs have left for good."""
        return self._unfinished.finished

    @property
    def accepted(self) -> int:
        """How many jobs were accepted."""
        return self._unfinished.accepted
