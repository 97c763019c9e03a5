"""Which children to restart, and when to give up (pure).

Source: OTP `supervisor`: restart strategies, restart intensity, automatic shutdown.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Reversible, Sequence
from typing import Any, Final, Literal

import attrs

from roger_actors.otp.child_spec import ChildSpec
from roger_actors.otp.reason import KILLED, NORMAL, Fault, Reason, Signal, is_clean, shown

Strategy = Literal["one_for_one", "one_for_all", "rest_for_one", "simple_one_for_one"]
AutoShutdown = Literal["never", "any_significant", "all_significant"]

SIMPLE: Final = "simple_one_for_one"
STRATEGIES: Final = ("one_for_one", "one_for_all", "rest_for_one", SIMPLE)
AUTO_SHUTDOWNS: Final = ("never", "any_significant", "all_significant")


@attrs.frozen(kw_only=True)
class SupervisorFlags:
    """How a supervisor answers exits. The defaults are Erlang's; `start_link`'s options have Elixir's.

    Attributes:
        strategy: `one_for_one`: the child alone; `one_for_all`: all; `rest_for_one`: it and those after it;
            `simple_one_for_one`: the child alone, one of many of the same spec.
        intensity: Restarts tolerated within `period`, 0 or more.
        period: Seconds, above 0.
        auto_shutdown: Whether the end of a significant child (`any_significant`) or of the last running one
            (`all_significant`) ends the supervisor.
    """

    strategy: Strategy = "one_for_one"
    intensity: int = 1
    period: float = 5.0
    auto_shutdown: AutoShutdown = "never"


_KEYS: Final = tuple(field.name for field in attrs.fields(SupervisorFlags))


def flags_of(flags: Any) -> Any:
    """Return flags as `SupervisorFlags`; what says none comes back as it is, for `flags_fault` to name.

    Args:
        flags: A mapping of some attributes, whose other keys are ignored; or Erlang's tuple
            `(strategy, intensity, period)`.
    """
    if isinstance(flags, Mapping):
        return SupervisorFlags(**{key: flags[key] for key in _KEYS if key in flags})
    if isinstance(flags, tuple) and len(flags) == 3:
        return SupervisorFlags(**dict(zip(_KEYS, flags, strict=False)))
    return flags


def flags_fault(flags: Any, strategies: Sequence[str] = STRATEGIES) -> Fault | None:
    """Return the first thing that is wrong with supervisor flags, as OTP names it, or None."""
    return next(flags_faults(flags, strategies), None)


def flags_faults(flags: Any, strategies: Sequence[str] = STRATEGIES) -> Iterator[Fault]:
    """Give everything that is wrong with supervisor flags, in the order in which OTP asks."""
    if not isinstance(flags, SupervisorFlags):
        yield Fault("invalid_type", shown(flags))
        return
    if flags.strategy not in strategies:
        yield Fault("invalid_strategy", flags.strategy)
    intensity: Any = flags.intensity
    if intensity.__class__ is not int or intensity < 0:
        yield Fault("invalid_intensity", flags.intensity)
    period: Any = flags.period
    if isinstance(period, bool) or not isinstance(period, int | float) or not 0 < period < math.inf:
        yield Fault("invalid_period", flags.period)
    if flags.auto_shutdown not in AUTO_SHUTDOWNS:
        yield Fault("invalid_auto_shutdown", flags.auto_shutdown)
    if flags.strategy == SIMPLE and flags.auto_shutdown != "never":
        yield Fault("bad_combination", (SIMPLE, f"auto_shutdown {flags.auto_shutdown}"))


def undoes_auto_shutdown(spec: ChildSpec) -> bool:
    """Return whether a child is a supervisor that may end itself, and permanent: it would be back at once.

    Only what its start says openly is known: not the flags that a children function will return.
    """
    given = spec.start.kwargs
    flags = flags_of(given.get("flags"))
    auto_shutdown = getattr(flags, "auto_shutdown", given.get("auto_shutdown", "never"))
    return spec.restart == "permanent" and auto_shutdown != "never"


FAULTY_FLAGS: Final = {
    "invalid_strategy": (
        "strategy",
        "'one_for_one', 'one_for_all', 'rest_for_one' or 'simple_one_for_one'",
    ),
    "invalid_intensity": ("max_restarts", "a whole number, 0 or more"),
    "invalid_period": ("max_seconds", "a number of seconds, above 0"),
    "invalid_auto_shutdown": ("auto_shutdown", "'never', 'any_significant' or 'all_significant'"),
    "bad_combination": ("auto_shutdown", "'never' with simple_one_for_one"),
}
"""For each kind of fault, which option is wrong, by Elixir's name, and what is expected of it."""


@attrs.define(kw_only=True)
class RestartWindow:
    """A sliding count of recent restarts, shared by all children of a supervisor.

    As in OTP, a restart counts while `now <= its time + period`, in whole seconds when the period is.
    Each restart enters once and leaves once, so a window of many costs no more than one of few.

    Attributes:
        intensity: Restarts tolerated inside the window.
        period: Width of the window in seconds.
        times: Moments of the restarts inside the window, oldest first, on the monotonic clock.
    """

    intensity: int
    period: float
    times: deque[float] = attrs.field(factory=deque, converter=deque)

    def add(self, now: float) -> None:
        """Count one more restart and forget those that slid out of the window."""
        moment = float(math.floor(now)) if float(self.period).is_integer() else now
        times = self.times
        times.append(moment)
        while moment > times[0] + self.period:
            times.popleft()

    @property
    def is_exceeded(self) -> bool:
        """Whether there were more restarts than are tolerated."""
        return len(self.times) > self.intensity


def is_restarted(restart: str, reason: Reason) -> bool:
    """Return whether a child of that restart type is restarted after that exit."""
    if restart == "permanent":
        return True
    return restart == "transient" and not is_clean(reason)


def is_reported(restart: str, reason: Reason) -> bool:
    """Return whether a child's exit is reported: all of permanent ones, else abnormal ones."""
    return restart == "permanent" or not is_clean(reason)


def group_of(strategy: str, order: Reversible[Any], failed: Any) -> list[Any]:
    """Return the ids that go down and come up with a failed child, in start order, itself included."""
    if strategy == "one_for_one":
        return [failed]
    if strategy == "one_for_all":
        return list(order)
    rest = []
    for child in reversed(order):
        rest.append(child)
        if child == failed:
            break
    return rest[::-1]


def ends_supervisor(auto_shutdown: str, *, significant: bool, others_running: Iterable[bool]) -> bool:
    """Return whether the end of a child that is not restarted ends its supervisor.

    Args:
        auto_shutdown: The supervisor's flag.
        significant: Whether the child is significant.
        others_running: For each other significant child, whether it runs or is restarting.
    """
    if not significant or auto_shutdown == "never":
        return False
    return auto_shutdown == "any_significant" or not any(others_running)


def is_shutdown_error(reason: Reason, *, restart: str, brutal: bool) -> bool:
    """Return whether the reason a child had when it was stopped is worth a report."""
    if reason is NORMAL:
        return restart == "permanent"
    if reason is KILLED or (
        reason.__class__ is Signal and reason.number == 9
    ):  # a host that was killed, as the OS tells it
        return not brutal
    return not is_clean(reason)
