"""The contract between the OTP layer and what runs and connects hosts.

A **host** is one OS process (or, on the in-memory transport, an object) that runs many light
processes. An **endpoint** is a host's view of the node: it sends byte frames to other hosts, is
told of frames and of deaths, and, in the root host only, starts and kills hosts. The transport
knows nothing of what a frame means.

Rules every implementation holds, checked by one contract suite (`tests/contract/transport`):

1. Frames from one host to another arrive once, in order; a frame to a dead host vanishes silently.
2. `on_host_down` fires exactly once per host, at every live host, after every frame that the dead
   host had sent to this one, with the OS's exit status or signal.
3. `send` never delivers anything before it returns (no re-entrancy), and flushes on its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from types import FrameType
from typing import NewType, Protocol

import attrs

HostId = NewType("HostId", int)
"""Number of a host incarnation within a node's run; never used twice."""

ROOT = HostId(0)
"""The root host: it forks every other host, has no threads, no broker and no user code."""


@attrs.frozen
class HostExit:
    """How a host ended, as the operating system tells it.

    Attributes:
        signal: The signal that ended it, or None.
        status: The exit status it ended with, or None when it was a signal.
    """

    signal: int | None = None
    status: int | None = None


@attrs.frozen
class HostVitals:
    """What the operating system shows of a host, whether or not the host answers.

    Attributes:
        state: The letter that `ps` shows: `R` runs, `S` sleeps, `D` waits for a device, `T` is stopped.
        rss: Memory that it holds, in bytes.
        cpu: Processor time that it has used, in seconds.
        silent: Seconds since its loop last gave a sign of life, to about a second; 0 while it answers.
    """

    state: str
    rss: int
    cpu: float
    silent: float


@attrs.frozen
class Role:
    """What a host of one kind runs. Roles are fixed when a node is put together, never by a message.

    Attributes:
        name: Shown in process titles and logs: `kernel`, `app`, `worker`.
        main: Called in the new host with its endpoint and the arguments given to `start_host`,
            before the loop runs; it sets `on_frame` and `on_host_down` and starts its processes.
            It must return quickly; an exception ends the host with status 70.
        own_session: Whether the host leads a session of its own, so that its subprocesses can be
            killed with it.
        heartbeat: Seconds that the host's loop may stand still before the host is killed; None for
            any time. Code on other threads stops the loop only while it holds the interpreter.
    """

    name: str
    main: Callable[[Endpoint, bytes], None]
    own_session: bool = False
    heartbeat: float | None = 10.0


class Endpoint(Protocol):
    """One host's view of its node."""

    node: str
    host: HostId
    role: str
    loop: asyncio.AbstractEventLoop
    on_frame: Callable[[HostId, bytes], None]
    """Called on the loop with (sender, frame)."""
    on_host_down: Callable[[HostId, HostExit], None]
    """Called on the loop once for every host that ended."""
    on_request: Callable[[bytes, Callable[[bytes], None]], None]
    """Root host only: a request from outside the node, and how to answer it (once, at any time)."""
    on_terminate: Callable[[], None]
    """Called on the loop when the host is asked to end: by SIGTERM, and in the root host also by
    `Node.stop`. It calls `stop` at once (the default) or when its work is done."""
    on_examined: Callable[[FrameType | None], str]
    """Called in the host's main thread, wherever that is, when the root host examines it; says what runs."""

    @property
    def directory(self) -> str:
        """A directory of this run for files of its hosts, removed with it; empty where there is none."""
        ...

    def send(self, to: HostId, frame: bytes) -> None:
        """Queue a frame for another host; in order; silent if it is dead. Loop thread only.

        It does not block, except that a sender with megabytes queued for one host waits for that
        host, a few seconds at most.

        Raises:
            Undeliverable: The frame is too large.
        """
        ...

    def start_host(self, role: str, args: bytes) -> HostId:
        """Root host only: start a host of a known role. It can be sent to at once.

        Raises:
            KeyError: No such role.
        """
        ...

    def kill_host(self, host: HostId) -> None:
        """Root host only: SIGKILL a host and all that it started."""
        ...

    def role_of(self, host: HostId) -> str | None:
        """Return the role of a live host, None for one that is unknown or dead."""
        ...

    def os_pid(self, host: HostId) -> int | None:
        """Root host only: the host's OS process id, None where there is none."""
        ...

    def vitals(self, host: HostId) -> HostVitals | None:
        """Root host only: what the system shows of a host; None where there is no OS process."""
        ...

    def examine(self, host: HostId, then: Callable[[str], None]) -> None:
        """Root host only: find out where a host stands that does not answer, without its loop.

        Args:
            host: Which; it goes on as if nothing had been.
            then: Called once, within a second, with the Python stacks of its threads as `faulthandler`
                prints them, and after a line that begins with `== ` what its `on_examined` said, if the
                interpreter could be reached. Empty where there is no OS process.
        """
        ...

    def stop(self, status: int = 0, why: str = "") -> None:
        """End this host after what was queued has been sent.

        Args:
            status: Of the OS process.
            why: In the root host: what is told to whoever started the node.
        """
        ...


class Node(Protocol):
    """A running node as the process that started it sees it (thread-safe)."""

    def request(self, frame: bytes, timeout: float) -> bytes:
        """Ask the root host and wait for its answer.

        Args:
            frame: Given to the root endpoint's `on_request`.
            timeout: Seconds to wait.

        Raises:
            CallTimeout: No answer in time.
            TransportDown: The node has ended.
        """
        ...

    def stop(self, timeout: float) -> None:
        """End every process of the node: root host's `stop` first, SIGKILL after `timeout` seconds."""
        ...


Roles = Mapping[str, Role]
