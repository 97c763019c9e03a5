"""Starting what is measured as subprocesses, and ending it whatever happens."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from benchmarks.harness import BenchmarkFailed

ROOT = Path(__file__).resolve().parent.parent
STOP_SECONDS = 1.0


def python(*arguments: str) -> list[str]:
    """Return a command that runs this interpreter with arguments."""
    return [sys.executable, *arguments]


@contextmanager
def running(
    command: Sequence[str], environment: Mapping[str, str], *, patience: float = STOP_SECONDS
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command in a process group of its own; afterwards nothing of that group is left.

    Args:
        command: What to run, from the top of the repository.
        environment: Variables added to the environment.
        patience: Seconds between SIGTERM and SIGKILL when it is ended.

    Yields:
        The process; its output goes to a file that is shown only when it ended badly.
    """
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            yield process
        except BenchmarkFailed as error:
            _end(process, patience)
            raise BenchmarkFailed(f"{error}\n{_tail(output)}") from error
        finally:
            _end(process, patience)


def ask(command: Sequence[str], environment: Mapping[str, str], seconds: float) -> Any:
    """Run a command to its end and return the JSON it printed on its last line.

    Args:
        command: What to run.
        environment: Variables added to the environment.
        seconds: How long it may take.

    Raises:
        BenchmarkFailed: It took longer or exited with an error.
    """
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        try:
            output, errors = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            raise BenchmarkFailed(f"{' '.join(command)} took longer than {seconds} s") from None
        finally:
            _end(process)
    if process.returncode != 0:
        raise BenchmarkFailed(
            f"{' '.join(command)} exited with {process.returncode}\n{errors.decode()[-2000:]}"
        )
    return json.loads(output.splitlines()[-1])


def wait_until(
    condition: Callable[[], bool], seconds: float, what: str, process: subprocess.Popen[bytes]
) -> None:
    """Look every few milliseconds until a condition holds.

    Raises:
        BenchmarkFailed: It did not hold in time, or the process ended first.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if process.poll() is not None:
            raise BenchmarkFailed(f"{what}: the process ended with {process.returncode}")
        if time.monotonic() > deadline:
            raise BenchmarkFailed(f"{what}: not within {seconds} s")
        time.sleep(0.02)


def _end(process: subprocess.Popen[bytes], patience: float = STOP_SECONDS) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            pass
    # Also when it ended by itself: its children may not have.
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def _tail(output: IO[bytes]) -> str:
    output.seek(0)
    return output.read().decode(errors="replace")[-3000:]
