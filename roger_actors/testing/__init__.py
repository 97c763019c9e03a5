"""Tools for tests, shipped because users need them too.

May import every layer; nothing imports it. Each name is loaded at its first use.

- `local_node`: a node in this thread whose time stands still until a test moves it.
- `rabbitmq`: a private RabbitMQ node, to be started, hurt and stopped.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from roger_actors.testing.local_node import LocalNode
    from roger_actors.testing.rabbitmq import RabbitNode
    from roger_actors.transport.memory import NothingCanMove

__all__ = ["LocalNode", "NothingCanMove", "RabbitNode"]

_HOME = {
    "LocalNode": "roger_actors.testing.local_node",
    "NothingCanMove": "roger_actors.transport.memory",
    "RabbitNode": "roger_actors.testing.rabbitmq",
}


def __getattr__(name: str) -> Any:
    """Load a public name at its first use."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value
    return value
