"""The brokers that the runs use, and what they hold, looked up beside the node."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from roger_actors.demo import plan
from roger_actors.testing.rabbitmq import RabbitNode
from roger_actors.testing.rabbitmq_cluster import RabbitCluster
from tests.fault.proxy import Proxy

EMPTY_AT_THE_END = (
    *(f"{tenant}-{queue}" for tenant, queues in plan.QUEUES.items() for queue in queues),
    *(f"{tenant}.lane" for tenant in plan.QUEUES),
    "roger.quarantine",
    "roger.parked",
    "roger.delay.",
)
"""Queues, by the beginning of their names, in which nothing is left once every job has left."""


class EmbeddedBroker:
    """The file, and what it holds, read beside the node."""

    kind = "embedded"
    nodes = 1

    def __init__(self, directory: Path) -> None:
        self.path = directory / "roger.db"

    def url_of(self, number: int) -> str:
        """Return where the node, number 0, connects to."""
        return f"embedded:{self.path}"

    def _rows(self, query: str) -> list[tuple[Any, ...]]:
        connection = sqlite3.connect(f"file:{self.path}?mode=ro", uri=True, timeout=5.0)
        try:
            return connection.execute(query).fetchall()
        finally:
            connection.close()

    def delayed(self) -> int:
        """Return how many messages wait for their time."""
        return int(self._rows("SELECT count(*) FROM delayed")[0][0])

    def unacked(self) -> int:
        """Return how many messages are delivered and not acknowledged."""
        return int(self._rows("SELECT count(*) FROM messages WHERE holder IS NOT NULL")[0][0])

    def lane_holders(self) -> set[int]:
        """Return the incarnations of nodes that hold messages of the lanes."""
        query = (
            "SELECT DISTINCT consumers.incarnation FROM messages JOIN queues ON queues.id = messages.queue "
            "JOIN consumers ON consumers.id = messages.holder WHERE queues.name LIKE '%.lane'"
        )
        return {int(row[0]) for row in self._rows(query)}

    def left(self) -> dict[str, int]:
        """Return what lies in queues that should be empty at the end."""
        query = "SELECT queues.name, count(*) FROM messages JOIN queues ON queues.id = messages.queue"
        found = dict(self._rows(f"{query} GROUP BY queues.name")) | {"roger.delay.": self.delayed()}
        return {name: int(n) for name, n in found.items() if n and name.startswith(EMPTY_AT_THE_END)}

    def followed_up(self, jobs: str) -> list[str]:
        """Return the jobs, ids like a pattern, whose retry is confirmed and whose delivery is not acked."""
        query = "SELECT message_id FROM messages JOIN delayed USING (message_id) WHERE holder IS NOT NULL"
        return [row[0] for row in self._rows(f"{query} AND message_id LIKE '{jobs}'")]

    def released(self, keys: dict[str, str]) -> list[str]:
        """Return the jobs that hold their queue key no more, while their delivery is not acked.

        Args:
            keys: What the table of queue keys calls a job's key, by job.
        """
        held = self._rows("SELECT message_id FROM messages WHERE holder IS NOT NULL")
        taken = {row[0] for row in self._rows("SELECT key FROM entries WHERE name = 'queue_keys'")}
        return [row[0] for row in held if row[0] in keys and keys[row[0]] not in taken]

    @contextmanager
    def confirming_nothing(self) -> Iterator[None]:
        """Hold the file's write lock, so that no publish can be committed."""
        connection = sqlite3.connect(self.path, timeout=10.0, isolation_level=None)
        try:
            connection.execute("BEGIN IMMEDIATE")
            yield
        finally:
            connection.close()


class RabbitBroker:
    """A vhost of a private RabbitMQ, and what it holds.

    Args:
        server: The server, or the servers of a cluster.
        vhost: Its name.
        nodes: How many nodes of ours share it.
        proxy: What they connect through, if anything.
        only_first: Whether only the first of them does.
    """

    kind = "rabbitmq"

    def __init__(
        self,
        server: RabbitNode | RabbitCluster,
        vhost: str,
        nodes: int = 1,
        proxy: Proxy | None = None,
        *,
        only_first: bool = False,
    ) -> None:
        self.server = server
        self.nodes = nodes
        self.proxy = proxy
        self.only_first = only_first
        self._vhost = vhost
        self._direct = self.node.url(vhost)
        self._port = self.node.port

    def url_of(self, number: int) -> str:
        """Return where a node connects to, the first being 0."""
        if self.proxy is None or (self.only_first and number > 0):
            return self._direct
        return self._direct.replace(f":{self._port}/", f":{self.proxy.port}/")

    @property
    def node(self) -> RabbitNode:
        """The server, or the first of a cluster that runs."""
        return self.server.alive[0] if isinstance(self.server, RabbitCluster) else self.server

    def _sum(self, query: str, *having: str) -> int:
        """Ask the state machines themselves: what the broker tells of queues is up to 5 s old."""
        return sum(count for name, count in self._counts(query).items() if any(h in name for h in having))

    def _counts(self, query: str) -> dict[str, int]:
        expression = (
            "[{element(4, amqqueue:get_name(Q)), V} || "
            f"Q <- rabbit_amqqueue:list(<<{json.dumps(self._vhost)}>>), "
            "rabbit_quorum_queue =:= amqqueue:get_type(Q), "
            f"{{ok, {{_, V}}, _}} <- [ra:leader_query(amqqueue:get_pid(Q), fun rabbit_fifo:{query}/1)], "
            "V > 0]"
        )
        told = self.node.eval(
            f"lists:flatten([[binary_to_list(N), $=, integer_to_list(V), $;] || {{N, V}} <- {expression}])"
        )
        words = told.strip('"').split(";")[:-1] if told != "[]" else []
        return {name: int(count) for name, _, count in (word.partition("=") for word in words)}

    def delayed(self) -> int:
        """Return how many messages wait for their time."""
        return self._sum("query_messages_total", "roger.delay.")

    def unacked(self) -> int:
        """Return how many messages are delivered and not acknowledged."""
        return self._sum("query_messages_checked_out", "-", ".lane")

    def lane_held(self, partition: str) -> int:
        """Return how many messages of a lane are delivered and not acknowledged."""
        return self._sum("query_messages_checked_out", f"{partition}.lane")

    def lane_consumers(self, partition: str) -> int:
        """Return how many nodes consume a lane; one of them is given its jobs."""
        return self._sum("query_consumer_count", f"{partition}.lane")

    def journal(self) -> int:
        """Return how many entries the journal of the tables has."""
        return self._sum("query_messages_total", "roger.journal")

    def left(self) -> dict[str, int]:
        """Return what lies in queues that should be empty at the end."""
        counts = self._counts("query_messages_total")
        return {name: count for name, count in counts.items() if name.startswith(EMPTY_AT_THE_END)}

    @contextmanager
    def confirming_nothing(self) -> Iterator[None]:
        """Stop the broker where it stands: it takes what is sent, and answers nothing."""
        self.node.freeze()
        try:
            yield
        finally:
            self.node.thaw()


Broker = EmbeddedBroker | RabbitBroker
