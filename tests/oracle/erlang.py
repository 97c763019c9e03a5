"""A node of Erlang that plays scenarios: compiled into a temporary directory, talked to over its pipes."""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from .scenario import Data

SOURCES = sorted(Path(__file__).parent.glob("*.erl"))
ANSWER_SECONDS = 120.0


class ErlangMissing(Exception):
    """There is no `erl` or no `erlc` on this machine."""


class ErlangNode:
    """One Erlang machine that plays any number of scenarios, one after the other.

    It has one scheduler, so that a process's last signals leave it together, and no name and no port.
    """

    def __init__(self) -> None:
        if not shutil.which("erl") or not shutil.which("erlc"):
            raise ErlangMissing(
                "no erl or erlc: apt-get install erlang-base, or run this under .ci/with-erlang"
            )
        self._unread = b""
        with ExitStack() as undo:
            folder = undo.enter_context(tempfile.TemporaryDirectory(prefix="roger-oracle-"))
            subprocess.run(["erlc", "-Werror", "-o", folder, *map(str, SOURCES)], check=True, timeout=120)
            command = ["erl", "+S", "1:1", "+A", "1", "-noshell", "-pa", folder, "-run", "oracle", "main"]
            environment = {**os.environ, "HOME": folder, "ERL_CRASH_DUMP_SECONDS": "0"}
            self._node = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=folder, env=environment
            )
            undo.enter_context(self._node)
            undo.callback(self._stop)
            self._undo = undo.pop_all()

    def _stop(self) -> None:
        """End the machine, which ends with its input."""
        assert self._node.stdin is not None
        self._node.stdin.close()
        try:
            self._node.wait(10.0)
        except subprocess.TimeoutExpired:
            self._node.kill()

    def play(self, scenario: Data) -> list[Data]:
        """Play a scenario and return its raw trace.

        Raises:
            RuntimeError: The scenario cannot be played, or the machine ended or was silent.
        """
        given = {"root": scenario["root"], "steps": scenario["steps"]}
        assert self._node.stdin is not None
        self._node.stdin.write(term(given).encode("latin-1") + b".\n")
        self._node.stdin.flush()
        trace = json.loads(self._line(time.monotonic() + ANSWER_SECONDS))
        if isinstance(trace, dict):
            raise RuntimeError(f"Erlang could not play {scenario.get('name', 'it')!r}: {trace['failed']}")
        return list(trace)

    def _line(self, deadline: float) -> bytes:
        assert self._node.stdout is not None
        while b"\n" not in self._unread:
            ready, _, _ = select.select([self._node.stdout], [], [], max(0.0, deadline - time.monotonic()))
            more = os.read(self._node.stdout.fileno(), 1 << 16) if ready else b""
            if not more:
                raise RuntimeError("the Erlang machine ended" if ready else "the Erlang machine is silent")
            self._unread += more
        line, _, self._unread = self._unread.partition(b"\n")
        return line

    def close(self) -> None:
        """End the machine and remove its directory."""
        self._undo.close()

    def __enter__(self) -> Self:
        """Return the node."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()


def term(data: Any) -> str:
    """Return data as an Erlang term: words are atoms, objects are maps."""
    if isinstance(data, bool):
        return "true" if data else "false"
    if isinstance(data, int | float):
        return repr(data)
    if isinstance(data, str):
        return "'" + data.replace("\\", "\\\\").replace("'", "\\'") + "'"
    if isinstance(data, dict):
        return "#{" + ",".join(f"{term(key)}=>{term(value)}" for key, value in data.items()) + "}"
    return "[" + ",".join(map(term, data)) + "]"
