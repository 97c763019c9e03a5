"""`run` and what is asked of a running node, on the embedded broker."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from pathlib import Path

import pytest

from .conftest import Running, Start

pytestmark = pytest.mark.live


@pytest.fixture
def node(start: Start) -> Running:
    running = start()
    running.wait_for("node worker-1 is up on embedded:")
    return running


def wait_for_line(file: Path, line: str) -> None:
    """Wait until a job has written a line."""
    for _ in range(2000):
        if file.exists() and line in file.read_text().splitlines():
            return
        threading.Event().wait(0.01)
    pytest.fail(f"{line!r} did not come into {file.name}")


def test_a_job_enqueued_on_the_command_line_is_run(cli, node, project):
    done = cli("enqueue", "acme", "Touch", '{"path": "ran.txt"}')

    assert (done.status, done.err) == (0, "")
    wait_for_line(project / "ran.txt", done.out.strip())


def test_arguments_from_the_standard_input_and_the_record_as_json(cli, node, project):
    done = cli("enqueue", "acme", "Touch", "-", "--id", "mine", "--json", stdin='{"path": "ran.txt"}')

    assert done.json["id"] == "mine"
    assert done.json["queued_at"] > 0
    wait_for_line(project / "ran.txt", "mine")


def test_a_moment_with_a_zone_is_taken_for_the_start(cli, node, project):
    done = cli("enqueue", "acme", "Touch", '{"path": "ran.txt"}', "--at", "2026-01-01T00:00+01:00")

    wait_for_line(project / "ran.txt", done.out.strip())


def test_a_duplicate_is_one_line_and_status_1(cli, node):
    cli("pause", "acme", "images")
    first = cli("enqueue", "acme", "Resize", '{"id": 7}')

    second = cli("enqueue", "acme", "Resize", '{"id": 7}')

    assert (second.status, second.out) == (1, "")
    assert second.err == (
        f"error: partition 'acme': queue key 'resize-7' is taken by job {first.out.strip()}\n"
    )


def test_info_shows_queues_and_running_jobs(cli, node, project):
    cli("enqueue", "acme", "Sleep", '{"path": "slept.txt", "seconds": 30}', "--id", "sleeper")
    wait_for_line(project / "slept.txt", "begun")

    told = cli("info")

    assert told.status == 0
    lines = [line.split() for line in told.out.splitlines()]
    assert ["worker-1", "acme", "default", "2", "1", "0", "1", "running"] in lines
    assert ["worker-1", "acme", "images", "1", "0", "0", "1", "running"] in lines
    assert "sleeper  shop.jobs.Sleep  default" in told.out
    assert cli("info", "--json").json["nodes"]["worker-1"]["broker_error"] == ""
    assert cli("cancel", "acme", "sleeper").out == "worker-1: it was running and is killed\n"


def test_a_paused_queue_is_shown_as_paused_until_it_is_resumed(cli, node):
    assert cli("pause", "acme", "default").out == "worker-1: paused acme default\n"
    assert "  paused" in cli("info").out
    assert cli("resume", "acme", "default").out == "worker-1: resumed acme default\n"
    assert "  paused" not in cli("info").out


def test_a_buried_job_is_listed_shown_requeued_and_deleted(cli, node, project):
    cli("enqueue", "acme", "Fail", '{"n": 1}', "--id", "unlucky")
    wait_until_buried(cli)

    (kept,) = cli("buried", "list", "acme", "--json").json
    shown = cli("buried", "show", "acme", "unlucky").out

    assert (kept["class"], kept["attempts"], kept["kind"]) == ("shop.jobs.Fail", 2, "error")
    assert "cause      ValueError: it \\x1b[31mnever works" in shown
    assert 'raise ValueError("it' in shown
    assert "\x1b" not in shown
    assert cli("buried", "requeue", "acme", "unlucky").out == "requeued unlucky\n"
    wait_until_buried(cli)
    assert cli("buried", "delete", "acme", "--all").out == "deleted 1 message\n"
    assert cli("buried", "list", "acme").out == "acme has no buried jobs\n"


def test_a_buried_job_is_edited_and_runs(cli, node, project):
    cli("enqueue", "acme", "Fail", '{"n": 1}', "--id", "unlucky")
    wait_until_buried(cli)

    wrong = cli("buried", "edit", "acme", "unlucky", "{nope")
    nobody = cli("buried", "edit", "acme", "nosuchid", "{}")
    edited = cli("buried", "edit", "acme", "unlucky", "-", "--json", stdin='{"n": 2}')

    assert (wrong.status, wrong.err[:28]) == (2, "error: ARGS-JSON is no JSON:")
    assert (nobody.status, nobody.err) == (1, "error: nosuchid is not in acme's buried jobs\n")
    assert (edited.json["id"], edited.json["args"], edited.json["retry_count"]) == ("unlucky", {"n": 2}, 0)
    wait_until_buried(cli)
    assert 'args       {"n": 2}' in cli("buried", "show", "acme", "unlucky").out
    several = cli("buried", "delete", "acme", "unlucky", "nosuchid")
    assert (several.status, several.out) == (1, "deleted unlucky\n")
    assert several.err == "error: nosuchid is not in acme's buried jobs\n"


def wait_until_buried(cli) -> None:
    for _ in range(40):
        if cli("buried", "list", "acme", "--json").json:
            return
    pytest.fail("the job was not buried")


def test_a_partition_is_started_reconfigured_and_stopped_at_run_time(cli, node):
    assert cli("partitions", "start", "beta", "default=2", "slow=0").out == "worker-1: started beta\n"
    started = [line.split() for line in cli("partitions", "list").out.splitlines()]
    assert ["worker-1", "beta", "slow", "0", "0", "0", "0", "running"] in started

    assert cli("partitions", "reconfigure", "beta", "default=3").status == 0
    assert set(cli("partitions", "list", "--json").json["worker-1"]["beta"]["queues"]) == {"default"}

    assert cli("partitions", "stop", "beta", "--now").out == "worker-1: stopped beta\n"
    assert "beta" not in cli("partitions", "list").out


def test_a_node_that_does_not_exist_cannot_be_named(cli, node):
    done = cli("partitions", "stop", "acme", "--node", "nobody")

    assert done.status == 2
    assert done.err.startswith("error: no node is called 'nobody'; there are worker-1")


def test_the_living_tree_has_pids_and_os_processes(cli, node):
    by_file = cli("tree", "--live").out.splitlines()
    by_name = cli("tree", "worker-1", "--live", "--json").json

    assert by_file[0] == "worker-1"
    assert by_file[1].startswith("└── root OS process ")
    assert any("consumer (" in line and "<worker-1.1." in line for line in by_file)
    assert by_name["children"][0]["children"][0]["id"] == "kernel"


def test_the_living_tree_of_no_node_is_an_error(cli):
    done = cli("tree", "--live")

    assert (done.status, done.out) == (1, "")
    assert done.err.startswith("error: node 'worker-1' is down: no such node")


def test_sigterm_lets_a_running_job_finish(cli, node, project):
    cli("enqueue", "acme", "Sleep", '{"path": "slept.txt", "seconds": 0.5}')
    wait_for_line(project / "slept.txt", "begun")

    node.send(signal.SIGTERM)

    node.wait_for("node worker-1 is draining, for up to 10 s")
    node.wait_for("node worker-1 has ended")
    assert node.wait_for_end() == 0
    assert (project / "slept.txt").read_text().splitlines() == ["begun", "done"]


def test_a_second_signal_ends_the_node_now(cli, node, project):
    cli("enqueue", "acme", "Sleep", '{"path": "slept.txt", "seconds": 30}')
    wait_for_line(project / "slept.txt", "begun")
    node.send(signal.SIGTERM)
    node.wait_for("is draining")
    threading.Event().wait(0.6)  # a second one that comes at once is taken for the first

    node.send(signal.SIGINT)

    node.wait_for("node worker-1 ends now")
    assert node.wait_for_end() == 128 + signal.SIGINT


def test_sighup_takes_over_the_partitions_of_the_file(cli, node, project):
    file = project / "roger.toml"
    file.write_text(file.read_text().replace("[partitions.acme]", "[partitions.beta]"))

    node.send(signal.SIGHUP)

    node.wait_for("roger.toml was read again; partitions: beta")
    assert list(cli("partitions", "list", "--json").json["worker-1"]) == ["beta"]


def test_a_bad_file_at_sighup_changes_nothing(cli, node, project):
    file = project / "roger.toml"
    file.write_text(file.read_text() + "[nodes]\n")

    node.send(signal.SIGHUP)

    said = node.wait_for("error: roger.toml:11: nodes: got an unknown key, expected a known one")
    assert "did you mean 'node'?" in said
    node.wait_for("roger.toml was not taken over; the partitions are as they were")
    file.write_text(file.read_text().replace("[nodes]\n", ""))
    assert list(cli("partitions", "list", "--json").json["worker-1"]) == ["acme"]


def test_a_file_that_is_wrong_starts_no_node(cli, project):
    file = project / "roger.toml"
    file.write_text(file.read_text().replace("embedded:roger.db", "redis://localhost"))

    done = cli("run")

    assert (done.status, done.out) == (2, "")
    assert done.err.startswith(
        "error: roger.toml:4: node.broker: got 'redis://localhost', expected 'embedded"
    )


def test_as_process_1_it_drains_and_hands_on_the_status(start, project):
    unshare = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")
    if subprocess.run([*unshare, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine does not let us make a PID namespace")
    running = start(*unshare)
    running.wait_for("node worker-1 is up")
    (first,) = Path(f"/proc/{running.process.pid}/task/{running.process.pid}/children").read_text().split()

    os.kill(int(first), signal.SIGTERM)

    running.wait_for("node worker-1 has ended")
    assert running.wait_for_end() == 0


CHILDREN = """
[[children]]
id = "good"
start = "shop.servers:Good"

[[children]]
id = "bad"
start = "shop.servers:Bad"
"""

SERVERS = """
from roger_actors import GenServer, Ok


class Good(GenServer):
    def init(self):
        return Ok(None)


class Bad(GenServer):
    def init(self):
        raise RuntimeError("no db")
"""


@pytest.mark.parametrize(
    ("servers", "why"),
    [
        (SERVERS, "child 'bad' did not start: RuntimeError: no db"),
        (
            "import shop.nothing",
            "children[0].start: got 'shop.servers:Good', expected something that can be imported (",
        ),
        (f"{SERVERS}\n1 / 0", "shop/servers.py:14)"),
    ],
)
def test_a_node_that_cannot_start_says_which_child_and_why(project, start, servers, why):
    (project / "shop" / "servers.py").write_text(servers)
    file = project / "roger.toml"
    file.write_text(file.read_text() + CHILDREN)

    running = start()

    assert why in running.wait_for("error: node worker-1 did not start: ")
    assert running.wait_for_end() == 1
    assert "ConfigError" not in "".join(line for line in running.seen if line.startswith(" "))


def child_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])


def test_a_node_whose_root_is_killed_says_so(node):
    admin = child_of(node.process.pid)
    os.kill(child_of(admin), signal.SIGKILL)

    node.wait_for("error: node worker-1 has ended by itself: the root host ended: ")
    assert node.wait_for_end() == 1
