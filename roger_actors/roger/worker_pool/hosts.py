"""Starting and ending worker hosts: what the pool asks of the root host.

Both sides are here: `start_host` and `end_host` run in the kernel, `WorkerHosts` in the root host,
beside the dynamic supervisor whose children the worker hosts are. What crosses is plain data.

Source:
    New here.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from roger_actors.errors import NoProcess, RogerActorsError
from roger_actors.otp import DynamicSupervisor, GenServer, Ok, Pid, Reply, host_child, process, wire
from roger_actors.otp import reason as reasons
from roger_actors.roger.kernel import POOL, Kernel
from roger_actors.transport import ROOT, HostId

SUPERVISOR = "worker_hosts"
STARTER = "worker_hosts_starter"
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
class EndHosts(msgspec.Struct, frozen=True, array_like=True, tag="end-worker-hosts"):
    """Kill every worker host: their pool is new and knows none of them."""


class WorkerHosts(GenServer[None]):
    """Takes the pool's orders in the root host and hands them to the supervisor there."""

    def init(self) -> Ok[None]:
        """Hold nothing: the supervisor beside it knows its children."""
        return Ok(None)

    async def handle_call(self, request: Any, sender: Any, state: None) -> Reply[None]:
        """Start or end one; an error is answered as text, so that this process stands."""
        try:
            match request:
                case StartHost():
                    return Reply(("ok", (await _start(request.args)).host), state)
                case EndHost():
                    await _end(request.host)
                    return Reply(("ok", request.host), state)
                case EndHosts():
                    return Reply(("ok", await _end_all()), state)
        except RogerActorsError as error:
            return Reply(("error", str(error)), state)
        return Reply(("error", f"unknown request {request!r}"), state)


async def _start(args: bytes) -> Pid:
    spec = host_child(
        "worker", "worker", args, restart="transient", shutdown="brutal_kill", timeout=START_LIMIT
    )
    pid: Pid = await DynamicSupervisor.start_child(SUPERVISOR, spec)
    return pid


async def _end(host: int) -> None:
    await DynamicSupervisor.terminate_child(SUPERVISOR, Pid(process.self().node, HostId(host), 0))


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
        config: The node's configuration, packed.
    """

    node: str
    kernel: int
    pool: str
    jobs: list[str]
    hooks: str
    retry_levels: list[float]
    config: bytes


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
            msgspec.msgpack.encode(config.to_mapping()),
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


async def end_host(host: Pid) -> None:
    """Have a worker host killed, now, with its subprocesses. A process of its own."""
    await GenServer.call((STARTER, ROOT), EndHost(host.host), timeout=START_LIMIT)


def stop_host(host: Pid) -> None:
    """Ask an idle worker host to end in order, its `worker_stop` hook included."""
    process.exit(host, reasons.SHUTDOWN)
