"""Short jobs of a flood, and the single ones that must not wait for it."""

from __future__ import annotations

import threading
from typing import Any

from roger_test_jobs import tell

from roger_actors import Job


class Naps(Job):
    """Takes as long as it is told, and says nothing."""

    def perform(self, args: Any) -> None:
        threading.Event().wait(args["seconds"])


class Single(Job):
    """Says that it has begun."""

    def perform(self, args: Any) -> None:
        tell("began", id=self.record.id)
