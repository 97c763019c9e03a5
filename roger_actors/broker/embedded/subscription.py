"""A consumer as the engine's thread sees it."""

from __future__ import annotations

import attrs

from roger_actors.broker.base import QueueSpec


@attrs.define(eq=False)
class Subscription:
    """One consumer, as the thread sees it; all fields but the first two belong to the thread.

    Attributes:
        name: The queue's name, with prefix.
        spec: The queue as it was declared here, to make it again when it has vanished; or None.
        prefetch: Deliveries that may be outstanding.
        number: Its row in the file, 0 while it has none.
        queue: The number of its queue.
        generation: One more whenever all that is outstanding has become stale.
        outstanding: Deliveries that are.
        is_single: Whether the queue serves one consumer at a time.
        is_paused: Whether it takes none.
    """

    name: str
    spec: QueueSpec | None
    prefetch: int
    number: int = 0
    queue: int = 0
    generation: int = 0
    outstanding: int = 0
    is_single: bool = False
    is_paused: bool = False
