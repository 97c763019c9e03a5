"""`check` and `tree`: what a file says, without a node."""

from __future__ import annotations

from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

CHILDREN = """
[[children]]
id = "mailer"
start = "shop.actors:Mailer"
host = "own"
restart = "transient"
"""


@pytest.fixture(autouse=True)
def _actors(project):
    text = "from roger_actors import GenServer\n\n\nclass Mailer(GenServer):\n    def init(self): ...\n"
    (project / "shop" / "actors.py").write_text(text)


def write(project, text: str) -> None:
    file = project / "roger.toml"
    file.write_text(file.read_text() + text)


def test_a_good_file_is_ok_with_a_summary(cli):
    done = cli("check")

    assert (done.status, done.err) == (0, "")
    assert done.out.startswith("roger.toml: ok\n")
    assert "queues      2, 3 jobs at once" in done.out


def test_every_fault_is_a_line_and_the_status_is_2(cli, project):
    write(project, '[supervision.partition]\nstrategy = "one_for_al"\nmax_restarts = -1\nmaxseconds = 1\n')

    done = cli("check", "roger.toml")

    assert (done.status, done.err) == (2, "")
    strategy, restarts, unknown = done.out.splitlines()
    assert strategy.startswith(
        "roger.toml:12: supervision.partition.strategy: got 'one_for_al', expected 'one_for_one'"
    )
    assert strategy.endswith("; did you mean 'one_for_all'? (invalid_strategy)")
    assert restarts == (
        "roger.toml:13: supervision.partition.max_restarts: got -1, "
        "expected a whole number, 0 or more (invalid_intensity)"
    )
    assert unknown.startswith(
        "roger.toml:14: supervision.partition.maxseconds: got an unknown key, expected a known one"
    )
    assert unknown.endswith("; did you mean 'max_seconds'?")


def test_a_class_that_cannot_be_imported_is_a_fault_unless_imports_are_left_out(cli, project):
    write(project, CHILDREN.replace("Mailer", "Missing"))

    done = cli("check")

    assert done.status == 2
    assert done.out.startswith(
        "roger.toml:14: children[0].start: got 'shop.actors:Missing', expected something that can be"
    )
    assert cli("check", "--no-import").status == 0


APPLICATION = """
[application]
name = "shop"

[[children]]
id = "many"
start = "DynamicSupervisor"
restart = "transient"
"""


def test_warnings_alone_are_no_failure_unless_they_are_to_be(cli, project):
    (project / "shop.toml").write_text(APPLICATION)

    done, strict = cli("check", "shop.toml"), cli("check", "shop.toml", "--strict")

    warning = "shop.toml:8: warning: children[0].restart: got 'transient', expected 'permanent': a supervisor"
    assert done.status == 0
    assert done.out.startswith(warning)
    assert done.out.endswith("shop.toml: ok\n  application  shop\n  children     many\n")
    assert strict.status == 2
    assert strict.out.startswith(warning)
    assert "ok" not in strict.out.splitlines()[-1].split()


def test_modules_beside_the_file_are_found_from_any_folder(cli, project):
    write(project, CHILDREN)
    (project / "elsewhere").mkdir()
    (project / "roger.toml").rename(project / "elsewhere" / "roger.toml")
    (project / "shop").rename(project / "elsewhere" / "shop")

    done = cli("check", "elsewhere/roger.toml")

    assert done.out.startswith("elsewhere/roger.toml: ok\n")


def test_the_broker_is_shown_without_the_way_to_it(cli, project):
    done = cli("check", "shop/../roger.toml")

    assert f"embedded:{project}/roger.db" in done.out


def test_milliseconds_to_stop_are_a_warning(cli, project):
    write(project, CHILDREN + "shutdown = 5000\n")

    done = cli("check")

    warning = (
        "roger.toml:17: warning: children[0].shutdown: got 5000, expected at most 3600 seconds; Erlang's"
    )
    assert done.status == 0
    assert done.out.startswith(warning)


def test_a_file_that_cannot_be_read_is_named_once(cli):
    done = cli("check", "nope.toml")

    assert done.out == "nope.toml: got no such file or directory, expected a readable TOML file\n"


def test_what_reading_and_what_importing_find_is_told_in_one_run(cli, project):
    write(project, "[node.x]\n" + CHILDREN + 'shutdown = -1\nkwargs = { "a" = 1 }\n[[children]]\n')

    done = cli("check", "--json")

    assert done.status == 2
    assert [(each["line"], each["key"], each["kind"]) for each in done.json["problems"]] == [
        (11, "node.x", None),
        (15, "children[0].start", "undef"),
        (18, "children[0].shutdown", "invalid_shutdown"),
        (20, "children[1].id", "missing_id"),
        (20, "children[1].start", "missing_start"),
    ]


def test_the_schema_is_printed_and_its_place_too(cli):
    printed = cli("schema")
    place = cli("schema", "--path").out.strip()

    assert printed.json["title"] == "roger_actors supervision-tree file"
    assert Path(place).read_text().strip() == printed.out.strip()


def test_the_faults_as_json(cli, project):
    write(project, "[[children]]\n")

    done = cli("check", "--json")

    assert done.status == 2
    assert done.json["ok"] is False
    assert [problem["key"] for problem in done.json["problems"]] == ["children[0].id", "children[0].start"]


def test_a_password_is_not_in_the_summary(cli, project):
    file = project / "roger.toml"
    file.write_text(file.read_text().replace("embedded:roger.db", "amqp://bob:hunter2@localhost/"))

    done = cli("check")

    assert "amqp://bob:***@localhost/" in done.out
    assert "hunter2" not in done.out + cli("tree").out


def test_every_command_refuses_a_bad_file_in_the_same_words(cli, project):
    write(project, "[nodes]\n[partition]\n")

    done = cli("info")

    assert (done.status, done.out) == (2, "")
    assert done.err.splitlines() == [
        "error: roger.toml:11: nodes: got an unknown key, expected a known one; did you mean 'node'?",
        (
            "error: roger.toml:12: partition: got an unknown key, expected a known one; "
            "did you mean 'partitions'?"
        ),
    ]


def test_the_planned_tree_is_drawn_from_the_file_alone(cli, project):
    write(project, CHILDREN)

    done = cli("tree")

    assert done.status == 0
    assert done.out.splitlines()[0] == f"worker-1  embedded:{project}/roger.db"
    assert "│   │   └── acme  one_for_one, 3 restarts in 5 s" in done.out
    assert "consumer  default × 2, images × 1" in done.out
    assert "└── mailer  shop.actors:Mailer, transient, 5 s to stop, in a host of its own" in done.out
    assert "\x1b" not in done.out
    assert not (project / "roger.db").exists()


def test_the_planned_tree_as_json(cli):
    tree = cli("tree", "--json").json

    assert (tree["id"], tree["kind"]) == ("worker-1", "node")
    assert [host["id"] for host in tree["children"][0]["children"]] == [
        "kernel",
        "worker_hosts",
        "worker_hosts_starter",
    ]
