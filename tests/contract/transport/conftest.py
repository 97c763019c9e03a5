"""One node of puppets per test, on each implementation of the transport."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = str(Path(__file__).parent)
if HERE not in sys.path:
    sys.path.insert(0, HERE)

from transport_driver import Puppets  # noqa: E402
from transport_roles import ROLES  # noqa: E402


@pytest.fixture(params=["memory", pytest.param("thespian", marks=pytest.mark.live)])
def puppets(request: pytest.FixtureRequest) -> Iterator[Puppets]:
    """A running node whose root and hosts are puppets."""
    if request.param == "memory":
        yield from _in_memory()
    else:
        yield from _real(request.getfixturevalue("run_directory"))


def _in_memory() -> Iterator[Puppets]:
    from roger_actors.transport.memory import MemoryNode, VirtualLoop

    loop = VirtualLoop()
    node = MemoryNode(ROLES, loop)
    yield Puppets(node)
    node.stop(5.0)
    loop.settle()
    loop.close()


def _real(directory: Path) -> Iterator[Puppets]:
    from roger_actors.transport.thespian import start_node

    node = start_node("puppets", "transport_roles:ROLES", runtime_dir=str(directory))
    yield Puppets(node)
    node.stop(5.0)
