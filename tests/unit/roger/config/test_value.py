"""The configuration value: what is accepted, what is refused and in which words."""

from __future__ import annotations

import copy
import pickle
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roger_actors.errors import ConfigError, InvalidConfig
from roger_actors.otp import ChildSpec, Start
from roger_actors.roger.config import RETRY_LEVELS, SUPERVISION, Config

WHOLE = {
    "node": {"name": "worker-1", "broker": "embedded:roger.db", "jobs": ["myapp.jobs"]},
    "partitions": {"acme": {"queues": {"default": 10, "images": 2}}},
    "supervision": {"partition": {"strategy": "one_for_all", "max_restarts": 0, "max_seconds": 2}},
    "children": [{"id": "mailer", "start": "myapp.actors:Mailer", "args": {"pool": 4}, "host": "own"}],
}


def changed(path: str, value: object) -> dict:
    """Return the good tables with one value put at a dotted path."""
    tables = copy.deepcopy(WHOLE)
    *above, last = path.split(".")
    here = tables
    for step in above:
        here = here[int(step)] if isinstance(here, list) else here.setdefault(step, {})
    here[last] = value
    return tables


def problems_of(tables: dict, **options: object) -> list[str]:
    with pytest.raises(InvalidConfig) as caught:
        Config.from_mapping(tables, **options)
    return [str(problem) for problem in caught.value.problems]


def test_what_is_left_out_has_its_default():
    config = Config.from_mapping({"node": {"name": "a", "broker": "embedded:a.db"}})

    assert config.retry_levels == RETRY_LEVELS
    assert config.retry_jitter == 0.1
    assert config.supervision == SUPERVISION
    assert (config.max_payload, config.max_worker_hosts, config.max_buried) == (1024**2, None, None)
    assert (config.partitions, config.children, config.logging) == ({}, (), None)


def test_a_whole_configuration_is_read():
    config = Config.from_mapping(WHOLE)

    assert config.jobs == ("myapp.jobs",)
    assert config.partitions == {"acme": {"default": 10, "images": 2}}
    assert config.supervision["partition"].strategy == "one_for_all"
    assert config.supervision["partition"].period == 2.0
    assert config.children == (
        ChildSpec(id="mailer", start=Start("myapp.actors:Mailer", pool=4), host="own"),
    )


def test_the_tables_of_a_configuration_build_an_equal_one():
    config = Config.from_mapping(WHOLE)

    assert Config.from_mapping(config.to_mapping()) == config


def test_a_dictconfig_table_is_kept_as_it_is():
    table = {"version": 1, "root": {"level": "DEBUG"}}

    config = Config.from_mapping({**WHOLE, "logging": table})

    assert config.logging == table
    assert Config.from_mapping(config.to_mapping()) == config


def test_arguments_in_an_array_are_positional():
    child = Config.from_mapping(changed("children.0.args", [1, "two"])).children[0]

    assert (child.start.args, child.start.kwargs) == ((1, "two"), {})


def test_a_supervisor_among_the_children_gets_all_the_time_it_wants_to_end():
    child = Config.from_mapping(changed("children.0.type", "supervisor")).children[0]

    assert child.normalised().shutdown == "infinity"


@pytest.mark.parametrize("shutdown", [0, 2.5, "brutal_kill", "infinity"])
def test_every_form_of_shutdown_is_accepted(shutdown):
    assert Config.from_mapping(changed("children.0.shutdown", shutdown)).children[0].shutdown == shutdown


def test_sizes_may_have_a_unit():
    assert (
        Config.from_mapping(changed("node.worker_max_memory", "512 MiB")).worker_max_memory == 512 * 1024**2
    )
    assert Config.from_mapping(changed("node.max_payload", 10)).max_payload == 10


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        ("node.name", 7, "node.name: got 7, expected a name of letters, digits"),
        ("node.name", "a b", "node.name: got 'a b', expected a name"),
        ("node.broker", "amqp://", "node.broker: got 'amqp://', expected 'embedded:PATH' or a URL"),
        ("node.broker", "redis://h", "(no such scheme)"),
        ("node.broker", "embedded:", "expected 'embedded:PATH' with the path of a file"),
        ("node.broker", "amqp://h:99999/", "(its port or host is malformed)"),
        ("node.broker", "amqp://h/a/b", "(a '/' in a vhost's name is written %2F)"),
        ("node.broker", ["x"], "node.broker: got ['x'], expected"),
        ("node.jobs", "myapp.jobs", "node.jobs: got 'myapp.jobs', expected an array of module names"),
        ("node.jobs", ["my app"], "node.jobs[0]: got 'my app', expected a module's dotted name"),
        ("node.hooks", "myapp.Hooks", "node.hooks: got 'myapp.Hooks', expected a class as 'module:Class'"),
        ("node.prefix", "a..b", "node.prefix: got 'a..b'"),
        ("node.queue_kind", "quroum", "did you mean 'quorum'?"),
        (
            "node.retry_levels",
            [1, -1],
            "node.retry_levels[1]: got -1, expected a number of seconds, 0 or more",
        ),
        ("node.retry_levels", [True], "node.retry_levels[0]: got true, expected a number of seconds"),
        ("node.retry_jitter", 1.5, "node.retry_jitter: got 1.5, expected a number from 0 to 1"),
        ("node.retry_jitter", float("nan"), "expected a number from 0 to 1"),
        ("node.retry_levels", [1e9], "expected at most 31622400 seconds"),
        ("node.shutdown_timeout", "5", "node.shutdown_timeout: got '5', expected a number of seconds"),
        ("node.shutdown_timeout", float("nan"), "node.shutdown_timeout: got nan, expected"),
        ("node.enqueue_timeout", 0, "node.enqueue_timeout: got 0, expected a number of seconds, above 0"),
        (
            "node.max_worker_hosts",
            True,
            "node.max_worker_hosts: got true, expected a whole number, 1 or more",
        ),
        ("node.max_worker_hosts", 1.0, "node.max_worker_hosts: got 1.0, expected a whole number"),
        ("node.max_payload", "5 MB", "node.max_payload: got '5 MB', expected a size of at least 1 bytes"),
        ("node.brokr", "x", "node.brokr: got an unknown key, expected a known one; did you mean 'broker'?"),
        ("nodes", {}, "nodes: got an unknown key, expected a known one; did you mean 'node'?"),
        ("node", 3, "node: got 3, expected a table"),
        ("logging.level", "LOUD", "logging.level: got 'LOUD', expected 'DEBUG', 'INFO'"),
        ("logging.version", 2, "logging.version: got 2, expected a whole number, from 1 to 1"),
        (
            "partitions.acme.queues.default",
            -1,
            "partitions.acme.queues.default: got -1, expected a whole number",
        ),
        ("partitions.acme.queues.default", 1.5, "partitions.acme.queues.default: got 1.5"),
        ("partitions.acme.queues.default", 70000, "from 0 to 65535"),
        ("partitions.acme", {}, "partitions.acme.queues: got nothing, expected a table of queue types"),
        ("partitions.acme.queue", 1, "partitions.acme.queue: got an unknown key"),
        ("partitions.a b", {"queues": {}}, "partitions.\"a b\": got 'a b', expected a partition named with"),
        ("partitions.acme.queues.a b", 1, "expected a queue type named with letters"),
        ("partitions.acme.queues." + "a" * 101, 1, "got 101 characters, expected a queue type named with"),
        ("node.prefix", "a" * 41, "with single '-' between them, at most 40"),
        ("supervision.partition.strategy", "one_for_al", "did you mean 'one_for_all'?"),
        ("supervision.partition.max_restarts", -1, "got -1, expected a whole number, 0 or more"),
        ("supervision.partition.max_seconds", 0, "got 0, expected a number of seconds, above 0"),
        ("supervision.workers.strategy", "one_for_all", "got 'one_for_all', expected 'one_for_one'"),
        (
            "supervision.worker",
            {},
            "supervision.worker: got an unknown key, expected a known one; did you mean",
        ),
        ("supervision.partition.auto_shutdown", "never", "auto_shutdown: got an unknown key"),
        (
            "children",
            {"id": "x"},
            "children: got {'id': 'x'}, expected an array of tables, written [[children]]",
        ),
        ("children.0.id", None, "children[0].id: got None, expected an id"),
        ("children.0.start", "Mailer", "children[0].start: got 'Mailer', expected 'module:name', or one of"),
        ("children.0.args", 4, "children[0].args: got 4, expected an array of positional arguments or a"),
        ("children.0.restart", "always", "expected 'permanent', 'transient' or 'temporary'"),
        (
            "children.0.shutdown",
            "brutal",
            "expected seconds, 0 or more, 'brutal_kill' or 'infinity'",
        ),
        ("children.0.shutdown", -1, "children[0].shutdown: got -1, expected seconds, 0 or more"),
        ("children.0.host", "kernel", "no user code runs in the kernel host"),
        (
            "children.0.host",
            "hown",
            "children[0].host: got 'hown', expected 'same', 'own' or a host's number; did you mean 'own'?",
        ),
        ("children.0.type", "server", "children[0].type: got 'server', expected 'worker' or 'supervisor'"),
        ("children.0.significant", 1, "children[0].significant: got 1, expected true or false"),
        (
            "children.0.significant",
            True,
            "supervisor with auto_shutdown (bad_combination)",
        ),
    ],
)
def test_a_wrong_setting_is_named_with_its_value_and_what_was_expected(path, value, problem):
    (found,) = problems_of(changed(path, value))

    assert problem in found


def test_everything_wrong_is_told_at_once():
    tables = changed("node.jobs", 5)
    tables["supervision"]["partition"]["strategy"] = "one"
    del tables["node"]["name"]
    del tables["children"][0]["id"]

    found = problems_of(tables)

    assert [line.partition(":")[0] for line in found] == [
        "node.name",
        "node.jobs",
        "supervision.partition.strategy",
        "children[0].id",
    ]
    assert found[0].startswith("node.name: got nothing, expected")


def test_two_children_may_not_share_an_id():
    tables = copy.deepcopy(WHOLE)
    tables["children"].append(dict(tables["children"][0]))

    assert problems_of(tables) == [
        "children[1].id: got 'mailer', expected an id that no other child has (duplicate_child_name)"
    ]


def test_a_significant_child_needs_a_supervisor_that_heeds_it():
    tables = changed("children.0.significant", value=True)
    tables["children"][0]["restart"] = "transient"

    assert "supervisor with auto_shutdown (bad_combination)" in problems_of(tables)[0]
    tables["supervision"]["children"] = {"auto_shutdown": "any_significant"}
    assert Config.from_mapping(tables).children[0].significant


def test_two_queues_may_not_end_up_with_one_name():
    tables = changed("partitions", {"a-b": {"queues": {"c": 1}}, "a": {"queues": {"b-c": 1}}})

    (problem,) = problems_of(tables)

    assert problem.startswith("partitions.a.queues.b-c: got 'b-c', expected a queue type named with letters")


def test_a_variable_is_looked_up_in_the_environment_that_is_given():
    tables = changed("node.broker", "${SCHEME}://${USER_1}@h/")

    config = Config.from_mapping(tables, environ={"SCHEME": "amqp", "USER_1": "bob:pw"})

    assert config.broker == "amqp://bob:pw@h/"


def test_a_variable_that_is_not_set_is_named_once():
    assert problems_of(changed("node.broker", "${NOPE}"), environ={}) == [
        "node.broker: got ${NOPE}, expected the environment variable NOPE to be set"
    ]


def test_the_path_of_an_embedded_broker_is_relative_to_the_directory_given():
    directory = PurePosixPath("/etc/roger")

    assert Config.from_mapping(WHOLE, directory=directory).broker == "embedded:/etc/roger/roger.db"
    absolute = changed("node.broker", "embedded:/var/roger.db")
    assert Config.from_mapping(absolute, directory=directory).broker == "embedded:/var/roger.db"


@pytest.mark.parametrize(
    "url",
    [
        "amqp://bob:hunter2@host:5672/v",
        "amqp://bob:hunter2@/v",
        "amqp://bob:x/hunter2@host/v",
        "amqp://bob:x@hunter2@host/v",
        "bob:hunter2@host",
        "amqp://bob:hunter2",
        "amqps://host/v/w?password=hunter2",
        "redis://bob:hunter2@host",
    ],
)
def test_a_password_is_never_printed(url):
    try:
        config = Config.from_mapping(changed("node.broker", url))
    except InvalidConfig as error:
        printed = str(error)
    else:
        printed = config.redacted_broker + repr(config)

    assert "hunter2" not in printed
    assert "***" in printed


def test_an_unknown_key_does_not_show_its_value():
    assert "hunter2" not in str(problems_of(changed("node.brokr", "amqp://bob:hunter2@h/")))


def test_a_long_value_is_cut():
    (found,) = problems_of(changed("node.hooks", "x" * 10_000))

    assert len(found) < 200


def test_the_error_is_one_line_names_its_source_and_survives_pickling():
    with pytest.raises(InvalidConfig) as caught:
        Config.from_mapping({"node": {"name": "a\nb"}}, source="some.toml")

    copied = pickle.loads(pickle.dumps(caught.value))
    assert isinstance(copied, ConfigError)
    assert str(copied) == str(caught.value)
    assert str(copied).startswith("some.toml: node.name: got 'a\\nb', expected")
    assert "\n" not in str(copied)


WORDS = st.text(alphabet="ab-. \n\0é", max_size=5)
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=8,
)
KEYS = st.sampled_from(["node", "logging", "partitions", "supervision", "children", "x"])


@given(st.dictionaries(KEYS, JUNK | st.dictionaries(st.sampled_from(["name", "acme", "workers"]), JUNK)))
def test_whatever_the_tables_hold_the_only_error_is_a_list_of_problems(tables):
    found = "one problem at least"
    try:
        Config.from_mapping(tables)
    except InvalidConfig as error:
        found = str(error) if error.problems else ""

    assert found
    assert "\n" not in found
