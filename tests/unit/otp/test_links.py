from __future__ import annotations

import pytest

from roger_actors.otp import KILL, KILLED, NORMAL, SHUTDOWN
from roger_actors.otp.runtime.links import Effect, on_exit_request, on_link_exit

NOTHING, MESSAGE, DEATH = Effect.NOTHING, Effect.MESSAGE, Effect.DEATH


@pytest.mark.parametrize(
    ("reason", "trapping", "effect"),
    [
        (NORMAL, False, NOTHING),
        (NORMAL, True, MESSAGE),
        (SHUTDOWN, False, DEATH),
        (SHUTDOWN, True, MESSAGE),
        (KILL, False, DEATH),
        (KILL, True, MESSAGE),
    ],
)
def test_the_end_of_a_linked_process(reason, trapping, effect):
    verdict = on_link_exit(reason, trapping=trapping)

    assert verdict.effect is effect
    assert verdict.reason is (None if effect is NOTHING else reason)


@pytest.mark.parametrize(
    ("reason", "trapping", "to_itself", "effect", "seen"),
    [
        (NORMAL, False, False, NOTHING, None),
        (NORMAL, False, True, DEATH, NORMAL),
        (NORMAL, True, False, MESSAGE, NORMAL),
        (NORMAL, True, True, MESSAGE, NORMAL),
        (SHUTDOWN, False, False, DEATH, SHUTDOWN),
        (SHUTDOWN, True, False, MESSAGE, SHUTDOWN),
        (KILL, False, False, DEATH, KILLED),
        (KILL, True, True, DEATH, KILLED),
    ],
)
def test_an_exit_signal(reason, trapping, to_itself, effect, seen):
    assert on_exit_request(reason, trapping=trapping, to_itself=to_itself) == (effect, seen)
