"""A node put together: what each of its hosts runs, and the handle of the program that started it.

The only place that names the real transport. `ROLES` is the table that the node's first process
imports by name; what a host runs is decided here and never by a message.

Source:
    `Roger.start`, `Roger.Supervisor`.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import logging.config
import os
import secrets
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import msgspec

from roger_actors.broker import open_broker
from roger_actors.clock import SystemClock
from roger_actors.errors import (
    NodeNameTaken,
    NodeStartFailed,
    NoProcess,
    ProcessError,
    RogerActorsError,
    TransportDown,
)
from roger_actors.otp import (
    Application,
    ChildSpec,
    Outside,
    Start,
    host_child,
    open_host,
    placed,
    serve_outside,
)
from roger_actors.roger.application import kernel_children, root_children, top_options
from roger_actors.roger.client.client import Client, read_config
from roger_actors.roger.client.info import NodeInfo
from roger_actors.roger.config import Config, Setup, pack_setup, setup_of, unpack_setup
from roger_actors.roger.kernel import SHUTDOWN, SYSTEM, Kernel
from roger_actors.roger.worker_host.host import JobRunner, prepare_process
from roger_actors.roger.worker_pool.hosts import unpack_args
from roger_actors.roger.worker_pool.pool import RUNNER
from roger_actors.transport import Endpoint, Role

if TYPE_CHECKING:
    from roger_actors.transport.thespian import UnixNode

START_LIMIT = 30.0
"""Seconds that a node gets to come up."""
PARTITIONS_LIMIT = 15.0
"""Seconds that `Node.start` waits for the configured partitions to be open."""
STOP_LIMIT = 10.0
"""Seconds that a drained node gets to end."""
ASK_LIMIT = 10.0
"""Seconds for a question to the kernel host."""

APP_HEARTBEAT = 60.0
"""Seconds that a user's own process may keep its host's loop from answering before the host is killed."""
WORKER_HEARTBEAT = 300.0
"""Seconds that a job may hold the interpreter's lock, or its host be frozen, before the host is killed.

Only for hosts that do not answer at all: a job that runs long answers, on another thread. A job's own limit
is `max_execution_time`.
"""

_LOG_FORMAT = "%(asctime)s %(levelname)-7s %(name)s %(message)s"


# -- what each host runs --------------------------------------------------------------------------


class HostArgs(msgspec.Struct, frozen=True, array_like=True):
    """What every host but a worker host is started with.

    Attributes:
        run: Random per start of the node.
        config: The checked configuration as tables.
    """

    run: str
    config: dict[str, Any]


def _pack(config: Config) -> bytes:
    return msgspec.msgpack.encode(HostArgs(secrets.token_hex(8), config.to_mapping()))


def _unpack(args: bytes) -> tuple[str, Config]:
    given = msgspec.msgpack.decode(args, type=HostArgs)
    return given.run, Config.from_mapping(given.config)


def _set_up_logging(setup: Setup) -> None:
    """Log in this host as the configuration says: by default plain lines on standard error."""
    if setup.logging is not None:
        logging.config.dictConfig(setup.logging)
    else:
        logging.basicConfig(level=setup.level, format=_LOG_FORMAT, force=True)
        if setup.level != "DEBUG":
            # OTP hides its progress reports, too: one for every worker host would be noise.
            logging.getLogger("roger_actors.otp").setLevel(max(logging.WARNING, logging.root.level))


def _root_main(endpoint: Endpoint, args: bytes) -> None:
    _, config = _unpack(args)
    _set_up_logging(setup_of(config))
    options = top_options(config.supervision["hosts"])
    own_host = host_child("own", "own", pack_setup(config))
    runtime = open_host(endpoint, root_children(config, args), own_host=own_host, **options)
    serve_outside(runtime)


def _collect_rarely() -> None:
    """Spare the kernel host most garbage collections: what a job leaves behind has no cycles."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def _kernel_main(endpoint: Endpoint, args: bytes) -> None:
    run, config = _unpack(args)
    _set_up_logging(setup_of(config))
    kernel = Kernel(
        node=endpoint.node,
        run=run,
        incarnation=secrets.token_hex(8),
        host=endpoint.host,
        config=config,
        broker=open_broker(config.broker, prefix=config.prefix, name=config.name, heartbeat=config.heartbeat),
        clock=SystemClock(),
        partitions={name: dict(queues) for name, queues in config.partitions.items()},
    )
    options = top_options(config.supervision["kernel"], "rest_for_one")
    open_host(endpoint, kernel_children(kernel), **options)


def _app_main(endpoint: Endpoint, args: bytes) -> None:
    _, config = _unpack(args)
    _set_up_logging(setup_of(config))
    application = config.application
    runtime = open_host(endpoint, application.tree, **top_options(application.flags))
    application.enter(runtime)


def _own_main(endpoint: Endpoint, args: bytes) -> None:
    """Run one child of the app host's supervisor, which is started here by name."""
    setup = unpack_setup(args)
    _set_up_logging(setup)
    runtime = open_host(endpoint, max_restarts=0)
    Application(name=setup.application, env=setup.env).enter(runtime)


def _worker_main(endpoint: Endpoint, args: bytes) -> None:
    given = unpack_args(args)
    setup = unpack_setup(given.setup)
    _set_up_logging(setup)
    prepare_process()
    runner = ChildSpec(id=RUNNER, start=Start(JobRunner, given, name=RUNNER))
    runtime = open_host(endpoint, [runner], max_restarts=0)
    Application(name=setup.application, env=setup.env).enter(runtime)


ROLES: Mapping[str, Role] = {
    role.name: role
    for role in (
        Role("root", _root_main),
        Role("kernel", _kernel_main),
        Role("app", _app_main, own_session=True, heartbeat=APP_HEARTBEAT),
        Role("own", _own_main, own_session=True, heartbeat=APP_HEARTBEAT),
        Role("worker", _worker_main, own_session=True, heartbeat=WORKER_HEARTBEAT),
    )
}
"""What every host of a node may be."""


# -- the handle -----------------------------------------------------------------------------------


class Node(Client):
    """A running node and its client, in the program that started it.

    The node is a tree of OS processes of its own, executed and not forked, and ends with this
    program, however that ends. The methods of `Client` enqueue, cancel and look; those below are
    about the node itself. Thread-safe.

    Example:
        ```python
        with Node.start("roger.toml") as node:
            node.enqueue(Resize.create({"id": 7}), "acme")
        ```

    Attributes:
        config: What it was started with, or last reloaded.
        aio: The client's methods as awaitables.
        node_info: What this node says of its partitions, queues and running jobs; `node_info()` is all of it.
        outside: What looks into the node's processes: `top`, `trace`, `status`, `suspend`, `kill_host` …
    """

    def __init__(self, config: Config, handle: UnixNode) -> None:
        super().__init__(config)
        self._handle = handle
        self.outside = Outside(handle)
        self.node_info = NodeInfo(lambda: self._system("info", {}, ASK_LIMIT), self.info)
        self._ended = threading.Event()

    @classmethod
    def start(
        cls, config: Config | str | os.PathLike[str] | Mapping[str, Any], *, timeout: float = START_LIMIT
    ) -> Self:
        """Start a node and wait until its partitions are open, or have said why they wait.

        Args:
            config: A configuration file's path, its tables, or a `Config`.
            timeout: Seconds for its processes to come up. Partitions that cannot be opened (a broker
                that is away) are logged and tried again for as long as the node runs.

        Raises:
            InvalidConfig: The configuration is wrong; lists everything.
            NodeStartFailed: The node did not come up; says why. `NodeNameTaken` if its name is another's.
        """
        from roger_actors.transport.thespian import start_node

        checked = read_config(config)
        handle = start_node(checked.name, f"{__name__}:ROLES", _pack(checked), limit=timeout)
        node = cls(checked, handle)
        try:
            node._wait_until_up(timeout)
        except BaseException as error:
            node.stop(0.0)
            if type(error) is TransportDown:
                raise NodeStartFailed(node=checked.name, detail=error.detail) from error
            raise
        return node

    def _wait_until_up(self, timeout: float) -> None:
        """Return when the tree stands, the bus is heard and every partition is open, or says why it waits."""
        clock = SystemClock()
        begun = clock.monotonic()
        patience = min(PARTITIONS_LIMIT, timeout)
        while (elapsed := clock.monotonic() - begun) < timeout:
            try:
                now = self._system("ready", {}, 2.0)
                ready = {host["role"] for host in self.hosts().values() if host["ready"]}
            except ProcessError:  # the kernel host is not there yet
                self._ended.wait(0.02)
                continue
            if now["refused"]:
                raise NodeNameTaken(node=self.config.name, detail=now["refused"])
            open_now = now["listening"] and not now["waiting"]
            settled = open_now or now["broker_error"] or elapsed > patience
            if settled and ("app" in ready or not self.config.has_application):
                return
            self._ended.wait(0.02)
        raise TransportDown(node=self.config.name, detail=f"it was not up within {timeout} s")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Drain and stop it."""
        self.stop()

    async def __aenter__(self) -> Self:
        """Return the node."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Drain and stop it, without blocking the loop."""
        await asyncio.to_thread(self.stop)

    # -- the node itself ---------------------------------------------------------------------------

    def call(self, name: str, request: Any, *, timeout: float = 5.0) -> Any:
        """Call one of the user's own processes and return its reply.

        Args:
            name: The id of a child of the tree file, or what a process in the app host is registered as.
            request: Plain data: what msgpack can carry.
            timeout: Seconds to wait.

        Raises:
            CallTimeout: No answer in time; the server may still act on it.
            NoProcess: Nobody has that name there.
            ServerExited: It died before it answered.
            TransportDown: The node has ended.
        """
        return self.outside.call(self._where(name), name, request, timeout)

    def cast(self, name: str, request: Any) -> None:
        """Send a request to one of the user's own processes and do not wait; see `call`."""
        self.outside.cast(self._where(name), name, request)

    def _where(self, name: str) -> int | str:
        """Return the host of a child: the app host, or where it or a supervisor above it is placed."""
        spec = placed(self.config.children, name)
        if spec is None:
            return "app"
        app = next(host for host in self.outside.tree(ASK_LIMIT)["tree"]["children"] if host["id"] == "app")
        found = next((child for child in _below(app) if child["id"] == spec.id), None)
        if found is None or found["host"] is None:
            raise NoProcess(process=name)
        return int(found["host"])

    def health(self) -> dict[str, Any]:
        """Return whether every queue that should be consumed is, and what is amiss where not.

        Returns:
            `ready`; `broker_error`, empty while the broker is there; `waiting`, partition to why it is not
            open; `unconsumed`, queues that should be consumed and are not; `silent`, partitions that have
            not answered; `draining`, whether it is being stopped and takes no more jobs.
        """
        found: dict[str, Any] = self._system("health", {}, ASK_LIMIT)
        return found

    def tree(self) -> dict[str, Any]:
        """Return the running supervision tree, every host expanded where it stands, as plain data."""
        return self.outside.tree(timeout=ASK_LIMIT)

    def hosts(self) -> dict[int, dict[str, Any]]:
        """Return the node's live hosts by number: `role`, `os_pid`, and whether each is `ready`."""
        return self.outside.hosts(ASK_LIMIT)

    def reload(self, config: Config | str | os.PathLike[str] | Mapping[str, Any]) -> None:
        """Run exactly the partitions of another configuration; those left out are stopped safely.

        Only partitions and their queues are taken from it; for the rest restart the node.

        Raises:
            InvalidConfig: It is wrong; nothing was changed.
        """
        checked = read_config(config)
        partitions = {name: dict(queues) for name, queues in checked.partitions.items()}
        self._system("reload", {"partitions": partitions}, ASK_LIMIT * 3)
        self.config = checked

    @property
    def is_alive(self) -> bool:
        """Whether its processes run."""
        return self._handle.is_alive

    @property
    def why_ended(self) -> str:
        """Why it has ended by itself, in the words of its root host; empty if it did not, or nobody knows."""
        return "" if self.is_alive or self._ended.is_set() else self._handle.why_ended

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the node has ended, by itself or by `stop` from another thread.

        Args:
            timeout: Seconds to wait, None for as long as it takes.

        Returns:
            Whether it has ended.
        """
        deadline = None if timeout is None else SystemClock().monotonic() + timeout
        while self.is_alive:
            left = 0.2 if deadline is None else deadline - SystemClock().monotonic()
            if left <= 0 or self._ended.wait(min(0.2, left)):
                break
        return not self.is_alive

    def stop(self, timeout: float | None = None) -> list[str]:
        """Drain the node and end every process of it. Idempotent.

        Args:
            timeout: Seconds that running jobs get to finish; None for `shutdown_timeout`, 0 for now.

        Returns:
            Ids of the jobs that were still running; they will run again.
        """
        if self._ended.is_set():
            return []
        left: list[str] = []
        limit = self.config.shutdown_timeout if timeout is None else timeout
        try:
            if limit > 0 and self.is_alive:
                left = self._drain(limit)
        finally:
            self._ended.set()
            self.close()
            self._handle.stop(STOP_LIMIT if limit > 0 else 0.0)
        return left

    def _drain(self, limit: float) -> list[str]:
        try:
            answer = self.outside.call("kernel", SHUTDOWN, ["drain", limit], limit + STOP_LIMIT)
        except RogerActorsError as error:
            logging.getLogger(__name__).warning("node %s was not drained: %s", self.config.name, error)
            return []
        return list(answer["value"])

    def _system(self, op: str, args: dict[str, Any], timeout: float) -> Any:
        return ask_system(self.outside, self.config.name, op, args, timeout)


def ask_system(outside: Outside, node: str, op: str, args: dict[str, Any], timeout: float) -> Any:
    """Have a node's kernel carry out one operation, without the broker; answered when it is done.

    Args:
        outside: The way into the node.
        node: Its name, for errors.
        op: One of `roger_actors.roger.system.server.OPERATIONS`.
        args: Its arguments.
        timeout: Seconds to wait.

    Raises:
        CallTimeout, NoProcess, ServerExited: No answer: the kernel is stuck, or being restarted.
        TransportDown: The node has ended, or has refused; says why.
    """
    answer = outside.call("kernel", SYSTEM, {"op": op, "args": args}, timeout)
    if "error" in answer:
        raise TransportDown(node=node, detail=answer["error"])
    return answer["value"]


def _below(part: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for child in part["children"]:
        yield child
        yield from _below(child)


@contextmanager
def look_into(name: str) -> Iterator[Outside]:
    """Look into a node that runs on this machine under this user, as `Node.outside` does.

    Args:
        name: The node's name.

    Raises:
        TransportDown: No such node is running.
    """
    from roger_actors.transport.thespian import attach

    handle = attach(name)
    try:
        yield Outside(handle)
    finally:
        handle.close()
