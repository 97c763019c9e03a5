"""What a RabbitMQ says of itself when a connection is opened, and what follows from it. Pure.

Nothing else depends on the version: what changed between 3.10 and 4.x is said at each declaration, so that
no default of the server matters (type and delivery limit of queues, prefetch of consumers).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import attrs

OLDEST: Final = (3, 10)
"""The first with at-least-once dead lettering, without which a delayed job may be lost."""
TESTED: Final = frozenset({(3, 10)})
NEEDED: Final = ("publisher_confirms", "basic.nack", "consumer_cancel_notify", "connection.blocked")
"""Extensions of AMQP 0-9-1 that are relied on."""


@attrs.frozen
class Server:
    """A server as it introduces itself.

    Attributes:
        product: Its name.
        version: Its version in its own words.
        capabilities: The extensions that it has.
    """

    product: str
    version: str
    capabilities: frozenset[str]

    @property
    def series(self) -> tuple[int, int] | None:
        """The first two numbers of its version, None if there are none."""
        found = re.match(r"(\d+)\.(\d+)", self.version)
        return (int(found[1]), int(found[2])) if found else None

    @property
    def is_tested(self) -> bool:
        """Whether this project is tested with its series."""
        return self.series in TESTED


def read_server(properties: Mapping[str, Any]) -> Server:
    """Return who a server is, from the properties of its `connection.start`."""
    capabilities = properties.get("capabilities")
    has = capabilities if isinstance(capabilities, Mapping) else {}
    return Server(
        str(properties.get("product", "")),
        str(properties.get("version", "")),
        frozenset(name for name, value in has.items() if value is True),
    )


def fault(server: Server) -> str | None:
    """Return why a server will not do, None if it will."""
    oldest = ".".join(map(str, OLDEST))
    if server.product != "RabbitMQ":
        return f"it is {server.product or 'an unknown server'}, and RabbitMQ {oldest} or newer is needed"
    if server.series is not None and server.series < OLDEST:
        return f"it is RabbitMQ {server.version}, and {oldest} or newer is needed"
    missing = [name for name in NEEDED if name not in server.capabilities]
    return f"it lacks {', '.join(missing)}" if missing else None
