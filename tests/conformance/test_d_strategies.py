"""Section D: strategies."""

from __future__ import annotations

import pytest
from conformance_world import ABNORMAL, Player

from roger_actors.otp import (
    KILL,
    KILLED,
    SHUTDOWN,
    ChildSpec,
    DynamicSupervisor,
    Start,
    Supervisor,
    process,
)

GROUPS = ["one_for_all", "rest_for_one"]


@pytest.mark.otp_line(46)
async def test_line_046_one_for_one_gives_the_dead_child_a_new_pid_and_no_other(world):
    sup = await world.supervisor([world.child("a"), world.child("b")])
    before = await world.pids(sup)

    await world.end(before["a"], ABNORMAL)

    after = await world.pids(sup)
    assert after["a"] != before["a"]
    assert after["b"] == before["b"]


@pytest.mark.otp_line(47)
async def test_line_047_one_for_all_gives_every_child_a_new_pid_and_leaves_no_old_one(world):
    sup = await world.supervisor([world.child(name) for name in "abc"], strategy="one_for_all")
    before = await world.pids(sup)

    await world.end(before["b"], ABNORMAL)

    after = await world.pids(sup)
    assert set(after) == set(before)
    assert not set(before.values()) & set(after.values())
    assert not [pid for pid in before.values() if await world.is_alive(pid)]
    assert all([await world.is_alive(pid) for pid in after.values()])


@pytest.mark.otp_line(48)
async def test_line_048_one_for_all_stops_siblings_in_reverse_and_starts_all_in_order(world):
    sup = await world.supervisor([world.child(name) for name in "abc"], strategy="one_for_all")
    before = await world.pids(sup)

    await world.end(before["b"], ABNORMAL)
    await world.pids(sup)

    assert (await world.journal())[4:] == [
        ("stopped", "c", SHUTDOWN),
        ("stopped", "a", SHUTDOWN),
        ("started", "a"),
        ("started", "b"),
        ("started", "c"),
    ]


@pytest.mark.otp_line(49)
async def test_line_049_rest_for_one_restarts_the_dead_child_and_those_after_it(world):
    sup = await world.supervisor([world.child(number) for number in (1, 2, 3)], strategy="rest_for_one")
    before = await world.pids(sup)

    await world.end(before[2], ABNORMAL)

    after = await world.pids(sup)
    assert after[1] == before[1]
    assert not {after[2], after[3]} & set(before.values())
    assert (await world.journal())[4:] == [("stopped", 3, SHUTDOWN), ("started", 2), ("started", 3)]
    assert not await world.is_alive(before[3])


@pytest.mark.otp_line(50)
async def test_line_050_rest_for_one_goes_by_start_order_whatever_the_ids(world):
    sup = await world.supervisor([world.child(name) for name in "zbyax"], strategy="rest_for_one")
    before = await world.pids(sup)

    await world.end(before["y"], ABNORMAL)
    after = await world.pids(sup)

    assert (await world.journal())[6:] == [
        ("stopped", "x", SHUTDOWN),
        ("stopped", "a", SHUTDOWN),
        ("started", "y"),
        ("started", "a"),
        ("started", "x"),
    ]
    assert {name for name in before if before[name] == after[name]} == {"z", "b"}


@pytest.mark.otp_line(51)
async def test_line_051_children_added_later_come_last(world):
    sup = await world.supervisor([world.child("b"), world.child("c")], strategy="rest_for_one")
    await Supervisor.start_child(sup, world.child("a"))
    before = await world.pids(sup)
    assert list(before) == ["a", "c", "b"]

    await world.end(before["c"], ABNORMAL)
    after = await world.pids(sup)
    assert {name for name in before if before[name] == after[name]} == {"b"}
    await world.stop(sup)

    assert (await world.journal())[4:] == [
        ("stopped", "a", SHUTDOWN),
        ("started", "c"),
        ("started", "a"),
        *(("stopped", name, SHUTDOWN) for name in "acb"),
    ]


@pytest.mark.otp_line(52)
@pytest.mark.parametrize("strategy", GROUPS)
async def test_line_052_a_temporary_sibling_of_a_group_restart_is_stopped_and_forgotten(world, strategy):
    children = [world.child("a"), world.child("t", restart="temporary"), world.child("z")]
    sup = await world.supervisor(children, strategy=strategy)
    before = await world.pids(sup)

    await world.end(before["a"], ABNORMAL)

    assert set(await world.pids(sup)) == {"a", "z"}
    assert (await world.journal())[4:] == [
        ("stopped", "z", SHUTDOWN),
        ("stopped", "t", SHUTDOWN),
        ("started", "a"),
        ("started", "z"),
    ]
    assert await Supervisor.start_child(sup, children[1])


@pytest.mark.otp_line(53)
@pytest.mark.parametrize("strategy", GROUPS)
async def test_line_053_a_transient_sibling_of_a_group_restart_is_started_again(world, strategy):
    sup = await world.supervisor([world.child("a"), world.child("t", restart="transient")], strategy=strategy)
    before = await world.pids(sup)

    await world.end(before["a"], ABNORMAL)

    after = await world.pids(sup)
    assert after["t"] != before["t"]
    assert await world.is_alive(after["t"])
    assert (await world.journal())[3:] == [("stopped", "t", SHUTDOWN), ("started", "a"), ("started", "t")]


@pytest.mark.otp_line(54)
async def test_line_054_one_for_all_starts_a_child_again_that_was_stopped_by_hand(world):
    sup = await world.supervisor([world.child(name) for name in "abc"], strategy="one_for_all")
    await Supervisor.terminate_child(sup, "b")
    before = await world.pids(sup)
    assert before["b"] is None

    await world.end(before["c"], ABNORMAL)

    after = await world.pids(sup)
    assert await world.is_alive(after["b"])
    assert (await world.journal())[5:] == [
        ("stopped", "a", SHUTDOWN),
        *(("started", name) for name in "abc"),
    ]


@pytest.mark.otp_line(55)
@pytest.mark.parametrize("strategy", GROUPS)
async def test_line_055_a_group_restart_counts_once(world, strategy):
    children = [world.child(number) for number in range(5)]
    sup = await world.supervisor(children, strategy=strategy, max_restarts=2)

    for _ in range(2):
        await world.end((await world.pids(sup))[0], ABNORMAL)
    last = await world.pids(sup)
    assert all([await world.is_alive(pid) for pid in last.values()])

    await world.end(last[0], ABNORMAL)
    assert await world.exit_of(sup) is SHUTDOWN


@pytest.mark.otp_line(56)
async def test_line_056_one_for_all_tries_the_whole_group_again_when_another_child_fails(world):
    sup = await world.supervisor([world.child(name) for name in "abc"], strategy="one_for_all")
    await world.plan("b", ("stop", "not yet"), ("stop", "not yet"))

    await world.end((await world.pids(sup))["a"], ABNORMAL)
    after = await world.settled(sup)

    attempt = [("started", "a"), ("refused", "b", ("stop", "not yet")), ("stopped", "a", SHUTDOWN)]
    assert (await world.journal())[4:] == [
        ("stopped", "c", SHUTDOWN),
        ("stopped", "b", SHUTDOWN),
        *attempt,
        *attempt,
        ("started", "a"),
        ("started", "b"),
        ("started", "c"),
    ]
    assert all([await world.is_alive(pid) for pid in after.values()])


@pytest.mark.otp_line(57)
async def test_line_057_rest_for_one_keeps_what_came_up_and_tries_again_from_what_failed(world):
    sup = await world.supervisor([world.child(name) for name in "abcd"], strategy="rest_for_one")
    before = await world.pids(sup)
    await world.plan("c", *[("stop", "not yet")] * 3)

    await world.end(before["b"], ABNORMAL)
    after = await world.settled(sup)

    assert (await world.journal())[5:] == [
        ("stopped", "d", SHUTDOWN),
        ("stopped", "c", SHUTDOWN),
        ("started", "b"),
        *[("refused", "c", ("stop", "not yet"))] * 3,
        ("started", "c"),
        ("started", "d"),
    ]
    assert after["a"] == before["a"]
    assert all([await world.is_alive(pid) for pid in after.values()])


@pytest.mark.otp_line(59)
async def test_line_059_a_dynamic_supervisors_extra_arguments_come_before_the_specs_own(world):
    spec = world.child("a", "own")
    label, *own = spec.start.args
    spec = ChildSpec(id="a", start=Start(spec.start.target, *own), host=spec.host)
    sup = await DynamicSupervisor.start_link(extra_arguments=(label,))
    first = await DynamicSupervisor.start_child(sup, spec)
    assert await Player.call(first, ("args",)) == ["own"]

    await world.end(first, ABNORMAL)

    (info,) = await DynamicSupervisor.which_children(sup)
    assert info.pid != first
    assert await Player.call(info.pid, ("args",)) == ["own"]
    assert [entry for entry in await world.journal() if entry[0] == "started"] == [("started", "a")] * 2


@pytest.mark.otp_line(62)
@pytest.mark.parametrize("reason", [ABNORMAL, KILL])
async def test_line_062_a_restarted_supervisor_has_its_first_children_and_not_those_added(world, reason):
    outer = await world.supervisor([world.nested("inner", [world.child("static")])])
    inner = (await world.pids(outer))["inner"]
    await Supervisor.start_child(inner, world.child("added"))

    await world.end_supervisor(inner, reason)

    again = (await world.pids(outer))["inner"]
    assert again != inner
    children = await world.pids(again)
    assert set(children) == {"static"}
    assert await world.is_alive(children["static"])


@pytest.mark.otp_line(63)
async def test_line_063_only_the_leaf_that_died_changes(world):
    branches = [world.nested(side, [world.child(f"{side} {n}") for n in "12"]) for side in ("left", "right")]
    outer = await world.supervisor(branches)
    before = await world.whole(outer)

    await world.end(before["left 1"], ABNORMAL)
    await world.pids(before["left"])

    after = await world.whole(outer)
    assert set(before) == set(after)
    assert {name for name in before if before[name] != after[name]} == {"left 1"}


@pytest.mark.otp_line(64)
async def test_line_064_a_killed_supervisor_takes_its_children_down_and_its_branch_comes_up_anew(world):
    # The leaf does not trap: it is gone, and its name free, when its successor begins.
    named = world.child("leaf", options={"name": "leaf", "trap": False})
    children = [
        world.nested("inner", [named, world.child("other", options={"trap": False})]),
        world.child("z"),
    ]
    outer = await world.supervisor(children)
    before = await world.whole(outer)
    refs = [process.monitor(before[name]) for name in ("leaf", "other")]

    await world.end_supervisor(before["inner"], KILL)

    assert [(await world.down(ref)).reason for ref in refs] == [KILLED, KILLED]
    await world.pids(outer)
    after = await world.whole(outer)
    assert set(after) == set(before)
    assert {name for name in before if before[name] == after[name]} == {"z"}
    assert await world.is_alive(after["leaf"])
