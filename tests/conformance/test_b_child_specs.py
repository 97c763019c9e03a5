"""Section B: child specs and validation."""

from __future__ import annotations

import attrs
import pytest
from conformance_world import Player

from roger_actors.errors import InvalidChildSpec, NoProcess
from roger_actors.otp import (
    ChildSpec,
    DynamicSupervisor,
    Fault,
    GenServer,
    Ok,
    Start,
    Supervisor,
)

INFINITY = float("inf")


def fault_in(spec, auto_shutdown=None):
    """Return (kind, child, value) of what is wrong with a spec."""
    with pytest.raises(InvalidChildSpec) as caught:
        Supervisor.check_childspecs([spec], auto_shutdown)
    return caught.value.kind, caught.value.child, caught.value.value


async def read_back(world, spec):
    """Return a started child's spec as its supervisor has it, without start and host."""
    sup = await world.supervisor([spec])
    found = attrs.asdict(await Supervisor.get_childspec(sup, "a"), recurse=False)
    assert found.pop("start") == world.start("a")
    assert found.pop("host") == world.elsewhere
    return found


@pytest.mark.otp_line(13)
async def test_line_013_a_spec_of_id_and_start_is_completed(world):
    found = await read_back(world, {"id": "a", "start": world.start("a"), "host": world.elsewhere})

    assert found == {
        "id": "a",
        "restart": "permanent",
        "type": "worker",
        "shutdown": 5,
        "modules": ("conformance_world:Player",),
        "significant": False,
    }


@pytest.mark.otp_line(14)
async def test_line_014_a_supervisor_has_no_shutdown_limit_unless_told(world):
    found = await read_back(world, world.child("a", type="supervisor"))
    assert (found["type"], found["shutdown"]) == ("supervisor", "infinity")

    sup = await world.supervisor([world.nested("inner", [])])
    inner = await Supervisor.get_childspec(sup, "inner")
    assert (inner.type, inner.shutdown) == ("supervisor", "infinity")


@pytest.mark.otp_line(15)
async def test_line_015_a_missing_id_is_named_before_a_missing_start(world):
    assert await world.refused([{}]) == Fault("start_spec", Fault("missing_id"))
    assert await world.refused([{"id": "a"}]) == Fault("start_spec", Fault("missing_start", None, "a"))
    assert fault_in({}) == ("missing_id", None, None)
    assert fault_in({"start": world.start("a")}) == ("missing_id", None, None)
    assert fault_in({"id": "a"}) == ("missing_start", "a", None)


@pytest.mark.otp_line(16)
@pytest.mark.parametrize(
    "start", ["module:function", 7, Player, (Player, ()), Start("no path"), Start(7), Start(None)]
)
async def test_line_016_a_start_of_another_form_is_invalid(world, start):
    fault = Fault("invalid_mfa", repr(start), "a")

    assert fault_in({"id": "a", "start": start}) == (fault.kind, "a", fault.detail)
    assert await world.refused([{"id": "a", "start": start}]) == Fault("start_spec", fault)


@pytest.mark.otp_line(17)
@pytest.mark.parametrize("restart", ["sometimes", "PERMANENT", "", None, True])
async def test_line_017_an_unknown_restart_word_is_invalid(world, restart):
    fault = Fault("invalid_restart_type", restart, "a")

    assert fault_in(world.child("a", restart=restart)) == (fault.kind, "a", restart)
    assert await world.refused([world.child("a", restart=restart)]) == Fault("start_spec", fault)


@pytest.mark.otp_line(18)
@pytest.mark.parametrize("shutdown", [-1, -0.1, -INFINITY, "5", "kill", True, (5,), ["infinity"]])
async def test_line_018_a_shutdown_that_is_no_time_is_invalid_for_any_child(world, shutdown):
    for kind in ("worker", "supervisor"):
        spec = world.child("a", shutdown=shutdown, type=kind)
        assert fault_in(spec) == ("invalid_shutdown", "a", shutdown)
        assert (await world.refused([spec])).detail == Fault("invalid_shutdown", shutdown, "a")
        for fine in (0, 1, 0.5, "infinity", INFINITY, "brutal_kill"):
            Supervisor.check_childspecs([world.child("a", shutdown=fine, type=kind)])


@pytest.mark.otp_line(19)
@pytest.mark.parametrize(
    ("field", "value", "kind", "named"),
    [
        ("type", "manager", "invalid_child_type", "manager"),
        ("type", True, "invalid_child_type", True),
        ("modules", "static", "invalid_modules", "'static'"),
        ("modules", 7, "invalid_modules", "7"),
        ("modules", ["fine", 7], "invalid_module", "7"),
        ("modules", [Player], "invalid_module", repr(Player)),
    ],
)
async def test_line_019_a_wrong_type_or_modules_is_invalid(world, field, value, kind, named):
    spec = world.child("a", **{field: value})

    assert fault_in(spec) == (kind, "a", named)
    assert await world.refused([spec]) == Fault("start_spec", Fault(kind, named, "a"))


@pytest.mark.otp_line(20)
@pytest.mark.parametrize("significant", ["yes", 1, None, "true"])
async def test_line_020_significant_is_a_boolean(world, significant):
    spec = world.child("a", significant=significant, restart="transient")

    assert fault_in(spec) == ("invalid_significant", "a", significant)
    reason = await world.refused([spec], auto_shutdown="any_significant")
    assert reason == Fault("start_spec", Fault("invalid_significant", significant, "a"))


@pytest.mark.otp_line(21)
@pytest.mark.parametrize("spec", [None, "a", 7, ["a", Player], ("a", Player), ()])
async def test_line_021_what_is_no_spec_is_invalid_and_carried(world, spec):
    fault = Fault("invalid_child_spec", repr(spec))

    assert fault_in(spec) == (fault.kind, None, fault.detail)
    assert await world.refused([spec]) == Fault("start_spec", fault)
    sup = await world.supervisor([])
    with pytest.raises(InvalidChildSpec) as caught:
        await Supervisor.start_child(sup, spec)
    assert (caught.value.kind, caught.value.value) == (fault.kind, fault.detail)


@pytest.mark.otp_line(22)
async def test_line_022_two_specs_with_one_id_are_refused(world):
    specs = [world.child("a"), world.child("b"), world.child("a", label="again")]

    assert await world.refused(specs) == Fault("start_spec", Fault("duplicate_child_name", "a", "a"))
    assert await world.journal() == []
    with pytest.raises(InvalidChildSpec) as caught:
        Supervisor.check_childspecs(specs)
    assert (caught.value.kind, caught.value.child) == ("duplicate_child_name", "a")


@pytest.mark.otp_line(23)
async def test_line_023_a_fault_is_wrapped_at_the_start_and_bare_afterwards(world):
    faulty = world.child("a", restart="sometimes")
    fault = Fault("invalid_restart_type", "sometimes", "a")

    assert await world.refused([faulty]) == Fault("start_spec", fault)
    sup = await world.supervisor([])
    with pytest.raises(InvalidChildSpec) as caught:
        await Supervisor.start_child(sup, faulty)
    assert (caught.value.kind, caught.value.value) == (fault.kind, fault.detail)
    assert fault_in(faulty) == (fault.kind, "a", fault.detail)
    assert await world.pids(sup) == {}


@pytest.mark.otp_line(24)
async def test_line_024_checking_a_single_spec_is_an_argument_error(world):
    for single in (world.child("a"), {"id": "a", "start": world.start("a")}, "a", None):
        with pytest.raises(TypeError, match="list"):
            Supervisor.check_childspecs(single)


@pytest.mark.otp_line(25)
@pytest.mark.parametrize("shutdown", [0, 1000, "infinity", "brutal_kill"])
@pytest.mark.parametrize("restart", ["permanent", "transient", "temporary"])
async def test_line_025_every_combination_of_legal_words_is_fine(world, restart, shutdown):
    for kind in ("worker", "supervisor"):
        for modules in ("dynamic", [], ["m"], ["m1", "m2"]):
            fields = {"restart": restart, "shutdown": shutdown, "type": kind, "modules": modules}
            Supervisor.check_childspecs([world.child("a", **fields)])
            Supervisor.check_childspecs([{"id": "a", "start": world.start("a"), **fields}])


@pytest.mark.otp_line(26)
async def test_line_026_an_unknown_key_of_a_map_is_ignored(world):
    spec = {"id": "a", "start": world.start("a"), "host": world.elsewhere, "colour": "red", 7: 8}

    Supervisor.check_childspecs([spec])
    sup = await world.supervisor([spec])
    await Supervisor.start_child(sup, {**spec, "id": "b"})

    assert set(await world.pids(sup)) == {"a", "b"}


@pytest.mark.otp_line(27)
async def test_line_027_a_significant_child_wants_an_auto_shutdown(world):
    spec = world.child("a", significant=True, restart="transient")

    assert (await world.refused([spec])).detail.kind == "bad_combination"
    sup = await world.supervisor([])
    with pytest.raises(InvalidChildSpec) as caught:
        await Supervisor.start_child(sup, spec)
    assert caught.value.kind == "bad_combination"
    assert fault_in(spec, "never")[:2] == ("bad_combination", "a")
    for mode in ("any_significant", "all_significant"):
        Supervisor.check_childspecs([spec], mode)
        assert await world.supervisor([spec], auto_shutdown=mode)


@pytest.mark.otp_line(28)
@pytest.mark.parametrize("fields", [{}, {"restart": "permanent"}])
async def test_line_028_a_significant_child_is_not_permanent_even_by_omission(world, fields):
    spec = {"id": "a", "start": world.start("a"), "significant": True, **fields}

    reason = await world.refused([spec], auto_shutdown="any_significant")
    assert reason.detail.kind == "bad_combination"
    sup = await world.supervisor([], auto_shutdown="any_significant")
    with pytest.raises(InvalidChildSpec) as caught:
        await Supervisor.start_child(sup, spec)
    assert caught.value.kind == "bad_combination"
    assert fault_in(spec, "any_significant")[0] == "bad_combination"
    assert fault_in(spec)[0] == "bad_combination"


class Counter(GenServer[int]):
    """Knows how it is to be supervised."""

    def init(self, start=0):
        return Ok(start)


@pytest.mark.otp_line(30)
async def test_line_030_a_class_says_its_spec_and_overrides_must_be_known(world):
    assert Supervisor.child_spec(Counter) == ChildSpec(id="Counter", start=Start(Counter))
    second = Supervisor.child_spec((Counter, 5), id="second", restart="transient")
    assert second == ChildSpec(id="second", start=Start(Counter, 5), restart="transient")
    sup = await world.supervisor([Counter, second])
    assert await GenServer.get_state((await world.pids(sup))["second"]) == 5

    with pytest.raises(InvalidChildSpec, match="colour"):
        Supervisor.child_spec(Counter, colour="red")
    with pytest.raises(InvalidChildSpec, match="World"):
        Supervisor.child_spec(type(world))
    with pytest.raises(InvalidChildSpec, match="World"):
        await Supervisor.start_child(sup, type(world))


@pytest.mark.otp_line(31)
async def test_line_031_a_dynamic_supervisors_child_is_checked_by_its_caller_a_static_ones_is_not(world):
    faulty = world.child("a", restart="sometimes")

    with pytest.raises(InvalidChildSpec) as caught:
        await DynamicSupervisor.start_child("nobody", faulty)
    assert caught.value.kind == "invalid_restart_type"
    with pytest.raises(NoProcess):
        await Supervisor.start_child("nobody", faulty)
