"""What process 1 of a container must do, and no other does: reap orphans, pass signals on.

A process that runs as number 1 inherits every orphan, and the kernel discards signals that it has
no handler for. So the command forks first: number 1 stays behind with nothing but this loop, and
the service is its child, in a process group of its own.

Source:
    What tini and dumb-init do, so that neither is needed.
"""

from __future__ import annotations

import os
import signal
from typing import Final

FORWARDED: Final = (
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGWINCH,
    signal.SIGCONT,
)


def stand_in_for_init() -> int | None:
    """Fork if this is process 1; must be called while the process has one thread and no open broker.

    Returns:
        None in the process that is to go on with its work, which is this one unless it is process 1;
        in process 1, once that child has ended, the status to exit with.
    """
    if os.getpid() != 1:
        return None
    signals = {*FORWARDED, signal.SIGCHLD}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    child = os.fork()
    if child == 0:
        _take_terminal()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)
        return None
    return _look_after(child, signals)


def _take_terminal() -> None:
    """Lead a process group in the foreground, so that Ctrl-C arrives once and here."""
    os.setpgid(0, 0)
    if os.isatty(0):
        previous = signal.signal(signal.SIGTTOU, signal.SIG_IGN)
        try:
            os.tcsetpgrp(0, os.getpid())
        except OSError:
            pass  # a terminal that is not ours to control; then no Ctrl-C comes from it either
        signal.signal(signal.SIGTTOU, previous)


def _look_after(child: int, signals: set[signal.Signals]) -> int:
    while True:
        number = signal.sigwait(signals)
        if number != signal.SIGCHLD:
            _pass_on(child, number)
        status = _reaped(child)
        if status is not None:
            return status


def _pass_on(child: int, number: int) -> None:
    try:
        os.kill(child, number)
    except ProcessLookupError:
        pass  # its end is being told at this moment


def _reaped(child: int) -> int | None:
    """Reap everything that has ended; return how the child did, None while it lives."""
    ended = None
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return ended
        if pid == 0:
            return ended
        if pid == child:
            code = os.waitstatus_to_exitcode(status)
            ended = code if code >= 0 else 128 - code
