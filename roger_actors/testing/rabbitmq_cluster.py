"""Three private RabbitMQ nodes on loopback that form a cluster, for tests that end one at a time.

Quorum queues that are declared when all run have a replica on each.

Process:
    As of `rabbitmq`: everything is synchronous and blocks.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from pathlib import Path

from roger_actors.testing.rabbitmq import START_SECONDS, BrokerNotReady, RabbitNode, free_ports


class RabbitCluster:
    """Three private brokers on loopback that are one; each can be killed and comes back.

    Args:
        directory: Where everything of it lies.
        size: How many.
        settings: See `RabbitNode`.
    """

    def __init__(self, directory: Path, *, size: int = 3, settings: Mapping[str, str] | None = None) -> None:
        shared: dict[str, int | str] = {
            "epmd": free_ports().epmd,
            "cookie": secrets.token_hex(16),
            "password": secrets.token_hex(8),
        }
        names = [f"rabbit{number}" for number in range(1, size + 1)]
        peers = {
            f"cluster_formation.classic_config.nodes.{number}": f"{name}@localhost"
            for number, name in enumerate(names, 1)
        }
        formation = {
            "cluster_formation.peer_discovery_backend": "classic_config",
            "cluster_formation.randomized_startup_delay_range.min": "0",
            "cluster_formation.randomized_startup_delay_range.max": "1",
        }
        self.nodes = [
            RabbitNode(
                directory / name,
                settings={**formation, **peers, **(settings or {})},
                name=name,
                shared=shared,
            )
            for name in names
        ]

    def start(self, timeout: float = START_SECONDS) -> None:
        """Start all, the first one first, and return when they know each other.

        Raises:
            BrokerNotReady: One did not start, or they did not find each other.
        """
        self.nodes[0].start_epmd()
        for node in self.nodes:
            node.start(timeout)
        deadline = time.monotonic() + timeout
        while self.running() != len(self.nodes):
            if time.monotonic() > deadline:
                raise BrokerNotReady(detail=f"only {self.running()} nodes have found each other")
            time.sleep(0.1)

    def running(self) -> int:
        """Return how many nodes the first one that runs counts as running."""
        return int(self.alive[0].eval("length(rabbit_nodes:all_running())"))

    @property
    def alive(self) -> list[RabbitNode]:
        """The nodes that run."""
        return [node for node in self.nodes if node.pid]

    def destroy(self) -> None:
        """End all at once and remove their directories."""
        for node in reversed(self.nodes):
            node.destroy()
