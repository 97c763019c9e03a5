"""Which nodes of the cluster are alive, by the signs of life that they broadcast. Pure.

Source:
    Erlang's `nodes()`, on which Roger's System relies.
"""

from __future__ import annotations

HEARTBEAT = 2.0
"""Seconds between two signs of life of a node."""

LOST_AFTER = 7.0
"""Seconds of silence after which a node no longer counts as alive: it is dead, frozen or cut off."""


class Peers:
    """What one node has heard of the others; mutable, of one process.

    A node is known by its name and its run, so that one that was restarted is another one.
    """

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], float] = {}

    def heard(self, node: str, run: str, now: float) -> bool:
        """Note a sign of life.

        Args:
            node: Whose.
            run: Random per start of that node.
            now: Monotonic seconds.

        Returns:
            Whether it is news that this node is alive.
        """
        is_new = not self.is_alive(node, run, now)
        self._seen[node, run] = now
        return is_new

    def left(self, node: str, run: str) -> None:
        """Note that a node has ended in order."""
        self._seen.pop((node, run), None)

    def is_alive(self, node: str, run: str, now: float) -> bool:
        """Whether a run of a node has given a sign of life lately."""
        at = self._seen.get((node, run))
        return at is not None and now - at < LOST_AFTER

    def names(self, now: float) -> list[str]:
        """Return the names of the nodes that are alive, sorted."""
        return sorted({node for node, run in self._seen if self.is_alive(node, run, now)})

    def lost(self, now: float) -> list[tuple[str, str]]:
        """Return, and forget, the runs of nodes that have fallen silent."""
        silent = [peer for peer in self._seen if not self.is_alive(*peer, now)]
        for peer in silent:
            del self._seen[peer]
        return silent

    def forget_all(self) -> None:
        """Count nobody as alive: this node hears nothing itself."""
        self._seen.clear()
