"""Starting and ending worker hosts: what the pool asks of the root host.

Both sides are here: `start_host` and `end_host` run in the kernel, `WorkerHosts` in the root host,
beside the dynamic supervisor whose children the worker hosts are. What crosses is plain data.

Source:
    New here.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import msgspec

from roger_actors.errors import NoProcess, RogerActorsError
from roger_actors.otp import (
    DynamicSupervisor,
    From,
    GenServer,
    NoReply,
    Ok,
    Pid,
    Reply,
    host_child,
    process,
    wire,
)
from roger_actors.otp import reason as reasons
from roger_actors.roger.config import pack_setup
from roger_actors.roger.kernel import POOL, Kernel
from roger_actors.roger.worker_host.mark import FenceMark, marked_hosts
from roger_actors.transport import ROOT, HostId

logger = logging.getLogger(__name__)

SUPERVISOR = "worker_hosts"
STARTER = "worker_hosts_starter"
LOOK = "who is late?"
LOOK_EVERY = 0.1
"""Seconds between two looks at the worker hosts' marks."""
REFUSED = 1
"""Exit status of a node that must not run."""
START_LIMIT = 30.0
"""Seconds for a worker host to be forked and to say that its runtime is up."""


class Started(NamedTuple):
    """A host was forked; it will say `Ready`."""

    host: Pid


class NotStarted(NamedTuple):
    """The root host could not start one."""

    detail: str


@wire.register
class StartHost(msgspec.Struct, frozen=True, array_like=True, tag="start-worker-host"):
    """Start one more worker host. Attributes: `args`, the packed `WorkerArgs`."""

    args: bytes


@wire.register
class EndHost(msgspec.Struct, frozen=True, array_like=True, tag="end-worker-host"):
    """Kill a worker host and all that it started. Attributes: `host`, its number."""

    host: int


@wire.register
class WatchFences(msgspec.Struct, frozen=True, array_like=True, tag="watch-fences"):
    """Kill worker hosts from now on that run a job of a lane for longer than their mark says."""


@wire.register
class EndNode(msgspec.Struct, frozen=True, array_like=True, tag="end-node"):
    """End the whole node: it must not run. Attributes: `why`, on one line."""

    why: str


@wire.register
class EndHosts(msgspec.Struct, frozen=True, array_like=True, tag="end-worker-hosts"):
    """Kill every worker host: their pool is new and knows none of them."""


class Watched:
    """The marks of the worker hosts, by number, and whether they are looked at."""

    def __init__(self) -> None:
        self.watching = False
        self._marks: dict[int, FenceMark] = {}
        self._killed: set[int] = set()

    def late(self, directory: str, now: float) -> list[int]:
        """Return the hosts that run a job of a lane which they may run no more; each is told once."""
        there = marked_hosts(directory)
        for host in self._marks.keys() - there:
            self._marks.pop(host).close()
        self._killed &= there
        for host in there - self._marks.keys() - self._killed:
            with contextlib.suppress(OSError):  # it ends just now
                self._marks[host] = FenceMark(directory, host)
        ends = {host: mark.until() for host, mark in self._marks.items()}
        late = [host for host, until in ends.items() if until is not None and until <= now]
        for host in late:
            self._killed.add(host)
            self._marks.pop(host).close()
        return late

    def close(self) -> None:
        """Let go of them."""
        for mark in self._marks.values():
            mark.close()


class WorkerHosts(GenServer[Watched]):
    """Takes the pool's orders in the root host and hands them to the supervisor there."""

    def init(self) -> Ok[Watched]:
        """Hold nothing: the supervisor beside it knows its children."""
        return Ok(Watched())

    def handle_call(self, request: Any, sender: From, state: Watched) -> NoReply[Watched] | Reply[Watched]:
        """Start or end one, each in a process of its own: a kill never waits for a start."""
        match request:
            case WatchFences():
                if not state.watching:
                    state.watching = True
                    process.send_after(LOOK_EVERY, process.self(), LOOK)
                return Reply(("ok", 0), state)
            case StartHost():
                process.spawn(_answer, sender, _start, request.args)
            case EndNode():
                process.here().endpoint.stop(REFUSED, request.why)
            case EndHost():
                process.spawn(_answer, sender, _end, request.host)
            case EndHosts():
                process.spawn(_answer, sender, _end_all)
            case _:
                return Reply(("error", f"unknown request {request!r}"), state)
        return NoReply(state)

    def handle_info(self, message: Any, state: Watched) -> NoReply[Watched]:
        """Look who is late, and kill it."""
        if message == LOOK:
            for host in state.late(process.here().endpoint.directory, time.monotonic()):
                logger.warning("worker host %d is killed: its job's lane may be another node's", host)
                process.spawn(_end, host)
            process.send_after(LOOK_EVERY, process.self(), LOOK)
        return NoReply(state)

    async def terminate(self, reason: Any, state: Watched) -> None:
        """Let go of the marks."""
        state.close()


async def _answer(sender: From, work: Callable[..., Awaitable[int]], *args: Any) -> None:
    """Do a piece of work and answer what it returns; an error as text, so that this host stands."""
    try:
        GenServer.reply(sender, ("ok", await work(*args)))
    except RogerActorsError as error:
        GenServer.reply(sender, ("error", str(error)))


async def _start(args: bytes) -> int:
    spec = host_child(
        "worker", "worker", args, restart="transient", shutdown="brutal_kill", timeout=START_LIMIT
    )
    pid: Pid = await DynamicSupervisor.start_child(SUPERVISOR, spec)
    return pid.host


async def _end(host: int) -> int:
    """Kill a host now, although its supervisor may be busy with starting another.

    The kill is spawned first and runs when this process waits, that is, when the supervisor has been
    asked: so it terminates the child and does not take its end for one to be answered with a restart.
    """
    pid = Pid(process.self().node, HostId(host), 0)
    process.spawn(process.exit, pid, reasons.KILL)
    await DynamicSupervisor.terminate_child(SUPERVISOR, pid)
    return host


async def _end_all() -> int:
    children = await DynamicSupervisor.which_children(SUPERVISOR)
    for child in children:
        if isinstance(child.pid, Pid):
            await DynamicSupervisor.terminate_child(SUPERVISOR, child.pid)
    return len(children)


class WorkerArgs(msgspec.Struct, frozen=True, array_like=True):
    """What a worker host is started with.

    Attributes:
        node: The node's name.
        kernel: Number of the kernel host.
        pool: Registered name of the pool there, which results go to.
        jobs: Modules to import.
        hooks: `module:Class` of the user's hooks, empty for none.
        retry_levels: Seconds of each retry level, for jobs without their own.
        setup: How it logs, and the application's environment, packed.
    """

    node: str
    kernel: int
    pool: str
    jobs: list[str]
    hooks: str
    retry_levels: list[float]
    setup: bytes


def pack_args(kernel: Kernel) -> bytes:
    """Return what a worker host of this kernel is started with."""
    config = kernel.config
    return msgspec.msgpack.encode(
        WorkerArgs(
            kernel.node,
            kernel.host,
            POOL,
            list(config.jobs),
            config.hooks or "",
            list(config.retry_levels),
            pack_setup(config),
        )
    )


def unpack_args(args: bytes) -> WorkerArgs:
    """Return what `pack_args` made."""
    return msgspec.msgpack.decode(args, type=WorkerArgs)


async def start_host(kernel: Kernel, pool: Pid) -> None:
    """Have one worker host started and tell the pool `Started` or `NotStarted`. A process of its own."""
    try:
        word, value = await _start_once_possible(StartHost(pack_args(kernel)))
    except RogerActorsError as error:
        word, value = "error", str(error)
    if word == "ok":
        process.send(pool, Started(Pid(kernel.node, HostId(value), 0)))
    else:
        process.send(pool, NotStarted(value))


async def _start_once_possible(request: StartHost) -> tuple[str, Any]:
    """Ask the starter; the root host starts it after the kernel and the app host, so wait for it."""
    while True:
        try:
            answer: tuple[str, Any] = await GenServer.call((STARTER, ROOT), request, timeout=START_LIMIT)
        except NoProcess:
            await process.sleep(0.02)
        else:
            return answer


async def end_hosts() -> None:
    """Have every worker host killed."""
    try:
        await GenServer.call((STARTER, ROOT), EndHosts(), timeout=START_LIMIT)
    except NoProcess:
        return  # the root host starts the kernel first: no worker host was ever started


async def end_node(why: str) -> None:
    """Have this whole node end.

    Args:
        why: What whoever started it is told.
    """
    await GenServer.call((STARTER, ROOT), EndNode(why), timeout=START_LIMIT)


async def watch_fences() -> None:
    """Have the root host kill those that run a job of a lane for too long, as their marks say.

    Raises:
        ProcessError: The root host's process is being started, or did not answer.
    """
    await GenServer.call((STARTER, ROOT), WatchFences(), timeout=START_LIMIT)


async def end_host(host: Pid) -> None:
    """Have a worker host killed, now, with its subprocesses. A process of its own."""
    await GenServer.call((STARTER, ROOT), EndHost(host.host), timeout=START_LIMIT)


def stop_host(host: Pid) -> None:
    """Ask an idle worker host to end in order, its `worker_stop` hook included."""
    process.exit(host, reasons.SHUTDOWN)
