"""The commands as subprocesses, in a folder with a configuration and a module of jobs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import NamedTuple

import pytest

CONFIG = """
[node]
name = "worker-1"
broker = "embedded:roger.db"
jobs = ["shop.jobs"]
enqueue_timeout = 10.0
shutdown_timeout = 10.0

[partitions.acme]
queues = { default = 2, images = 1 }
"""

JOBS = """
import os
import signal
import time

from roger_actors import Job


class Touch(Job):
    def perform(self, args):
        open(args["path"], "a").write(self.record.id + "\\\\n")


class Resize(Job):
    queue_type = "images"

    @classmethod
    def queue_key(cls, args):
        return f"resize-{args['id']}"

    def perform(self, args):
        return args


class Fail(Job):
    retryable = True
    retry_levels = [0.05]

    def perform(self, args):
        raise ValueError("it \\\\x1b[31mnever works")


class Sleep(Job):
    def perform(self, args):
        open(args["path"], "a").write("begun\\\\n")
        time.sleep(args["seconds"])
        open(args["path"], "a").write("done\\\\n")
""".replace("\\\\", "\\")


class Result(NamedTuple):
    """What a command printed and how it ended."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> object:
        return json.loads(self.out)


Cli = Callable[..., Result]


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in ("ROGER_CONFIG", "COLUMNS")}
    return {**kept, "PYTHONDONTWRITEBYTECODE": "1", **more}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with `roger.toml` and `shop/jobs.py`."""
    (tmp_path / "roger.toml").write_text(CONFIG)
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "__init__.py").touch()
    (tmp_path / "shop" / "jobs.py").write_text(JOBS)
    return tmp_path


@pytest.fixture
def cli(project: Path) -> Cli:
    """Runs `roger-actors` in the project's folder and waits for its end."""

    def run(*arguments: str, stdin: str = "", env: dict[str, str] | None = None) -> Result:
        done = subprocess.run(
            [sys.executable, "-m", "roger_actors", *arguments],
            cwd=project,
            env=environment(**(env or {})),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=45,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Result(done.returncode, done.stdout, done.stderr)

    return run


LIMIT = 20.0


class Running:
    """A `roger-actors run` in the background, its lines as they come."""

    def __init__(self, folder: Path, *before: str) -> None:
        self.process = subprocess.Popen(
            [*before, sys.executable, "-m", "roger_actors", "run"],
            cwd=folder,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.seen: list[str] = []
        self._lines: SimpleQueue[str | None] = SimpleQueue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line.rstrip("\n"))
        self._lines.put(None)

    def wait_for(self, text: str) -> str:
        """Return the next line that has the text in it."""
        while True:
            try:
                line = self._lines.get(timeout=LIMIT)
            except Empty:
                pytest.fail(f"{text!r} did not come within {LIMIT} s; there was {self.seen}")
            if line is None:
                pytest.fail(f"it ended without saying {text!r}; it said {self.seen}")
            self.seen.append(line)
            if text in line:
                return line

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def wait_for_end(self) -> int:
        status = self.process.wait(LIMIT)
        self._reader.join(LIMIT)
        return status

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.wait_for_end()
        self.process.stdout.close()


Start = Callable[..., Running]


@pytest.fixture
def start(project: Path) -> Iterator[Start]:
    """Starts `roger-actors run` in the project's folder."""
    started: list[Running] = []

    def run(*before: str) -> Running:
        started.append(Running(project, *before))
        return started[-1]

    yield run
    for each in started:
        each.close()
