"""When a job may start, as seconds from now. Pure.

Source:
    New here; Roger knows no delay but that of a retry.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from roger_actors.broker import MAX_DELAY
from roger_actors.errors import InvalidTime

_DAYS: Final = f"{MAX_DELAY / 86_400:.0f} days"
_EXPECTED: Final = {"delay": f"a number of seconds, at most {_DAYS}", "at": f"at most {_DAYS} from now"}


def seconds_until(delay: float, at: datetime | None, now: float) -> float:
    """Return how long a job has to wait, from what its enqueuer said.

    Args:
        delay: Seconds from now; below 0 is now.
        at: The moment instead, with a time zone; one that has passed is now.
        now: Seconds since the epoch, on the enqueuer's clock.

    Returns:
        Seconds from 0 to `MAX_DELAY`.

    Raises:
        InvalidTime: Both were given; the moment has no time zone; it is no number or no moment; or it
            is further away than `MAX_DELAY`.
    """
    if at is None:
        return _within("delay", delay, delay)
    if delay:
        raise InvalidTime(name="at", value=at, expected="either at or delay, not both")
    if not isinstance(at, datetime):
        raise InvalidTime(name="at", value=at, expected="a datetime with a time zone")
    if at.utcoffset() is None:
        detail = "a datetime with a time zone: this one means another moment on every machine"
        raise InvalidTime(name="at", value=at.isoformat(), expected=detail)
    return _within("at", at.isoformat(), at.timestamp() - now)


def _within(name: str, said: object, seconds: Any) -> float:
    is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    if not is_number or not seconds <= MAX_DELAY:
        raise InvalidTime(name=name, value=said, expected=_EXPECTED[name])
    return max(0.0, float(seconds))
