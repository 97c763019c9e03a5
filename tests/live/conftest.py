"""A node of real processes on each broker, and a FIFO through which its jobs speak."""

from __future__ import annotations

import json
import os
import secrets
import select
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from roger_actors import Node
from roger_actors.testing.rabbitmq import RabbitNode

APP = Path(__file__).parent / "jobs_app"
if str(APP) not in sys.path:
    sys.path.insert(0, str(APP))

LIMIT = 20.0


class Events:
    """What jobs and hooks have said, in order."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self.path = path
        self._fd = os.open(path, os.O_RDWR | os.O_NONBLOCK)
        self._rest = b""
        self._seen: deque[dict[str, Any]] = deque()

    def close(self) -> None:
        os.close(self._fd)
        self.path.unlink()

    def forget(self) -> None:
        """Drop what earlier tests have left."""
        self._read(0.0)
        self._seen.clear()

    def next(self, event: str | None = None, limit: float = LIMIT, **data: Any) -> dict[str, Any]:
        """Wait for the next event of a kind (with some data) and take it; others stay."""
        deadline = time.monotonic() + limit
        while True:
            for told in self._seen:
                if event in (None, told["event"]) and data.items() <= told.items():
                    self._seen.remove(told)
                    return told
            left = deadline - time.monotonic()
            if left <= 0:
                raise AssertionError(f"no {event} {data} within {limit} s; there was {list(self._seen)}")
            self._read(left)

    def take(self, count: int, event: str) -> list[dict[str, Any]]:
        """Wait for a number of events of a kind."""
        return [self.next(event) for _ in range(count)]

    def all(self, event: str) -> list[dict[str, Any]]:
        """Take all events of a kind that have come."""
        self._read(0.0)
        told = [told for told in self._seen if told["event"] == event]
        for one in told:
            self._seen.remove(one)
        return told

    def none(self, event: str, within: float, **data: Any) -> None:
        """Make sure that no such event comes for a while."""
        try:
            told = self.next(event, within, **data)
        except AssertionError:
            return
        raise AssertionError(f"did not expect {told}")

    def _read(self, limit: float) -> None:
        ready, _, _ = select.select([self._fd], [], [], limit)
        if not ready:
            return
        *lines, self._rest = (self._rest + os.read(self._fd, 1 << 16)).split(b"\n")
        self._seen.extend(json.loads(line) for line in lines)


def until(condition: Callable[[], Any], limit: float = LIMIT) -> Any:
    """Ask until the answer is true; for what can only be asked and tells nobody."""
    deadline = time.monotonic() + limit
    pause = threading.Event()
    while not (answer := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {limit} s: {condition}")
        pause.wait(0.01)
    return answer


@pytest.fixture(scope="session")
def wait_until() -> Callable[..., Any]:
    return until


@pytest.fixture(scope="module")
def session_events() -> Iterator[Events]:
    with tempfile.TemporaryDirectory(prefix="roger-events-") as folder:
        events = Events(Path(folder) / "events")
        os.environ["ROGER_TEST_EVENTS"] = str(events.path)
        yield events
        del os.environ["ROGER_TEST_EVENTS"]
        events.close()


@pytest.fixture
def events(session_events: Events) -> Events:
    session_events.forget()
    return session_events


@pytest.fixture(scope="module", params=["embedded", "rabbitmq"])
def broker_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """The broker of a whole module: a file, or a vhost."""
    if request.param == "embedded":
        with tempfile.TemporaryDirectory(prefix="roger-broker-") as folder:
            yield f"embedded:{folder}/roger.db"
    else:
        rabbit: RabbitNode = request.getfixturevalue("rabbit")
        with rabbit.vhost() as url:
            yield url


def configuration(url: str, **node: Any) -> dict[str, Any]:
    """Return the tables of a node with the test's jobs and hooks."""
    return {
        "node": {
            "name": f"test-{secrets.token_hex(4)}",
            "broker": url,
            "jobs": ["roger_test_jobs"],
            "hooks": "roger_test_jobs:TellingHooks",
            "enqueue_timeout": 10.0,
            "shutdown_timeout": 5.0,
            **node,
        },
        "logging": {"level": "WARNING"},
    }


@pytest.fixture(scope="module")
def node(broker_url: str, nothing_survives_the_module: None, session_events: Events) -> Iterator[Node]:
    """A node that all tests of a module share, each with a partition of its own."""
    with Node.start(configuration(broker_url)) as node:
        yield node


class Tenant:
    """A partition of one test."""

    def __init__(self, node: Node, name: str) -> None:
        self.node = node
        self.name = name

    def start(self, **queues: int) -> None:
        self._ask("start_partition", queues=queues)
        until(lambda: self.name not in self.node.node_info()["waiting"])

    def stop(self, *, safe: bool = False) -> None:
        self._ask("stop_partition", safe=safe)

    def delete(self) -> None:
        self._ask("delete_partition")

    def info(self) -> dict[str, Any]:
        found: dict[str, Any] = self.node.node_info()["partitions"].get(self.name, {})
        return found

    def counts(self, outcome: str) -> int:
        return int(self.info()["counts"].get(outcome, 0))

    def running(self) -> list[str]:
        return [job["id"] for job in self.info()["running"]]

    def _ask(self, op: str, **args: Any) -> None:
        answers = self.node.ask_nodes(op, partition=self.name, **args)
        assert answers.errors == {}
        assert list(answers.values) == [self.node.config.name]


@pytest.fixture
def tenant(node: Node, events: Events) -> Iterator[Tenant]:
    """A partition with two queues, deleted with all it owns afterwards."""
    tenant = Tenant(node, f"t{secrets.token_hex(4)}")
    tenant.start(default=10, other=2)
    yield tenant
    if tenant.name in node.node_info()["partitions"]:
        tenant.delete()
