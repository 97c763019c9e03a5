"""Jobs that break the process they run in, and hooks whose start fails at first."""

from __future__ import annotations

import logging
import os
import sys
import threading
from pathlib import Path
from typing import Any

from roger_test_jobs import tell

from roger_actors import Hooks, Job

STARTS = "ROGER_TEST_STARTS"


class Speaks(Job):
    """Uses every way there is to say something."""

    def perform(self, args: Any) -> None:
        print("printed by a job")
        print("not ended", end="")
        sys.stderr.write("written by a job\n")
        logging.getLogger("myapp").warning("logged by a job")
        if args == "die":
            os._exit(3)


class ClosesAllAndGoesOn(Job):
    """Closes every descriptor, the standard ones too, and never returns."""

    def perform(self, args: Any) -> None:
        tell("begun", id=self.record.id, pid=os.getpid())
        os.closerange(0, 4096)
        threading.Event().wait()


class LeavesAThread(Job):
    """Leaves a thread behind that never ends, and is no daemon."""

    def perform(self, args: Any) -> None:
        threading.Thread(target=threading.Event().wait).start()
        tell("ran", id=self.record.id, pid=os.getpid())


class EatsMemory(Job):
    """Keeps what it has taken."""

    def perform(self, args: Any) -> None:
        globals()["kept"] = bytearray(args["bytes"])
        tell("ran", id=self.record.id, pid=os.getpid())


class SlowToStart(Hooks):
    """Cannot start a worker host before the third try."""

    def worker_start(self) -> None:
        starts = Path(os.environ[STARTS])
        with starts.open("a") as file:
            file.write("x")
        if starts.stat().st_size < 3:
            raise ConnectionError("no database")

    def worker_stop(self) -> None:
        tell("worker_stop", pid=os.getpid())
