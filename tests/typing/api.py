"""Uses of the public API that must type-check as a user writes them, under mypy strict and pyright strict."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, assert_type

from roger_actors import (
    Agent,
    AsyncClient,
    ChildSpec,
    Client,
    Config,
    DynamicSupervisor,
    From,
    GenServer,
    Hooks,
    Job,
    JobRecord,
    Node,
    NoReply,
    Ok,
    PartitionSupervisor,
    Pid,
    Ref,
    Registry,
    Reply,
    Request,
    RogerActorsError,
    Start,
    Stop,
    Supervisor,
    Task,
    TaskExit,
    TaskOk,
    TaskSupervisor,
    Via,
    load,
    process,
)
from roger_actors.errors import DuplicateJob
from roger_actors.otp import Answer, RequestIds, SupervisorFlags
from roger_actors.roger import Shelved


class Resize(Job):
    queue_type = "images"
    retryable = True
    max_execution_time = 30.0

    @classmethod
    def queue_key(cls, args: Any) -> str | None:
        return f"resize-{args['id']}"

    def perform(self, args: Any) -> int:
        assert_type(self.record, JobRecord)
        return 7


class Shorter(Job):
    async def perform(self, args: Any) -> None:
        await process.sleep(0.1)


class Asks(Job):
    """What may vary is a class method, or a static one."""

    retry_levels = (1.0, 5)
    job_name = "asks"

    @classmethod
    def queue_type(cls, args: dict[str, str]) -> str:
        return args["queue"]

    @classmethod
    def retryable(cls) -> bool:
        return True

    @staticmethod
    def max_execution_time() -> float | None:
        return None

    @classmethod
    def execution_key(cls, args: dict[str, str]) -> str:
        return args["user"]

    def perform(self, args: dict[str, str]) -> None: ...


class Counter(GenServer[int]):
    def init(self, start: int) -> Ok[int]:
        return Ok(start, timeout=5.0)

    def handle_call(self, request: str, sender: From, state: int) -> Reply[int] | Stop[int]:
        if request == "stop":
            return Stop("told to", state, reply="bye")
        return Reply(state, state)

    async def handle_cast(self, request: int, state: int) -> NoReply[int]:
        return NoReply(state + request)


class Get(Request[int]):
    """Asks for the value."""


class Spell(Request[str]):
    """Asks for the value in words."""

    language: str
    capital: bool = False


class Speller(GenServer[int]):
    def init(self) -> Ok[int]:
        return Ok(0)

    def handle_call(self, request: Get | Spell, sender: From, state: int) -> Reply[int]:
        match request:
            case Get():
                return Reply(state, state)
            case Spell(language, capital):
                return Reply(spell(state, language, capital), state)


def spell(value: int, language: str, capital: bool) -> str:
    return f"{value} in {language}, {capital}"


async def typed_requests(pid: Pid) -> None:
    assert_type(await Speller.call(pid, Get()), int)
    assert_type(await GenServer.call(pid, Spell("en", capital=True), timeout=1.0), str)


class Second(Job):
    version = 2

    @classmethod
    def upcast(cls, args: Any, from_version: int) -> Any:
        return {"id": args} if from_version == 1 else args

    def perform(self, args: Any) -> None:
        assert_type(self.record.version, int)


class Reports(Hooks):
    def before_run(self, partition: str, record: JobRecord) -> float:
        return 1.0


def enqueue_from_a_node() -> None:
    with Node.start("roger.toml") as node:
        record = Resize.create({"id": 7, "width": 320})
        assert_type(record, JobRecord)
        assert_type(node.enqueue(record, "acme"), JobRecord)
        assert_type(node.enqueue(record, "acme", at=datetime.now(UTC)), JobRecord)
        assert_type(node.enqueue_many([record], "acme"), list[JobRecord | RogerActorsError])


async def enqueue_from_a_loop() -> None:
    async with Node.start("roger.toml") as node:
        assert_type(await node.aio.enqueue(Resize.create({}), "acme"), JobRecord)


def enqueue_from_a_web_process() -> None:
    with Client("roger.toml") as client:
        try:
            assert_type(client.enqueue(Resize.create({"id": 7}), "acme"), JobRecord)
        except DuplicateJob as error:
            print(error)


def mend_what_failed() -> None:
    with Client("roger.toml") as client:
        assert_type(client.requeue_buried("acme", ["a", "b"]), list[Shelved])
        assert_type(client.requeue_buried("acme"), list[Shelved])
        assert_type(client.edit_buried("acme", "a", {"id": 7}), JobRecord)
        assert_type(client.delete_quarantine("a"), list[Shelved])


async def enqueue_with_awaitables(client: Client) -> None:
    assert_type(client.aio, AsyncClient)
    assert_type(await client.aio.enqueue(Resize.create({}), "acme"), JobRecord)


def read_a_file() -> Config:
    return load("roger.toml")


async def use_processes() -> None:
    pid = await Counter.start_link(5, name="counter")
    assert_type(pid, Pid)
    answer = await Counter.call(pid, "value", timeout=1.0)
    print(answer)
    Counter.cast("counter", 1)
    assert_type(process.self(), Pid)
    assert_type(process.monitor(pid), Ref)
    assert_type(process.whereis("counter"), Pid | None)
    await GenServer.stop(pid)


async def supervise() -> None:
    child = ChildSpec(id="counter", start=Start(Counter, 5), restart="transient", shutdown=5.0)
    supervisor = await Supervisor.start_link([child], strategy="one_for_one", max_restarts=3, max_seconds=5.0)
    assert_type(supervisor, Pid)
    again = Supervisor.child_spec((Counter, 5), id="again", restart="transient")
    mapped = {"id": "mapped", "start": Start(Counter, 1)}
    await Supervisor.start_link([Counter, again, mapped], flags={"intensity": 5})
    many = await DynamicSupervisor.start_link(max_children=10)
    print(await DynamicSupervisor.start_child(many, child))


def count(text: str, times: int) -> int:
    return len(text) * times


async def fetch(url: str) -> bytes:
    return url.encode()


async def use_tasks() -> None:
    length = Task.async_(count, "text", 2)
    body = Task.async_(fetch, "https://example.org")
    assert_type(length, Task[int])
    assert_type(body, Task[bytes])
    assert_type(await Task.await_(length), int)
    assert_type(await Task.await_(body, timeout=1.0), bytes)
    assert_type(await Task.await_many([body, body]), list[bytes])
    assert_type(await Task.yield_(body), TaskOk[bytes] | TaskExit | None)
    assert_type(await Task.shutdown(body, "brutal_kill"), TaskOk[bytes] | TaskExit | None)
    assert_type(await Task.start_link(fetch, "https://example.org"), Pid)
    async for outcome in Task.async_stream(["a", "b"], fetch, max_concurrency=2, timeout=None):
        match outcome:
            case TaskOk(value):
                assert_type(value, bytes)
            case TaskExit(reason):
                print(reason)


async def use_supervised_tasks() -> None:
    tasks = await TaskSupervisor.start_link(name="tasks", max_children=10)
    assert_type(tasks, Pid)
    assert_type(await TaskSupervisor.async_("tasks", count, "text", 2), Task[int])
    task = await TaskSupervisor.async_nolink("tasks", fetch, "https://example.org", shutdown="brutal_kill")
    assert_type(task, Task[bytes])
    assert_type(await TaskSupervisor.start_child("tasks", fetch, "x", restart="transient"), Pid)
    async for outcome in TaskSupervisor.async_stream_nolink(tasks, ["a"], count, 3, ordered=False):
        assert_type(outcome, TaskOk[int] | TaskExit)
    assert_type(await TaskSupervisor.children(tasks), list[Pid])


def popped(state: list[int], count: int) -> tuple[list[int], list[int]]:
    return state[:count], state[count:]


async def later(state: list[int]) -> str:
    return str(state)


async def use_agents() -> None:
    agent = await Agent.start_link(list[int], name="agent")
    assert_type(agent, Pid)
    assert_type(await Agent.get(agent, len), int)
    assert_type(await Agent.get(agent, later), str)
    assert_type(await Agent.get_and_update(agent, popped, 1, timeout=1.0), list[int])
    await Agent.update(agent, sorted)
    Agent.cast("agent", popped, 3)
    await Agent.stop(agent)


async def use_partitions() -> None:
    child = ChildSpec(id="counter", start=Start(Counter, 5))
    await PartitionSupervisor.start_link(
        child, name="counters", partitions=4, with_arguments=lambda args, number: [*args, number]
    )
    assert_type(PartitionSupervisor.whereis("counters", ("user", 7)), Pid | None)
    assert_type(PartitionSupervisor.partitions("counters"), int)
    assert_type(await PartitionSupervisor.resize("counters", 2), int)


class Names:
    """A registry of a user."""

    def __init__(self) -> None:
        self.known: dict[str, Pid] = {}

    def register_name(self, key: str, pid: Pid) -> bool:
        return self.known.setdefault(key, pid) == pid

    def unregister_name(self, key: str) -> None:
        self.known.pop(key, None)

    def whereis_name(self, key: str) -> Pid | None:
        return self.known.get(key)

    def send(self, key: str, message: object) -> None:
        process.send(self.known[key], message)


def is_in_the_eu(key: object, pid: Pid, value: Any) -> bool:
    return bool(value["zone"] == "eu")


async def use_registries() -> None:
    await Registry.start_link("unique", name="carts", listeners=["audit"])
    acme = Registry.via("carts", "acme", {"zone": "eu"})
    assert_type(acme, Via)
    pid = await Counter.start_link(1, name=acme)
    await Counter.start_link(1, name=Via(Names(), "zeta"))
    Counter.cast(acme, 1)
    assert_type(await Registry.lookup("carts", "acme"), list[tuple[Pid, Any]])
    assert_type(await Registry.select("carts", is_in_the_eu), list[tuple[Any, Pid, Any]])
    assert_type(await Registry.keys(("carts", pid.host), pid), list[Any])
    assert_type(process.whereis(acme), Pid | None)


async def ask_without_waiting(pid: Pid) -> None:
    request = Counter.send_request(pid, "value", 5.0)
    assert_type(request, Ref)
    await Counter.wait_response(request, 1.0)
    requests = RequestIds()
    Counter.send_request(pid, "value", label="one", requests=requests)
    assert_type(await Counter.receive_response(requests, 1.0), Answer | None)
    await Counter.multi_call([pid.host], "counter", "value", 1.0)


async def children_on_demand(specs: list[ChildSpec]) -> None:
    flags = SupervisorFlags(strategy="simple_one_for_one", intensity=3)
    supervisor = await Supervisor.start_link(specs, flags=flags)
    await Supervisor.start_child(supervisor, ["more", 1])
