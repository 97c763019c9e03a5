"""pytest plugin: the fixture `local_node`, and `async def` tests that run as processes on it.

pytest loads it by itself where this package is installed; `-p no:…` with this module's name leaves it out.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture
def local_node() -> Iterator[Any]:
    """A `LocalNode`: a node in memory, on a clock of its own; closed after the test.

    The test fails if code of a process that has ended still runs then: it swallowed its cancellation.
    """
    from roger_actors.testing.local_node import LocalNode

    with LocalNode() as node:
        yield node
        if not node.loop.is_closed():
            node.settle()
        lingering = node.lingering()
    if lingering:
        pytest.fail(f"still running after their processes had ended: {lingering}", pytrace=False)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run an `async def` test that has a `LocalNode` among its fixtures as a process that traps exits."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    from roger_actors.otp import process
    from roger_actors.testing.local_node import LocalNode

    node = next((value for value in pyfuncitem.funcargs.values() if isinstance(value, LocalNode)), None)
    if node is None:
        return None
    names = inspect.signature(pyfuncitem.obj).parameters
    arguments = {name: pyfuncitem.funcargs[name] for name in names}

    async def body() -> None:
        """Run the test."""
        process.trap_exit()
        await pyfuncitem.obj(**arguments)

    node.run(body)
    return True
