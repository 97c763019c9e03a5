"""The RabbitMQ node that all contenders of a benchmark share, and the queues they get on it."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pika

from benchmarks.harness import BenchmarkFailed, Plan
from roger_actors.testing.rabbitmq import RabbitNode

RUNNING_NODE = "ROGER_TEST_RABBITMQ"
"""Variable with the directory of a private node that is up already; `make bench` sets it."""

OURS = {"bench-digest": ("bench.lane", "bench.buried")}


@contextmanager
def broker(plan: Plan) -> Iterator[str]:
    """Give the URL of a RabbitMQ: the one that was named, or a private one on loopback."""
    if plan.broker_url is not None:
        yield plan.broker_url
        return
    if RUNNING_NODE in os.environ:
        yield RabbitNode(Path(os.environ[RUNNING_NODE])).url()
        return
    with tempfile.TemporaryDirectory(prefix="bench-node-") as folder:
        node = RabbitNode(Path(folder, "node"))
        try:
            node.start()
            yield node.url()
        finally:
            node.destroy()


@contextmanager
def queue(url: str, name: str, *, kind: str | None = None) -> Iterator[None]:
    """Give a contender an empty queue, and delete it afterwards with those a peer adds to it.

    Args:
        url: Where the broker is.
        name: Name of the queue.
        kind: `quorum` or `classic` to declare it, None if the contender declares it itself.
    """
    delete(url, name)
    if kind is not None:
        with channel(url) as opened:
            opened.queue_declare(name, durable=True, arguments={"x-queue-type": kind})
    try:
        yield
    finally:
        delete(url, name)


def delete(url: str, name: str) -> None:
    """Delete a queue and those that its library puts beside it."""
    with channel(url) as opened:
        for beside in (name, f"{name}.DQ", f"{name}.XQ", *OURS.get(name, ())):
            opened.queue_delete(beside)


def require_messages(url: str, name: str, count: int, seconds: float = 20.0) -> None:
    """Wait until a queue holds exactly `count` messages.

    Raises:
        BenchmarkFailed: It holds another number after all that time.
    """
    ready = settled_messages(url, name, count, seconds)
    if ready != count:
        raise BenchmarkFailed(f"queue {name} holds {ready} messages instead of {count}")


def settled_messages(url: str, name: str, count: int, seconds: float) -> int:
    """Return how many messages a queue holds, once those are `count`, or when the time is over."""
    deadline = time.monotonic() + seconds
    with channel(url) as opened:
        while True:
            ready = int(opened.queue_declare(name, passive=True).method.message_count)
            if ready == count or time.monotonic() > deadline:
                return ready
            opened.connection.sleep(0.05)


@contextmanager
def channel(url: str) -> Iterator[Any]:
    """Open a connection with one channel for a few calls."""
    connection = pika.BlockingConnection(pika.URLParameters(url))
    try:
        yield connection.channel()
    finally:
        connection.close()
