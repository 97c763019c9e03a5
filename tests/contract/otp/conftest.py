"""One node per test, in memory and with real OS processes."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

HERE = str(Path(__file__).parent)
if HERE not in sys.path:
    sys.path.insert(0, HERE)

from otp_roles import ROLES  # noqa: E402

from roger_actors.otp import Outside  # noqa: E402


class Hosts:
    """A running node and how to have its hosts play scenarios."""

    def __init__(self, node, settle):
        self.node = node
        self.outside = Outside(node)
        self.settle = settle

    def numbers(self):
        return {info["role"]: number for number, info in self.outside.hosts(5.0).items() if info["ready"]}

    def play(self, role, scenario, *arguments):
        kind, result = self.outside.call(role, "stage", (scenario, list(arguments)), timeout=20.0)
        assert kind == "ok", result
        return result


@pytest.fixture(params=["memory", pytest.param("thespian", marks=pytest.mark.live)])
def hosts(request):
    if request.param == "memory":
        yield from _in_memory()
    else:
        yield from _real(request.getfixturevalue("run_directory"))


def _in_memory():
    from roger_actors.transport.memory import MemoryNode, VirtualLoop

    loop = VirtualLoop()
    node = MemoryNode(ROLES, loop)
    loop.settle()
    yield Hosts(node, loop.settle)
    node.stop(5.0)
    loop.settle()
    loop.close()


def _real(directory):
    from roger_actors.transport.thespian import start_node

    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([HERE, *([before] if before else [])])
    try:
        node = start_node("stages", "otp_roles:ROLES", runtime_dir=str(directory))
    finally:
        os.environ.pop("PYTHONPATH")
        if before is not None:
            os.environ["PYTHONPATH"] = before
    try:
        hosts = Hosts(node, lambda: None)
        while len(hosts.numbers()) < 3:
            pass
        yield hosts
    finally:
        node.stop(5.0)
