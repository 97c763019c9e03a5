"""The checker's own test: with something wrong in the logs, a clean verdict must not stay clean.

A checker that says "nothing lost" is worth what it would have said had something been lost. So every
run of the demo tampers with copies of its own logs, a line of each sort, and looks whether it is told.
`violate` does the same with each kind of fault that the checker knows, for runs with kills.

Everything here is pure.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import TypeAlias

import attrs
import msgspec

from roger_actors.demo.checker import check
from roger_actors.demo.history import deaths
from roger_actors.demo.log import Entry

Logs: TypeAlias = tuple[list[Entry], list[Entry]]
"""The enqueuers' log and the jobs' log."""


@attrs.frozen
class Tampering:
    """One line, removed or doubled.

    Attributes:
        how: `removed`, `doubled` or `violated`.
        what: Which sort of line, or which promise.
        noticed: The first fault that the checker named, empty when it noticed nothing.
    """

    how: str
    what: str
    noticed: str


def tamper(
    enqueued: Sequence[Entry], jobs: Sequence[Entry], buried: Mapping[str, Collection[str]], seed: int
) -> list[Tampering]:
    """Remove and double a line of every sort, one at a time, and check each result.

    Args:
        enqueued: The enqueuer's log of a run whose verdict is clean.
        jobs: The jobs' log of that run.
        buried: What was on its shelves.
        seed: Chooses the lines.
    """
    chosen = random.Random(seed)  # noqa: S311 - no secret
    found = []
    again = check(enqueued, jobs, buried).again
    for what, index, is_job in _one_of_each(enqueued, jobs, again, chosen):
        for how, times in (("removed", 0), ("doubled", 2)):
            changed = _with(jobs if is_job else enqueued, index, times)
            verdict = check(enqueued if is_job else changed, changed if is_job else jobs, buried)
            found.append(Tampering(how, what, verdict.faults[0].what if verdict.faults else ""))
    return found


def _one_of_each(
    enqueued: Sequence[Entry], jobs: Sequence[Entry], again: Collection[str], chosen: random.Random
) -> Iterator[tuple[str, int, bool]]:
    """Give a line of every sort; of a job that rightly ran twice, more may be true than was written."""
    for log, is_job in ((enqueued, False), (jobs, True)):
        sorts: dict[str, list[int]] = {}
        for index, entry in enumerate(log):
            if entry.job not in again:
                sorts.setdefault(entry.what, []).append(index)
        for what, places in sorts.items():
            yield what, chosen.choice(places), is_job


def _with(log: Sequence[Entry], index: int, times: int) -> list[Entry]:
    return [*log[:index], *[log[index]] * times, *log[index + 1 :]]


# -- one violation of each kind -------------------------------------------------------------------


def violate(
    enqueued: Sequence[Entry], jobs: Sequence[Entry], buried: Mapping[str, Collection[str]], seed: int
) -> list[Tampering]:
    """Break each promise once, in copies of the logs, and check each result.

    Args:
        enqueued: The enqueuers' log of a run whose verdict is clean.
        jobs: The jobs' log of that run.
        buried: What was on its shelves.
        seed: Chooses the jobs.

    Returns:
        One for each promise that the run has a job for.
    """
    chosen = random.Random(seed)  # noqa: S311 - no secret
    verdict = check(enqueued, jobs, buried)
    died = deaths(jobs, [entry for entry in enqueued if entry.what == "killed"])
    done = _done_once(enqueued, jobs)
    strict = [job for job in done if job.id not in verdict.loose and job.done.pid not in died]
    found = []
    for what, breaking in VIOLATIONS.items() if strict else ():
        logs = breaking(strict, (list(enqueued), list(jobs)), chosen)
        if logs is not None:
            faults = check(*logs, buried).faults
            found.append(Tampering("violated", what, faults[0].what if faults else ""))
    return found


@attrs.frozen
class _Done:
    """A job that was enqueued once, begun once and done once, with all its lines."""

    intent: Entry
    accepted: Entry
    begun: Entry
    done: Entry

    @property
    def id(self) -> str:
        return self.intent.job


def _done_once(enqueued: Sequence[Entry], jobs: Sequence[Entry]) -> list[_Done]:
    lines: dict[str, list[Entry]] = {}
    for entry in [*enqueued, *jobs]:
        if entry.job and entry.what != "working":
            lines.setdefault(entry.job, []).append(entry)
    wanted = ["intent", "accepted", "begun", "done"]
    return [_Done(*each) for each in lines.values() if [entry.what for entry in each] == wanted]


def _lose(strict: list[_Done], logs: Logs, chosen: random.Random) -> Logs:
    """Remove all that a job has written."""
    lost = chosen.choice(strict).id
    return logs[0], [entry for entry in logs[1] if entry.job != lost]


def _leave_running(strict: list[_Done], logs: Logs, chosen: random.Random) -> Logs:
    """Remove the end of a job: it runs for ever."""
    endless = chosen.choice(strict).done
    return logs[0], [entry for entry in logs[1] if entry is not endless]


def _run_again(strict: list[_Done], logs: Logs, chosen: random.Random) -> Logs:
    """Run a job a second time, for no reason."""
    job = chosen.choice(strict)
    last = logs[1][-1].at
    again = [msgspec.structs.replace(e, at=last + n, pid=0) for n, e in enumerate((job.begun, job.done), 1)]
    return logs[0], logs[1] + again


def _run_unasked(strict: list[_Done], logs: Logs, chosen: random.Random) -> Logs:
    """Forget that a job was enqueued."""
    job = chosen.choice(strict)
    return [entry for entry in logs[0] if entry.job != job.id], logs[1]


def _serial_pairs(strict: list[_Done]) -> list[tuple[_Done, _Done]]:
    """Return pairs of jobs that one process enqueued and that ran one after another on one key."""
    last: dict[tuple[str, str], _Done] = {}
    pairs = []
    for job in sorted(strict, key=lambda job: job.begun.at):
        if job.intent.execution_key is None:
            continue
        key = (job.intent.partition, job.intent.execution_key)
        if key in last and last[key].intent.pid == job.intent.pid and last[key].accepted.at < job.accepted.at:
            pairs.append((last[key], job))
        last[key] = job
    return pairs


def _overlap(strict: list[_Done], logs: Logs, chosen: random.Random) -> Logs | None:
    """Let a serial job end after the next of its key has begun."""
    pairs = _serial_pairs(strict)
    if not pairs:
        return None
    first, second = chosen.choice(pairs)
    late = msgspec.structs.replace(first.done, at=second.begun.at + 1)
    jobs = [entry for entry in logs[1] if entry is not first.done]
    place = next(index for index, entry in enumerate(jobs) if entry is second.begun) + 1
    return logs[0], [*jobs[:place], late, *jobs[place:]]


def _swap(strict: list[_Done], logs: Logs, chosen: random.Random) -> Logs | None:
    """Let two jobs of one key run in the wrong order."""
    pairs = _serial_pairs(strict)
    if not pairs:
        return None
    first, second = chosen.choice(pairs)
    names = {first.id: second.id, second.id: first.id}
    return logs[0], [msgspec.structs.replace(e, job=names[e.job]) if e.job in names else e for e in logs[1]]


def _accept_twice(strict: list[_Done], logs: Logs, chosen: random.Random) -> Logs | None:
    """Accept another job while one holds its queue key."""
    holders = [job for job in strict if job.intent.queue_key and job.done.at > job.accepted.at]
    if not holders:
        return None
    holder = chosen.choice(holders)
    lines = [msgspec.structs.replace(e, job="another") for e in (holder.intent, holder.accepted)]
    runs = [msgspec.structs.replace(e, job="another", pid=0) for e in (holder.begun, holder.done)]
    place = next(index for index, entry in enumerate(logs[0]) if entry is holder.accepted) + 1
    at = logs[1][-1].at
    after = [msgspec.structs.replace(entry, at=at + n) for n, entry in enumerate(runs, 1)]
    return [*logs[0][:place], *lines, *logs[0][place:]], logs[1] + after


def _refuse(strict: list[_Done], logs: Logs, chosen: random.Random) -> Logs:
    """Refuse a job whose queue key nobody has."""
    job = chosen.choice(strict)
    lines = [
        msgspec.structs.replace(job.intent, job="refused", queue_key="nobody's"),
        msgspec.structs.replace(job.accepted, job="refused", what="refused"),
    ]
    return logs[0] + lines, logs[1]


def _outlive(strict: list[_Done], logs: Logs, chosen: random.Random) -> Logs:
    """Kill a node while a job runs, which goes on all the same."""
    job = chosen.choice(strict)
    kill = Entry(at=job.begun.at + 1, what="killed", pid=job.begun.pid, node=job.begun.node)
    return [*logs[0], kill], logs[1]


VIOLATIONS: dict[str, Callable[[list[_Done], Logs, random.Random], Logs | None]] = {
    "no job is lost": _lose,
    "nothing is left running": _leave_running,
    "no job runs twice without a reason": _run_again,
    "nothing runs that was not enqueued": _run_unasked,
    "no two jobs of an execution key overlap": _overlap,
    "jobs of an execution key run in order": _swap,
    "a queue key is held by one job": _accept_twice,
    "a queue key that is free refuses nobody": _refuse,
    "nothing of a dead process goes on": _outlive,
}
"""What is promised, and how it is broken in the logs."""
