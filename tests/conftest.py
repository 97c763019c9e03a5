"""Fixtures for every test: what may be left behind (nothing), and a RabbitMQ where one is asked for.

A test that needs RabbitMQ takes `rabbit` (the node) or `amqp_url` (a fresh vhost on it). `make test`
starts one node and names its directory in ROGER_TEST_RABBITMQ; else the first test that asks starts one.
Where RabbitMQ is not installed, such a test is skipped on a desk and is an error in CI (CI is set).
"""

from __future__ import annotations

import argparse
import gc
import os
import re
import secrets
import select
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from roger_actors.testing.rabbitmq import BrokerNotInstalled, RabbitNode

pytest_plugins = ["roger_actors.testing.pytest_plugin", "pytester"]

TESTS = Path(__file__).parent
FOLDER_MARKS = {"live": "live", "fault": "fault"}
RABBIT_FIXTURES = {"rabbit", "amqp_url"}
MARK = "ROGER_TEST_RUN"
SETTLE_SECONDS = 3.0
OF_THE_SESSION: set[int] = set()
"""Processes that a test starts first and that serve those after it: RabbitMQ."""


def pytest_configure(config: pytest.Config) -> None:
    # Every process started from here on carries this in its environment, wherever it is reparented to.
    os.environ[MARK] = f"{os.getpid()}-{secrets.token_hex(4)}"
    _keep_nodes_apart(config)
    _select_lines(config.option)


def _keep_nodes_apart(config: pytest.Config) -> None:
    """Let nodes of this run be found by this run only: another checkout may test nodes of the same names."""
    if "ROGER_RUNTIME_DIR" not in os.environ:
        folder = tempfile.mkdtemp(prefix="roger-run-", dir="/tmp")
        os.environ["ROGER_RUNTIME_DIR"] = folder
        config.add_cleanup(lambda: shutil.rmtree(folder))
        config.add_cleanup(lambda: os.environ.pop("ROGER_RUNTIME_DIR"))


def _select_lines(option: argparse.Namespace) -> None:
    """Let `-m "otp_line(57)"` choose a line's test: pytest itself matches no positional arguments."""
    if "otp_line(" in option.markexpr:
        option.keyword = re.sub(
            r"otp_line\((\d+)\)", lambda found: f"test_line_{int(found[1]):03}", option.markexpr
        )
        option.markexpr = ""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        top = item.path.relative_to(TESTS).parts[0] if item.path.is_relative_to(TESTS) else ""
        if top in FOLDER_MARKS:
            item.add_marker(FOLDER_MARKS[top])
        if RABBIT_FIXTURES & set(getattr(item, "fixturenames", ())) or _runs_on_rabbitmq(item):
            item.add_marker("rabbitmq")


def _runs_on_rabbitmq(item: pytest.Item) -> bool:
    """Whether a test that runs on both brokers runs on this one."""
    callspec = getattr(item, "callspec", None)
    return callspec is not None and any(value in ("amqp", "rabbitmq") for value in callspec.params.values())


# ------------------------------------------------------------------------------ nothing survives a test


def _descriptors() -> dict[str, str]:
    """Return this process's open sockets, pipes and regular files, by number."""
    found = {}
    for link in Path("/proc/self/fd").iterdir():
        try:
            found[link.name] = str(link.readlink())
        except OSError:
            continue  # the one that listed them
    return found


def _processes() -> dict[int, str]:
    """Return the processes that this run started and that still live, with their command lines."""
    wanted = f"{MARK}={os.environ[MARK]}".encode()
    found = {}
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            if wanted in Path(entry.path, "environ").read_bytes().split(b"\0"):
                words = Path(entry.path, "cmdline").read_bytes().split(b"\0")
                found[int(entry.name)] = b" ".join(words).decode(errors="replace")[:200]
        except OSError:
            continue  # gone, or another user's
    return found


def _children() -> set[int]:
    found: set[int] = set()
    for file in Path("/proc/self/task").glob("*/children"):
        try:
            found.update(int(pid) for pid in file.read_text().split())
        except OSError:
            continue  # a thread that ended meanwhile; its children are another's now
    return found


def _wait_for_ends(pids: set[int], deadline: float) -> None:
    for pid in pids:
        try:
            watch = os.pidfd_open(pid)
        except OSError:
            continue
        try:
            select.select([watch], [], [], max(0.0, deadline - time.monotonic()))
        finally:
            os.close(watch)


def _threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if not thread.name.startswith("pytest_timeout")}


class _Leftovers:
    """What there was before a test, to be compared with what there is after it."""

    def __init__(self, *, everywhere: bool) -> None:
        self._everywhere = everywhere
        self._pids = self._now()
        self._threads = _threads()
        self._descriptors = _descriptors()

    def _now(self) -> set[int]:
        return (set(_processes()) if self._everywhere else _children()) - OF_THE_SESSION

    def found(self) -> list[str]:
        deadline = time.monotonic() + SETTLE_SECONDS
        return [*self._processes_left(deadline), *self._threads_left(deadline), *self._descriptors_left()]

    def _processes_left(self, deadline: float) -> list[str]:
        _wait_for_ends(self._now() - self._pids, deadline)
        # A zombie of ours is one that nobody waited for: that is a leftover too.
        left = self._now() - self._pids
        names = _processes()
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        return [f"process {pid} {names.get(pid, '(ended, not waited for)')}" for pid in sorted(left)]

    def _threads_left(self, deadline: float) -> list[str]:
        started = _threads() - self._threads
        for thread in started:
            thread.join(max(0.0, deadline - time.monotonic()))
        return [f"thread {thread.name}" for thread in started if thread.is_alive()]

    def _descriptors_left(self) -> list[str]:
        if not (_descriptors().items() - self._descriptors.items()):
            return []
        gc.collect()  # raises a ResourceWarning, which is an error, for what was merely forgotten
        extra = dict(_descriptors().items() - self._descriptors.items())
        return [
            f"descriptor {number} {target}"
            for number, target in extra.items()
            if not target.startswith(("/dev/", "/proc/"))
        ]


@pytest.fixture(autouse=True)
def nothing_survives(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test that leaves a process, a thread, a socket or an open file behind.

    A test that shares its module's running node is checked with its module, at the module's end.
    """
    if "nothing_survives_the_module" in request.fixturenames:
        yield
        return
    node: pytest.Item = request.node
    everywhere = any(node.get_closest_marker(name) for name in ("live", "fault", "rabbitmq", "long"))
    before = _Leftovers(everywhere=everywhere)
    yield
    left = before.found()
    if left:
        pytest.fail("left behind by the test:\n  " + "\n  ".join(left), pytrace=False)


@pytest.fixture(scope="module")
def nothing_survives_the_module() -> Iterator[None]:
    """Fail the last test of a module whose shared node leaves something behind."""
    before = _Leftovers(everywhere=True)
    yield
    left = before.found()
    if left:
        pytest.fail("left behind by the module:\n  " + "\n  ".join(left), pytrace=False)


@pytest.fixture
def run_directory() -> Iterator[Path]:
    """A directory whose path is short enough for Unix sockets (108 bytes); empty again at the end."""
    folder = Path(tempfile.mkdtemp(prefix="roger-", dir="/tmp"))
    yield folder
    left = sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))
    shutil.rmtree(folder)
    if left:
        pytest.fail(f"files left in the run directory: {', '.join(left)}", pytrace=False)


# ------------------------------------------------------------------------------------------- RabbitMQ


@pytest.fixture(scope="session")
def rabbit() -> Iterator[RabbitNode]:
    """A private RabbitMQ for the whole run; whoever hurts it heals it."""
    given = os.environ.get("ROGER_TEST_RABBITMQ")
    if given:
        yield RabbitNode(Path(given), dies_with_parent=False)
        return
    node = RabbitNode(Path(tempfile.mkdtemp(prefix="roger-rabbitmq-", dir="/tmp")))
    before = _children()
    try:
        node.start()
        OF_THE_SESSION.update(_children() - before)
    except BrokerNotInstalled as error:
        shutil.rmtree(node.directory, ignore_errors=True)
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))
    yield node
    node.destroy()


@pytest.fixture
def amqp_url(rabbit: RabbitNode) -> Iterator[str]:
    """The URL of a vhost of the test's own; deleted with all its queues afterwards."""
    with rabbit.vhost() as url:
        yield url
