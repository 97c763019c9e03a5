"""Applications: the same tree from code and from a file, its environment, its start and its end."""

from __future__ import annotations

import asyncio
import sys
import types

import pytest

from roger_actors.errors import ApplicationAlreadyStarted, ApplicationNotStarted, StartFailed
from roger_actors.otp import (
    KILL,
    KILLED,
    SHUTDOWN,
    Agent,
    Application,
    ChildSpec,
    DynamicSupervisor,
    GenServer,
    Ignore,
    Ok,
    PartitionSupervisor,
    Pid,
    Registry,
    Reply,
    Start,
    Supervisor,
    SupervisorFlags,
    Task,
    TaskSupervisor,
    open_host,
    process,
)
from roger_actors.otp.hosts.host_agent import host_tree
from roger_actors.testing.local_node import LocalNode
from roger_actors.transport import Role

IDS = ["names", "tenants", "parts", "prices", "tasks", "orders", "sessions"]
FILE = """
[application]
name = "shop"

[application.env]
currency = "EUR"
stock = { shoes = 3 }

[supervision.children]
strategy = "rest_for_one"
max_restarts = 4
max_seconds = 10

[[children]]
id = "names"
start = "Registry"
keys = "unique"

[[children]]
id = "tenants"
start = "Supervisor"
strategy = "one_for_all"
max_restarts = 1
auto_shutdown = "all_significant"
restart = "transient"

[[children.children]]
id = "acme"
start = "a_test_shop:Till"
args = ["acme"]
kwargs = { cash = 5 }
restart = "transient"
significant = true
shutdown = 2.5

[[children.children]]
id = "beta"
start = "a_test_shop:start_till"
args = { tenant = "beta" }

[[children]]
id = "parts"
start = "PartitionSupervisor"
partitions = 3
child = { id = "part", start = "a_test_shop:Till", args = ["part"] }

[[children]]
id = "prices"
start = "Agent"
function = "a_test_shop:first_prices"
args = [{ shoes = 5 }]

[[children]]
id = "tasks"
start = "TaskSupervisor"

[[children]]
id = "orders"
start = "Supervisor"
strategy = "simple_one_for_one"

[[children.children]]
id = "order"
start = "a_test_shop:Till"
args = ["acme"]
restart = "temporary"

[[children]]
id = "sessions"
start = "DynamicSupervisor"
max_children = 2
extra_arguments = ["eu"]
name = ""
"""


class Till(GenServer[int]):
    def init(self, tenant, cash=0):
        self.currency = Application.get_env("shop", "currency")
        return Ok(cash)

    def handle_call(self, request, sender, cash):
        return Reply((self.currency, cash), cash)


def first_prices(prices):
    return dict(prices)


async def start_till(tenant):
    return await Till.start_link(tenant, name="till-of-beta")


def in_code() -> Application:
    acme = ChildSpec(
        id="acme",
        start=Start(Till, "acme", cash=5, name="acme"),
        restart="transient",
        significant=True,
        shutdown=2.5,
    )
    beta = ChildSpec(id="beta", start=Start(start_till, tenant="beta"))
    return Application(
        name="shop",
        env={"currency": "EUR", "stock": {"shoes": 3}},
        flags=SupervisorFlags(strategy="rest_for_one", intensity=4, period=10),
        children=[
            ChildSpec(id="names", start=Start(Registry, keys="unique", name="names")),
            ChildSpec(
                id="tenants",
                start=Start(
                    Supervisor,
                    [acme, beta],
                    strategy="one_for_all",
                    max_restarts=1,
                    auto_shutdown="all_significant",
                    name="tenants",
                ),
                restart="transient",
            ),
            ChildSpec(
                id="parts",
                start=Start(
                    PartitionSupervisor,
                    ChildSpec(id="part", start=Start(Till, "part")),
                    partitions=3,
                    name="parts",
                ),
            ),
            ChildSpec(id="prices", start=Start(Agent, first_prices, {"shoes": 5}, name="prices")),
            ChildSpec(id="tasks", start=Start(TaskSupervisor, name="tasks")),
            ChildSpec(
                id="orders",
                start=Start(
                    Supervisor,
                    [ChildSpec(id="order", start=Start(Till, "acme"), restart="temporary")],
                    strategy="simple_one_for_one",
                    name="orders",
                ),
            ),
            ChildSpec(
                id="sessions",
                start=Start(DynamicSupervisor, max_children=2, extra_arguments=["eu"], name=None),
            ),
        ],
    )


@pytest.fixture(autouse=True)
def _shop(monkeypatch):
    module = types.ModuleType("a_test_shop")
    module.Till, module.start_till, module.first_prices = Till, start_till, first_prices
    Till.__module__ = start_till.__module__ = first_prices.__module__ = "a_test_shop"
    monkeypatch.setitem(sys.modules, "a_test_shop", module)


@pytest.fixture
def from_file(tmp_path) -> Application:
    file = tmp_path / "shop.toml"
    file.write_text(FILE)
    return Application.load(file)


async def shape(pid: Pid):
    """Return all that a running tree shows of itself, with normalised specs, without pids."""
    server = process.current().runtime.find(pid)
    state = server.state
    if not isinstance(server.server, Supervisor | DynamicSupervisor):
        return server.label(), server.names, None
    children = [
        (info.id, info.type, info.modules, restarts, await shape(info.pid))
        for info, restarts in server.server.children_of(state)
    ]
    ids = [] if isinstance(server.server, DynamicSupervisor) else [child[0] for child in children]
    specs = [await Supervisor.get_childspec(pid, child) for child in ids]
    settings = {name: getattr(state, name, None) for name in ("flags", "extra", "max_children")}
    return server.label(), server.names, settings, [_but_nested(spec) for spec in specs], children


def _but_nested(spec):
    """Return a spec's fields; what it will supervise is compared where it runs."""
    args = spec.start.args[1:] if isinstance(spec.start.args[:1], list) else ()
    rest = {
        name: getattr(spec, name) for name in ("id", "restart", "shutdown", "type", "significant", "host")
    }
    return spec.start.target, args, spec.start.kwargs, rest


async def test_the_trees_from_code_and_from_a_file_are_the_same(from_file):
    shapes = []
    for application in (in_code(), from_file):
        top = await application.start()
        shapes.append((await shape(top), Application.get_all_env("shop")))
        await Application.stop("shop")

    assert shapes[0] == shapes[1]
    ids = [child[0] for child in shapes[0][0][-1]]
    assert ids == IDS


async def test_code_that_a_file_can_say_makes_the_file(from_file):
    tables = in_code().to_mapping()

    again = Application.from_mapping(tables)

    assert again.flags == from_file.flags
    top = await again.start()
    other = await shape(top)
    await Application.stop("shop")
    assert other == await shape(await from_file.start())


async def test_what_a_file_starts_by_a_short_name_works_as_that(from_file):
    top = await from_file.start()

    assert [child.id for child in await Supervisor.which_children("parts")] == [2, 1, 0]
    assert await Agent.get("prices", lambda prices: prices["shoes"]) == 5
    assert await Task.await_(await TaskSupervisor.async_("tasks", sum, [1, 2])) == 3
    order = await Supervisor.start_child("orders", [7])
    assert await Till.call(order, "cash") == ("EUR", 7)
    assert (await Supervisor.count_children(top)).active == 7


async def test_a_child_reads_the_environment_while_it_starts(from_file):
    await from_file.start()

    assert await Till.call("acme", "cash") == ("EUR", 5)
    assert Application.get_env("shop", "stock") == {"shoes": 3}
    assert Application.get_env("shop", "nothing", 7) == 7
    assert Application.get_env("nobody", "currency") is None
    Application.put_env("shop", "currency", "CHF")
    assert Application.get_all_env("shop")["currency"] == "CHF"
    assert from_file.env["currency"] == "EUR"


async def test_an_application_belongs_to_nobody_who_started_it(node, from_file):
    async def starts():
        await from_file.start()
        process.exit("gone")

    node.spawn(starts)
    await process.sleep(0.1)

    assert await Till.call("acme", "cash") == ("EUR", 5)
    assert Application.started_applications() == ["shop"]


async def test_a_stopped_application_is_gone_in_order_and_can_be_started_again(from_file):
    await from_file.start()
    with pytest.raises(ApplicationAlreadyStarted):
        await from_file.start()

    await Application.stop("shop")

    assert process.whereis("acme") is None
    assert Application.started_applications() == []
    with pytest.raises(ApplicationNotStarted):
        await Application.stop("shop")
    await Application.start(from_file)
    assert process.whereis("acme") is not None


async def test_what_cannot_start_leaves_nothing_and_says_why():
    bad = Application(name="bad", children=[ChildSpec(id="a", start=Start("a_test_shop:Nobody"))])

    with pytest.raises(StartFailed, match=r"children\[0\].start: got 'a_test_shop:Nobody'"):
        await bad.start()

    assert Application.started_applications() == []
    with pytest.raises(StartFailed, match="bad_combination"):
        await Application(children=[ChildSpec(id="a", start=Start(Till, 1), significant=True)]).start()


@pytest.mark.parametrize(
    "made",
    [
        [ChildSpec(id="a", start=Start(Till, "a", name="a"))],
        (
            SupervisorFlags(strategy="one_for_all", intensity=0),
            [ChildSpec(id="a", start=Start(Till, "a", name="a"))],
        ),
    ],
    ids=["children", "flags and children"],
)
async def test_a_callback_returns_the_tree(made):
    asked = []

    def start(region):
        asked.append(region)
        return made

    top = await Application(name="shop", callback=Start(start, "eu")).start()

    assert asked == ["eu"]
    assert [child.id for child in await Supervisor.which_children(top)] == ["a"]


async def test_a_callback_may_not_leave_an_application_without_a_supervisor():
    with pytest.raises(StartFailed):
        await Application(name="shop", callback=Start(Ignore)).start()
    with pytest.raises(StartFailed, match="bad_return"):
        await Application(name="shop", callback=Start(lambda: 7)).start()


@pytest.mark.parametrize(
    ("type_", "whom", "ends"),
    [
        ("permanent", "till", True),
        ("permanent", "top", True),
        ("transient", "till", False),
        ("transient", "top", True),
        ("temporary", "top", False),
    ],
)
async def test_the_type_says_what_the_end_of_an_application_means(type_, whom, ends):
    """Its supervisor gives up, which is clean, or is killed, which is not."""
    asked = []
    process.current().runtime.on_shutdown = asked.append
    till = ChildSpec(id="till", start=Start(Till, "a", name="till"))
    top = await Application(name="shop", flags=SupervisorFlags(intensity=0), children=[till]).start(type_)

    process.exit(top if whom == "top" else process.whereis("till"), KILL)
    await process.sleep(0.1)

    assert asked == ([SHUTDOWN if whom == "till" else KILLED] if ends else [])
    assert Application.started_applications() == []


async def test_an_application_that_is_stopped_ends_no_host():
    asked = []
    process.current().runtime.on_shutdown = asked.append

    await in_code().start("permanent")
    await Application.stop("shop")

    assert asked == []


def test_a_host_runs_an_application_as_its_tree_and_knows_its_environment(tmp_path):
    file = tmp_path / "shop.toml"
    file.write_text(FILE)
    application = Application.load(file)

    def main(endpoint, args):
        flags = application.flags
        runtime = node.runtimes[endpoint.host] = open_host(
            endpoint, application.tree, max_restarts=flags.intensity, own_process=False
        )
        application.enter(runtime)

    with LocalNode(roles={"app": Role("app", main)}) as node:
        host = node.start_host("app")
        tree = host_tree(node.runtime(host))["tree"]

        assert [child["id"] for child in tree["children"]] == [
            "names",
            "tenants",
            "parts",
            "prices",
            "tasks",
            "orders",
            "sessions",
        ]
        assert node.runtime(host).environments["shop"]["currency"] == "EUR"


async def test_a_start_that_is_not_waited_for_any_more_goes_on(caplog):
    async def is_slow():
        await process.sleep(5)
        return await Till.start_link("a", name="till")

    application = Application(name="shop", children=[ChildSpec(id="till", start=Start(is_slow))])
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await application.start()
    await process.sleep(10)

    assert Application.started_applications() == ["shop"]
    assert caplog.text == ""
    await Application.stop("shop")


async def test_an_application_that_is_killed_while_it_starts_is_a_failed_start():
    async def is_slow():
        await process.sleep(5)

    async def kills():
        await process.sleep(1)
        process.exit(process.here().applications["shop"], KILL)

    process.spawn(kills)
    with pytest.raises(StartFailed, match="killed"):
        await Application(name="shop", children=[ChildSpec(id="till", start=Start(is_slow))]).start()

    assert Application.started_applications() == []
