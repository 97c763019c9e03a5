"""The process that opens the broker for its node, and stands for election as owner of its tables.

First child of the kernel's root supervisor. The broker object mends its own connections; this
process only gets it open the first time, however long that takes, and tells the manager and the
system bus when it is (again) there.

Source:
    `AMQP.Application` connections in Roger's `start`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from roger_actors.broker import QueueSpec
from roger_actors.errors import BrokerError
from roger_actors.otp import GenServer, NoReply, Ok, process
from roger_actors.roger import queue
from roger_actors.roger.kernel import MANAGER, SYSTEM, Kernel, tell

OPEN_LIMIT = 10.0
"""Seconds for one try to connect."""
TRY_AGAIN = 1.0
"""Seconds between two tries."""


class BrokerUp(NamedTuple):
    """The broker is open, for the first time or again."""


class BrokerDown(NamedTuple):
    """The connection is lost."""

    reason: str


class Connection(GenServer[Kernel]):
    """Keeps the node's broker open; see the module."""

    def init(self, kernel: Kernel) -> Ok[Kernel]:
        """Return at once: a broker that is away is no reason not to start."""
        runtime, me = process.here(), process.self()
        kernel.broker.on_disconnected = lambda reason: runtime.send(me, BrokerDown(reason))
        return Ok(kernel, then="connect")

    async def handle_continue(self, token: Any, kernel: Kernel) -> NoReply[Kernel]:
        """Try to connect once."""
        try:
            await kernel.broker.connect(OPEN_LIMIT)
            # The quarantine is the broker's own, of whatever kind this system's queues are.
            await kernel.broker.declare(
                [QueueSpec(queue.QUARANTINE), QueueSpec(queue.PARKED, kernel.config.queue_kind)]
            )
            await kernel.broker.serve_tables()
        except BrokerError as error:
            if str(error) != kernel.broker_error:
                kernel.log.warning("%s; trying again every %s s", error, TRY_AGAIN)
            kernel.broker_error = str(error)
            process.send_after(TRY_AGAIN, process.self(), "connect")
        else:
            kernel.broker_error = ""
            runtime, me = process.here(), process.self()
            kernel.broker.on_connected = lambda: runtime.send(me, BrokerUp())
            kernel.log.info("connected to %s", kernel.broker.address)
            _tell(BrokerUp())
        return NoReply(kernel)

    def handle_info(self, message: Any, kernel: Kernel) -> NoReply[Kernel]:
        """Pass on what the broker says of itself."""
        match message:
            case BrokerUp():
                kernel.broker_error = ""
                _tell(message)
            case BrokerDown():
                kernel.broker_error = message.reason
                kernel.log.warning("lost %s: %s", kernel.broker.address, message.reason)
                _tell(message)
            case "connect":
                return NoReply(kernel, then="connect")
        return NoReply(kernel)


def _tell(message: BrokerUp | BrokerDown) -> None:
    for name in (MANAGER, SYSTEM):
        tell(name, message)
