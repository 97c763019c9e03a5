"""What the lines of one job may be, one after another.

Without a kill a job's history is strict: every attempt begins once and ends once, the next one begins
only after a failure that is retried, and nothing follows its last end. A kill of the node loosens it
for the jobs that it hit, and only for those: one that was running, or had ended so shortly before
that its acknowledgement may not have reached the broker, may run again (at least once, as the docs
say). So does a node's time without the broker, for the jobs that ran there and where another node goes
on. So does the death of a worker host, for a job that ended on it a moment before, or had just begun
when another was taken for the one to blame. Every other second run is a fault.

Everything here is pure.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import attrs

from roger_actors.demo.log import Entry

SECOND: Final = 1_000_000_000
ENDED_WITH_ITS_HOST: Final = frozenset({"signal", "status"})
"""Kinds of failure after which the same attempt runs again, because the job is not to blame yet."""
UNREPORTED: Final = SECOND // 2
"""Nanoseconds before a worker host's death in which an end may not have been reported."""
AT_ONCE: Final = 8
"""Nodes that may be dying at the same time."""
NEVER: Final = 1 << 62
"""A moment after all others."""


@attrs.frozen
class Run:
    """One run of a job.

    Attributes:
        job: Its id.
        attempt: Which.
        pid: The worker host that ran it.
        begun: When, in nanoseconds.
        ended: When its end was told, or a kill ended it; None while it runs.
        node: Which start of which node its host belongs to, empty where there is only one.
    """

    job: str
    attempt: int
    pid: int
    begun: int
    ended: int | None = None
    node: str = ""


@attrs.define
class History:
    """What became of one job, built line by line.

    Attributes:
        retryable: Whether the job is retried.
        deaths: Worker hosts that died, each with the moment of its last line, a `begun`.
        runs: Every run, in order of beginning.
        faults: What should not have happened.
        again: Why it was rightly run more than once; empty if it was not.
        ends: The last ends that were told: `done`, `failed`, `cancelled`, `buried`.
        failures: Attempts that failed and were retried.
        ended: When the first last end was told.
        told: Deaths of worker hosts that were told as this job's end.
        is_cut: Whether a node that ran it was without the broker, so that another may run it too.
    """

    retryable: bool
    deaths: Mapping[int, int] = attrs.field(factory=dict)
    runs: list[Run] = attrs.field(factory=list)
    faults: list[str] = attrs.field(factory=list)
    again: list[str] = attrs.field(factory=list)
    ends: list[str] = attrs.field(factory=list)
    failures: int = 0
    ended: int | None = None
    told: int = 0
    is_cut: bool = False
    _alive: dict[int, int] = attrs.field(factory=dict)
    _expected: int = 0
    _untold: int = 0
    _loose: str = ""
    _last: Entry | None = None

    @property
    def has_ended(self) -> bool:
        """Whether the job has left for good."""
        return bool(self.ends)

    @property
    def is_loose(self) -> bool:
        """Whether the job may run more than once."""
        return bool(self._loose)

    @property
    def is_running(self) -> bool:
        """Whether a run has no end yet."""
        return any(run.ended is None for run in self.runs)

    @property
    def last_at(self) -> int:
        """When the last line about it was written."""
        return self._last.at if self._last is not None else 0

    def loosen(self, why: str) -> None:
        """Allow the job to run more than once from now on."""
        self._loose = self._loose or why

    def take(self, entry: Entry) -> None:
        """Take the next line."""
        self._alive[entry.pid] = entry.at
        if entry.what == "working":
            if not any(run.pid == entry.pid and run.ended is None for run in self.runs):
                self.faults.append(_not_running(entry))
            return
        if entry.what == "begun":
            self._begin(entry)
        else:
            self._end(entry)
        self._last = entry

    def kill(self, entry: Entry) -> None:
        """Take note that the node was killed: end what ran, and allow it another run.

        A worker host that is killed alone is told as a failure of its job, by a hook: nothing to do.
        """
        if entry.pid != 0:
            return
        hit = [run for run in self.runs if run.ended is None and is_of(run.node, entry.node)]
        for run in hit:
            self._close(
                run, self._seen_alive(run) if self.is_cut else max(run.begun, entry.since or entry.at)
            )
        last = self._last
        if hit:
            self.loosen("it ran when the node was killed")
        elif last is not None and is_of(last.node, entry.node) and entry.at - last.at <= entry.grace * SECOND:
            self.loosen("it ended just before the node was killed")

    def finish(self) -> None:
        """Take note that no line follows.

        A run of a node that was cut off may have been ended without a word, so that it does no harm beside
        the run of another node: it was alive until its last line, as far as anybody can tell.
        """
        if self.is_cut and self.has_ended:
            for run in [run for run in self.runs if run.ended is None]:
                self._close(run, self._seen_alive(run))
        if self._untold:
            self.again.append("another job was taken for the one that ended its worker host")

    def _seen_alive(self, run: Run) -> int:
        """Return when a run last wrote: it may have been ended at any time since, without a word."""
        return max(run.begun, self._alive[run.pid])

    def _begin(self, entry: Entry) -> None:
        if not self._follows_death(entry):
            running = self.is_running
            if running or self.has_ended or entry.attempt != self._expected:
                why = _why_not(entry, running=running, ended=self.has_ended, expected=self._expected)
                self._again(why, entry)
            elif self._loose and any(run.attempt == entry.attempt for run in self.runs):
                self.again.append(self._loose)
        self.runs.append(Run(entry.job, entry.attempt, entry.pid, entry.at, node=entry.node))

    def _follows_death(self, entry: Entry) -> bool:
        """Whether the job begins elsewhere because its worker host died; that may be told later."""
        gone = [
            run
            for run in self.runs
            if run.ended is None and run.pid != entry.pid and self.deaths.get(run.pid) == run.begun
        ]
        for run in gone:
            self._close(run, entry.at)
            self._untold += 1
        if not gone or entry.attempt - gone[-1].attempt not in (0, 1):
            return False
        self._expected = entry.attempt
        return not self.is_running

    def _again(self, what: str, entry: Entry) -> None:
        if self._died_unreported(entry):
            self.loosen("its worker host died before its end was reported")
        if self._loose:
            self.again.append(self._loose)
        else:
            self.faults.append(what)

    def _died_unreported(self, entry: Entry) -> bool:
        """Whether the last line is of a worker host that died at once, and this one is another's."""
        last = self._last
        died = self.deaths.get(last.pid) if last is not None else None
        return (
            last is not None
            and died is not None
            and last.pid != entry.pid
            and last.what != "begun"
            and any(run.pid == last.pid for run in self.runs)
            and died - last.at <= UNREPORTED
        )

    def _end(self, entry: Entry) -> None:
        run = self._run_of(entry)
        is_told = _is_told_elsewhere(entry)
        if is_told and self._untold:
            self._untold -= 1
        elif run is not None:
            self._close(run, entry.at)
        elif not is_told:
            self.faults.append(_not_running(entry))
        elif entry.what != "cancelled" or self.has_ended:
            self._again(_not_running(entry), entry)
        else:
            is_told = False  # it never ran, and no host ended with it
        self.told += is_told
        if is_last(entry, retryable=self.retryable):
            self.ends.append(entry.what)
            self.ended = self.ended or entry.at
        else:
            self.failures += 1
            following = entry.attempt + (entry.kind not in ENDED_WITH_ITS_HOST)
            self._expected = max(self._expected, following)

    def _run_of(self, entry: Entry) -> Run | None:
        """Return the run that a line ends: by its own process, or by a hook's elsewhere."""
        running = [run for run in self.runs if run.ended is None and run.attempt == entry.attempt]
        own = [run for run in running if run.pid == entry.pid]
        return next(iter(own or (running if _is_told_elsewhere(entry) else [])), None)

    def _close(self, run: Run, at: int) -> None:
        self.runs[self.runs.index(run)] = attrs.evolve(run, ended=at)


def _why_not(entry: Entry, *, running: bool, ended: bool, expected: int) -> str:
    if running:
        return f"attempt {entry.attempt} began while another run went on"
    if ended:
        return f"attempt {entry.attempt} began after the job had left"
    return f"attempt {entry.attempt} began where attempt {expected} was due"


def _not_running(entry: Entry) -> str:
    return f"{entry.what} was told of attempt {entry.attempt}, which was not running"


def is_of(node: str, hit: str) -> bool:
    """Whether a line of a node is of the one that was hit; empty: all were, or there is only one."""
    return not hit or node == hit


def is_last(entry: Entry, *, retryable: bool) -> bool:
    """Whether a line says that its job has left for good."""
    if entry.what in ("begun", "working"):
        return False
    return entry.what != "failed" or (not retryable and entry.kind not in ENDED_WITH_ITS_HOST)


def histories(
    jobs: Sequence[Entry],
    kills: Sequence[Entry],
    retryable: dict[str, bool],
    loose: dict[str, str],
    cuts: Sequence[Entry] = (),
) -> dict[str, History]:
    """Build the history of every job that has written a line.

    Args:
        jobs: The log of jobs and hooks.
        kills: The `killed` lines.
        retryable: Whether a job is retried, by id.
        loose: Jobs that may run more than once whatever is killed, and why.
        cuts: The `cut` lines.
    """
    building = _Building(deaths(jobs, kills), retryable, loose, _cut_off(jobs, cuts))
    for entry in _merged(jobs, kills):
        if entry.what == "killed":
            building.kill(entry)
        else:
            building.take(entry)
    for history in building.found.values():
        history.finish()
    return building.found


class _Building:
    """The histories so far, and which of them a kill may still hit: those at work and the latest."""

    def __init__(
        self, died: Mapping[int, int], retryable: dict[str, bool], loose: dict[str, str], cut_off: set[str]
    ) -> None:
        self.found: dict[str, History] = {}
        self._died = died
        self._retryable, self._loose, self._cut_off = retryable, loose, cut_off
        self._running: dict[str, None] = {}
        self._latest: dict[str, None] = {}

    def take(self, entry: Entry) -> None:
        history = self.found.get(entry.job)
        if history is None:
            history = self.found[entry.job] = self._new(entry.job)
        history.take(entry)
        self._latest.pop(entry.job, None)
        self._latest[entry.job] = None
        if history.is_running:
            self._running[entry.job] = None
        else:
            self._running.pop(entry.job, None)

    def _new(self, job: str) -> History:
        history = History(self._retryable.get(job, False), self._died)
        if job in self._loose:
            history.loosen(self._loose[job])
        if job in self._cut_off:
            history.is_cut = True
            history.loosen("it ran on a node that was without the broker")
        return history

    def kill(self, entry: Entry) -> None:
        since = (entry.since or entry.at) - entry.grace * SECOND
        hit = dict(self._running)
        for job in reversed(self._latest):
            if self.found[job].last_at < since:
                break
            hit[job] = None
        for job in hit:
            self.found[job].kill(entry)
            if not self.found[job].is_running:
                self._running.pop(job, None)


def _cut_off(jobs: Sequence[Entry], cuts: Sequence[Entry]) -> set[str]:
    """Return the jobs that ran, or ended, on a node while it was without the broker."""
    if not cuts:
        return set()
    spans: dict[tuple[str, int, int], list[int]] = {}
    for entry in jobs:
        span = spans.setdefault((entry.job, entry.pid, entry.attempt), [entry.at, entry.at])
        span[1] = NEVER if entry.what in ("begun", "working") else entry.at
    nodes = {entry.pid: entry.node for entry in jobs}
    return {
        job
        for (job, pid, _), (begun, ended) in spans.items()
        for cut in cuts
        if is_of(nodes[pid], cut.node) and begun <= cut.at and ended >= cut.at - cut.grace * SECOND
    }


def _is_told_elsewhere(entry: Entry) -> bool:
    """Whether a line is a hook's, because the job's own worker host is gone."""
    return entry.what == "cancelled" or entry.kind not in ("", "error", "exit")


def deaths(jobs: Sequence[Entry], kills: Iterable[Entry] = ()) -> dict[int, int]:
    """Return the worker hosts that died in a job, with the moment of their last line.

    The last line of such a host is the begin of a job of which others write later.

    Args:
        jobs: The log of jobs and hooks.
        kills: Lines that tell of hosts that were killed, whatever they were doing.
    """
    killed = {kill.pid for kill in kills if kill.pid}
    last_of_host = {entry.pid: number for number, entry in enumerate(jobs)}
    last_of_job = {entry.job: number for number, entry in enumerate(jobs)}
    return {
        pid: jobs[number].at
        for pid, number in last_of_host.items()
        if pid in killed or (jobs[number].what == "begun" and last_of_job[jobs[number].job] > number)
    }


def _merged(jobs: Iterable[Entry], kills: Sequence[Entry]) -> Iterator[Entry]:
    """Give jobs' lines in the order of writing, with each kill before the first line after it.

    While a node is dying, others may already take over: what the dying one still writes comes before the
    kill, and the kill before what the others write.
    """
    dying = sorted((kill for kill in kills if kill.since and not kill.pid), key=_began)
    pending = sorted(kills, key=_began)
    for entry in sorted(jobs, key=lambda entry: _as_of(entry, dying)) if dying else jobs:
        while pending and _began(pending[0]) < _as_of(entry, dying):
            yield pending.pop(0)
        yield entry
    yield from pending


def _began(kill: Entry) -> int:
    return kill.since or kill.at


def _as_of(entry: Entry, dying: Sequence[Entry]) -> int:
    """Return when a line counts: one of a dying process as if it were written before the kill."""
    place = bisect_left(dying, entry.at, key=_began)
    for kill in dying[max(0, place - AT_ONCE) : place]:
        if entry.at <= kill.at and is_of(entry.node, kill.node):
            return kill.since
    return entry.at


def outlived(jobs: Iterable[Entry], kills: Sequence[Entry]) -> list[str]:
    """Return what a process wrote after it was known to be dead, in words."""
    dead: dict[tuple[int, str], int | None] = {}
    found = []
    for entry in jobs:
        process = (entry.pid, entry.node)
        if process not in dead:
            dead[process] = _killed_at(entry, kills)
        at = dead[process]
        if at is not None and at < entry.at:
            found.append(f"process {entry.pid} wrote {entry.what!r} after it was killed")
    return found


def _killed_at(first: Entry, kills: Iterable[Entry]) -> int | None:
    """Return when the process that wrote its first line was killed; its number may be another's later."""
    return min(
        (
            kill.at
            for kill in kills
            if kill.at > first.at
            and (kill.pid == first.pid or (not kill.pid and is_of(first.node, kill.node)))
        ),
        default=None,
    )
