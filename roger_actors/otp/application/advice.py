"""What a supervisor accepts, and would be regretted (pure)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from roger_actors.errors import ConfigError
from roger_actors.otp.application.importing import nested_paths
from roger_actors.otp.application.short_names import flags_of_child, nested_specs
from roger_actors.otp.child_spec import ChildSpec

LONG: Final = 3600.0
"""Seconds to stop that are more likely milliseconds."""


def advice(specs: Sequence[ChildSpec], paths: Sequence[str]) -> Iterator[ConfigError]:
    """Give the children that have an hour to stop, or whose restart type contradicts what they supervise.

    Args:
        specs: From a file.
        paths: Where they stand.

    Source:
        OTP `supervisor`, automatic shutdown; Elixir `Supervisor`, exit reasons and restarts.
    """
    for spec, path in zip(specs, paths, strict=True):
        expected = _regretted(spec)
        if expected is not None:
            yield ConfigError(key=f"{path}.restart", value=spec.restart, expected=expected)
        if isinstance(spec.shutdown, int | float) and spec.shutdown > LONG:
            expected = f"at most {LONG:g} seconds; Erlang's milliseconds are seconds here"
            yield ConfigError(key=f"{path}.shutdown", value=spec.shutdown, expected=expected)
        yield from advice(nested_specs(spec), nested_paths(spec, path))


def _regretted(spec: ChildSpec) -> str | None:
    flags = flags_of_child(spec)
    if flags is None:
        return None
    ends_itself = flags.auto_shutdown != "never"
    if ends_itself and spec.restart == "permanent":
        return (
            "'transient' or 'temporary': a permanent supervisor is started again as soon as its "
            "auto_shutdown has ended it"
        )
    if not ends_itself and spec.restart == "transient":
        return (
            "'permanent': a supervisor that gives up exits with shutdown, after which a transient one is "
            "not started again, and nobody is told"
        )
    return None
