"""What the pool holds: its books, and what it has asked of the root host.

Mutable, because thousands of jobs a second pass through it; only the pool's own process touches it.

Source:
    New here.
"""

from __future__ import annotations

from collections import Counter

from roger_actors.roger.kernel import Kernel
from roger_actors.roger.worker_pool.ledger import Ledger
from roger_actors.roger.worker_pool.message import Reclaim
from roger_actors.transport import HostId

REPLACED_WITHIN = 10.0
"""Seconds in which a crashed host's replacement, started by its supervisor, is counted on."""


class PoolState:
    """What the pool holds beside its books."""

    def __init__(self, kernel: Kernel, directory: str) -> None:
        self.kernel = kernel
        self.directory = directory
        self.ledger = Ledger(kernel.config.max_worker_hosts)
        self.asked = 0
        self.forked: set[int] = set()
        self.early: set[int] = set()
        self.replacements: list[float] = []
        self.reclaims: dict[HostId, list[Reclaim]] = {}
        self.monitored: set[int] = set()
        self.ticking = False
        self.classes: frozenset[str] = frozenset()
        self.refusal = ""
        self.held_until = 0.0
        self.stopping = False
        self.deaths: Counter[str] = Counter()

    def now(self) -> float:
        """Return monotonic seconds."""
        return self.kernel.clock.monotonic()

    def count_starting(self) -> None:
        """Bring the ledger's count of hosts on their way up to date."""
        now = self.now()
        self.replacements = [at for at in self.replacements if now - at < REPLACED_WITHIN]
        self.ledger.starting = self.asked + len(self.forked) + len(self.replacements)
