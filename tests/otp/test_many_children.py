"""What many children cost: time that grows with their number, memory for each, and others' turns."""

from __future__ import annotations

import asyncio
import gc
import logging
import time
import tracemalloc

import pytest

from roger_actors.otp import (
    KILL,
    SHUTDOWN,
    ChildSpec,
    DynamicSupervisor,
    ExitProcess,
    GenServer,
    Ok,
    Start,
    Supervisor,
    process,
)


class Idle(GenServer):
    """A child that is there, and tells when it is, if asked to."""

    def init(self, number=None, told=None):
        if told is not None:
            process.send(told, (number, process.self()))
        return Ok(None)

    def handle_cast(self, request, state):
        raise ExitProcess(request)


def specs(count, told=None):
    return [ChildSpec(id=number, start=Start(Idle, number, told)) for number in range(count)]


async def static(count):
    return await Supervisor.start_link(specs(count), strategy="one_for_one")


async def added(count):
    sup = await Supervisor.start_link([], strategy="one_for_one")
    for spec in specs(count):
        await Supervisor.start_child(sup, spec)
    return sup


async def on_demand(count):
    sup = await DynamicSupervisor.start_link()
    for spec in specs(count):
        await DynamicSupervisor.start_child(sup, spec)
    return sup


async def restarts(siblings):
    """Return the CPU seconds of 300 restarts of one child among so many."""
    sup = await Supervisor.start_link(
        specs(siblings, process.self()), strategy="one_for_one", max_restarts=10**6
    )
    pids = [(await process.receive())[1] for _ in range(siblings)]
    gc.collect()
    begun = time.process_time()
    pid = pids[siblings // 2]
    for _ in range(300):
        Idle.cast(pid, "crash")
        _, pid = await process.receive()
    spent = time.process_time() - begun
    await GenServer.stop(sup, SHUTDOWN)
    assert (await process.receive()).pid == sup
    return spent


async def test_a_restart_costs_the_same_among_ten_siblings_and_among_twenty_thousand(caplog):
    caplog.set_level(logging.CRITICAL)
    gc.disable()  # a full collection costs what there is, whoever made it
    try:
        few = min([await restarts(10) for _ in range(3)])
        many = min([await restarts(20_000) for _ in range(3)])
    finally:
        gc.enable()

    assert many / few < 2


async def deaths(count):
    """Return the CPU seconds of restarting a group of which all died before their supervisor looked."""
    sup = await Supervisor.start_link(
        specs(count, process.self()), strategy="one_for_all", max_restarts=10**6
    )
    pids = [(await process.receive())[1] for _ in range(count)]
    begun = time.process_time()
    for pid in pids:
        process.exit(pid, KILL)
    for _ in range(count):
        await process.receive()
    assert (await Supervisor.count_children(sup)).active == count
    spent = time.process_time() - begun
    await GenServer.stop(sup, SHUTDOWN)
    assert (await process.receive()).pid == sup
    return spent


async def test_a_group_that_died_as_one_is_restarted_in_linear_time(caplog):
    caplog.set_level(logging.CRITICAL)
    few = min([await deaths(400) for _ in range(3)])

    many = await deaths(8_000)

    # 20 is linear, 400 is quadratic.
    assert many / few < 80


@pytest.mark.parametrize("start", [static, added, on_demand])
async def test_a_child_takes_at_most_two_kilobytes(start):
    count = 5_000
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        sup = await start(count)
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert (await Supervisor.count_children(sup)).active == count
    assert (after - before) / count <= 2_000


async def test_others_run_while_many_children_are_started_or_stopped():
    turns = 0

    async def others():
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    other = process.spawn(others)

    sup = await static(20_000)
    started = turns
    await GenServer.stop(sup, SHUTDOWN)
    process.exit(other, KILL)

    assert started > 3
    assert turns - started > 3
