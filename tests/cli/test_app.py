"""The command itself: help, version, misspellings, statuses; one line for every error."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import entry_points, version

import pytest

from roger_actors.cli.app import COMMANDS

pytestmark = pytest.mark.slow


def test_help_lists_every_command(cli):
    done = cli("--help")

    assert done.status == 0
    assert all(f"  {name} " in done.out for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(cli, name):
    done = cli(name, "--help")

    assert done.status == 0
    assert done.out.startswith(f"Usage: roger-actors {name}")


def test_the_version_is_that_of_the_package(cli):
    assert cli("--version").out == f"roger-actors {version('roger-actors')}\n"


def test_the_console_script_is_the_same_command():
    (script,) = entry_points(group="console_scripts", name="roger-actors")

    assert script.value == "roger_actors.cli:main"


def test_without_a_command_the_help_is_shown_and_the_status_is_2(cli):
    done = cli()

    assert (done.status, done.err) == (2, "")
    assert done.out.startswith("Usage: roger-actors")


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("chek",), "No such command 'chek'. Did you mean 'check'? (see 'roger-actors --help')"),
        (("check", "--jsn"), "No such option '--jsn'. Did you mean '--json'?"),
        (("enqueue", "acme"), "Missing argument 'CLASS'"),
        (("buried", "requeue", "acme"), "give JOB_ID or --all (see 'roger-actors buried requeue --help')"),
        (("buried", "requeue", "acme", "x", "--all"), "give JOB_ID or --all"),
        (("partitions", "start", "acme", "default=x"), "QUEUE=WORKERS: got 'default=x'"),
        (
            ("process", "status", "till", "-c", "nope.toml"),
            "which node? Give --node NAME, or its file with -c",
        ),
        (("info", "-c", "nope.toml"), "nope.toml: got no such file or directory, expected a readable TOML"),
    ],
)
def test_a_wrong_command_line_is_one_line_and_status_2(cli, arguments, error):
    done = cli(*arguments)

    assert (done.status, done.out) == (2, "")
    assert done.err.startswith(f"error: {error}")
    assert done.err.count("\n") == 1


def test_the_configuration_may_be_named_by_the_environment(cli, project):
    (project / "roger.toml").rename(project / "other.toml")

    assert cli("check", env={"ROGER_CONFIG": "other.toml"}).out.startswith("other.toml: ok")


def test_a_reader_that_has_seen_enough_is_no_error(project):
    command = f"{sys.executable} -m roger_actors --help | head -c 1; exit ${{PIPESTATUS[0]}}"

    done = subprocess.run(["bash", "-c", command], cwd=project, capture_output=True, text=True, check=False)

    assert done.stderr == ""


def test_importing_the_package_loads_no_adapter_and_no_terminal():
    code = (
        "import roger_actors, sys;"
        "print(sorted({'thespian', 'pika', 'sqlite3', 'click', 'rich', 'asyncio'} & set(sys.modules)))"
    )

    # no environment: measuring coverage in there would load sqlite3 itself
    done = subprocess.run([sys.executable, "-c", code], env={}, capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"


def test_an_unknown_public_name_is_an_attribute_error():
    code = "import roger_actors; print(hasattr(roger_actors, 'Nothing'), 'Job' in dir(roger_actors))"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "False True\n"
