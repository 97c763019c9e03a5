"""The server of a worker host, on hosts that are objects, with a real job thread."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from types import SimpleNamespace

import pytest

from roger_actors.otp import SHUTDOWN, ChildSpec, GenServer, NoReply, Ok, Pid, Runtime, Start, open_host
from roger_actors.otp.process import spawn_on
from roger_actors.roger.jobs.codec import encode
from roger_actors.roger.jobs.hooks import Hooks
from roger_actors.roger.jobs.job import Job
from roger_actors.roger.worker_host.host import JobRunner, Vitals
from roger_actors.roger.worker_host.protocol import (
    Done,
    HookDone,
    Ready,
    Recall,
    Recalled,
    Results,
    Run,
    RunHook,
    StartRefused,
)
from roger_actors.transport import Role
from roger_actors.transport.memory import MemoryNode

LIMIT = 10.0

gates: dict[str, threading.Event] = {}
seen: list[object] = []


class Nothing(Job):
    def perform(self, args):
        seen.append(args)


class Waits(Job):
    def perform(self, args):
        gates["begun"].set()
        assert gates["go"].wait(LIMIT)


class Fails(Job):
    def perform(self, args):
        raise ValueError("\ud800")


class Watching(Hooks):
    def worker_stop(self):
        seen.append("stop")


class Pool(GenServer[None]):
    """Stands in for the kernel's pool: keeps what it is told."""

    def init(self, told):
        self.told = told
        return Ok(None)

    def handle_info(self, message, state):
        self.told.put_nowait(message)
        return NoReply(state)


class House:
    """A root, a kernel with a pool, and a worker host."""

    def __init__(self, jobs=(__name__,), hooks=f"{__name__}:Watching"):
        self.told = asyncio.Queue()
        given = SimpleNamespace(
            kernel=1, pool="worker_pool", jobs=list(jobs), hooks=hooks, retry_levels=[1.0]
        )
        runner = ChildSpec(id="job_runner", start=Start(JobRunner, given, name="job_runner"), shutdown=LIMIT)

        def worker(endpoint, args):
            open_host(endpoint, [runner], max_restarts=0, own_process=False)

        def kernel(endpoint, args):
            self.kernel = Runtime(endpoint)
            spawn_on(self.kernel, lambda: Pool.start_nowait(self.told, name="worker_pool"))

        roles = {
            "root": Role("root", self._root),
            "kernel": Role("kernel", kernel),
            "worker": Role("worker", worker),
        }
        self.node = MemoryNode(roles, asyncio.get_running_loop())
        self.node.start_host("kernel", b"")
        self.worker = self.node.start_host("worker", b"")

    def _root(self, endpoint, args):
        self.root = Runtime(endpoint)
        self.down = asyncio.get_running_loop().create_future()
        told = endpoint.on_host_down

        def down(host, ended):
            told(host, ended)
            if host == self.worker:
                self.down.set_result(ended)

        endpoint.on_host_down = down

    def send(self, message):
        spawn_on(self.kernel, lambda: self.kernel.send(("job_runner", self.worker), message))

    async def next(self, kind):
        message = await asyncio.wait_for(self.told.get(), LIMIT)
        assert isinstance(message, kind), message
        return message

    async def ended(self):
        return await asyncio.wait_for(self.down, LIMIT)


@pytest.fixture
def scene():
    """Run a scenario with a house, and stop what it left running."""
    seen.clear()
    gates.update(begun=threading.Event(), go=threading.Event())

    def run(scenario, **options):
        async def play():
            house = House(**options)
            await scenario(house)
            gates["go"].set()
            if house.worker in house.node.hosts:
                house.root.exit(house.root.host_pid, Pid(house.node.name, house.worker, 0), SHUTDOWN)
                await house.ended()
            house.node.stop()
            await asyncio.sleep(0)

        asyncio.run(play())

    yield run
    gates["go"].set()


def test_a_worker_host_says_ready_with_its_process_and_classes(scene):
    async def scenario(house):
        ready = await house.next(Ready)

        assert (ready.host, ready.os_pid) == (house.worker, os.getpid())
        assert f"{__name__}.Nothing" in ready.classes

    scene(scenario)


def test_a_worker_host_that_cannot_import_says_so_and_ends(scene, caplog):
    async def scenario(house):
        refused = await house.next(StartRefused)

        assert refused.detail == "no.such.module: ModuleNotFoundError: No module named 'no'"
        await house.ended()

    scene(scenario, jobs=["no.such.module"])


def test_results_travel_with_the_host_and_its_memory(scene):
    async def scenario(house):
        await house.next(Ready)
        house.send(Run(1, "acme", encode(Nothing.create(7))))

        results = await house.next(Results)
        assert [done.ticket for done in results.results] == [1]
        assert results.host == house.worker
        assert results.rss > 1_000_000

    scene(scenario)


def test_a_failure_travels_whatever_its_text(scene):
    async def scenario(house):
        await house.next(Ready)
        house.send(Run(1, "acme", encode(Fails.create(None))))

        (done,) = (await house.next(Results)).results
        assert isinstance(done, Done)
        assert (done.ok, done.failure.kind, done.failure.message) == (False, "error", "\\ud800")

    scene(scenario)


def test_what_has_not_begun_is_recalled_and_a_hook_is_answered(scene):
    async def scenario(house):
        await house.next(Ready)
        house.send(Run(1, "acme", encode(Waits.create(None))))
        house.send(Run(2, "acme", encode(Nothing.create(None))))
        house.send(RunHook(3, "on_cancel", "acme", encode(Nothing.create(None))))
        assert await asyncio.to_thread(gates["begun"].wait, LIMIT)
        house.send(Recall([1, 2]))

        assert await house.next(Recalled) == Recalled([2], [1])
        gates["go"].set()
        assert {type(await house.next((Results, HookDone))) for _ in range(2)} == {Results, HookDone}
        assert seen == []

    scene(scenario)


def test_an_orderly_stop_lets_the_running_job_finish_and_tells_its_result(scene):
    async def scenario(house):
        await house.next(Ready)
        house.send(Run(1, "acme", encode(Waits.create(None))))
        house.send(Run(2, "acme", encode(Nothing.create(None))))
        assert await asyncio.to_thread(gates["begun"].wait, LIMIT)

        house.root.exit(house.root.host_pid, Pid(house.node.name, house.worker, 0), SHUTDOWN)
        assert await house.next(Recalled) == Recalled([2])
        gates["go"].set()

        assert [done.ticket for done in (await house.next(Results)).results] == [1]
        assert (await house.ended()).status == 0
        assert seen == ["stop"]

    scene(scenario)


def test_a_process_whose_descriptor_was_closed_is_no_longer_intact():
    vitals = Vitals()
    assert vitals.are_intact()
    assert vitals.rss() > 1_000_000

    os.close(vitals._descriptor)
    assert not vitals.are_intact()

    taken, other = os.pipe()
    if taken == vitals._descriptor:
        assert not vitals.are_intact()
    os.close(taken)
    os.close(other)
    vitals.close()


def test_an_intact_process_gives_its_descriptor_back():
    vitals = Vitals()

    vitals.close()

    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(vitals._descriptor)


def test_the_kernel_host_never_needs_more_than_the_protocol():
    code = "import sys, roger_actors.roger.worker_host.protocol; print(*sys.modules)"
    command = [sys.executable, "-c", code]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, timeout=LIMIT)

    assert "roger_actors.roger.worker_host.executor" not in shown.stdout
