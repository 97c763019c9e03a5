"""The rest of a coroutine whose first step was taken outside a task."""

from __future__ import annotations

from collections.abc import Coroutine, Generator
from typing import Any


class Rest:
    """Awaiting it goes on with the coroutine, in a task now.

    Args:
        work: The coroutine.
        first: What its first step waits for.
    """

    __slots__ = ("_first", "coroutine")

    def __init__(self, work: Coroutine[Any, Any, Any], first: Any) -> None:
        self.coroutine = work
        self._first = first

    def close(self) -> None:
        """Close the coroutine."""
        self.coroutine.close()

    def __await__(self) -> Generator[Any, Any, Any]:
        work, waited = self.coroutine, self._first
        while True:
            try:
                try:
                    value = yield waited
                except BaseException as error:  # noqa: BLE001 - the task hands in a cancellation: it is the coroutine's
                    waited = work.throw(error)
                else:
                    waited = work.send(value)
            except StopIteration as stop:
                return stop.value
