"""Groups of operations under one name (`client.partition.start`), for programs without a loop.

A group is written once, with coroutines, and belongs to an `AsyncClient`. Its twin for `Client` lists the
same methods through `blocking`, which keeps their arguments, results and docstrings.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, ParamSpec, TypeVar

G = TypeVar("G")
P = ParamSpec("P")
T = TypeVar("T")


class Blocking:
    """A group of a `Client`.

    Args:
        wait: Runs the method of a name, of the same group of the thread's `AsyncClient`, and waits.
    """

    def __init__(self, wait: Callable[..., Any]) -> None:
        self._wait = wait


def blocking(
    method: Callable[Concatenate[G, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[Blocking, P], T]:
    """Return a coroutine method as one that waits, for a class derived from `Blocking`."""
    name = method.__name__

    @functools.wraps(method)
    def waiting(group: Blocking, /, *args: P.args, **kwargs: P.kwargs) -> T:
        result: T = group._wait(name, *args, **kwargs)  # noqa: SLF001 of this module
        return result

    return waiting
