"""The conformance suite: one test for each line of the list, run in memory and with real OS processes.

The list is `the_list.md`: 224 lines of given, when, then. A test is an `async def` named
`test_line_NNN_…`, marked `otp_line(NNN)`, in the file of the line's section, and takes `world` (see
`conformance_world`); parameters must pickle. It runs as a trapping process inside the host `first`:

- `memory`: a node in this thread, virtual time, children beside the test;
- `real`: a node of real OS processes (one for each module), children on the host `second`.

After each test no process may be left in either host. A line that is left out stands in
`left_out.toml` with its reason. A run of everything writes `docs/pages/reference/otp-conformance.md`.
"""

from __future__ import annotations

import inspect
import os
import pickle
import sys
import tempfile
import time
from pathlib import Path

import pytest

HERE = str(Path(__file__).parent)
if HERE not in sys.path:
    sys.path.insert(0, HERE)

import conformance_world  # noqa: E402
from conformance_roles import ROLES  # noqa: E402
from conformance_table import Table  # noqa: E402

from roger_actors.otp import Outside  # noqa: E402
from roger_actors.transport.memory import MemoryNode, VirtualLoop  # noqa: E402
from roger_actors.transport.thespian import start_node  # noqa: E402

LIMIT = float(os.environ.get("CONFORMANCE_LIMIT", "50"))
SETTLE = 5.0


class Hosts:
    """A running node, as a test's runner sees it."""

    def __init__(self, transport, node, let_pass):
        self.transport = transport
        self.node = node
        self.outside = Outside(node)
        self._let_pass = let_pass
        self._before = None

    def ready(self):
        """Wait until all hosts are there; return the other host's number."""
        deadline = time.monotonic() + 20.0
        while time.monotonic() < deadline:
            found = {info["role"]: number for number, info in self.outside.hosts().items() if info["ready"]}
            if {"first", "second"} <= set(found):
                return found["second"]
            self._let_pass()
        pytest.fail(f"the hosts did not come up: {self.outside.hosts()}")

    def processes(self):
        return {
            (role, str(pid)): (pid, label)
            for role in ("first", "second")
            for pid, label in self.outside.call(role, "stage", ("processes",))
        }

    def play(self, path, name, given):
        second = self.ready()
        before = self.processes()
        request = ("test", path, name, pickle.dumps(given), self.transport, second)
        kind, trace = self.outside.call("first", "stage", request, timeout=LIMIT)
        if kind != "passed":
            pytest.fail(f"in the host:\n{trace}", pytrace=False)
        self._left(before, restarted=self.ready() != second)

    def _left(self, before, *, restarted):
        deadline = time.monotonic() + SETTLE
        while True:
            left = {key: one for key, one in self.processes().items() if key not in before}
            if restarted:
                left = {key: one for key, one in left.items() if key[0] == "first"}
            if not left:
                return
            if time.monotonic() > deadline:
                break
            self._let_pass()
        for role in ("first", "second"):
            self.outside.call(
                role, "stage", ("kill_left", [pid for key, (pid, _) in left.items() if key[0] == role])
            )
        pytest.fail(f"left running in the hosts: {sorted(left.values(), key=repr)}", pytrace=False)


class _Nodes:
    """The module's nodes: the real one is started when a test first wants it."""

    def __init__(self):
        self._real = None
        self._folder = None

    def real(self):
        if self._real is None:
            self._folder = tempfile.TemporaryDirectory(prefix="roger-", dir="/tmp")
            before = os.environ.get("PYTHONPATH")
            os.environ["PYTHONPATH"] = os.pathsep.join([HERE, *([before] if before else [])])
            try:
                self._real = start_node(
                    "conformance", "conformance_roles:ROLES", runtime_dir=self._folder.name
                )
            finally:
                os.environ.pop("PYTHONPATH")
                if before is not None:
                    os.environ["PYTHONPATH"] = before
        return Hosts("real", self._real, lambda: None)

    def stop(self):
        if self._real is not None:
            self._real.stop(5.0)
            self._folder.cleanup()


@pytest.fixture(scope="module")
def nodes(nothing_survives_the_module):
    found = _Nodes()
    yield found
    found.stop()


@pytest.fixture(params=["memory", pytest.param("real", marks=pytest.mark.live)])
def world(request, nodes):
    """The node that the test runs in; inside the test, `world` is a `conformance_world.World`."""
    if request.param == "real":
        yield nodes.real()
        return
    loop = VirtualLoop()
    node = MemoryNode(ROLES, loop)
    loop.settle()
    conformance_world.MEMORY.append(node)
    yield Hosts("memory", node, lambda: loop.advance(0.01))
    conformance_world.MEMORY.clear()
    conformance_world.RUNTIMES.clear()
    node.stop(5.0)
    loop.settle()
    loop.close()


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = set(pyfuncitem._fixtureinfo.argnames) - {"world"}
    given = {name: pyfuncitem.funcargs[name] for name in names}
    pyfuncitem.funcargs["world"].play(str(pyfuncitem.path), pyfuncitem.originalname, given)
    return True


TABLE = Table()


def pytest_collection_modifyitems(items):
    TABLE.collected(item for item in items if item.path.parent == Path(HERE))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item):
    report = yield
    TABLE.ran(item, report)
    return report


def pytest_sessionfinish(session):
    changed = TABLE.write()
    if changed and os.environ.get("CI"):
        print(f"\n{changed} is not what this run found: run `make conformance` and commit it")
        session.exitstatus = 1
