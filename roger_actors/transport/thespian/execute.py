"""Executing a fresh Python that becomes an admin, with an order on its standard input.

The service is never forked for this: a new process has none of its threads, locks or descriptors.
"""

from __future__ import annotations

import contextlib
import marshal
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Protocol

_BOOT = (
    "import sys, marshal; sys.path[:] = marshal.load(sys.stdin.buffer); "
    "from roger_actors.transport.thespian.execute import main; main()"
)


_STREAMS = ("stdout", "stderr")


class _Pickler(pickle.Pickler):
    """Pickles this process's standard streams as the other process's: log definitions may name them."""

    def persistent_id(self, obj: object) -> str | None:
        return next((name for name in _STREAMS if obj is getattr(sys, name)), None)


class _Unpickler(pickle.Unpickler):
    def persistent_load(self, pid: str) -> object:
        return getattr(sys, pid)


class Order(Protocol):
    """What the new process is to do."""

    def carry_out(self) -> None:
        """Do it, and end the process."""


def execute(order: Order, title: str, *descriptors: int) -> subprocess.Popen[bytes]:
    """Start a process that carries out an order.

    Args:
        order: Pickled; its class is imported in the new process.
        title: Shown at the end of its command line.
        descriptors: What it inherits beside its standard output and error.
    """
    process = subprocess.Popen(  # noqa: S603 - our own interpreter and code
        [_python(), "-c", _BOOT, title],
        stdin=subprocess.PIPE,
        pass_fds=descriptors,
        start_new_session=True,
    )
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError), process.stdin as stdin:
        stdin.write(marshal.dumps([os.path.abspath(entry) for entry in sys.path]))
        _Pickler(stdin).dump(order)
    return process


def _python() -> str:
    # In a process that embeds Python (uwsgi), sys.executable is not Python.
    if Path(sys.executable).name.startswith("python"):
        return sys.executable
    return str(Path(sys.prefix, "bin", "python3"))


def main() -> None:
    """In the new process: take the order from standard input and carry it out."""
    try:
        order: Order = _Unpickler(sys.stdin.buffer).load()
    except EOFError:
        return  # the starter died while it was starting us
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    order.carry_out()
