"""What an exit signal does to the one it reaches (pure).

Source: Erlang reference manual, processes: exit signals, links.
"""

from __future__ import annotations

from enum import Enum
from typing import Final, NamedTuple

from roger_actors.otp.reason import KILL, KILLED, NORMAL, Reason


class Effect(Enum):
    """What happens to the receiver of an exit signal."""

    NOTHING = "nothing"
    MESSAGE = "message"
    DEATH = "death"


class Verdict(NamedTuple):
    """An effect and the reason that goes with it."""

    effect: Effect
    reason: Reason


NOTHING: Final = Verdict(Effect.NOTHING, None)


def on_link_exit(reason: Reason, *, trapping: bool) -> Verdict:
    """Decide what the end of a linked process does.

    A process that merely *exits with* `KILL` is no killer: the reason arrives as it is.
    """
    if trapping:
        return Verdict(Effect.MESSAGE, reason)
    return NOTHING if reason is NORMAL else Verdict(Effect.DEATH, reason)


def on_exit_request(reason: Reason, *, trapping: bool, to_itself: bool) -> Verdict:
    """Decide what `exit(pid, reason)` does.

    `KILL` cannot be trapped and is seen as `KILLED`; `NORMAL` ends nobody but oneself.
    """
    if reason is KILL:
        return Verdict(Effect.DEATH, KILLED)
    if trapping:
        return Verdict(Effect.MESSAGE, reason)
    return NOTHING if reason is NORMAL and not to_itself else Verdict(Effect.DEATH, reason)
