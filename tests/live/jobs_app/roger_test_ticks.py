"""A job that can be seen to live: it writes a line into a file, again and again."""

from __future__ import annotations

import os
import threading
import time
from typing import Any

from roger_actors import Job


class Ticks(Job):
    """Ticks for some seconds; all of them have the same execution key."""

    @staticmethod
    def execution_key(args: Any) -> str:
        return "clock"

    def perform(self, args: Any) -> None:
        out = os.open(args["path"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            until = time.monotonic() + args["seconds"]
            self._write(out, "begin", args)
            while time.monotonic() < until:
                threading.Event().wait(0.01)
                self._write(out, "tick", args)
            self._write(out, "end", args)
        finally:
            os.close(out)

    def _write(self, out: int, event: str, args: Any) -> None:
        os.write(out, f"{event} {args['label']} {os.getpid()} {time.monotonic()}\n".encode())
