"""The supervision-tree file: reading TOML, and trying what it names."""

from __future__ import annotations

import pytest

from roger_actors.errors import InvalidConfig
from roger_actors.roger.config import Config
from roger_actors.roger.config.tree_file import check_imports, load

GOOD = """
[node]
name = "worker-1"
broker = "embedded:roger.db"
"""


def problem_of(path) -> str:
    with pytest.raises(InvalidConfig) as caught:
        load(path, environ={})
    (problem,) = caught.value.problems
    return str(problem)


def written(folder, text: str | bytes):
    file = folder / "roger.toml"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return file


def test_a_file_is_read_and_its_embedded_broker_lies_beside_it(tmp_path):
    config = load(written(tmp_path, GOOD))

    assert config.name == "worker-1"
    assert config.broker == f"embedded:{tmp_path}/roger.db"


def test_the_environment_is_the_process_s_own_by_default(tmp_path, monkeypatch):
    monkeypatch.setenv("ROGER_TEST_NAME", "from-outside")

    assert load(written(tmp_path, GOOD.replace("worker-1", "${ROGER_TEST_NAME}"))).name == "from-outside"


def test_a_missing_file_is_named(tmp_path):
    assert problem_of(tmp_path / "nope.toml") == (
        f"{tmp_path}/nope.toml: got no such file or directory, expected a readable TOML file"
    )


def test_a_folder_is_no_file(tmp_path):
    assert "got is a directory, expected a readable TOML file" in problem_of(tmp_path)


def test_bad_toml_is_told_with_its_line_and_what_stands_there(tmp_path):
    found = problem_of(written(tmp_path, '[node]\nname = "a"\nbroker = embedded\n'))

    assert found.startswith("line 3: got 'broker = embedded', expected valid TOML: ")


def test_a_file_that_ends_too_early_is_told_with_its_last_line(tmp_path):
    assert problem_of(written(tmp_path, "[node]\njobs = [")).startswith("line 2: got 'jobs = ['")


def test_a_key_given_twice_is_told_with_its_line(tmp_path):
    assert problem_of(written(tmp_path, '[node]\nname = "a"\nname = "b"\n')).startswith("line 3: ")


def test_bad_toml_does_not_show_a_password(tmp_path):
    assert "hunter2" not in problem_of(written(tmp_path, '[node]\nbroker = "amqp://bob:hunter2\n'))


def test_a_file_that_is_no_text_is_told(tmp_path):
    assert problem_of(written(tmp_path, b"name = '\xff'")).endswith("got byte 0xff at 8, expected UTF-8 text")


def test_what_cannot_be_imported_is_told_with_the_cause(tmp_path, monkeypatch):
    (tmp_path / "broken_module_of_a_test.py").write_text("import sys\nsys.exit('no guard')\n")
    monkeypatch.syspath_prepend(tmp_path)
    config = Config.from_mapping(
        {
            "node": {
                "name": "a",
                "broker": "embedded:a.db",
                "jobs": ["json", "no_such_module_here", "broken_module_of_a_test"],
                "hooks": "json:NoSuchClass",
            },
            "children": [
                {"id": "a", "start": "json:JSONDecoder"},
                {"id": "b", "start": "json:loads"},
            ],
        }
    )

    found = [str(problem) for problem in check_imports(config)]

    assert len(found) == 6
    assert "node.jobs[0]: got 'json', expected a module of job classes" in found[0]
    assert "node.jobs[1]: got 'no_such_module_here', expected something that can be imported" in found[1]
    assert "(ModuleNotFoundError: No module named 'no_such_module_here')" in found[1]
    assert "node.jobs[2]" in found[2]
    assert "SystemExit: no guard" in found[2]
    assert "node.hooks: got 'json:NoSuchClass'" in found[3]
    assert found[4] == (
        "children[0].start: got 'json:JSONDecoder', expected a server (a class with start_link) or a "
        "function that starts a process (undef)"
    )
    assert found[5].startswith(
        "children[1].start: got 'json:loads' with no arguments, expected what loads takes (missing a"
    )


def test_hooks_must_be_a_subclass_of_hooks():
    config = Config.from_mapping(
        {"node": {"name": "a", "broker": "embedded:a.db", "hooks": "json:JSONDecoder"}}
    )

    assert [str(problem) for problem in check_imports(config)] == [
        "node.hooks: got 'json:JSONDecoder', expected a subclass of roger_actors.Hooks"
    ]
