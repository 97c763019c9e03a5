"""Forking children and learning of their ends: each death once, with its status or signal.

A child is watched through its pidfd, which cannot miss a death however many come together. After
any fork, a job's included, the child lets go of every descriptor and signal route of this process.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import gc
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable

from roger_actors.transport.base import HostExit
from roger_actors.transport.thespian.linux import blank, die_with_parent, open_descriptors, reap

CRASHED = 70
"""Exit status of a process whose own code raised where nobody could answer it."""

_ROUTED = (signal.SIGTERM, signal.SIGINT)

_let_go: list[Callable[[], None]] = []
"""What this process must drop in a forked child."""


def in_forked_child(drop: Callable[[], None]) -> None:
    """Register what a forked child must let go of, whoever forks it; a fork empties the list."""
    _let_go.append(drop)


def no_longer(drop: Callable[[], None]) -> None:
    """Take back what `in_forked_child` has registered."""
    if drop in _let_go:
        _let_go.remove(drop)


_forking = threading.local()


def _before_fork() -> None:
    # A signal that reached the child before its handlers are reset would be told to the parent's loop.
    if _reset_signals in _let_go:
        _forking.mask = signal.pthread_sigmask(signal.SIG_BLOCK, _ROUTED)


def _after_fork_in_parent() -> None:
    mask = _forking.__dict__.pop("mask", None)
    if mask is not None:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _after_fork_in_child() -> None:
    for drop in _let_go:
        drop()
    _let_go.clear()
    _after_fork_in_parent()


os.register_at_fork(
    before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child
)


def new_loop() -> asyncio.AbstractEventLoop:
    """Return a new asyncio loop whose descriptors and signals do not reach forked children."""
    before = open_descriptors()
    loop = asyncio.SelectorEventLoop()
    own = open_descriptors() - before
    in_forked_child(lambda: blank(own))
    in_forked_child(_reset_signals)
    return loop


def _reset_signals() -> None:
    # The wake-up descriptor and asyncio's handlers would send the child's signals to the parent's
    # loop (Python 3.12 resets the descriptor itself), and a terminated child would not end.
    with contextlib.suppress(ValueError):
        signal.set_wakeup_fd(-1)
        for number in _ROUTED:
            signal.signal(number, signal.SIG_DFL)


class Children:
    """The child processes of this one.

    Args:
        loop: Where deaths are told.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._watched: dict[int, int] = {}
        in_forked_child(self._abandon)

    def fork(
        self,
        body: Callable[[], int],
        on_exit: Callable[[int, HostExit], None],
        *,
        keep: int,
        bound: bool = True,
    ) -> int:
        """Fork a child that runs `body` and ends with the status it returns.

        Args:
            body: Runs in the child; it must set up its own loop and sockets.
            on_exit: Called on the loop, once, with the process id and how it ended.
            keep: The one descriptor, beside the standard ones, that the child gets.
            bound: Whether the child is killed when this process ends, however it ends.

        Returns:
            The child's process id.
        """
        _flush_streams()
        parent = os.getpid()
        pid = os.fork()
        if not pid:
            if bound:
                die_with_parent(parent)
            _run(body, keep)
        self.watch(pid, on_exit)
        return pid

    def watch(self, pid: int, on_exit: Callable[[int, HostExit], None]) -> None:
        """Tell `on_exit` once when a child has ended."""
        fd = self._watched[pid] = os.pidfd_open(pid)
        self._loop.add_reader(fd, self._ended, pid, on_exit)

    def _ended(self, pid: int, on_exit: Callable[[int, HostExit], None]) -> None:
        how = reap(pid)
        if how is None:
            return
        fd = self._watched.pop(pid)
        self._loop.remove_reader(fd)
        os.close(fd)
        on_exit(pid, how)

    def _abandon(self) -> None:
        for fd in self._watched.values():
            os.close(fd)
        self._watched.clear()


def _run(body: Callable[[], int], keep: int) -> None:
    # The child runs and ends inside the frames of its parent's loop: nothing may return into them.
    status = CRASHED
    try:
        asyncio._set_running_loop(None)  # noqa: SLF001 - documented for authors of event loops
        atexit._clear()  # noqa: SLF001 - the parent's handlers are not ours
        gc.freeze()
        # What the parent had from its own parent, and what nobody has registered.
        blank(open_descriptors() - {0, 1, 2, keep})
        status = body()
        atexit._run_exitfuncs()  # noqa: SLF001 - os._exit skips what the child has registered
    except SystemExit as ending:
        status = ending.code if isinstance(ending.code, int) else CRASHED
    except BaseException:  # noqa: BLE001 - the last frame of a process: print and end
        traceback.print_exc()
    finally:
        _flush_streams()
        os._exit(status & 0xFF)


def _flush_streams() -> None:
    for stream in (sys.stdout, sys.stderr):
        # None where the service has closed its own; closed or full is not ours to answer.
        with contextlib.suppress(AttributeError, OSError, ValueError):
            stream.flush()
