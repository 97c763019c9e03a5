"""The jobs of the demo: honest work on real files, and everything bad that a job can do."""

from __future__ import annotations

import ctypes
import faulthandler
import hashlib
import os
import re
import subprocess
import sys
import time
import zlib
from pathlib import Path
from typing import Any

from roger_actors.demo import recorded

# -- work -----------------------------------------------------------------------------------------


class Digest(recorded.Recorded):
    """The SHA-256 of a file."""

    def work(self, args: Any) -> str:
        """Return the first 16 digits."""
        return hashlib.sha256(Path(args["file"]).read_bytes()).hexdigest()[:16]


class Count(recorded.Recorded):
    """Lines and words of a file."""

    queue_type = "reports"

    def work(self, args: Any) -> str:
        """Return both."""
        text = Path(args["file"]).read_text(errors="replace")
        return f"{text.count(chr(10))} lines, {len(text.split())} words"


class Compress(recorded.Recorded):
    """How small zlib makes a file."""

    queue_type = "archive"

    def work(self, args: Any) -> str:
        """Return sizes before and after."""
        data = Path(args["file"]).read_bytes()
        return f"{len(data)} to {len(zlib.compress(data, 9))} bytes"


class Nap(recorded.Recorded):
    """A job that takes its time."""

    def work(self, args: Any) -> str:
        """Wait."""
        time.sleep(args["seconds"])  # noqa: TID251 - this is what the job does
        return f"{args['seconds']} s"


class Unique(Nap):
    """One of its kind: further ones are refused while it is queued or runs."""

    @classmethod
    def queue_key(cls, args: Any) -> str:
        """Return what it is about."""
        return f"unique-{args['about']}"


class Serial(Nap):
    """One after another, in the order of their enqueues."""

    @classmethod
    def execution_key(cls, args: Any) -> str:
        """Return what they share."""
        return f"serial-{args['about']}"


class UniqueSerial(Serial):
    """Both: one of its kind, and one after another with the serial ones about the same."""

    @classmethod
    def queue_key(cls, args: Any) -> str:
        """Return what it alone is about."""
        return f"sole-{args['sole']}"


class LongSerial(Serial):
    """A serial job that shows, again and again, that it is still at work."""

    def work(self, args: Any) -> str:
        """Wait, and write a line every now and then."""
        end = time.monotonic() + args["seconds"]
        while time.monotonic() < end:
            time.sleep(0.05)  # noqa: TID251 - this is what the job does
            recorded.tell(self.record, args["partition"], "working")
        return f"{args['seconds']} s"


# -- trouble --------------------------------------------------------------------------------------


class Flaky(recorded.Recorded):
    """Raises until its `succeeds`-th retry."""

    retryable = True

    def work(self, args: Any) -> str:
        """Raise, or not any more."""
        if self.record.retry_count < args["succeeds"]:
            raise ConnectionError(f"attempt {self.record.retry_count} found nobody")
        return f"attempt {self.record.retry_count}"


class UniqueFlaky(Flaky):
    """The same, one of its kind: refused while the first runs or waits for its retry."""

    @classmethod
    def queue_key(cls, args: Any) -> str:
        """Return what it is about."""
        return f"flaky-{args['about']}"


class Hopeless(recorded.Recorded):
    """Raises always, and is buried."""

    retryable = True
    retry_levels = (0.2,)

    def work(self, args: Any) -> str:
        """Raise."""
        raise ValueError("there is no such file, and there never will be")


class Refusing(recorded.Recorded):
    """Raises, and is not retried."""

    def work(self, args: Any) -> str:
        """Raise."""
        raise PermissionError("this one says no")


class Segfault(recorded.Recorded):
    """Reads address 0: the process gets a real SIGSEGV."""

    def work(self, args: Any) -> str:
        """End the worker host by signal 11."""
        faulthandler.disable()  # worker hosts print a stack at a crash; here it would fill the screen
        return str(ctypes.string_at(0))


class ExitsOnce(recorded.Recorded):
    """Calls `os._exit` in its first run, and is done in its second."""

    def work(self, args: Any) -> str:
        """End the worker host with status 7, the first time."""
        if is_first(args):
            os._exit(7)
        return "second run"


class Overtime(recorded.Recorded):
    """Blocks its interpreter for years: a regular expression that backtracks without end.

    No signal handler of Python and no thread of it runs meanwhile; only a kill from outside helps.
    """

    max_execution_time = 1.0

    def work(self, args: Any) -> str:
        """Match in vain."""
        return str(re.match(r"(a+)+$", "a" * 60 + "b"))


class OvertimeOnce(Overtime):
    """Blocks in its first attempt, and is done in its second."""

    retryable = True

    def work(self, args: Any) -> str:
        """Match in vain, the first time."""
        return super().work(args) if self.record.retry_count == 0 else "second attempt"


class UniqueOvertimeOnce(OvertimeOnce):
    """The same, one of its kind."""

    @classmethod
    def queue_key(cls, args: Any) -> str:
        """Return what it is about."""
        return f"overtime-{args['about']}"


class Parent(recorded.Recorded):
    """Starts a subprocess and waits for it: both must be gone when the job is cancelled."""

    def work(self, args: Any) -> str:
        """Write the subprocess's pid to a file and wait."""
        command = [sys.executable, "-c", "import time; time.sleep(600)"]
        with subprocess.Popen(command) as child:  # noqa: S603 - our own interpreter
            Path(args["child"]).write_text(f"{os.getpid()} {child.pid}\n")
            return f"status {child.wait()}"


def is_first(args: Any) -> bool:
    """Whether nobody has asked this of the same arguments before; across processes."""
    try:
        os.close(os.open(args["once"], os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        return False
    return True
