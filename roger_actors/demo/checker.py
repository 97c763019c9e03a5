"""From the two logs to a verdict: what became of every job, and what should not have happened.

A job is *lost* when its enqueue was accepted and nothing tells of its end: not done, not failed for
good, not cancelled, and not on the shelf of buried jobs. Besides it is checked that jobs of one
execution key never overlap and begin in the order of their enqueues, that a queue key is never held
by two jobs and refuses only while it is held, that a job runs twice only where the docs allow it,
and that nothing of a killed process goes on.

Everything here is pure: logs in, verdict out. Counters of the node are never asked.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import accumulate, pairwise
from typing import Final

import attrs

from roger_actors.demo.history import NEVER, SECOND, History, Run, deaths, histories, is_last, outlived
from roger_actors.demo.log import Entry

RELEASED_WITHIN: Final = 5 * SECOND
"""Nanoseconds after a job's end in which its queue key may still refuse."""
RECOVERED_WITHIN: Final = 60 * SECOND
"""The same after a kill, a cut or an outage that kept the release of the key from the broker."""
WHAT_TESTS_DO: Final = frozenset({"killed", "cut", "outage"})
"""Lines that are about no job."""


@attrs.define
class Counts:
    """One tenant's line of the table; every figure is a number of jobs but `refused` and `retried`.

    Attributes:
        enqueued: Accepted, those whose enqueue failed but which ran all the same included.
        refused: Enqueues refused as duplicates.
        done: Ran to their end.
        retried: Attempts that failed and were run again.
        failed: Failed for good, without being buried.
        cancelled: Cancelled.
        buried: On the shelf of buried jobs.
        lost: Accepted, and nothing of the above.
    """

    enqueued: int = 0
    refused: int = 0
    done: int = 0
    retried: int = 0
    failed: int = 0
    cancelled: int = 0
    buried: int = 0
    lost: int = 0


@attrs.frozen
class Fault:
    """Something that should not have happened. Attributes: `job` (an id, or empty), `what`."""

    job: str
    what: str


@attrs.frozen
class Verdict:
    """What the logs say.

    Attributes:
        tenants: The table.
        faults: What should not have happened, lost jobs included; empty when all is well.
        again: Jobs that ran more than once, as the docs allow, and why.
        loose: Jobs that might have.
    """

    tenants: dict[str, Counts]
    faults: list[Fault]
    again: dict[str, str]
    loose: set[str] = attrs.field(factory=set)

    @property
    def is_clean(self) -> bool:
        """Whether nothing went wrong."""
        return not self.faults

    @property
    def lost(self) -> int:
        """Jobs lost in all tenants."""
        return sum(counts.lost for counts in self.tenants.values())


@attrs.define
class Intake:
    """What the enqueuer's log says of one job.

    Attributes:
        intent: The first line about it, with all that is known of the job.
        latest: The intent of the latest try.
        fate: The last outcome: `accepted`, `refused` or `unknown`; empty while there is none.
        at: When that was.
        tries: Intents.
        is_open: Whether an intent has no outcome yet.
        cancels: How often it was cancelled while it ran.
        faults: What should not stand in the log.
    """

    intent: Entry
    latest: Entry
    fate: str = ""
    at: int = 0
    tries: int = 0
    is_open: bool = False
    cancels: int = 0
    faults: list[str] = attrs.field(factory=list)

    @property
    def is_certain(self) -> bool:
        """Whether it was enqueued by one try that returned."""
        return self.fate == "accepted" and self.tries == 1


def check(
    enqueued: Sequence[Entry], jobs: Sequence[Entry], buried: Mapping[str, Collection[str]] | None = None
) -> Verdict:
    """Return the verdict.

    Args:
        enqueued: The enqueuer's log.
        jobs: The log of jobs and hooks.
        buried: Ids on the shelf of buried jobs, by tenant; None while it has not been looked at.
    """
    kills = [entry for entry in enqueued if entry.what == "killed"]
    troubles = [entry for entry in enqueued if entry.what in WHAT_TESTS_DO]
    intakes, strays = _intakes(enqueued, kills)
    told = histories(
        jobs,
        kills,
        {job: intake.intent.retryable for job, intake in intakes.items()},
        _published_twice(intakes, jobs, troubles),
        [entry for entry in troubles if entry.what == "cut"],
    )
    shelf = None if buried is None else {job for ids in buried.values() for job in ids}
    verdict = Verdict({}, strays, {}, {job for job, history in told.items() if history.is_loose})
    for job in [*intakes, *(job for job in told if job not in intakes)]:
        _judge(verdict, job, intakes.get(job), told.get(job), shelf)
    runs = [run for history in told.values() for run in history.runs]
    verdict.faults.extend(_overlaps(runs, intakes))
    verdict.faults.extend(_disorder(runs, intakes))
    verdict.faults.extend(_key_clashes(intakes, told, troubles))
    verdict.faults.extend(Fault("", what) for what in outlived(jobs, kills))
    if not troubles:
        verdict.faults.extend(_untold_deaths(jobs, told))
    return verdict


def _untold_deaths(jobs: Sequence[Entry], told: Mapping[str, History]) -> Iterable[Fault]:
    """Give a fault unless the death of every worker host was told as one job's end."""
    died, ends = len(deaths(jobs)), sum(history.told for history in told.values())
    if died != ends:
        yield Fault("", f"{died} worker hosts died in a job, but {ends} such ends were told")


def _published_twice(
    intakes: Mapping[str, Intake], jobs: Iterable[Entry], troubles: Sequence[Entry]
) -> dict[str, str]:
    """Return the jobs that may lie in the broker twice, and why: what is not confirmed is published again."""
    lost = [entry for entry in troubles if entry.what != "killed" and not entry.node]
    found = {}
    for job, intake in intakes.items():
        if intake.tries > 1:
            found[job] = "its enqueue failed and was tried again"
        elif any(_is_during(trouble, intake.intent.at, intake.at) for trouble in lost):
            found[job] = "the broker was lost during its enqueue"
    for entry in jobs if lost else ():
        if entry.what == "failed" and any(_is_during(trouble, entry.at, entry.at) for trouble in lost):
            found.setdefault(entry.job, "the broker was lost when its retry was published")
    return found


def _is_during(trouble: Entry, since: int, until: int) -> bool:
    return since <= trouble.at and until >= trouble.at - trouble.grace * SECOND


# -- the enqueuer's log ---------------------------------------------------------------------------


def _intakes(enqueued: Iterable[Entry], kills: Sequence[Entry]) -> tuple[dict[str, Intake], list[Fault]]:
    intakes: dict[str, Intake] = {}
    strays = []
    for entry in enqueued:
        if entry.what == "intent":
            _intend(intakes.setdefault(entry.job, Intake(entry, entry)), entry, kills)
        elif entry.what in WHAT_TESTS_DO:
            continue
        elif entry.job not in intakes:
            strays.append(Fault(entry.job, f"{entry.what} without an intent"))
        else:
            _conclude(intakes[entry.job], entry)
    for intake in intakes.values():
        if intake.is_open and not _was_cut_off(intake.latest, kills):
            intake.faults.append("an enqueue without an outcome")
    return intakes, strays


def _intend(intake: Intake, entry: Entry, kills: Sequence[Entry]) -> None:
    if intake.is_open and not _was_cut_off(intake.latest, kills):
        intake.faults.append("a second intent before the outcome of the first")
    if intake.fate in ("accepted", "refused"):
        intake.faults.append(f"enqueued again after it was {intake.fate}")
    intake.latest = entry
    intake.tries += 1
    intake.is_open = True


def _conclude(intake: Intake, entry: Entry) -> None:
    if entry.what == "cancel":
        intake.cancels += 1
        return
    if not intake.is_open:
        intake.faults.append(f"{entry.what} a second time")
    intake.fate, intake.at, intake.is_open = entry.what, entry.at, False


def _was_cut_off(intent: Entry, kills: Sequence[Entry]) -> bool:
    """Whether the enqueuing process was killed between intent and outcome."""
    return any(intent.pid == kill.pid and kill.at > intent.at for kill in kills)


# -- one job --------------------------------------------------------------------------------------


def _judge(
    verdict: Verdict, job: str, intake: Intake | None, history: History | None, shelf: set[str] | None
) -> None:
    """Count one job in its tenant's line, and note what is wrong with it."""
    faults = [
        *(intake.faults if intake else ["ran, but nobody enqueued it"]),
        *(history.faults if history else ()),
    ]
    if history is not None and history.again:
        verdict.again[job] = history.again[0]
    if intake is not None:
        counts = verdict.tenants.setdefault(intake.intent.partition, Counts())
        faults += _count(counts, job, intake, history, shelf)
    verdict.faults.extend(Fault(job, what) for what in faults)


def _count(
    counts: Counts, job: str, intake: Intake, history: History | None, shelf: set[str] | None
) -> list[str]:
    counts.refused += intake.fate == "refused"
    if history is not None:
        counts.retried += history.failures
    if intake.fate == "refused":
        return ["ran although its enqueue was refused"] if history is not None else []
    if intake.fate != "accepted" and history is None:
        return []  # the enqueue raised, and it was not taken
    counts.enqueued += 1
    ends = _ends(job, history, shelf)
    for end in ends[:1]:
        setattr(counts, end, getattr(counts, end) + 1)
    if not ends:
        counts.lost += 1
        return ["lost: it was accepted, and nothing tells of its end"]
    return [*_cancel_faults(intake, history), *_shelf_faults(job, ends, history, shelf)]


def _ends(job: str, history: History | None, shelf: set[str] | None) -> list[str]:
    told = list(history.ends) if history is not None else []
    if shelf is not None:
        told = [end for end in told if end != "buried" or job in shelf]
        if job in shelf and "buried" not in told:
            told.append("buried")
    return told


def _cancel_faults(intake: Intake, history: History | None) -> list[str]:
    told = history is not None and "cancelled" in history.ends
    faults = ["cancelled a second time"] if intake.cancels > 1 else []
    if told and not intake.cancels:
        faults.append("told as cancelled, but nobody asked for it")
    if intake.cancels and (history is None or not history.runs):
        faults.append("cancelled while it ran, but it never began")
    return faults


def _shelf_faults(job: str, ends: list[str], history: History | None, shelf: set[str] | None) -> list[str]:
    if shelf is None or history is None or history.again:
        return []
    told = "buried" in history.ends
    if told == (job in shelf):
        return []
    return ["told as buried, but not on the shelf" if told else f"on the shelf, but told as {ends[0]}"]


# -- keys -----------------------------------------------------------------------------------------


def _by_execution_key(runs: Iterable[Run], intakes: Mapping[str, Intake]) -> dict[tuple[str, str], list[Run]]:
    found: dict[tuple[str, str], list[Run]] = defaultdict(list)
    for run in runs:
        intent = intakes[run.job].intent if run.job in intakes else None
        if intent is not None and intent.execution_key is not None:
            found[intent.partition, intent.execution_key].append(run)
    return {key: sorted(each, key=lambda run: run.begun) for key, each in found.items()}


def _overlaps(runs: Iterable[Run], intakes: Mapping[str, Intake]) -> Iterable[Fault]:
    for (_, key), each in _by_execution_key(runs, intakes).items():
        longest = each[0] if each else None
        for run in each[1:]:
            assert longest is not None
            if longest.ended is None or run.begun < longest.ended:
                what = f"ran at the same time as {longest.job}, both of execution key {key!r}"
                yield Fault(run.job, what)
            if longest.ended is not None and (run.ended is None or run.ended > longest.ended):
                longest = run


def _disorder(runs: Iterable[Run], intakes: Mapping[str, Intake]) -> Iterable[Fault]:
    """Give the jobs of an execution key that began before one enqueued earlier."""
    place = {job: number for number, job in enumerate(intakes)}
    for (_, key), each in _by_execution_key(runs, intakes).items():
        first_runs = {run.job: run for run in reversed(each)}.values()
        began = sorted((run for run in first_runs if intakes[run.job].is_certain), key=lambda run: run.begun)
        for first, second in pairwise(began):
            if place[second.job] < place[first.job] and _is_earlier(intakes[second.job], intakes[first.job]):
                yield Fault(
                    first.job, f"began before {second.job}, enqueued earlier, of execution key {key!r}"
                )


def _is_earlier(one: Intake, other: Intake) -> bool:
    """Whether one job was surely enqueued before the other: by the same process, or before that began."""
    if one.intent.pid == other.intent.pid:
        return one.at < other.at
    return one.at < other.intent.at


def _key_clashes(
    intakes: Mapping[str, Intake], told: Mapping[str, History], troubles: Sequence[Entry]
) -> Iterable[Fault]:
    keyed: dict[tuple[str, str], list[Intake]] = defaultdict(list)
    for intake in intakes.values():
        if intake.intent.queue_key is not None:
            keyed[intake.intent.partition, intake.intent.queue_key].append(intake)
    hindered = _hindered(troubles)
    for (_, key), each in keyed.items():
        yield from _held_twice(key, each, told)
        yield from _refused_for_nothing(key, each, told, hindered)


def _ended(intake: Intake, told: Mapping[str, History]) -> int:
    """Return when a job was told to have left, `NEVER` if it was not."""
    history = told.get(intake.intent.job)
    return NEVER if history is None or history.ended is None else history.ended


def _held_twice(key: str, each: Iterable[Intake], told: Mapping[str, History]) -> Iterable[Fault]:
    accepted = sorted((intake for intake in each if intake.fate == "accepted"), key=lambda intake: intake.at)
    holder: Intake | None = None
    for intake in accepted:
        if holder is not None and _ended(holder, told) > intake.at:
            what = f"accepted while {holder.intent.job} held queue key {key!r}"
            yield Fault(intake.intent.job, what)
        if holder is None or _ended(intake, told) > _ended(holder, told):
            holder = intake


def _refused_for_nothing(
    key: str, each: Iterable[Intake], told: Mapping[str, History], hindered: Sequence[tuple[int, int]]
) -> Iterable[Fault]:
    """Give the enqueues that were refused when no other job can have held the key."""
    others = sorted((other for other in each if other.fate != "refused"), key=lambda other: other.intent.at)
    meant = [other.intent.at for other in others]
    held_until = list(accumulate((_held_until(_ended(other, told), hindered) for other in others), max))
    for intake in each:
        if intake.fate != "refused":
            continue
        before = bisect_right(meant, intake.at)
        if not before or held_until[before - 1] < intake.intent.at:
            yield Fault(intake.intent.job, f"refused although nobody held queue key {key!r}")


def _hindered(troubles: Iterable[Entry]) -> list[tuple[int, int]]:
    """Return the times in which a release may not have got through, each with the end of its consequences."""
    spans = (
        (entry.at - round(entry.grace * SECOND) - RELEASED_WITHIN, entry.at + RECOVERED_WITHIN)
        for entry in troubles
    )
    return sorted(spans)


def _held_until(ended: int, hindered: Iterable[tuple[int, int]]) -> int:
    """Return until when a key may refuse whose job has left."""
    until = ended + RELEASED_WITHIN
    for since, recovered in hindered:
        if since <= until - RELEASED_WITHIN < recovered:
            until = max(until, recovered)
    return until


class Unfinished:
    """Counts, as the logs grow, the jobs that were accepted and whose end nothing tells yet.

    It costs as much as the new lines; `check` reads everything.
    """

    def __init__(self) -> None:
        self._retryable: dict[str, bool] = {}
        self._accepted: set[str] = set()
        self._ended: set[str] = set()

    def take(self, enqueued: Iterable[Entry], jobs: Iterable[Entry]) -> None:
        """Take new lines of both logs; of the jobs' log those that were read before the other's."""
        for entry in enqueued:
            if entry.what == "intent":
                self._retryable[entry.job] = entry.retryable
            elif entry.what == "accepted":
                self._accepted.add(entry.job)
        for entry in jobs:
            if is_last(entry, retryable=self._retryable.get(entry.job, False)):
                self._ended.add(entry.job)

    @property
    def jobs(self) -> set[str]:
        """Their ids."""
        return self._accepted - self._ended

    @property
    def accepted(self) -> int:
        """How many jobs were accepted."""
        return len(self._accepted)

    @property
    def finished(self) -> int:
        """How many jobs have left for good."""
        return len(self._ended)
