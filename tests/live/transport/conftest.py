"""A real node of puppets, and looking at what is left of one."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROLES_DIRECTORY = str(Path(__file__).parents[2] / "contract" / "transport")
if ROLES_DIRECTORY not in sys.path:
    sys.path.insert(0, ROLES_DIRECTORY)

from transport_driver import Puppets  # noqa: E402

from roger_actors.transport.thespian import UnixNode, start_node  # noqa: E402

ROLES = "transport_roles:ROLES"


@pytest.fixture
def node(run_directory: Path) -> Iterator[UnixNode]:
    """A running node; stopped afterwards if the test has not ended it."""
    node = start_node("live", ROLES, runtime_dir=str(run_directory))
    yield node
    node.stop(5.0)


@pytest.fixture
def puppets(node: UnixNode) -> Puppets:
    """The node's puppets."""
    return Puppets(node)


@pytest.fixture
def starter(run_directory: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start a node from a process of its own, which prints `about` as JSON and waits."""
    running: list[subprocess.Popen[str]] = []

    def start(code: str = "") -> subprocess.Popen[str]:
        script = _STARTER.format(
            paths=[ROLES_DIRECTORY, str(Path.cwd())], directory=str(run_directory), code=code
        )
        process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
        running.append(process)
        return process

    yield start
    for process in running:
        process.kill()
        process.communicate()


_STARTER = """
import sys, time, json
sys.path[:0] = {paths}
from transport_driver import Puppets
from roger_actors.transport.thespian import start_node
options = dict(runtime_dir={directory!r})
{code}
node = start_node("started", "transport_roles:ROLES", **options)
puppets = Puppets(node)
host = puppets.start()[0]
about = json.loads((node.directory / "node.json").read_text())
about["host"] = puppets.pids(host)[0]
about["job"] = puppets.tell(host, "spawn", "plain")
about["daemon"] = puppets.tell(host, "spawn", "daemon")
about["directory"] = str(node.directory)
print(json.dumps(about), flush=True)
time.sleep(100)
"""
