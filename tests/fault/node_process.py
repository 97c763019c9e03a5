"""A node as the tests see it from outside: OS processes that can be found, frozen and killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from roger_actors.bootstrap import look_into
from roger_actors.demo.log import NODE

HERE = Path(__file__).parent
ROLES = ("starter", "admin", "root", "kernel", "worker")
"""What a node consists of, from the top down."""
STARTS_WITHIN = 60.0


def wait_for(happened: Callable[[], Any], limit: float, what: str, *, pause: float = 0.01) -> Any:
    """Look again and again until something has happened, and return what was found."""
    deadline = time.monotonic() + limit
    pausing = threading.Event()
    while not (found := happened()):
        assert time.monotonic() < deadline, f"{what}: not within {limit} s"
        pausing.wait(pause)
    return found


def parents() -> dict[int, int]:
    """Return the parent of every process."""
    found = {}
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                fields = Path(entry.path, "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if fields[0] not in "ZX":
                found[int(entry.name)] = int(fields[1])
    return found


def below(pid: int) -> list[int]:
    """Return a process and all its descendants."""
    tree = parents()
    found = [pid] if pid in tree else []
    for one in found:
        found.extend(child for child, parent in tree.items() if parent == one)
    return found


def children(pid: int) -> list[int]:
    """Return the processes that a process has started and that live."""
    try:
        found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [int(child) for child in found]


def send(number: signal.Signals, pids: list[int]) -> None:
    """Signal processes; one that is gone is passed over."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


def kill_all(pids: list[int]) -> None:
    """Kill processes."""
    send(signal.SIGKILL, pids)


class NodeProcess:
    """One node, started again and again under its name.

    Args:
        name: Of the node.
        directory: Of the campaign.
        tables: Its configuration.
        environment: Variables of all processes of the campaign.
        seed: Chooses what it enqueues by itself.
    """

    def __init__(
        self, name: str, directory: Path, tables: dict[str, Any], environment: dict[str, str], seed: int
    ) -> None:
        self.name = name
        self.tables = tables
        self._directory = directory
        self._environment = environment
        self._seed = seed
        self._starts = 0
        self._path = directory / f"{name}.json"
        self._path.write_text(json.dumps(tables))
        self.starter: subprocess.Popen[bytes] | None = None

    @property
    def mark(self) -> str:
        """What its processes' lines carry: its name and which start it is."""
        return f"{self.name}.{self._starts}"

    @property
    def is_running(self) -> bool:
        """Whether its starter lives."""
        return self.starter is not None and self.starter.poll() is None

    def start(self) -> None:
        """Start it, the same one again."""
        self._ready.unlink(missing_ok=True)
        self._starts += 1
        number = self._seed * 1000 + self._starts
        environment = {**self._environment, NODE: self.mark}
        self.starter = spawn("starter.py", self._path, self._directory, number, environment)

    @property
    def _ready(self) -> Path:
        return self._directory / f"ready-{self.name}"

    def wait_until_ready(self, limit: float = STARTS_WITHIN) -> None:
        """Wait until it has said that it has started."""

        def is_ready() -> bool:
            assert self.is_running, f"node {self.name} did not start: {self.words()}"
            return self._ready.exists()

        wait_for(is_ready, limit, f"the start of node {self.name}")

    def words(self) -> str:
        """Return the end of what it has said."""
        logs = [self._directory / "stderr.log", self._directory / f"{self.name}.log"]
        return "\n".join(log.read_text(errors="replace")[-2000:] for log in logs if log.exists())

    # -- its processes -----------------------------------------------------------------------------

    @property
    def pid(self) -> int:
        """The starter's."""
        assert self.starter is not None
        return self.starter.pid

    def pids(self) -> list[int]:
        """Return all its processes, those of its jobs included."""
        return below(self.pid)

    def running_tree(self) -> dict[str, Any]:
        """Return the node's running tree."""
        with look_into(self.name) as outside:
            return outside.tree()

    def pid_of(self, role: str) -> int:
        """Return the OS process of a role: one of `ROLES`; of several worker hosts the first."""
        if role == "starter":
            return self.pid
        tree = self.running_tree()
        root = int(tree["os_pid"])
        if role == "root":
            return root
        if role == "admin":
            return parents()[root]
        return self.host_pids(role, tree)[0]

    def host_pids(self, role: str, tree: dict[str, Any] | None = None) -> list[int]:
        """Return the OS processes of the node's hosts of a role."""
        hosts = (tree or self.running_tree())["hosts"].values()
        return [int(host["os_pid"]) for host in hosts if host["role"] == role]

    def reap(self) -> None:
        """Wait for the starter, which was killed."""
        if self.starter is not None:
            self.starter.wait(10.0)


def spawn(
    script: str, tables: Path, directory: Path, seed: int, environment: dict[str, str]
) -> subprocess.Popen[bytes]:
    """Start one of the scripts beside this file."""
    command = [sys.executable, str(HERE / script), str(tables), str(directory), str(seed)]
    variables = {
        **os.environ,
        **environment,
        "ROGER_RUNTIME_DIR": str(directory / "run"),
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    with (directory / "stderr.log").open("ab") as out:
        return subprocess.Popen(command, env=variables, stdout=out, stderr=out)
