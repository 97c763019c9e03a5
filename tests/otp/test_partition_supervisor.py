from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import zlib
from pathlib import Path

import attrs
import pytest

from roger_actors.errors import (
    ChildNotFound,
    ConfigError,
    InvalidChildSpec,
    NameTaken,
    NoProcess,
    StartFailed,
)
from roger_actors.otp import (
    KILL,
    Agent,
    ChildSpec,
    GenServer,
    PartitionSupervisor,
    Pid,
    Ref,
    Start,
    Supervisor,
    process,
)
from roger_actors.otp.behaviours.partition_supervisor import partition_of
from roger_actors.transport import HostId

KEYS = [
    "a", b"a", "", None, 1.0, 3.5, ("a", 1), frozenset("abc"), ("x", frozenset({("a", 1), "b"})),
    Pid("n", HostId(1), 7), Ref("n", HostId(1), 9), 2**70 + 0.5,
]  # fmt: skip


def child(start=lambda *args: args, *args, **fields):
    return ChildSpec(id="any", start=Start(Agent, start, *args), **fields)


async def started(**options):
    return await PartitionSupervisor.start_link(child(), **{"name": "parts", "partitions": 3, **options})


def of(number):
    return PartitionSupervisor.whereis("parts", number)


# ---------------------------------------------------------------- start


async def test_there_are_as_many_partitions_as_cpus_by_default():
    await PartitionSupervisor.start_link(child(), name="parts")

    assert PartitionSupervisor.partitions("parts") == os.cpu_count()


async def test_the_ids_of_the_children_are_the_numbers_of_the_partitions():
    supervisor = await started()

    assert sorted(info.id for info in await PartitionSupervisor.which_children(supervisor)) == [0, 1, 2]
    assert (await PartitionSupervisor.count_children(supervisor)).active == 3
    assert (await PartitionSupervisor.which_child(supervisor, 1)).pid == of(1)


async def test_arguments_may_depend_on_the_partition():
    spec = child(lambda *args: args, "a", "b")

    await PartitionSupervisor.start_link(
        spec, name="parts", partitions=2, with_arguments=lambda args, number: [*args, number]
    )

    assert [await Agent.get(of(number), tuple) for number in (0, 1)] == [("a", "b", 0), ("a", "b", 1)]


@pytest.mark.parametrize(
    ("options", "key"),
    [
        ({"name": None}, "name"),
        ({"partitions": 0}, "partitions"),
        ({"partitions": "3"}, "partitions"),
        ({"partitions": True}, "partitions"),
        ({"auto_shutdown": "any_significant"}, "auto_shutdown"),
        ({"strategy": "simple_one_for_one"}, "strategy"),
        ({"with_arguments": 5}, "with_arguments"),
        ({"with_arguments": lambda *_: None}, "with_arguments of 0"),
    ],
)
async def test_wrong_options_are_refused_before_anything_starts(options, key):
    with pytest.raises(ConfigError) as caught:
        await started(**options)

    assert caught.value.key == key
    assert process.whereis("parts") is None


async def test_a_name_and_a_child_are_mandatory():
    with pytest.raises(TypeError):
        await PartitionSupervisor.start_link(child())
    with pytest.raises(TypeError):
        await PartitionSupervisor.start_link(name="parts")
    with pytest.raises(InvalidChildSpec):
        await PartitionSupervisor.start_link(None, name="parts")
    with pytest.raises(InvalidChildSpec):
        await PartitionSupervisor.start_link(
            child(significant=True, restart="temporary"), name="parts", partitions=2
        )


async def test_what_goes_wrong_at_the_start_is_told():
    await started()
    with pytest.raises(NameTaken):
        await started()
    with pytest.raises(StartFailed):
        await PartitionSupervisor.start_link(child(lambda: 1 // 0), name="others", partitions=1)


async def test_it_is_a_child_of_a_supervisor_under_its_name():
    spec = PartitionSupervisor.child_spec(child(), name="parts", partitions=2)

    top = await Supervisor.start_link([spec], strategy="one_for_one")

    info = await Supervisor.which_child(top, "parts")
    assert (info.pid, info.type) == (process.whereis("parts"), "supervisor")


async def test_stop_ends_the_partitions():
    await started()
    pids = [of(number) for number in range(3)]

    await PartitionSupervisor.stop("parts")

    assert not any(process.is_alive(pid) for pid in pids)
    with pytest.raises(NoProcess):
        of(0)
    with pytest.raises(NoProcess):
        PartitionSupervisor.partitions("parts")


# ---------------------------------------------------------------- routing


async def test_an_integer_goes_to_its_absolute_value_modulo_the_number_of_partitions():
    await started()
    pids = [of(number) for number in range(3)]

    assert len(set(pids)) == 3
    assert [of(key) for key in (3, 4, 5, -1, -2, 10**30)] == [*pids, pids[1], pids[2], pids[10**30 % 3]]


async def test_any_other_key_always_goes_to_the_same_partition():
    await started()

    assert [of(key) for key in KEYS] == [of(key) for key in KEYS]
    assert len({of(f"key {number}") for number in range(100)}) == 3


async def test_a_partition_is_a_target_and_no_name_to_take():
    await started()
    name = PartitionSupervisor.via("parts", "a")

    Agent.cast(name, lambda _: "new")

    assert await Agent.get(name, lambda state: state) == "new"
    assert process.whereis(name) == of("a")
    with pytest.raises(TypeError, match="is a partition"):
        await Agent.start(lambda: None, name=name)
    with pytest.raises(NoProcess):
        process.send(PartitionSupervisor.via("nobody", "a"), "x")


def test_keys_are_spread_evenly():
    counts = [0] * 8
    for number in range(8000):
        counts[partition_of(f"user-{number}", 8)] += 1

    assert min(counts) > 800


def test_a_key_goes_to_the_same_partition_in_every_run():
    program = (
        "import test_partition_supervisor as t; "
        "print([t.partition_of(key, 1000) for key in t.KEYS])"
    )  # fmt: skip
    found = [
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(__file__).parent)},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    ]

    assert found == [f"{[partition_of(key, 1000) for key in KEYS]}\n"] * 2
    assert partition_of("user", 1000) == zlib.crc32(b"\x91\xa4user") % 1000


@pytest.mark.parametrize("key", [object(), attrs.make_class("Key", ["a"])(1), ("a", object())])
async def test_a_key_without_an_encoding_is_refused(key):
    await started()

    with pytest.raises(TypeError, match="partition's key"):
        of(key)


async def test_a_partition_is_called_and_cast_to_by_its_key():
    await started()

    mine = PartitionSupervisor.via("parts", "user")

    Agent.cast(mine, lambda _: "mine")

    assert await Agent.get(mine, str) == "mine"
    assert await Agent.get(of("user"), str) == "mine"


async def test_a_partition_that_does_not_run_is_nowhere_until_it_is_restarted():
    await started()
    first = of(1)

    process.exit(first, KILL)
    assert of(1) is None
    await PartitionSupervisor.which_children("parts")

    assert process.is_alive(of(1))
    assert of(1) != first


async def test_only_a_partition_supervisor_has_partitions():
    await Supervisor.start_link([], strategy="one_for_one", name="plain")

    with pytest.raises(NoProcess):
        PartitionSupervisor.whereis("plain", 1)


# ---------------------------------------------------------------- resize


async def test_resize_stops_the_last_partitions_and_starts_them_again():
    await started()
    pids = [of(number) for number in range(3)]

    assert await PartitionSupervisor.resize("parts", 1) == 3
    assert PartitionSupervisor.partitions("parts") == 1
    assert [of(key) for key in (0, 1, 2, "x")] == [pids[0]] * 4
    assert [process.is_alive(pid) for pid in pids] == [True, False, False]

    assert await PartitionSupervisor.resize("parts", 3) == 1
    assert of(0) == pids[0]
    assert len({of(number) for number in range(3)}) == 3
    assert await PartitionSupervisor.resize("parts", 3) == 3


async def test_a_partition_of_none_cannot_be_found():
    await started()
    await PartitionSupervisor.resize("parts", 0)

    with pytest.raises(ConfigError):
        of(1)
    assert await PartitionSupervisor.resize("parts", 2) == 0
    assert process.is_alive(of(1))


@pytest.mark.parametrize("size", [4, -1, "2", None, True])
async def test_resize_goes_from_none_to_as_many_as_there_were(size):
    await started()

    with pytest.raises(ConfigError, match="from 0 to 3"):
        await PartitionSupervisor.resize("parts", size)

    assert PartitionSupervisor.partitions("parts") == 3


async def test_a_partition_that_does_not_start_again_leaves_the_number_as_it_was():
    broken = []

    def begin(number):
        if number in broken:
            raise ValueError(number)

    spec = child(begin)
    await PartitionSupervisor.start_link(
        spec, name="parts", partitions=3, with_arguments=lambda args, number: (*args, number)
    )
    await PartitionSupervisor.resize("parts", 0)
    broken.append(1)

    with pytest.raises(StartFailed):
        await PartitionSupervisor.resize("parts", 3)

    assert PartitionSupervisor.partitions("parts") == 0
    broken.clear()
    assert await PartitionSupervisor.resize("parts", 3) == 0


async def test_a_supervisor_that_was_restarted_has_all_its_partitions_again():
    spec = PartitionSupervisor.child_spec(child(), name="parts", partitions=2)
    top = await Supervisor.start_link([spec], strategy="one_for_one")
    await PartitionSupervisor.resize("parts", 1)

    process.exit(process.whereis("parts"), KILL)
    await Supervisor.which_children(top)

    assert PartitionSupervisor.partitions("parts") == 2


async def test_other_requests_are_those_of_a_supervisor():
    await started()

    with pytest.raises(ChildNotFound):
        await PartitionSupervisor.which_child("parts", 7)
    await asyncio.sleep(0)
    assert (await GenServer.get_status("parts"))["class"] == "PartitionSupervisor"


@pytest.mark.parametrize("strategy", ["one_for_all", "rest_for_one"])
async def test_a_group_restart_starts_stopped_partitions_too_and_keys_stay_where_they_are(strategy):
    """As in Elixir, a partition that was resized away is a stopped child of a static supervisor."""
    top = await started(strategy=strategy)
    await PartitionSupervisor.resize("parts", 2)

    process.exit(of(0), KILL)
    await process.sleep(0.1)

    children = {info.id: info.pid for info in await Supervisor.which_children(top)}
    assert all(isinstance(children[number], Pid) for number in range(3))
    assert PartitionSupervisor.partitions("parts") == 2
    assert [of(key) for key in range(4)] == [children[0], children[1]] * 2

    assert await PartitionSupervisor.resize("parts", 3) == 2
    assert [of(key) for key in range(3)] == [children[key] for key in range(3)]
    assert await PartitionSupervisor.resize("parts", 1) == 3
    assert [process.is_alive(children[key]) for key in range(3)] == [True, False, False]
