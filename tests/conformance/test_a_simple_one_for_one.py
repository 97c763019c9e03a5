"""Section A, for the strategy simple_one_for_one."""

from __future__ import annotations

import pytest
from conformance_dynamic import simple

from roger_actors.errors import StartFailed


@pytest.mark.otp_line(11)
@pytest.mark.parametrize("ids", [[], ["a", "b"], ["a", "a"]])
async def test_line_011_a_dynamic_strategy_wants_exactly_one_spec(world, ids):
    with pytest.raises(StartFailed) as caught:
        await simple(*(world.child(name) for name in ids))

    assert caught.value.reason.kind == "bad_start_spec"
    await world.nothing()
