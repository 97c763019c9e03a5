"""`tree --live`, `top`, `process` and `kill-host` on a node with the user's own processes."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

pytestmark = pytest.mark.live

SERVERS = """
from roger_actors import GenServer, NoReply, Ok, Reply
from roger_actors.otp import process


class Till(GenServer):
    def init(self):
        process.spawn(audit)
        return Ok({"total": 0, "pin": "1234"})

    def handle_cast(self, amount, state):
        return NoReply({**state, "total": state["total"] + amount})

    def format_status(self, status):
        status.state = {**status.state, "pin": "***"}
        return status


async def audit():
    await process.sleep(1000)


class Solver(GenServer):
    def init(self):
        process.send_after(0.5, process.self(), "now")
        return Ok(None)

    def handle_info(self, message, state):
        while True:
            pass


class Clock(GenServer):
    def init(self):
        process.send_after(0.01, process.self(), "tick")
        return Ok(0)

    def handle_info(self, message, state):
        process.send_after(0.01, process.self(), "tick")
        GenServer.cast("till", 1)
        return NoReply(state + 1)
"""

CHILDREN = """
[[children]]
id = "till"
start = "shop.servers:Till"

[[children]]
id = "clock"
start = "shop.servers:Clock"
"""

SOLVER = """
[[children]]
id = "solver"
start = "shop.servers:Solver"
host = "own"
"""


@pytest.fixture
def up(project, start):
    """Starts a node with the children given and waits until it is up."""

    def run(children):
        (project / "shop" / "servers.py").write_text(SERVERS)
        file = project / "roger.toml"
        file.write_text(file.read_text() + children)
        start().wait_for("is up on")

    return run


def hung(cli):
    """Look at the hosts until one does not answer for a while."""
    for _ in range(20):
        view = cli("top", "--once", "--json", "--interval", "0.1", "--timeout", "0.5").json
        for number, info in view["hosts"].items():
            if info.get("silent"):
                return int(number), info
    return pytest.fail("no host was seen to hang")


def test_top_shows_hosts_and_processes_with_rates_and_ends_where_there_is_no_terminal(cli, up):
    up(CHILDREN)

    plain = cli("top", "--sort", "rate")
    view = cli("top", "worker-1", "--json", "--sort", "rate").json

    assert (plain.status, plain.err) == (0, "")
    assert re.match(r"worker-1: \d+ hosts, \d+ processes, \d+ messages/s\n", plain.out)
    assert "\x1b" not in plain.out
    till = next(one for one in view["processes"] if one["name"] == "till")
    assert till["rate"] > 10
    assert till["handled"] > 10
    assert {info["role"] for info in view["hosts"].values()} >= {"root", "kernel", "app"}
    assert all(info["rss"] > 1_000_000 for info in view["hosts"].values())


def test_the_living_tree_tells_what_processes_do_and_those_outside_it(cli, up):
    up(CHILDREN)

    out = cli("tree", "--live").out

    assert "outside any tree" in out
    assert "audit <worker-1.2." in out
    assert "in audit (servers.py:" in out
    assert " handled" in out
    assert "MB, " in out


def test_a_server_is_shown_traced_suspended_and_resumed(cli, up):
    up(CHILDREN)

    shown = cli("process", "status", "till").out
    traced = cli("process", "trace", "till@app", "-n", "4").out.splitlines()
    by_line = cli("process", "trace", "clock", "-n", "2", "--json").out.splitlines()
    assert cli("process", "suspend", "till").out == "suspended till\n"
    assert "suspended, " in cli("tree", "--live").out
    assert cli("process", "resume", "till").out == "resumed till\n"

    assert "phase    running" in shown
    assert "'pin': '***'" in shown
    assert "1234" not in shown + "".join(traced)
    assert {line.split()[1] for line in traced} == {"received", "state"}
    assert len(by_line) == 2
    assert '"kind": "received"' in by_line[0] + by_line[1]


def test_a_trace_that_is_terminated_leaves_nothing_in_the_node(cli, up, project):
    up(CHILDREN)
    command = [sys.executable, "-m", "roger_actors", "process", "trace", "clock", "--json"]
    with subprocess.Popen(command, cwd=project, stdout=subprocess.PIPE) as tracer:
        assert tracer.stdout.readline()
        begun = cli("top", "--json", "--interval", "0.1").json

        tracer.terminate()

        assert tracer.wait(20) == 143
    ended = cli("top", "--json", "--interval", "0.1").json
    assert len(_collectors(begun)) == 1
    assert _collectors(ended) == []


def _collectors(view):
    return [one["name"] for one in view["processes"] if one["class"] == "TraceCollector"]


def test_nobody_and_several_are_errors(cli, up):
    up(CHILDREN)

    several = cli("process", "status", "top")

    assert several.status == 1
    assert re.match(r"error: top is <.*\.0\.\d+>, <.*>; say which, by its pid or as top@HOST\n", several.err)
    assert "phase    running" in cli("process", "status", "top@app").out
    done = cli("process", "status", "nobody")

    assert (done.status, done.out, done.err) == (1, "", "error: no process nobody\n")
    assert cli("kill-host", "99").status == 1


def test_a_handler_that_never_returns_is_seen_and_its_host_is_killed_and_started_anew(cli, up):
    up(SOLVER)
    number, info = hung(cli)

    assert info["standing"]["function"].startswith("Solver.handle_info (servers.py:")
    assert info["standing"]["name"] == "solver"
    plain = cli("top", "--interval", "0.1", "--timeout", "0.5").out
    assert "no answer for " in plain
    assert "Solver.handle_info (servers.py:" in plain
    tree = cli("tree", "--live", "--timeout", "0.5").out
    assert "its host does not answer" in tree
    assert "in Solver.handle_info (servers.py:" in tree

    assert cli("kill-host", str(number)).out.startswith(f"killed host {number} (own, OS process ")

    again, _ = hung(cli)
    assert again > number
