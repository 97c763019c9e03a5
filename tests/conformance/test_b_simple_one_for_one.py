"""Section B, for the strategy simple_one_for_one."""

from __future__ import annotations

import pytest
from conformance_dynamic import simple

from roger_actors.errors import StartFailed


@pytest.mark.otp_line(29)
@pytest.mark.parametrize("auto_shutdown", ["any_significant", "all_significant"])
async def test_line_029_a_dynamic_strategy_never_shuts_down_by_itself(world, auto_shutdown):
    with pytest.raises(StartFailed) as caught:
        await simple(world.child("a"), auto_shutdown=auto_shutdown)

    reason = caught.value.reason
    assert (reason.kind, reason.detail.kind) == ("supervisor_data", "bad_combination")
    await world.nothing()
