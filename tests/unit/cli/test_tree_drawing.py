"""A tree as text: planned from a configuration, or as a node tells it."""

from __future__ import annotations

from roger_actors.cli.tree_drawing import draw, running
from roger_actors.roger import Branch, Config, planned


def part(id_: str, **more) -> dict:
    plain = {"id": id_, "pid": "<n.1.5>", "host": 1, "type": "worker", "state": "waiting", "restarts": 0}
    return {**plain, "children": [], **more}


TOLD = {
    "os_pid": 100,
    "hosts": {1: {"os_pid": 101}, 2: {"os_pid": 102}},
    "tree": part(
        "top",
        children=[
            part(
                "kernel",
                pid="<n.1.0>",
                type="supervisor",
                state="host",
                restarts=2,
                role="kernel",
                lingering=3,
                children=[
                    part("busy", state="busy", mailbox=7),
                    part("crowd", type="supervisor", count=900, children=[part("one")]),
                    part("nobody", type="supervisor", count=0),
                    part("gone", pid=None, state="restarting"),
                ],
            ),
            part("mute", pid="<n.2.0>", host=2, state="unresponsive", type="supervisor"),
        ],
    ),
}


def test_a_running_tree_shows_pids_os_processes_restarts_and_what_is_wrong(capsys):
    draw(running("worker-1", TOLD))

    assert capsys.readouterr().out.splitlines() == [
        "worker-1",
        "└── root OS process 100",
        "    ├── kernel <n.1.0> OS process 101  restarted 2 ×  3 killed processes linger",
        "    │   ├── busy <n.1.5>  7 messages wait",
        "    │   ├── crowd <n.1.5>  and 899 more",
        "    │   │   └── one <n.1.5>",
        "    │   ├── nobody <n.1.5>  no children",
        "    │   └── gone  restarting",
        "    └── mute <n.2.0> OS process 102  does not answer",
    ]


def test_an_own_host_is_shown_with_its_child_and_a_child_with_the_name_that_its_id_does_not_tell(capsys):
    own = part("own", pid="<n.2.0>", host=2, state="host", role="own", type="supervisor")
    rooms = [part("Room", name="erlang", host=3), part("Room", name=None, host=3)]
    lobby = part("lobby", pid="<n.2.5>", host=2, name="lobby")
    app = part("app", pid="<n.3.0>", host=3, state="host", role="app", children=[*rooms, lobby])
    hosts = {2: {"os_pid": 102}, 3: {"os_pid": 103}}

    draw(running("worker-1", {"hosts": hosts, "tree": part("top", host=0, children=[own, app])}))

    assert capsys.readouterr().out.splitlines() == [
        "worker-1",
        "└── root",
        "    ├── own (lobby) <n.2.0> OS process 102",
        "    └── app <n.3.0> OS process 103",
        "        ├── Room (erlang) <n.1.5>",
        "        ├── Room <n.1.5>",
        "        └── lobby <n.2.5>",
    ]


def test_a_node_without_a_tree_is_drawn_all_the_same(capsys):
    draw(running("worker-1", {"tree": None}))

    assert capsys.readouterr().out.splitlines() == ["worker-1", "└── root"]


def test_names_cannot_draw_on_the_terminal(capsys):
    draw(Branch(id="a\x1b[2J", kind="node", notes=("b\x07",)))

    assert capsys.readouterr().out == "a\\x1b[2J  b\\x07\n"


def test_the_plan_follows_the_configuration():
    config = Config.from_mapping(
        {
            "node": {
                "name": "a",
                "broker": "amqp://u:pw@h/",
                "max_worker_hosts": 4,
                "worker_max_jobs": 100,
                "worker_max_memory": "256 MiB",
            },
            "partitions": {"acme": {"queues": {"default": 10, "slow": 0}}},
            "supervision": {"children": {"auto_shutdown": "any_significant"}},
            "children": [
                {"id": "sup", "start": "m:S", "type": "supervisor"},
                {"id": "end", "start": "m:E", "restart": "transient", "significant": True},
            ],
        }
    )

    (root,) = planned(config).children
    hosts = {host.id: host for host in root.children}

    assert planned(config).notes == ("amqp://u:***@h/",)
    assert list(hosts) == ["kernel", "worker_hosts", "worker_hosts_starter", "app_hosts", "app"]
    assert [child.notes for child in hosts["app"].children] == [
        ("m:S", "permanent", "infinity"),
        ("m:E", "transient", "5 s to stop", "significant"),
    ]
    (workers,) = hosts["worker_hosts"].children
    assert workers.id == "0 to 4 worker hosts"
    assert workers.notes == ("one job each", "replaced after 100 jobs", "replaced over 256 MiB")
    (partitions,) = [child for child in hosts["kernel"].children if child.id == "partitions"]
    assert partitions.children[0].children[1].notes == ("default × 10", "slow (not consumed)")


def test_a_plan_without_children_has_no_app_host():
    config = Config.from_mapping({"node": {"name": "a", "broker": "embedded:a.db"}})

    (root,) = planned(config).children

    assert [host.id for host in root.children] == ["kernel", "worker_hosts", "worker_hosts_starter"]
    assert planned(config).to_mapping()["children"][0]["children"][0]["id"] == "kernel"
