"""The supervisors of a node's own tree that a configuration may tune, with their defaults.

Source:
    OTP `supervisor`: flags, with Elixir's defaults.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from roger_actors.otp import DEFAULT_FLAGS, SupervisorFlags

SUPERVISION: Final[Mapping[str, SupervisorFlags]] = MappingProxyType(
    {
        "hosts": SupervisorFlags(strategy="rest_for_one", intensity=10, period=30.0),
        "kernel": SupervisorFlags(strategy="rest_for_one", intensity=3),
        "partitions": DEFAULT_FLAGS,
        "partition": DEFAULT_FLAGS,
        "workers": SupervisorFlags(intensity=1000, period=10.0),
    }
)
"""By name, in the order of the tree. That of the user's own children belongs to the application."""
