"""What a test holds: a node of puppets, commanded through the node's own request door."""

from __future__ import annotations

import json
from typing import Any

from roger_actors.transport import Node

LIMIT = 10.0


class Puppets:
    """Commands for the hosts of a node; see `transport_roles`."""

    def __init__(self, node: Node) -> None:
        self.node = node

    def tell(self, host: int, word: str, *rest: Any, limit: float = LIMIT) -> Any:
        """Let a host carry out a command and return its answer."""
        return json.loads(self.node.request(json.dumps([host, word, *rest]).encode(), limit))

    def start(self, role: str = "puppet", count: int = 1) -> list[int]:
        started: list[int] = self.tell(0, "start", role, "", count)
        return started

    def seen(self, host: int, count: int) -> list[list[Any]]:
        """Wait until a host has seen `count` things and return them all, in order."""
        entries: list[list[Any]] = self.tell(host, "until", count)
        return entries

    def pids(self, *hosts: int) -> list[int]:
        found: list[int] = self.tell(0, "pids", *hosts)
        return found
