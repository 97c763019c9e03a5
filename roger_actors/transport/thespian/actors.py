"""Thespian's admin and actor manager with a core of this project.

What differs from the stock core: children are forked by `Children`, reachable before they run, and
reported dead exactly once with how they ended, after everything they had sent; no governor (stock:
4,480 sends a second, then pauses), no formatting of every message for disabled logs; no logger
process, and logging is left as it is; signals that mean a crash keep their default action.
"""

from __future__ import annotations

import contextlib
import copy
import faulthandler
import logging
import logging.config
import os
import signal
import traceback
from collections.abc import Callable
from functools import partial
from typing import Any

from thespian.actors import (
    Actor,
    ActorAddress,
    ActorSystemFailure,
    ActorSystemMessage,
    ChildActorExited,
    NoCompatibleSystemForActor,
    PoisonMessage,
)
from thespian.system.actorManager import ActorManager
from thespian.system.addressManager import ActorLocalAddress, CannotPickleAddress
from thespian.system.messages.multiproc import EndpointConnected
from thespian.system.multiprocCommon import MultiProcReplicator
from thespian.system.sourceLoader import loadModuleFromHashSource
from thespian.system.systemAdmin import ThespianAdmin
from thespian.system.transport import TransmitIntent
from thespian.system.utilis import checkActorCapabilities, thesplog_control

from roger_actors.transport.base import HostExit
from roger_actors.transport.thespian.birth import Birth, Resident
from roger_actors.transport.thespian.children import CRASHED
from roger_actors.transport.thespian.linux import set_title
from roger_actors.transport.thespian.transport import Transport


class Host(Actor):
    """A node's host as Thespian sees it: an actor that no actor message is for."""

    def receiveMessage(self, message: Any, sender: Any) -> None:
        """Ignore everything; a host's work comes in frames."""


class _Unthrottled:
    """Stands where Thespian has its rate limiter."""

    def eventRatePause(self, now: Any) -> None:
        """Never pause."""

    def __str__(self) -> str:
        """Show in status reports."""
        return "none"


class _Core(MultiProcReplicator):
    """What admin and manager share."""

    transport: Transport
    _governer: Any

    def _begin(self) -> None:
        self._governer = _Unthrottled()
        self.asLogger = self.transport.myAddress

    def _send_intent(self, intent: Any, curtime: Any = None) -> None:
        try:
            self.transport.scheduleTransmit(self._addrManager, intent)
        except CannotPickleAddress as error:
            self._awaitingAddressUpdate.add(error.address, intent)
        except Exception:  # noqa: BLE001 - stock handling: what cannot be sent returns as a PoisonMessage
            super()._send_intent_to_transport(intent)

    def _startChildActor(  # noqa: PLR0917 - Thespian's signature
        self,
        childAddr: Any,
        childClass: Any,
        globalName: Any,
        parentAddr: Any,
        notifyAddr: Any,
        childRequirements: Any = None,
        sourceHash: Any = None,
        sourceToLoad: Any = None,
    ) -> None:
        if parentAddr is None:
            raise ActorSystemFailure("parentAddr cannot be None!")
        loader = (
            partial(loadModuleFromHashSource, sourceHash, {sourceHash: sourceToLoad}) if sourceHash else None
        )
        if not checkActorCapabilities(childClass, self.capabilities, childRequirements, loader):
            raise NoCompatibleSystemForActor(childClass, "no system has compatible capabilities")
        birth = self.transport.prepEndpoint(childAddr, self.capabilities)
        source = (sourceHash or self._sourceHash, sourceToLoad)
        given = (childClass, globalName, *source, parentAddr, childRequirements)
        address = birth.address
        self._fork(birth, given, partial(self._child_ended, address))
        self._pendingActorReady(birth.instance, address)

    def start_resident(
        self, resident: Resident, on_exit: Callable[[int, HostExit], None], *, bound: bool = True
    ) -> int:
        """Fork a process that is an actor by form only: what answers in it is `resident`.

        Args:
            resident: Entered in the child.
            on_exit: Called with the process id and how it ended, once.
            bound: Whether the child is killed when this process ends.

        Returns:
            The child's process id.
        """
        self.transport.next_resident = resident
        place = ActorAddress(ActorLocalAddress(self.transport.myAddress, -1, None))
        birth = self.transport.prepEndpoint(place, self.capabilities)
        given = (Host, None, None, None, self.transport.myAddress, None)
        return self._fork(birth, given, on_exit, bound=bound)

    def _fork(
        self,
        birth: Birth,
        given: tuple[Any, ...],
        on_exit: Callable[[int, HostExit], None],
        *,
        bound: bool = True,
    ) -> int:
        body = partial(_run_actor, self, birth, given)
        try:
            return self.transport.children.fork(body, on_exit, keep=birth.listener.fileno(), bound=bound)
        finally:
            self.transport.connectEndpoint(birth)

    def _child_ended(self, address: Any, pid: int, how: HostExit) -> None:
        path = address.addressDetails.path
        self.transport.hub.drain(path, pid)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        message = ChildActorExited(address)
        message.how = how
        self.transport.hub.post(message)

    def _childExited(self, address: Any) -> None:
        """Nothing: a child's end is told by `Children`, once."""

    def h_LogRecord(self, envelope: Any) -> bool:
        """Log here what an actor of another system sent."""
        logging.getLogger(envelope.message.name).handle(envelope.message)
        return True

    def h_EndpointConnected(self, envelope: Any) -> bool:
        """Ignore: a child is reachable from the moment it is forked."""
        return True


class Admin(_Core, ThespianAdmin):
    """The admin of an actor system on this base."""

    def __init__(self, transport: Transport, address: Any, capabilities: Any, log_definitions: Any) -> None:
        super().__init__(transport, address, capabilities, log_definitions, None)
        self._begin()
        self._activate()

    def _cleanupAdmin(self, finish_cleanup: Callable[[], None]) -> None:
        finish_cleanup()  # stock: after the logger process has ended

    def confirm(self, starter: Any) -> None:
        """Tell the process that started the system that it runs."""
        self.transport.scheduleTransmit(None, TransmitIntent(starter, EndpointConnected(0)))


class Manager(_Core, ActorManager):
    """What runs an actor in a process of its own."""

    def __init__(self, transport: Transport, given: tuple[Any, ...], parent: Any) -> None:
        child_class, name, source_hash, source, parent_address, requirements = given
        super().__init__(
            child_class, name, transport, source_hash, source, parent_address, parent.transport.admin_address,
            requirements, parent.capabilities, None, parent.logdefs,
        )  # fmt: skip
        self._begin()

    def actor_send(self, targetAddr: Any, msg: Any) -> None:
        """Send without an intent what has a known address: the stock way costs five times as much."""
        target = self._addrManager.exportAddr(targetAddr)
        path = getattr(getattr(target, "addressDetails", None), "path", None)
        if path is None or not self.transport.post(path, msg):
            super().actor_send(targetAddr, msg)

    def handleMessages(self, envelope: Any) -> Any:
        """Take one message; a sender's address is prepared for comparing once, not every time."""
        if "eqOverride" not in envelope.sender.__dict__:
            self._addrManager.importAddr(envelope.sender)
        result = self._handleOneMessage(envelope)
        while result and self._receiveQueue:
            result = self._handleOneMessage(self._receiveQueue.pop(0))
        return result

    def _handleOneMessage(self, envelope: Any) -> Any:
        message = envelope.message
        if isinstance(message, (ActorSystemMessage, logging.LogRecord)) or getattr(self, "_exiting", False):
            return super()._handleOneMessage(envelope)
        try:
            result = self.actorInst.receiveMessage(message, envelope.sender)
        except Exception:  # noqa: BLE001 - as the stock core: once more
            result = self._retry(message, envelope.sender)
        self.transport.set_watch(getattr(result, "filenos", []))
        return True

    def _retry(self, message: Any, sender: Any) -> Any:
        log = logging.getLogger(str(self._actorClass))
        log.warning(
            "%s raised on %.200r; trying once more\n%s", self._actorClass, message, traceback.format_exc()
        )
        try:
            return self.actorInst.receiveMessage(copy.deepcopy(message), sender)
        except Exception:
            log.exception("%s raised again on %.200r", self._actorClass, message)
            self._send_intent(TransmitIntent(sender, PoisonMessage(message, traceback.format_exc())))
            return None

    def _sayGoodbye(self) -> None:
        """Nothing: the parent sees the process end."""


def quiet_thespian() -> None:
    """Keep Thespian from writing its own log file below the temporary directory."""
    thesplog_control(logging.CRITICAL + 1, False, 0)


def _run_actor(parent: Any, birth: Birth, given: tuple[Any, ...]) -> int:
    transport = Transport(birth)
    manager = Manager(transport, given, parent)
    if birth.resident is not None:
        return _run_resident(manager, birth.resident)
    _start_plain(manager, given[0])
    manager.run()
    transport.close()
    return 0 if manager.actorInst is not None else CRASHED


def _run_resident(manager: Manager, resident: Resident) -> int:
    # Not Manager.run, which keeps to itself what the resident's code raises.
    manager._createInstance()  # noqa: SLF001 - our own subclass
    resident.enter(manager)
    try:
        manager.transport.run(manager.handleMessages)
    finally:
        manager.transport.close()
    return resident.status


def _start_plain(manager: Manager, child_class: Any) -> None:
    set_title(getattr(child_class, "__name__", str(child_class)).rpartition(".")[2])
    signal.signal(signal.SIGINT, lambda *_: None)
    stop = partial(manager.transport.interrupt_wait, signal_shutdown=True)
    manager.transport.loop.add_signal_handler(signal.SIGTERM, stop)
    with contextlib.suppress(AttributeError, OSError, ValueError):
        faulthandler.enable()
    if manager.logdefs:
        logging.config.dictConfig(manager.logdefs)
