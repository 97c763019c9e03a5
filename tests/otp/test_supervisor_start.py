"""Sections A, B and C: flags, child specs, start order and roll-back."""

from __future__ import annotations

import itertools

import attrs
import pytest

from roger_actors.errors import ChildAlreadyStarted, InvalidChildSpec, StartFailed
from roger_actors.otp import (
    ChildSpec,
    DynamicSupervisor,
    Fault,
    GenServer,
    Ignore,
    Shutdown,
    Start,
    Stop,
    Supervisor,
    SupervisorFlags,
    Timeout,
    process,
)
from roger_actors.otp.child_spec import fault_of, first_fault
from roger_actors.testing.puppet import Puppet


def child(id_, journal=None, *, options=None, **fields):
    return ChildSpec(id=id_, start=Start(Puppet, id_, journal, **(options or {})), **fields)


async def start(children, **options):
    return await Supervisor.start_link(children, **{"strategy": "one_for_one", **options})


async def refused(children, **options):
    with pytest.raises(StartFailed) as caught:
        await start(children, **options)
    assert await process.receive(0) == Timeout()
    assert len(process.here().processes) == 1
    return caught.value.reason


# ---------------------------------------------------------------- A


@pytest.mark.otp_line(1)
def test_flags_have_erlangs_defaults():
    assert attrs.asdict(SupervisorFlags()) == {
        "strategy": "one_for_one",
        "intensity": 1,
        "period": 5.0,
        "auto_shutdown": "never",
    }


@pytest.mark.otp_line(2)
async def test_options_have_elixirs_defaults():
    sup = await start([])

    flags = (await GenServer.get_state(sup)).flags

    assert (flags.intensity, flags.period) == (3, 5.0)


@pytest.mark.otp_line(2)
async def test_options_without_a_strategy_are_an_argument_error():
    with pytest.raises(TypeError, match="strategy"):
        await Supervisor.start_link([])


@pytest.mark.otp_line(3)
async def test_an_unknown_strategy_is_refused():
    assert await refused([], strategy="all_for_one") == Fault(
        "supervisor_data", Fault("invalid_strategy", "all_for_one")
    )


@pytest.mark.otp_line(4)
@pytest.mark.parametrize("intensity", [-1, 1.5, float("inf"), "3", None, True])
async def test_an_intensity_that_is_no_count_is_refused(intensity):
    assert (await refused([], max_restarts=intensity)).detail.kind == "invalid_intensity"


@pytest.mark.otp_line(4)
async def test_intensity_zero_is_legal():
    assert await start([], max_restarts=0)


@pytest.mark.otp_line(5)
@pytest.mark.parametrize("period", [0, -1, float("inf"), "5", None])
async def test_a_period_that_is_no_positive_time_is_refused(period):
    assert (await refused([], max_seconds=period)).detail.kind == "invalid_period"


@pytest.mark.otp_line(6)
async def test_an_unknown_auto_shutdown_is_refused():
    assert (await refused([], auto_shutdown="some")).detail.kind == "invalid_auto_shutdown"


@pytest.mark.otp_line(7)
async def test_flags_of_another_type_are_refused():
    assert (await refused([], flags="one_for_one")).detail.kind == "invalid_type"


@pytest.mark.otp_line(8)
async def test_ignoring_children_give_none_and_no_exit():
    assert await start(Ignore) is None
    assert await process.receive(0) == Timeout()


@pytest.mark.otp_line(9)
async def test_children_of_an_unknown_type_are_a_bad_return():
    reason = await refused(lambda: "what")

    assert reason.kind == "bad_return"
    assert "'what'" in reason.detail


@pytest.mark.otp_line(10)
async def test_children_that_raise_give_the_error_with_traceback():
    def children():
        raise ValueError("no children")

    reason = await refused(children)

    assert reason.message == "no children"
    assert "test_supervisor_start.py" in reason.traceback


@pytest.mark.otp_line(12)
async def test_a_supervisor_is_registered_and_traps_before_its_children_are_made():
    seen = []

    def children():
        seen.append((process.whereis("sup") == process.self(), process.current().trapping))
        return []

    await start(children, name="sup")

    assert seen == [(True, True)]


# ---------------------------------------------------------------- B


@pytest.mark.otp_line(13)
async def test_a_spec_of_id_and_start_is_completed():
    sup = await start([child("a")])

    spec = await Supervisor.get_childspec(sup, "a")

    assert (spec.restart, spec.type, spec.shutdown, spec.significant) == ("permanent", "worker", 5.0, False)
    assert (await Supervisor.which_child(sup, "a")).modules == ("roger_actors.testing.puppet:Puppet",)


@pytest.mark.otp_line(14)
@pytest.mark.parametrize(
    "spec",
    [
        ChildSpec(id="s", start=Start(Puppet), type="supervisor"),
        ChildSpec(id="s", start=Start(Supervisor, [], strategy="one_for_one")),
    ],
)
async def test_a_supervisor_has_no_shutdown_limit_by_default(spec):
    assert (spec.normalised().shutdown, spec.normalised().type) == ("infinity", "supervisor")


@pytest.mark.otp_line(15)
def test_a_missing_id_is_found_before_a_missing_start():
    assert fault_of(ChildSpec(id=None, start=None)).kind == "missing_id"
    assert fault_of(ChildSpec(id="a", start=None)).kind == "missing_start"


@pytest.mark.otp_line(16)
@pytest.mark.parametrize("value", ["Puppet", 7, Puppet, Start("no path"), Start(7)])
def test_a_start_that_starts_nothing_is_invalid(value):
    assert fault_of(ChildSpec(id="a", start=value)).kind == "invalid_mfa"


@pytest.mark.otp_line(17)
def test_an_unknown_restart_type_is_invalid():
    assert fault_of(child("a", restart="sometimes")) == Fault("invalid_restart_type", "sometimes", "a")


@pytest.mark.otp_line(18)
@pytest.mark.parametrize("value", [-1, "5", "kill", True, (5,)])
def test_a_wrong_shutdown_is_invalid(value):
    assert fault_of(child("a", shutdown=value)).kind == "invalid_shutdown"


@pytest.mark.otp_line(19)
def test_an_unknown_type_is_invalid():
    assert fault_of(child("a", type="manager")).kind == "invalid_child_type"


@pytest.mark.otp_line(20)
def test_significant_is_a_boolean():
    assert fault_of(child("a", significant="yes", restart="transient")).kind == "invalid_significant"


@pytest.mark.otp_line(21)
@pytest.mark.parametrize("spec", [None, "a", ("a", Puppet)])
async def test_what_is_no_spec_is_invalid_and_carried(spec):
    reason = await refused([spec])

    assert reason == Fault("start_spec", Fault("invalid_child_spec", repr(spec)))


@pytest.mark.otp_line(22)
async def test_two_specs_with_one_id_are_refused():
    assert first_fault([child("a"), child("b"), child("a")]).kind == "duplicate_child_name"
    assert (await refused([child("a"), child("a")])).detail.kind == "duplicate_child_name"


@pytest.mark.otp_line(23)
async def test_a_faulty_spec_is_wrapped_at_the_start_and_bare_afterwards():
    faulty = child("a", restart="sometimes")

    assert (await refused([faulty])).kind == "start_spec"
    sup = await start([])
    with pytest.raises(InvalidChildSpec) as caught:
        await Supervisor.start_child(sup, faulty)
    assert caught.value.field == "restart"
    with pytest.raises(InvalidChildSpec, match="'sometimes'"):
        Supervisor.check_childspecs([faulty])


@pytest.mark.otp_line(24)
def test_checking_something_that_is_no_list_is_an_argument_error():
    with pytest.raises(TypeError):
        Supervisor.check_childspecs(child("a"))


@pytest.mark.otp_line(18)
@pytest.mark.otp_line(25)
def test_every_combination_of_legal_fields_is_accepted():
    restarts = ("permanent", "transient", "temporary")
    shutdowns = (0, 1.0, "infinity", float("inf"), "brutal_kill")
    for restart, shutdown, kind in itertools.product(restarts, shutdowns, ("worker", "supervisor")):
        Supervisor.check_childspecs([child("a", restart=restart, shutdown=shutdown, type=kind)])


@pytest.mark.otp_line(27)
async def test_a_significant_child_needs_an_auto_shutdown():
    significant = child("a", significant=True, restart="transient")

    assert (await refused([significant])).detail.kind == "bad_combination"
    sup = await start([])
    with pytest.raises(InvalidChildSpec):
        await Supervisor.start_child(sup, significant)
    with pytest.raises(InvalidChildSpec):
        Supervisor.check_childspecs([significant], "never")
    Supervisor.check_childspecs([significant])


@pytest.mark.otp_line(28)
def test_a_significant_child_may_not_be_permanent_even_by_omission():
    assert fault_of(child("a", significant=True), auto_shutdown="any_significant").kind == "bad_combination"
    assert fault_of(child("a", significant=True, restart="permanent")).kind == "bad_combination"


@pytest.mark.otp_line(31)
async def test_a_dynamic_supervisors_child_is_checked_before_it_is_asked():
    with pytest.raises(InvalidChildSpec):
        await DynamicSupervisor.start_child("nobody", child("a", restart="sometimes"))


# ---------------------------------------------------------------- C


class Slow(Puppet):
    async def init(self, label, journal, seconds):
        journal.append(("begins", label))
        await process.sleep(seconds)
        return super().init(label, journal)


@pytest.mark.otp_line(32)
async def test_children_start_one_after_the_other(journal):
    await start([ChildSpec(id=n, start=Start(Slow, n, journal, 3 - n)) for n in range(3)])

    assert journal == [step for n in range(3) for step in (("begins", n), ("started", n))]


@pytest.mark.otp_line(33)
async def test_a_failed_start_rolls_back_in_reverse_order_with_each_childs_own_shutdown(journal):
    children = [
        child("a", journal, options={"trap": True}),
        child("b", journal, options={"trap": True, "stops_in": 3.0}, shutdown=1.0),
        child("c", journal, options={"begins": lambda: Stop("broken")}),
        child("d", journal),
    ]

    reason = await refused(children)

    assert reason == Shutdown(Fault("failed_to_start_child", "broken", "c"))
    assert [entry[:2] for entry in journal] == [
        ("started", "a"),
        ("started", "b"),
        ("stopped", "b"),
        ("stopped", "a"),
    ]


@pytest.mark.otp_line(34)
async def test_the_name_is_free_when_the_starter_is_told():
    with pytest.raises(StartFailed):
        await start([child("a", options={"begins": lambda: Stop("no")})], name="sup")

    assert process.whereis("sup") is None
    assert await start([], name="sup")


@pytest.mark.otp_line(35)
@pytest.mark.parametrize("restart", ["permanent", "transient"])
async def test_an_ignored_child_is_kept_without_a_pid(restart):
    ignored = child("a", options={"begins": Ignore}, restart=restart)
    sup = await start([ignored])

    assert await Supervisor.start_child(sup, attrs.evolve(ignored, id="b")) is None
    assert [info.pid for info in await Supervisor.which_children(sup)] == [None, None]


@pytest.mark.otp_line(36)
@pytest.mark.otp_line(37)
async def test_an_ignored_temporary_child_is_not_kept():
    ignored = child("a", options={"begins": Ignore}, restart="temporary")
    sup = await start([ignored])

    assert await Supervisor.start_child(sup, attrs.evolve(ignored, id="b")) is None
    assert await Supervisor.which_children(sup) == []


@pytest.mark.otp_line(38)
@pytest.mark.otp_line(157)
@pytest.mark.parametrize("restart", ["permanent", "transient", "temporary"])
async def test_an_ignored_dynamic_child_is_never_kept(restart):
    sup = await DynamicSupervisor.start_link()

    assert (
        await DynamicSupervisor.start_child(sup, child("a", options={"begins": Ignore}, restart=restart))
        is None
    )
    assert await DynamicSupervisor.which_children(sup) == []
    await GenServer.stop(sup)


@pytest.mark.otp_line(39)
@pytest.mark.parametrize(
    ("target", "kind"),
    [(lambda: 42, "bad_return"), (lambda: None, "bad_return"), (lambda: "pid", "bad_return")],
)
async def test_a_start_that_returns_no_process_is_an_error_and_its_spec_is_dropped(target, kind):
    sup = await start([])

    with pytest.raises(StartFailed) as caught:
        await Supervisor.start_child(sup, ChildSpec(id="a", start=Start(target)))

    assert caught.value.reason.kind == kind
    assert "'a'" in caught.value.what
    assert await Supervisor.which_children(sup) == []


@pytest.mark.otp_line(39)
@pytest.mark.otp_line(40)
@pytest.mark.parametrize("behaviour", [Supervisor, DynamicSupervisor])
async def test_a_start_that_is_refused_is_an_error_with_its_reason(behaviour):
    sup = await (start([]) if behaviour is Supervisor else DynamicSupervisor.start_link())

    with pytest.raises(StartFailed) as caught:
        await behaviour.start_child(sup, child("a", options={"begins": lambda: Stop("why")}))

    assert caught.value.reason == "why"


@pytest.mark.otp_line(42)
async def test_a_child_whose_name_is_held_by_another_process_is_already_started():
    holder = await Puppet.start(name="held")
    sup = await start([])

    with pytest.raises(ChildAlreadyStarted) as caught:
        await Supervisor.start_child(sup, child("a", options={"name": "held"}))

    assert caught.value.pid == holder
    await GenServer.stop(sup)
    assert process.is_alive(holder)


@pytest.mark.otp_line(43)
@pytest.mark.parametrize("error", [ValueError("x"), process.ExitProcess("out")])
async def test_a_start_function_that_raises_is_a_failed_start(error):
    def starts():
        raise error

    sup = await start([])
    with pytest.raises(StartFailed):
        await Supervisor.start_child(sup, ChildSpec(id="a", start=Start(starts)))

    assert process.is_alive(sup)


@pytest.mark.otp_line(44)
async def test_a_failed_start_in_a_nested_supervisor_is_reported_at_each_level(caplog):
    inner = ChildSpec(
        id="inner",
        start=Start(
            Supervisor, [child("leaf", options={"begins": lambda: Stop("x")})], strategy="one_for_one"
        ),
    )

    reason = await refused([inner])

    assert reason == Shutdown(
        Fault("failed_to_start_child", Shutdown(Fault("failed_to_start_child", "x", "leaf")), "inner")
    )
    reports = [record.report for record in caplog.records if hasattr(record, "report")]
    assert [(report["kind"], report["offender"]["id"]) for report in reports] == [
        ("start_error", "leaf"),
        ("start_error", "inner"),
    ]


async def test_a_start_may_be_named_by_its_path():
    sup = await start([ChildSpec(id="a", start=Start("roger_actors.testing.puppet:Puppet", "by path"))])

    pid = (await Supervisor.which_child(sup, "a")).pid

    assert (await GenServer.get_state(pid))["label"] == "by path"


async def test_a_start_function_may_use_asyncio(journal):
    import asyncio

    async def starts():
        async with asyncio.timeout(5):
            await asyncio.sleep(1)
        return await Puppet.start_link("late", journal)

    await start([ChildSpec(id="a", start=Start(starts))])

    assert journal == [("started", "late")]


class OnlyJustBegun(Puppet):
    """Begins in a task; its first message is there and is handled before whoever started it runs again."""

    async def init(self, *args, **options):
        await process.sleep(0.1)
        begun = super().init(*args, **options)
        Puppet.cast(process.self(), ("exit", "crash"))
        process.send(process.spawn(process.receive), "so that processes run first")
        return begun


async def test_a_child_that_ends_before_its_supervisor_knows_that_it_began_is_restarted(journal):
    crashes = ChildSpec(id="a", start=Start(OnlyJustBegun, "a", journal))

    sup = await start([crashes], max_restarts=2)

    assert (await process.receive()).pid == sup
    assert [entry[0] for entry in journal].count("started") == 3
