"""Tables: to come."""

from __future__ import annotations


class AmqpTables:
    """Stub."""

    def __init__(self, broker: object) -> None: ...

    async def close(self) -> None: ...

    async def serve(self) -> None: ...
