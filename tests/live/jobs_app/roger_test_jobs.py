"""Jobs and hooks of the acceptance tests; each tells the test what it does through a FIFO.

The FIFO's path is in the environment of the node, so that jobs, hooks and their subprocesses find it.
"""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from roger_actors import (
    KILL,
    Application,
    From,
    GenServer,
    Hooks,
    Job,
    JobRecord,
    NoReply,
    Ok,
    Pid,
    Reply,
    process,
)

EVENTS = "ROGER_TEST_EVENTS"


def tell(event: str, **data: Any) -> None:
    """Write one event; a line shorter than PIPE_BUF is written whole."""
    line = json.dumps({"event": event, **data}).encode() + b"\n"
    fd = os.open(os.environ[EVENTS], os.O_WRONLY)
    try:
        os.write(fd, line)
    finally:
        os.close(fd)


class Tell(Job):
    """Says that it ran."""

    def perform(self, args: Any) -> Any:
        tell("ran", id=self.record.id, args=args, retry_count=self.record.retry_count)
        return args


class TellEnv(Job):
    """Says what it finds in the application's environment."""

    def perform(self, args: Any) -> Any:
        tell("env", step=Application.get_env("test", "step"))


class Unique(Tell):
    """Of one number at a time."""

    @classmethod
    def queue_key(cls, args: Any) -> str:
        return f"unique-{args['n']}"


class Serial(Job):
    """One after another."""

    @classmethod
    def execution_key(cls, args: Any) -> str:
        return str(args["key"])

    def perform(self, args: Any) -> None:
        tell("start", n=args["n"], key=args["key"])
        threading.Event().wait(0.02)
        tell("stop", n=args["n"], key=args["key"])


class UniqueAndSerial(Serial):
    """Both keys."""

    @classmethod
    def queue_key(cls, args: Any) -> str:
        return f"both-{args['n']}"


class Failing(Job):
    """Fails every time, with three quick retries."""

    retryable = True
    retry_levels = (0.25, 0.25, 0.25)

    def perform(self, args: Any) -> None:
        raise ValueError("boom")


class FailingByTheSecond(Failing):
    """Fails every time, with three retries a second apart."""

    retry_levels = (1.0, 1.0, 1.0)
    retry_jitter = 0.0


class FailingTwice(Failing):
    """Fails, and once more at once."""

    retry_levels = (0.0,)


class UniqueFailing(Failing):
    """Fails and holds its key meanwhile."""

    @classmethod
    def queue_key(cls, args: Any) -> str:
        return "unique-failing"


class UniqueFailingLate(UniqueFailing):
    """The same, with time to do something before its retry."""

    retry_levels = (1.5,)


class FailsWhenTold(Tell):
    """Fails for good at its second attempt if its arguments say so; both keys come from them."""

    retryable = True
    retry_levels = (0,)

    @classmethod
    def queue_key(cls, args: Any) -> str:
        return f"told-{args['n']}"

    @classmethod
    def execution_key(cls, args: Any) -> str:
        return f"told-{args['n']}"

    def perform(self, args: Any) -> Any:
        if args["fail"]:
            raise ValueError(args["n"])
        return super().perform(args)


class FailsOnce(Job):
    """Succeeds at its second attempt."""

    retryable = True
    retry_levels = (0.25,)

    def perform(self, args: Any) -> None:
        if self.record.retry_count == 0:
            raise RuntimeError("not yet")
        tell("ran", id=self.record.id, retry_count=self.record.retry_count)


class FailsOnceLate(FailsOnce):
    """The same, with time to do something before its retry."""

    retry_levels = (2.0,)


class NotRetried(Job):
    """Fails and is let go."""

    def perform(self, args: Any) -> None:
        raise KeyError("gone")


class Limited(Job):
    """May run for a second, and blocks in C for longer when told to."""

    max_execution_time = 1.0

    def perform(self, args: Any) -> None:
        tell("begun", id=self.record.id)
        if args["long"]:
            ctypes.PyDLL(None).sleep(30)  # holds the interpreter's lock
        tell("ran", id=self.record.id)


class Waits(Job):
    """Runs until it is killed, with a subprocess of its own; `stubborn` swallows every exception."""

    def perform(self, args: Any) -> None:
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        tell("begun", id=self.record.id, pid=os.getpid(), child=child.pid)
        while True:
            threading.Event().wait(60)


class Slow(Job):
    """Takes as long as it is told."""

    def perform(self, args: Any) -> None:
        tell("begun", at=time.monotonic(), id=self.record.id)
        threading.Event().wait(args["seconds"])
        tell("ran", at=time.monotonic(), id=self.record.id)


class SerialSlow(Slow):
    """The same, one after another."""

    @classmethod
    def execution_key(cls, args: Any) -> str:
        return str(args["key"])


class Segfaults(Job):
    """Ends its host with signal 11."""

    def perform(self, args: Any) -> None:
        tell("begun", id=self.record.id)
        ctypes.string_at(0)


class Exits(Job):
    """Ends its host with a status."""

    def perform(self, args: Any) -> None:
        tell("begun", id=self.record.id)
        os._exit(7)


class ClosesEverything(Job):
    """Closes every descriptor of its process."""

    def perform(self, args: Any) -> None:
        tell("begun", id=self.record.id)
        os.closerange(3, 4096)


class KillsItsGroup(Job):
    """Kills the process group that it finds itself in."""

    def perform(self, args: Any) -> None:
        tell("begun", id=self.record.id)
        os.killpg(os.getpgrp(), 9)


class AsyncTell(Job):
    """An asynchronous one."""

    async def perform(self, args: Any) -> Any:
        tell("ran", id=self.record.id, args=args)


def raise_if_told(record: JobRecord) -> None:
    """Fail, in a hook, if the job's arguments say so."""
    if isinstance(record.args, dict) and record.args.get("hook") == "raise":
        raise RuntimeError("a hook that fails")


class TellingHooks(Hooks):
    """Say that they were called."""

    def worker_start(self) -> None:
        """Stay silent: nobody asked."""

    def before_run(self, partition: str, record: JobRecord) -> str:
        tell("before_run", id=record.id, partition=partition)
        raise_if_told(record)
        return f"before {record.id}"

    def after_run(self, partition: str, record: JobRecord, result: Any, before_state: Any) -> None:
        tell("after_run", id=record.id, result=result, before_state=before_state)
        raise_if_told(record)

    def on_error(
        self, partition: str, record: JobRecord, failure: Any, stacktrace: str, before_state: Any
    ) -> None:
        tell(
            "on_error",
            at=time.monotonic(),
            id=record.id,
            retry_count=record.retry_count,
            kind=failure[0],
            message=str(failure[1]),
            stack=stacktrace,
        )
        raise_if_told(record)

    def on_cancel(self, partition: str, record: JobRecord) -> None:
        tell("on_cancel", id=record.id)
        raise_if_told(record)

    def on_buried(
        self, partition: str, record: JobRecord, failure: Any, stacktrace: str, before_state: Any
    ) -> None:
        tell(
            "on_buried",
            at=time.monotonic(),
            id=record.id,
            retry_count=record.retry_count,
            kind=failure[0],
        )
        raise_if_told(record)


class Counter(GenServer[int]):
    """Counts, crashes and keeps silent on request."""

    def init(self, start: int) -> Ok[int]:
        return Ok(start)

    def handle_call(self, request: Any, sender: From, state: int) -> Any:
        if request == "silence":
            return NoReply(state)
        if request == "env":
            return Reply(Application.get_env("test", "step"), state)
        value = state + 1 if request == "next" else 1 // 0
        return Reply(value, value)


class Reaper(GenServer[None]):
    """Ends processes of other hosts of its node; the request is how, the host's number and the serial."""

    def init(self) -> Ok[None]:
        return Ok(None)

    async def handle_call(self, request: Any, sender: From, state: None) -> Any:
        how, host, serial = request
        pid = Pid(process.self().node, host, serial)
        if how == "stop":
            await GenServer.stop(pid)
        else:
            process.exit(pid, KILL)
        return Reply("ok", state)


class MayKill(Job):
    """Returns at once, or kills its host; of a queue with two workers."""

    queue_type = "other"

    def perform(self, args: Any) -> None:
        if args["kills"]:
            tell("begun", id=self.record.id)
            os.kill(os.getpid(), 9)


class GatedPlain(Job):
    """Says its number, once the file that it is told to wait for is there."""

    def perform(self, args: Any) -> None:
        if "gate" in args:
            tell("begun", id=self.record.id)
            while not Path(args["gate"]).exists():
                threading.Event().wait(0.01)
        tell("passed", key=args["key"], n=args["n"])


class Gated(GatedPlain):
    """One of a key at a time."""

    @classmethod
    def execution_key(cls, args: Any) -> str:
        return str(args["key"])
