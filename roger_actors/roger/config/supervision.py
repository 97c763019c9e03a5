"""The user's processes and the supervisors of a node's tree, as values.

Source:
    OTP `supervisor`: flags and child specifications.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, Literal, TypeAlias

import attrs

Strategy: TypeAlias = Literal["one_for_one", "one_for_all", "rest_for_one"]
Restart: TypeAlias = Literal["permanent", "transient", "temporary"]
Shutdown: TypeAlias = "float | Literal['brutal_kill', 'infinity']"


@attrs.frozen(kw_only=True)
class Supervision:
    """How one supervisor answers the exits of its children.

    Attributes:
        strategy: Whom it restarts besides the one that ended.
        max_restarts: Restarts tolerated within `max_seconds`, 0 or more; one more and it gives up.
        max_seconds: Width of that window in seconds, above 0.
        auto_shutdown: Whether it ends when `significant` children do; only for `children`.

    Source:
        OTP `supervisor` flags, with Elixir's defaults.
    """

    strategy: Strategy = "one_for_one"
    max_restarts: int = 3
    max_seconds: float = 5.0
    auto_shutdown: Literal["never", "any_significant", "all_significant"] = "never"


@attrs.frozen(kw_only=True)
class Child:
    """One process of the user's own, started with the node and supervised in its tree.

    Attributes:
        id: Unique among the children.
        start: The class, as `module:Class`; imported in the child's host, never in the kernel.
        args: Positional arguments of its `start_link`.
        kwargs: Keyword arguments of its `start_link`.
        restart: `permanent` (always), `transient` (after a failure) or `temporary` (never).
        shutdown: Seconds it gets to end, `brutal_kill` for none, `infinity` for all it wants.
        host: `app` for the app host that it shares with others, `own` for an OS process of its own.
        type: `worker` or `supervisor`.
        significant: Whether its end counts for the `auto_shutdown` of its supervisor.

    Source:
        OTP `supervisor:child_spec()`; `host` is ours.
    """

    id: str
    start: str
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = attrs.field(factory=dict)
    restart: Restart = "permanent"
    shutdown: Shutdown = 5.0
    host: Literal["app", "own"] = "app"
    type: Literal["worker", "supervisor"] = "worker"
    significant: bool = False


SUPERVISION: Final[Mapping[str, Supervision]] = MappingProxyType(
    {
        "hosts": Supervision(strategy="rest_for_one", max_restarts=10, max_seconds=30.0),
        "kernel": Supervision(strategy="rest_for_one"),
        "partitions": Supervision(),
        "partition": Supervision(),
        "workers": Supervision(max_restarts=1000, max_seconds=10.0),
        "children": Supervision(),
    }
)
"""Every supervisor that a configuration may tune, with its defaults, in the order of the tree."""
