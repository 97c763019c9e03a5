"""The system base by name: `ActorSystem("multiprocUnixBase")` for plain Thespian actors.

Thespian imports `thespian.system.<name>`; importing this module puts itself there. Its admin is
executed, not forked, and has no logger process: an actor's logging is that of its own process,
configured by the log definitions if there are any.
"""

from __future__ import annotations

import contextlib
import logging.config
import os
import select
import sys
from pathlib import Path
from typing import Any

import attrs
from thespian.actors import InvalidActorAddress
from thespian.system.messages.multiproc import EndpointConnected
from thespian.system.multiprocCommon import multiprocessCommon
from thespian.system.transport import ReceiveEnvelope

from roger_actors.transport.thespian.actors import Admin
from roger_actors.transport.thespian.birth import Birth, listen
from roger_actors.transport.thespian.execute import execute
from roger_actors.transport.thespian.linux import adopt_orphans, peer_of, set_title, sweep_all
from roger_actors.transport.thespian.run_directory import SYSTEM, sweep
from roger_actors.transport.thespian.transport import Transport

NAME = "multiprocUnixBase"
"""The base's name for `ActorSystem`."""

START_LIMIT = 10.0
"""Seconds that an admin may take until it answers."""


SHUTDOWN_LIMIT = 2.0
"""Seconds that an admin may take from its last word to its end."""


@attrs.frozen
class SystemOrder:
    """What the starter wants of a new admin.

    Attributes:
        admin: Path of the admin's socket.
        starter: Address of the process that waits for the confirmation.
        capabilities: Of the actor system.
        log_definitions: For `logging.config.dictConfig` in the admin and in every actor, or None.
    """

    admin: str
    starter: Any
    capabilities: dict[str, Any]
    log_definitions: dict[str, Any] | None

    def carry_out(self) -> None:
        """Be the admin of an actor system until it ends, as nobody's child."""
        if os.fork():
            os._exit(0)
        set_title("actor-admin")
        adopt_orphans()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.admin)  # left by one that was killed: the starter has found nobody there
        if self.log_definitions:
            logging.config.dictConfig(self.log_definitions)
        address = Transport.getAddressFromString(self.admin)
        transport = Transport(Birth(listen(self.admin), None, None, address))
        admin = Admin(transport, address, self.capabilities, self.log_definitions)
        admin.confirm(self.starter)
        admin.run()
        transport.close()
        sweep_all()
        directory = Path(self.admin).parent
        for socket in directory.glob("a*"):
            socket.unlink(missing_ok=True)  # left by actors whose parent was killed
        remove_if_empty(directory)
        os._exit(0)


class ActorSystemBase(multiprocessCommon):
    """The system base; Thespian makes it."""

    transportType = Transport  # noqa: N815 - Thespian's name

    def __init__(self, system: Any, logDefs: Any = None) -> None:
        system.capabilities["Thespian ActorSystem Name"] = NAME
        system.capabilities["Thespian ActorSystem Version"] = 1
        system.capabilities["Thespian Watch Supported"] = True
        super().__init__(system, logDefs)

    def _startAdmin(self, adminAddr: Any, addrOfStarter: Any, capabilities: Any, logDefs: Any) -> None:
        directory = Path(adminAddr.addressDetails.path).parent
        if directory.name.startswith(SYSTEM):
            sweep(directory.parent)
        order = SystemOrder(adminAddr.addressDetails.path, addrOfStarter, capabilities, logDefs)
        process = execute(order, "actor-admin")
        process.wait()
        answer = self.transport.run(None, START_LIMIT)
        if not isinstance(answer, ReceiveEnvelope) or not isinstance(answer.message, EndpointConnected):
            raise InvalidActorAddress(adminAddr, "not a valid ActorSystem admin")

    def shutdown(self) -> None:
        """End the actor system, wait for its admin, and remove what this process had open for it."""
        admin = self._watch_admin()
        super().shutdown()
        if admin is not None:
            select.select([admin], [], [], SHUTDOWN_LIMIT)
            os.close(admin)
        self.transport.close()
        remove_if_empty(Path(self.transport.hub.path).parent)

    def _watch_admin(self) -> int | None:
        link = self.transport.hub.link_to(self.adminAddr.addressDetails.path)
        if link is None:
            return None
        try:
            return os.pidfd_open(peer_of(link.sock)[0])
        except OSError:
            return None


def remove_if_empty(directory: Path) -> None:
    """Remove a directory unless somebody still has a socket in it."""
    with contextlib.suppress(OSError):
        directory.rmdir()


sys.modules[f"thespian.system.{NAME}"] = sys.modules[__name__]
