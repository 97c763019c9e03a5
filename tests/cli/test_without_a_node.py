"""The commands that need a broker and no node, on the embedded one."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.slow


def test_enqueueing_to_a_queue_that_was_never_started_is_an_error(cli):
    done = cli("enqueue", "acme", "Touch", '{"path": "x"}')

    assert (done.status, done.out) == (1, "")
    assert done.err == (
        "error: queue 'acme-default' does not exist; start the partition with this queue first\n"
    )


@pytest.mark.parametrize(
    ("at", "error"),
    [
        ("tomorrow", "--at is 'tomorrow', expected ISO 8601, as 2027-01-31T09:00+01:00"),
        ("2027-01-31T09:00", "at is 2027-01-31T09:00:00, expected a datetime with a time zone"),
        ("2999-01-31T09:00Z", "at is 2999-01-31T09:00:00+00:00, expected at most 366 days from now"),
    ],
)
def test_a_moment_that_cannot_be_meant_is_refused(cli, at, error):
    done = cli("enqueue", "acme", "Touch", "{}", "--at", at)

    assert done.status == 2
    assert done.err.startswith(f"error: {error}")


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("Tuch", "no job class 'Tuch' in the configured job modules; did you mean Touch?"),
        ("os.system", "no job class 'os.system' in the configured job modules; there are shop.jobs.Fail"),
    ],
)
def test_enqueueing_names_a_class_of_the_configured_modules_only(cli, name, error):
    done = cli("enqueue", "acme", name, "{}")

    assert done.status == 2
    assert done.err.startswith(f"error: {error}")


def test_arguments_must_be_json(cli):
    done = cli("enqueue", "acme", "Touch", "-", stdin="{nope")

    assert done.status == 2
    assert done.err.startswith("error: ARGS-JSON is no JSON: ")


def test_a_job_module_that_cannot_be_imported_is_one_line(cli, project):
    (project / "shop" / "jobs.py").write_text("1 / 0\n")

    done = cli("enqueue", "acme", "Touch", "{}")

    assert done.status == 2
    assert done.err == (
        "error: node.jobs[0]: got 'shop.jobs', expected something that can be imported "
        "(ZeroDivisionError: division by zero)\n"
    )


def test_no_node_is_an_error_for_what_needs_one(cli, project):
    for arguments in (("info",), ("partitions", "list"), ("partitions", "stop", "acme")):
        done = cli(*arguments)

        assert (done.status, done.out) == (1, "")
        assert done.err == f"error: no node answers on embedded:{project}/roger.db\n"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("buried", "list", "acme"), "acme has no buried jobs"),
        (("quarantine", "list"), "nothing is in quarantine"),
        (("parked", "list"), "nothing is parked"),
        (("buried", "requeue", "acme", "--all"), "requeued 0 messages"),
        (("quarantine", "delete", "--all"), "deleted 0 messages"),
        (("pause", "acme", "default"), "paused; no node is running"),
        (("resume", "acme", "default"), "resumed; no node is running"),
        (("cancel", "acme", "nosuchid"), "cancelled; no node is running, the first one will find it"),
    ],
)
def test_what_needs_no_node_works_without_one(cli, arguments, line):
    done = cli(*arguments)

    assert (done.status, done.out, done.err) == (0, f"{line}\n", "")


def test_what_is_not_kept_cannot_be_shown(cli):
    done = cli("buried", "show", "acme", "nosuchid")

    assert (done.status, done.err) == (1, "error: nosuchid is not in acme's buried jobs\n")


def test_empty_shelves_as_json(cli):
    assert cli("buried", "list", "acme", "--json").json == []
    assert cli("quarantine", "list", "--json").json == []
    assert cli("quarantine", "requeue", "--all", "--json").json == {"requeued": []}


def test_deleting_a_partition_asks_first(cli):
    done = cli("partitions", "delete", "acme")

    assert done.status == 130
    assert "Delete its queues with all jobs in them?" in done.out


def test_a_broker_that_refuses_is_one_line_without_the_password(cli, project):
    file = project / "roger.toml"
    text = file.read_text().replace("embedded:roger.db", "amqp://bob:hunter2@127.0.0.1:1/")
    file.write_text(text.replace("enqueue_timeout = 10.0", "enqueue_timeout = 2.0"))

    done = cli("buried", "list", "acme")

    assert done.status == 1
    assert done.err.startswith("error: cannot connect to amqp://")
    assert "127.0.0.1:1" in done.err
    assert done.err.count("\n") == 1
    assert "hunter2" not in done.err
