"""The base of the demo's jobs, and the hooks: they write the jobs' log.

A job writes when its work begins and when it is done. What a job cannot tell, because it raised or its
process is gone, a hook tells. Every job carries the path of the log in its arguments, so that nothing
depends on the environment of the worker hosts.
"""

from __future__ import annotations

import functools
import os
import time
from pathlib import Path
from typing import Any, Final

from roger_actors.demo.log import NODE, Entry, Event, Log, now
from roger_actors.roger import Hooks, Job, JobRecord

HELD_AT_MOST: Final = 20.0
"""Seconds that a hook waits at most while a test holds it."""


@functools.cache
def _log_of(path: str, pid: int) -> Log:
    del pid  # each process opens its own
    return Log(path)


def tell(record: JobRecord, partition: str, what: Event, kind: str = "", detail: str = "") -> None:
    """Write a line about a job."""
    entry = Entry(
        at=now(),
        what=what,
        job=record.id,
        partition=partition,
        name=record.module.rpartition(".")[2],
        attempt=record.retry_count,
        pid=os.getpid(),
        kind=kind,
        detail=" ".join(detail.split())[:200],
        node=os.environ.get(NODE, ""),
    )
    _log_of(record.args["log"], os.getpid()).append(entry)


class Recorded(Job):
    """A job that writes when it begins and when it is done; subclass it and write `work`."""

    def perform(self, args: Any) -> Any:
        """Write, work, write."""
        tell(self.record, args["partition"], "begun")
        result = self.work(args)
        tell(self.record, args["partition"], "done", detail=str(result))
        return result

    def work(self, args: Any) -> Any:
        """Do what the job is about and return something short."""
        raise NotImplementedError


class RecordingHooks(Hooks):
    """Writes the ends that a job cannot write itself."""

    def on_error(
        self, partition: str, record: JobRecord, failure: Any, stacktrace: str, before_state: Any
    ) -> None:
        """Write that an attempt failed."""
        del stacktrace, before_state
        tell(record, partition, "failed", failure[0], str(failure[1]))
        _wait_while_held(record)

    def on_cancel(self, partition: str, record: JobRecord) -> None:
        """Write that a job was cancelled."""
        tell(record, partition, "cancelled")
        _wait_while_held(record)

    def on_buried(
        self, partition: str, record: JobRecord, failure: Any, stacktrace: str, before_state: Any
    ) -> None:
        """Write that a job was buried."""
        del stacktrace, before_state
        tell(record, partition, "buried", failure[0], str(failure[1]))
        _wait_while_held(record)


def _wait_while_held(record: JobRecord) -> None:
    """Stand still while the file that a test named exists.

    A hook that tells of a job whose host is gone runs after the follow-up was confirmed and before
    the delivery is acknowledged: a test that wants to kill a node there holds the hook.
    """
    held = record.args.get("hold")
    deadline = time.monotonic() + HELD_AT_MOST
    while held and Path(held).exists() and time.monotonic() < deadline:
        time.sleep(0.01)  # noqa: TID251 - a worker host's job thread has no event to wait for here
