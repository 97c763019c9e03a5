"""A message on its way to the broker, and the batch that it may belong to."""

from __future__ import annotations

import asyncio

from roger_actors.broker.base import Message
from roger_actors.errors import BrokerError


class Batch:
    """The results of one `publish_many`."""

    __slots__ = ("deadline", "future", "left", "results", "seconds")

    def __init__(self, size: int, future: asyncio.Future[list[BrokerError | None]], timeout: float) -> None:
        self.results: list[BrokerError | None] = [None] * size
        self.left = size
        self.future = future
        self.seconds = timeout
        self.deadline = future.get_loop().time() + timeout


class Outgoing:
    """One message on its way."""

    __slots__ = (
        *("batch", "deadline", "exchange", "expiration", "future", "index", "is_over"),
        *("message", "once", "refusals", "returned", "seconds"),
    )

    def __init__(self, message: Message, exchange: str | None) -> None:
        self.message = message
        self.exchange = exchange
        self.batch: Batch | None = None
        self.index = 0
        self.future: asyncio.Future[None] | None = None
        self.deadline = self.seconds = 0.0
        self.is_over = self.returned = self.once = False
        self.refusals = 0
        self.expiration = ""

    def finish(self, error: BrokerError | None) -> None:
        """Tell whoever waits, once."""
        if self.is_over:
            return
        self.is_over = True
        batch, future = self.batch, self.future
        if batch is not None:
            batch.results[self.index] = error
            batch.left -= 1
            if not batch.left and not batch.future.done():
                batch.future.set_result(batch.results)
        elif future is not None and not future.done():
            if error is None:
                future.set_result(None)
            else:
                future.set_exception(error)
