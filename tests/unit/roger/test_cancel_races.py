"""Cancels that race with a job's end: the real pool and Workers, hosts that are objects, virtual time."""

from __future__ import annotations

import random
from collections import Counter
from math import inf
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from roger_actors.otp import From, GenServer, NoReply, Ok, Reply, Runtime, process
from roger_actors.otp.process import spawn_on
from roger_actors.roger.config import Config
from roger_actors.roger.jobs.codec import decode, decode_header, encode
from roger_actors.roger.jobs.job import Job
from roger_actors.roger.kernel import LOG, POOL
from roger_actors.roger.partition.run import Assignment
from roger_actors.roger.partition.worker import HOOK_LIMIT, CancelRun, Finished, Worker
from roger_actors.roger.worker_host.mark import Marker
from roger_actors.roger.worker_host.protocol import (
    Done,
    HookDone,
    Ready,
    Recall,
    Recalled,
    Results,
    Run,
    RunHook,
)
from roger_actors.roger.worker_pool.hosts import STARTER, EndHost, EndHosts, StartHost
from roger_actors.roger.worker_pool.pool import RUNNER, WorkerPool
from roger_actors.testing.local_node import LocalNode
from roger_actors.transport import Endpoint, HostId, Role

HOSTS = 2
JOBS = 30
HOLD = 0.0005
HOOK = 0.001


class Naps(Job):
    """Stands for a job that takes `args` seconds."""

    def perform(self, args: Any) -> None:
        raise AssertionError("it is only played")


class Starter(GenServer[Any]):
    """The root host's part."""

    def init(self, endpoint: Endpoint) -> Ok[Any]:
        return Ok(endpoint)

    def handle_call(self, request: Any, sender: From, endpoint: Any) -> Reply[Any]:
        match request:
            case StartHost():
                return Reply(("ok", endpoint.start_host("worker", b"")), endpoint)
            case EndHost():
                endpoint.kill_host(HostId(request.host))
                return Reply(("ok", request.host), endpoint)
            case EndHosts():
                return Reply(("ok", 0), endpoint)
        raise AssertionError(request)


class Runner(GenServer[Any]):
    """A worker host's part: one job after another, and reports that are held a moment."""

    def init(self, played: Played) -> Ok[Any]:
        runtime = process.here()
        self.played, self.host = played, runtime.host
        self.pool = (POOL, played.kernel_host)
        self.marker = Marker(runtime.endpoint.directory, runtime.host)
        self.orders: list[Any] = []
        self.runs: Any = None
        process.send(self.pool, Ready(self.host, 1, [decode_header(encode(Naps.create(0))).class_name]))
        return Ok(None)

    def handle_info(self, message: Any, state: Any) -> NoReply[Any]:
        match message:
            case Run() | RunHook():
                self.orders.append(message)
            case Recall():
                dropped = [order.ticket for order in self.orders if order.ticket in message.tickets]
                self.orders = [order for order in self.orders if order.ticket not in dropped]
                begun = [ticket for ticket in message.tickets if ticket not in dropped]
                process.send(self.pool, Recalled(dropped, begun))
            case ("end", Run() as run, float() as seconds):
                self.marker.end(run.ticket)
                self.runs = None
                self.played.ended[decode(run.payload).id] = self.played.now()
                report = Results([Done(run.ticket, True, 0, seconds)], 0, self.host)
                process.send_after(HOLD if self.orders else 0.0, process.self(), ("report", report))
            case ("hook ended", int() as ticket):
                if self.played.hooks_kill:
                    self.played.local.kill_host(self.host)
                    self.played.local.node.start_host("worker", b"")  # as its supervisor does
                    return NoReply(state)
                self.marker.end(ticket)
                self.played.hooks_ended += 1
                self.runs = None
                process.send(self.pool, HookDone(ticket))
            case ("report", Results() as report):
                process.send(self.pool, report)
        if self.runs is None and self.orders:
            self._begin(self.orders.pop(0))
        return NoReply(state)

    def _begin(self, order: Any) -> None:
        self.marker.begin(order.ticket)
        record = decode(order.payload)
        if isinstance(order, RunHook):
            self.played.hooks[order.hook, record.id] += 1
            self.runs = order
            process.send_after(HOOK, process.self(), ("hook ended", order.ticket))
            return
        self.runs = order
        process.send_after(record.args, process.self(), ("end", order, record.args))


class Tables:
    async def get(self, *_: Any) -> None:
        return None


class Broker:
    """Takes what is published, and has no table with anything in it."""

    def __init__(self) -> None:
        self.tables = Tables()
        self.published: list[Any] = []

    async def publish(self, message: Any, _: float) -> None:
        self.published.append(message)


class Played:
    """A node with the real pool."""

    def __init__(self, directory: Path, *, hooks_kill: bool = False) -> None:
        self.hooks_kill = hooks_kill
        self.hooks_ended = 0
        self.hooks: Counter[tuple[str, str]] = Counter()
        self.ended: dict[str, float] = {}
        self.cancelled: dict[str, float] = {}
        self.broker = Broker()
        self.local = LocalNode({"worker": Role("worker", self._worker)})
        self.local.node.directory = str(directory)
        self.kernel_host = self.local.start_host("kernel")
        config = Config(
            name="n",
            broker="embedded:x",
            jobs=("x",),
            hooks="x:Y",
            max_worker_hosts=HOSTS,
            retry_levels=(1.0,),
        )
        self.kernel = SimpleNamespace(
            node="memory", host=self.kernel_host, config=config, broker=self.broker,
            clock=self.local.clock, log=LOG, classes=frozenset(),
        )  # fmt: skip

        root = self.local.runtime()
        spawn_on(root, lambda: Starter.start_nowait(root.endpoint, name=STARTER))

    def now(self) -> float:
        return self.local.clock.monotonic()

    def _worker(self, endpoint: Endpoint, args: bytes) -> None:
        runtime = Runtime(endpoint)
        spawn_on(runtime, lambda: Runner.start_nowait(self, name=RUNNER))

    def run(
        self, jobs: list[float], cancels: list[tuple[int, float]], patience: float = 5.0
    ) -> dict[str, list[str]]:
        """Run jobs of so many seconds, cancel some of them when it is time, and return their outcomes."""

        async def scenario() -> dict[str, list[str]]:
            await WorkerPool.start(self.kernel, name=POOL)
            await process.sleep(0.1)
            ids, workers = [], []
            for number, seconds in enumerate(jobs):
                body = encode(Naps.create(seconds))
                delivery = SimpleNamespace(body=body, queue="acme-default", headers={})
                header = decode_header(body)
                ids.append(header.id)
                given = (number, self.kernel, "acme", process.self(), delivery, header, "acme-default", 4)
                workers.append(await Worker.start(Assignment(*given)))
            for number, at in cancels:
                told_at = min(self.now() + at, self.cancelled.get(ids[number], inf))
                self.cancelled[ids[number]] = told_at
                process.send_after(at, workers[number], CancelRun())
            outcomes: dict[str, list[str]] = {id_: [] for id_ in ids}
            while isinstance(message := await process.receive(patience), Finished):
                outcomes[ids[message.number]].append(message.outcome)
            return outcomes

        with self.local:
            return self.local.run(scenario, host=self.kernel_host)


@pytest.mark.parametrize("seed", range(200))
def test_a_cancel_that_races_with_the_end_calls_on_cancel_once_or_finds_the_job_done(
    seed: int, tmp_path: Path
) -> None:
    chance = random.Random(seed)
    longest = chance.choice([0.0005, 0.002, 0.02])
    jobs = [round(chance.uniform(0.0, longest), 4) for _ in range(JOBS)]
    cancels = [(number, round(chance.uniform(0.0, longest * JOBS / HOSTS), 4)) for number in range(JOBS)]
    cancels += [(number, at + chance.uniform(0.0, 0.003)) for number, at in cancels]
    played = Played(tmp_path)

    outcomes = played.run(jobs, [each for each in cancels if chance.random() < 0.7])

    assert all(len(told) == 1 and told[0] in {"done", "cancelled"} for told in outcomes.values()), outcomes
    cancelled = [("on_cancel", id_) for id_, told in outcomes.items() if told == ["cancelled"]]
    assert played.hooks == Counter(cancelled)
    assert played.hooks_ended == len(cancelled)
    late = {id_ for id_, at in played.cancelled.items() if played.ended.get(id_, 0.0) > at + HOLD}
    assert not [id_ for id_ in late if outcomes[id_] == ["done"]]
    assert played.broker.published == []  # neither a retry nor a burial: no crash was seen


def test_a_hook_whose_host_dies_is_not_called_again_and_charges_nobody(tmp_path: Path) -> None:
    played = Played(tmp_path, hooks_kill=True)

    outcomes = played.run([0.01] * 6, [(number, 0.005) for number in range(6)])

    assert all(told == ["cancelled"] for told in outcomes.values())
    assert played.hooks == Counter(("on_cancel", id_) for id_ in outcomes)
    assert played.broker.published == []


def test_a_hook_is_called_however_long_it_waits_for_a_host(tmp_path: Path) -> None:
    played = Played(tmp_path)

    outcomes = played.run([2 * HOOK_LIMIT] * HOSTS + [1.0], [(HOSTS, 1.0)], patience=3 * HOOK_LIMIT)

    assert list(outcomes.values()) == [["done"]] * HOSTS + [["cancelled"]]
    assert list(played.hooks.values()) == [1]
