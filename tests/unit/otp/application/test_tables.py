"""Tables of a tree file: what they mean, and what is wrong with them, in the words of the code."""

from __future__ import annotations

import copy

import pytest

from roger_actors.errors import InvalidConfig
from roger_actors.otp import (
    Agent,
    Application,
    ChildSpec,
    DynamicSupervisor,
    PartitionSupervisor,
    Registry,
    Start,
    Supervisor,
    SupervisorFlags,
    TaskSupervisor,
)
from roger_actors.otp.child_spec import fault_of
from roger_actors.otp.supervision.restart import flags_fault

MAILER = {"id": "mailer", "start": "shop.mail:Mailer"}

TREE = {
    "application": {"name": "shop", "env": {"currency": "EUR", "limits": {"items": 100}}},
    "supervision": {"children": {"strategy": "rest_for_one", "max_restarts": 7, "max_seconds": 60}},
    "children": [
        {"id": "names", "start": "Registry", "keys": "duplicate", "name": "shop.names"},
        {
            "id": "tenants",
            "start": "Supervisor",
            "strategy": "one_for_all",
            "auto_shutdown": "any_significant",
            "restart": "transient",
            "host": "own",
            "children": [
                {**MAILER, "args": ["smtp", 25], "kwargs": {"tls": True}, "shutdown": "brutal_kill"},
                {
                    "id": 2,
                    "start": "shop.cache:start",
                    "args": {"size": 10},
                    "name": "",
                    "restart": "temporary",
                    "significant": True,
                    "host": 3,
                },
                {"id": "inner", "start": "Supervisor", "strategy": "one_for_one", "children": []},
            ],
        },
        {
            "id": "sessions",
            "start": "DynamicSupervisor",
            "max_children": 1000,
            "extra_arguments": ["eu"],
            "type": "supervisor",
            "shutdown": 30,
        },
    ],
}

MEANT = Application(
    name="shop",
    env={"currency": "EUR", "limits": {"items": 100}},
    flags=SupervisorFlags(strategy="rest_for_one", intensity=7, period=60),
    children=(
        ChildSpec(id="names", start=Start(Registry, keys="duplicate", name="shop.names")),
        ChildSpec(
            id="tenants",
            start=Start(
                Supervisor,
                [
                    ChildSpec(
                        id="mailer",
                        start=Start("shop.mail:Mailer", "smtp", 25, tls=True),
                        shutdown="brutal_kill",
                    ),
                    ChildSpec(
                        id=2,
                        start=Start("shop.cache:start", size=10, name=None),
                        restart="temporary",
                        significant=True,
                        host=3,
                    ),
                    ChildSpec(id="inner", start=Start(Supervisor, [], strategy="one_for_one")),
                ],
                strategy="one_for_all",
                auto_shutdown="any_significant",
            ),
            restart="transient",
            host="own",
        ),
        ChildSpec(
            id="sessions",
            start=Start(DynamicSupervisor, max_children=1000, extra_arguments=["eu"]),
            type="supervisor",
            shutdown=30,
        ),
    ),
)


MAILER_SPEC = ChildSpec(id="mailer", start=Start("shop.mail:Mailer"))
PARTS = {"id": "parts", "start": "PartitionSupervisor", "partitions": 4, "child": MAILER}
STATE = {"id": "state", "start": "Agent", "function": "shop.state:first", "args": [1, {"a": 2}]}
TASKS = {"id": "tasks", "start": "TaskSupervisor", "max_children": 10, "name": "tasks"}
NAMES = {"id": "names", "start": "Registry"}
ANY = {"id": "any", "start": "Supervisor", "strategy": "simple_one_for_one", "children": [MAILER]}


@pytest.mark.parametrize(
    ("table", "start"),
    [
        (
            PARTS,
            Start(PartitionSupervisor, ChildSpec(id="mailer", start=Start("shop.mail:Mailer")), partitions=4),
        ),
        (STATE, Start(Agent, "shop.state:first", 1, {"a": 2})),
        (TASKS, Start(TaskSupervisor, max_children=10, name="tasks")),
        (
            ANY,
            Start(
                Supervisor,
                [MAILER_SPEC],
                strategy="simple_one_for_one",
            ),
        ),
    ],
    ids=lambda value: value.get("start") if isinstance(value, dict) else "",
)
def test_every_behaviour_of_ours_has_a_short_name(table, start):
    application = Application.from_mapping({"children": [table]})

    assert application.children == (ChildSpec(id=table["id"], start=start),)
    assert application.to_mapping()["children"] == [table]


@pytest.mark.parametrize(
    ("table", "change", "says"),
    [
        (
            PARTS,
            {"partitions": 0},
            "partitions: got 0, expected a number from 1 (invalid_partitions)",
        ),
        (PARTS, {"strategy": "simple_one_for_one"}, "a strategy of children with ids (invalid_strategy)"),
        (PARTS, {"child": 7}, "children[0].child: got 7, expected a table"),
        (PARTS, {"child": {**MAILER, "restart": "x"}}, "children[0].child.restart: got 'x'"),
        (PARTS, {"name": ""}, "a name, which its partitions are found under"),
        (
            STATE,
            {"function": "first"},
            "function: got 'first', expected a function as 'module:name'",
        ),
        (STATE, {"args": 1}, "children[0].args: got 1, expected an array"),
        (TASKS, {"max_children": -1}, "(invalid_max_children)"),
        (TASKS, {"auto_shutdown": "never"}, "never ends with its children (bad_combination)"),
        (ANY, {"children": []}, "children[0].children: got [], expected one table"),
        (ANY, {"auto_shutdown": "any_significant"}, "'never' with simple_one_for_one (bad_combination)"),
        (
            {"id": "a", "start": "Registry"},
            {"listeners": "x"},
            "got 'x', expected an array (invalid_listeners)",
        ),
        ({"id": "a", "start": "Registry"}, {"keys": "unik"}, "did you mean 'unique'? (invalid_keys)"),
    ],
)
def test_their_options_are_judged_as_in_code(table, change, says):
    (problem,) = problems_of({"children": [{**table, **change}]})

    assert says in problem


def problems_of(tables) -> list[str]:
    with pytest.raises(InvalidConfig) as caught:
        Application.from_mapping(tables)
    return [str(problem) for problem in caught.value.problems]


def with_child(**fields) -> dict:
    child = {**MAILER, **fields}
    return {"children": [{key: value for key, value in child.items() if value is not None}]}


def test_a_file_means_the_specs_and_flags_that_code_would_write():
    assert Application.from_mapping(TREE) == MEANT


def test_the_tables_of_an_application_mean_the_same_application():
    tables = MEANT.to_mapping()

    assert Application.from_mapping(tables) == MEANT
    assert Application.from_mapping(copy.deepcopy(TREE)).to_mapping() == tables


def test_what_is_left_out_is_left_to_the_code():
    application = Application.from_mapping({"children": [MAILER]})

    assert application == Application(
        children=(ChildSpec(id="mailer", start=Start("shop.mail:Mailer")),),
        flags=SupervisorFlags(strategy="one_for_one", intensity=3, period=5.0, auto_shutdown="never"),
    )


def test_a_callback_stands_in_the_place_of_children():
    tables = {"application": {"start": "shop.app:start", "args": ["eu"], "kwargs": {"size": 3}}}
    application = Application.from_mapping(tables)

    assert application.callback == Start("shop.app:start", "eu", size=3)
    assert Application.from_mapping(application.to_mapping()) == application
    assert problems_of({**tables, "children": [MAILER]}) == [
        "application.start: got 'shop.app:start', expected either this or [[children]], not both"
    ]


def test_the_environment_may_name_environment_variables_at_any_depth():
    tables = {"application": {"env": {"url": "${URL}", "more": {"list": ["a", "${X}${X}"]}}}}

    application = Application.from_mapping(tables, environ={"URL": "https://a", "X": "b"})

    assert application.env == {"url": "https://a", "more": {"list": ["a", "bb"]}}
    with pytest.raises(InvalidConfig, match=r"application.env.more.list\[1\]: got \$\{X\}"):
        Application.from_mapping(tables, environ={"URL": ""})


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"id": None}, "missing_id"),
        ({"id": ["a"]}, "invalid_id"),
        ({"start": None}, "missing_start"),
        ({"start": "Mailer"}, "invalid_mfa"),
        ({"start": "a b:c"}, "invalid_mfa"),
        ({"start": 7}, "invalid_mfa"),
        ({"restart": "always"}, "invalid_restart_type"),
        ({"restart": ["permanent"]}, "invalid_restart_type"),
        ({"shutdown": -1}, "invalid_shutdown"),
        ({"shutdown": "brutal"}, "invalid_shutdown"),
        ({"shutdown": [1]}, "invalid_shutdown"),
        ({"shutdown": True}, "invalid_shutdown"),
        ({"type": "server"}, "invalid_child_type"),
        ({"significant": 1}, "invalid_significant"),
        ({"host": "kernel"}, "invalid_host"),
        ({"host": -1}, "invalid_host"),
        ({"significant": True}, "bad_combination"),
        ({"significant": True, "restart": "transient"}, "bad_combination"),
    ],
)
def test_a_child_is_refused_as_in_code_with_its_place_and_otps_word(fields, kind):
    (problem,) = problems_of(with_child(**fields))
    plain = {key: value for key, value in {**MAILER, **fields}.items() if key != "start"}
    start = {**MAILER, **fields}["start"]
    in_code = ChildSpec(**plain, start=None if start is None else Start(start))

    assert fault_of(in_code, auto_shutdown="never").kind == kind
    assert problem.startswith(f"children[0].{next(iter(fields))}: got ")
    assert problem.endswith(f"({kind})")


@pytest.mark.parametrize(
    ("option", "value", "flag", "kind"),
    [
        ("strategy", "one_for_al", "strategy", "invalid_strategy"),
        ("strategy", None, "strategy", "invalid_strategy"),
        ("max_restarts", -1, "intensity", "invalid_intensity"),
        ("max_restarts", 1.0, "intensity", "invalid_intensity"),
        ("max_restarts", True, "intensity", "invalid_intensity"),
        ("max_seconds", 0, "period", "invalid_period"),
        ("max_seconds", float("inf"), "period", "invalid_period"),
        ("max_seconds", "5", "period", "invalid_period"),
        ("auto_shutdown", "always", "auto_shutdown", "invalid_auto_shutdown"),
        ("auto_shutdown", [], "auto_shutdown", "invalid_auto_shutdown"),
    ],
)
def test_flags_are_refused_as_in_code_at_the_top_and_below(option, value, flag, kind):
    assert flags_fault(SupervisorFlags(**{flag: value})).kind == kind
    inner = {"id": "a", "start": "Supervisor", "strategy": "one_for_one", option: value}
    inner = {key: given for key, given in inner.items() if given is not None}

    (below,) = problems_of({"children": [{**inner, "start": "Supervisor"}]})

    assert below.startswith(f"children[0].{option}: got ")
    assert below.endswith(f"({kind})")
    if value is not None:
        (top,) = problems_of({"supervision": {"children": {option: value}}})
        assert top == below.replace("children[0]", "supervision.children")


@pytest.mark.parametrize(
    ("option", "value", "kind"),
    [
        ("strategy", "one_for_all", "invalid_strategy"),
        ("max_children", -1, "invalid_max_children"),
        ("extra_arguments", "eu", "invalid_extra_arguments"),
    ],
)
def test_a_dynamic_supervisors_options_are_refused_as_in_code(option, value, kind):
    (problem,) = problems_of({"children": [{"id": "a", "start": "DynamicSupervisor", option: value}]})

    assert problem.startswith(f"children[0].{option}: got {value!r}, expected ")
    assert problem.endswith(f"({kind})")


def test_a_dynamic_supervisor_has_neither_auto_shutdown_nor_children_of_its_own():
    child = {"id": "a", "start": "DynamicSupervisor", "auto_shutdown": "any_significant", "children": []}

    found = problems_of({"children": [child]})

    assert [problem.partition(":")[0] for problem in found] == [
        "children[0].auto_shutdown",
        "children[0].children",
    ]


def test_everything_wrong_is_told_in_one_run_however_deep():
    tables = {
        "application": {"nam": "a"},
        "supervision": {"children": {"strategy": "x", "max_restarts": -1}, "other": {}},
        "children": [
            {"id": "a", "start": "Supervisor", "strategy": "one", "children": [{"restart": 1}, "no table"]},
            {"id": "a", "start": "m:C", "restart": "x", "shutdown": -1, "unknown": 1},
        ],
    }

    found = [problem.partition(":")[0] for problem in problems_of(tables)]

    assert sorted(found) == sorted(
        [
            "application.nam",
            "supervision.children.strategy",
            "supervision.children.max_restarts",
            "supervision.other",
            "children[0].strategy",
            "children[0].children[0].id",
            "children[0].children[0].start",
            "children[0].children[0].restart",
            "children[0].children[1]",
            "children[1].id",
            "children[1].restart",
            "children[1].shutdown",
            "children[1].unknown",
        ]
    )


def test_a_word_that_was_probably_meant_is_named():
    assert "did you mean 'transient'?" in problems_of(with_child(restart="transiant"))[0]
    assert "did you mean 'DynamicSupervisor'?" in problems_of(with_child(start="DynamicSuperviser"))[0]
    assert "did you mean 'shutdown'?" in problems_of(with_child(shutdwon=1))[0]


def test_arguments_are_an_array_a_table_or_both_apart():
    assert "expected an array of positional arguments or a table" in problems_of(with_child(args=4))[0]
    assert (
        "kwargs: got {'b': 1}, expected nothing where args"
        in (problems_of(with_child(args={"a": 1}, kwargs={"b": 1}))[0])
    )
    assert "the name is a key of its own" in problems_of(with_child(kwargs={"name": "a"}))[0]


def test_any_word_may_be_a_keyword_argument():
    application = Application.from_mapping(with_child(args={"target": 1, "self": 2}))

    assert application.children[0].start.kwargs == {"target": 1, "self": 2}


def test_two_children_of_one_host_may_not_have_one_name():
    names = {"id": "a", "start": "Registry", "name": "names"}

    assert problems_of({"children": [names, {**MAILER, "name": "names"}]}) == [
        (
            "children[1].name: got 'names', expected a name that nobody else has on its host, "
            "not that of children[0] (already_started)"
        )
    ]
    assert Application.from_mapping({"children": [names, {**MAILER, "name": "names", "host": "own"}]})
    assert "not that of the host's agent" in problems_of(with_child(name="host_agent"))[0]


@pytest.mark.parametrize(("theirs", "ours"), [("intensity", "max_restarts"), ("period", "max_seconds")])
def test_erlangs_name_of_an_option_is_answered_with_elixirs(theirs, ours):
    (of_top,) = problems_of({"supervision": {"children": {theirs: 1}}})
    (of_child,) = problems_of({"children": [{"id": "a", "start": "DynamicSupervisor", theirs: 1}]})

    assert of_top == (
        f"supervision.children.{theirs}: got an unknown key, expected a known one; did you mean '{ours}'?"
    )
    assert of_child.endswith(f"did you mean '{ours}'?")


def test_a_nodes_file_is_told_how_to_be_loaded():
    with pytest.raises(InvalidConfig) as refused:
        Application.from_mapping({"node": {"name": "shop"}, "children": [MAILER]}, source="shop.toml")

    assert str(refused.value) == (
        "shop.toml: node: got a node's file, expected one without; "
        "use roger_actors.load('shop.toml').application"
    )
