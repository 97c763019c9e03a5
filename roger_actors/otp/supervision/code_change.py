"""New flags and specs for a supervisor that runs, as a new version of its children function would give them.

Nothing is started, stopped or restarted.

Source: OTP `supervisor`, `code_change`.
"""

from __future__ import annotations

from typing import Any

from roger_actors.otp.child_spec import ChildSpec, fault_of, first_fault
from roger_actors.otp.reason import Fault
from roger_actors.otp.supervision import acting, simple_one_for_one
from roger_actors.otp.supervision.acting import Child, forgetful
from roger_actors.otp.supervision.restart import SIMPLE, SupervisorFlags


def change(
    state: acting.State | simple_one_for_one.State, flags: SupervisorFlags, specs: list[Any]
) -> Fault | None:
    """Take flags that are right and specs that may be wrong; return why they are refused, or None.

    A refusal changes nothing.
    """
    simple = isinstance(state, simple_one_for_one.State)
    if simple != (flags.strategy == SIMPLE):
        return Fault("supervisor_data", Fault("invalid_strategy", flags.strategy))
    wrong = simple_one_for_one.number_fault(specs) if simple else None
    if wrong is not None:
        return wrong
    wrong = (
        fault_of(specs[0], auto_shutdown=flags.auto_shutdown)
        if simple
        else first_fault(specs, auto_shutdown=flags.auto_shutdown)
    )
    if wrong is not None:
        return Fault("start_spec", wrong)
    state.flags = flags
    state.window.intensity, state.window.period = flags.intensity, flags.period
    if isinstance(state, simple_one_for_one.State):
        _change_simple(state, specs[0].normalised())
    else:
        state.children = merged(state.children, [spec.normalised() for spec in specs])
    return None


def merged(known: dict[Any, Child], specs: list[ChildSpec]) -> dict[Any, Child]:
    """Return the children in start order: those of the specs, then those that the specs do not name.

    A child that was known keeps its process, a new one has none.
    """
    children = {}
    for spec in specs:
        child = known.get(spec.id) or Child(spec)
        child.spec = forgetful(spec) if child.is_running and spec.restart == "temporary" else spec
        children[spec.id] = child
    return {**children, **{child_id: child for child_id, child in known.items() if child_id not in children}}


def _change_simple(state: simple_one_for_one.State, spec: ChildSpec) -> None:
    state.spec = spec
    for child in state.children.values():
        child.spec = spec
