"""Thespian's transport interface over a hub: what a system base must bring to Thespian.

`run` is the process's event loop. In the processes of an actor system that is asyncio; in a
process that merely talks to one it is a small poller, because that process may have an asyncio
loop of its own running in the same thread.

Source:
    Thespian `thespian.system.transport`, of which this implements what the core calls.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import pickle
import socket
import threading
import time
from collections import deque
from pathlib import Path
from typing import Any

from thespian.actors import ActorAddress, ActorExitRequest, ChildActorExited, DeadEnvelope, WakeupMessage
from thespian.system.addressManager import ActorLocalAddress, CannotPickleAddress
from thespian.system.messages.convention import CONV_ADDR_IPV4_CAPABILITY
from thespian.system.timing import ExpirationTimer, timePeriodSeconds
from thespian.system.transport import (
    ExternalInterfaceTransportInit,
    ReceiveEnvelope,
    SendStatus,
    Thespian__Run_Expired,
    Thespian__Run_HandlerResult,
    Thespian__Run_Terminated,
    Thespian__UpdateWork,
    TransmitIntent,
    TransmitOnly,
)

from roger_actors.transport.thespian.address import UnixAddress
from roger_actors.transport.thespian.birth import ADMIN, Birth, Resident, Stranger, listen
from roger_actors.transport.thespian.children import Children, in_forked_child, new_loop, no_longer
from roger_actors.transport.thespian.hub import Hub
from roger_actors.transport.thespian.link import LOCAL, PICKLE, Link
from roger_actors.transport.thespian.poll_loop import PollLoop
from roger_actors.transport.thespian.run_directory import make_private, system_directory

DRAIN = 7.0
"""Seconds that a process which ends waits for its last messages to leave."""

_serials = itertools.count()


class Transport:
    """One process's transport, as Thespian makes it; see the module.

    Args:
        init: How this process came to be: from outside, born of a parent, or a clone.
        args: Capabilities, log definitions and context from outside; the admin's address for a clone.
    """

    admin_address: Any
    children: Children
    loop: Any

    def __init__(self, init: Any, *args: Any) -> None:
        self.resident: Resident = Stranger()
        if isinstance(init, Birth):
            self._born(init)
        else:
            self._come_from_outside(
                self.getAdminAddr(args[0]) if isinstance(init, ExternalInterfaceTransportInit) else args[0]
            )
        self.hub = Hub(self.loop, self._listener, self)
        self.hub.trusting = isinstance(self.resident, Stranger)
        self.myAddress = ActorAddress(UnixAddress(self.hub.path))
        self._handler: Any = None
        self._result: Any = None
        self._abort: bool | None = None
        self._error: Exception | None = None
        self._finished: deque[tuple[Any, bool]] = deque()
        self._wakeups: dict[int, tuple[float, Any]] = {}
        self._watched: set[int] = set()
        self._thread: int | None = None
        self._birth_number = itertools.count()
        self.next_resident: Resident | None = None
        self.closed = False
        in_forked_child(self._abandon)

    def _come_from_outside(self, admin: Any) -> None:
        self.admin_address = admin
        directory = Path(admin.addressDetails.path).parent
        make_private(directory)
        self._listener = listen(f"{directory}/c{os.getpid()}.{next(_serials)}")
        self.loop = PollLoop()

    def _born(self, birth: Birth) -> None:
        self.admin_address = birth.admin
        self._listener = birth.listener
        self.loop = new_loop()
        asyncio.set_event_loop(self.loop)
        self.children = Children(self.loop)
        if birth.resident is not None:
            self.resident = birth.resident

    def close(self) -> None:
        """Close every connection and remove this process's socket."""
        if self.closed:
            return
        self.closed = True
        no_longer(self._abandon)
        self.hub.finish(DRAIN)
        self.hub.close()
        if isinstance(self.loop, PollLoop):
            self.loop.close()

    def _abandon(self) -> None:
        self.closed = True
        self.hub.abandon()

    # --- addresses ------------------------------------------------------------------------------

    @staticmethod
    def getAdminAddr(capabilities: Any) -> Any:
        """Return the admin's address in the directory that the capabilities name."""
        return ActorAddress(UnixAddress(f"{system_directory(capabilities)}/{ADMIN}"))

    @staticmethod
    def getAddressFromString(spec: Any, adminRouting: bool = False) -> Any:  # noqa: ARG004 - one user, one machine
        """Return the admin's address for a path, a port or `host:port` on this machine."""
        if isinstance(spec, str) and spec.startswith("/"):
            return ActorAddress(UnixAddress(spec))
        port = spec[1] if isinstance(spec, tuple) else str(spec).rpartition(":")[2]
        return Transport.getAdminAddr({"Admin Port": port})

    @staticmethod
    def getConventionAddress(capabilities: Any) -> Any:
        """Return the addresses of the convention's leaders, None without a convention."""
        given = capabilities.get(CONV_ADDR_IPV4_CAPABILITY)
        if not given:
            return None
        return [
            Transport.getAddressFromString(each) for each in (given if isinstance(given, list) else [given])
        ]

    @staticmethod
    def probeAdmin(address: Any) -> bool:
        """Say whether somebody listens at the admin's address."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(2)
            try:
                probe.connect(address.addressDetails.path)
            except OSError:
                return False
        return True

    def prepEndpoint(self, assigned: Any, capabilities: Any) -> Birth:
        """Make a place for a child that is about to be forked."""
        details = assigned.addressDetails
        resident, self.next_resident = self.next_resident, None
        directory = os.path.dirname(self.hub.path)
        name = getattr(resident, "socket_name", None) or f"a{os.getpid()}.{next(_serials)}"
        instance = details.addressInstanceNum if isinstance(details, ActorLocalAddress) else assigned
        return Birth(listen(f"{directory}/{name}"), instance, self.myAddress, self.admin_address, resident)

    def connectEndpoint(self, endpoint: Birth) -> None:
        """Close the parent's copy of what the child now owns."""
        endpoint.listener.close()

    def deadAddress(self, manager: Any, address: Any) -> None:
        """Read what a dead child had sent, and remove its socket."""
        path = getattr(address.addressDetails, "path", None)
        if path is not None:
            self.hub.drain(path, None)

    def lostRemote(self, address: Any) -> None:
        """Close the connections to another system's processes."""
        self.hub.drop_where(lambda path: UnixAddress(path).isSameSystem(address))

    def protectedFileNumList(self) -> list[int]:
        """Nothing needs protection: a forked child closes what it must."""
        return []

    def childResetFileNumList(self) -> list[int]:
        """Nothing is left to close: see `in_forked_child`."""
        return []

    def external_transport_clone(self) -> Transport:
        """Return a second transport of this process, for another thread."""
        return Transport(None, self.admin_address)

    def setAddressManager(self, manager: Any) -> None:
        """Take Thespian's address manager; addresses of this base need none."""

    def enableRXPauseFlowControl(self, enable: bool = True) -> None:
        """Take no notice: the hub's back-pressure cannot lock two processes."""

    # --- sending --------------------------------------------------------------------------------

    def scheduleTransmit(self, manager: Any, intent: Any, has_exclusive_flag: bool = False) -> None:
        """Send what an intent describes and see to it that it ends once.

        Raises:
            CannotPickleAddress: The target's or a contained address is not known yet.
        """
        if manager is not None:
            target, message = manager.prepMessageSend(intent.targetAddr, intent.message)
            if message is SendStatus.DeadTarget:
                intent.tx_done(SendStatus.Sent)
                return
            if target is None:
                raise CannotPickleAddress(intent.targetAddr)
            intent.changeTargetAddr(target)
            intent.changeMessage(message)
        path, message = intent.targetAddr.addressDetails.path, intent.message
        if path == self.hub.path:
            self._send_to_self(message)
            intent.tx_done(SendStatus.Sent)
            return
        data = pickle.dumps(message, 5)
        if self._thread is not None and self._thread != threading.get_ident():
            self.loop.call_soon_threadsafe(self._transmit, path, data, intent)
        else:
            self._transmit(path, data, intent)

    def _send_to_self(self, message: Any) -> None:
        if isinstance(message, Thespian__UpdateWork):
            return
        if self._thread is not None and self._thread != threading.get_ident():
            self.loop.call_soon_threadsafe(self.hub.post, message)
        else:
            self.hub.post(message)

    def _transmit(self, path: str, data: bytes, intent: Any) -> None:
        link = self.hub.link_to(path)
        if link is None:
            self.on_written([intent], delivered=False)
            return
        self.hub.send(link, PICKLE, data)
        link.mark(intent)

    def post(self, path: str, message: Any) -> bool:
        """Send a message that nobody waits for; what its receiver never takes becomes a dead letter.

        Returns:
            False, having done nothing, when it cannot be sent like this.
        """
        if path == self.hub.path or self._thread != threading.get_ident():
            return False
        link = self.hub.link_to(path)
        if link is None:
            return False
        try:
            data = pickle.dumps(message, 5)
        except Exception:  # noqa: BLE001 - whatever a message's own code raises: the stock way answers it
            return False
        self.hub.send(link, PICKLE, data)
        link.mark((path, data))
        return True

    def _dead_letter(self, path: str, data: bytes) -> None:
        message = pickle.loads(data)
        if (
            isinstance(message, (DeadEnvelope, ChildActorExited))
            or path == self.admin_address.addressDetails.path
        ):
            return
        letter = DeadEnvelope(ActorAddress(UnixAddress(path)), message)
        self.scheduleTransmit(None, TransmitIntent(self.admin_address, letter))

    def on_written(self, tokens: list[Any], delivered: bool) -> None:
        """End the intents whose messages have left, or never will, in the loop's next turn."""
        for token in tokens:
            if token.__class__ is not tuple:
                self._finished.append((token, delivered))
            elif not delivered:
                self._dead_letter(*token)
        if self._finished:
            self.loop.call_soon(self._end_intents)

    def _end_intents(self) -> None:
        while self._finished:
            intent, delivered = self._finished.popleft()
            intent.tx_done(SendStatus.Sent if delivered else SendStatus.DeadTarget)
        if self._abort is not None:
            self._check_abort()

    # --- receiving ------------------------------------------------------------------------------

    def on_hello(self, link: Link) -> bool | None:
        """Ask the resident."""
        return self.resident.on_hello(link)

    def on_closed(self, link: Link) -> None:
        """Tell the resident."""
        self.resident.on_closed(link)

    def on_message(self, link: Link | None, kind: int, data: Any) -> None:
        """Hand Thespian what is Thespian's and the resident the rest."""
        if kind == LOCAL:
            self._receive(self.myAddress, data)
        elif link is not None and kind != PICKLE:
            self.resident.on_message(link, kind, data)
        elif link is not None and link.trusted:
            if link.address is None:
                link.address = ActorAddress(UnixAddress(link.path or ""))
            self._receive(link.address, pickle.loads(data))

    def _receive(self, sender: Any, message: Any) -> None:
        if callable(message):
            message()
            return
        envelope = ReceiveEnvelope(sender, message)
        if self._handler is None:
            self._end(envelope)
            return
        result = self._handler(envelope)
        if not result:
            self._end(Thespian__Run_HandlerResult(result))

    # --- running --------------------------------------------------------------------------------

    def run(self, handler: Any, maximumDuration: Any = None) -> Any:
        """Run the process's loop until the handler, a limit or `abort_run` ends it."""
        seconds = None if maximumDuration is None else max(0.0, timePeriodSeconds(maximumDuration))
        if handler is TransmitOnly or isinstance(handler, TransmitOnly):
            return self._transmit_only(DRAIN if seconds is None else seconds)
        self._handler, self._result, self._abort = handler, None, None
        timer = None if seconds is None else self.loop.call_later(seconds, self._end, Thespian__Run_Expired())
        self.hub.paused = False
        self.hub.deliver_soon()
        self._thread = threading.get_ident()
        try:
            self.loop.run_forever()
        finally:
            self._thread = None
            if timer is not None:
                timer.cancel()
        if self._error is not None:
            raise self._error
        return self._result

    def _transmit_only(self, seconds: float) -> int:
        deadline = time.monotonic() + seconds
        while self.hub.finish(deadline - time.monotonic()) and self._finished:
            self._end_intents()  # which may send a dead letter
        return self.hub.pending()

    def _end(self, result: Any) -> None:
        if self._result is None:
            self._result = result
            self.hub.paused = True
            self.loop.stop()

    def abort_run(self, drain: bool = False) -> None:
        """End `run`; with `drain`, after everything queued has left."""
        self._abort = drain
        self.loop.call_soon(self._check_abort)

    def _check_abort(self) -> None:
        if self._abort:
            self.hub.finish(DRAIN)
        if self._abort is not None and not self._finished:
            self._end(Thespian__Run_Terminated())

    def on_crash(self, error: Exception) -> None:
        """Let `run` raise, so that Thespian, or the resident, ends the process."""
        if self._error is None:
            self._error = error
            self.loop.stop()

    def interrupt_wait(self, signal_shutdown: bool = False, check_children: bool = False) -> None:
        """Let an orderly shutdown begin; the deaths of children are seen through pidfds."""
        if signal_shutdown:
            self.hub.post(ActorExitRequest())

    def addWakeup(self, timePeriod: Any, payload: Any) -> None:
        """Deliver a wake-up message after a while; several due together come in order."""
        seconds = timePeriodSeconds(timePeriod)
        number = next(self._birth_number)
        self._wakeups[number] = (self._now() + seconds, payload)
        self.loop.call_later(seconds, self._wake, number, WakeupMessage(timePeriod, payload))

    def _wake(self, number: int, message: Any) -> None:
        del self._wakeups[number]
        self.hub.post(message)

    def _now(self) -> float:
        return float(self.loop.time())

    def set_watch(self, filenos: list[int]) -> None:
        """Tell the actor when one of these descriptors is readable."""
        wanted = set(filenos)
        for fd in self._watched - wanted:
            self.loop.remove_reader(fd)
        for fd in wanted - self._watched:
            self.loop.add_reader(fd, self._watch_ready, fd)
        self._watched = wanted

    def _watch_ready(self, fd: int) -> None:
        from thespian.actors import WatchMessage

        self.loop.remove_reader(fd)
        self._watched.discard(fd)
        self.hub.post(WatchMessage([fd]))

    def _updateStatusResponse(self, response: Any) -> None:
        now = self._now()
        response.addWakeups(
            [(self.myAddress, ExpirationTimer(due - now)) for due, _ in self._wakeups.values()]
        )
        for _, kind, data in self.hub.inbox:
            if kind == LOCAL:
                response.addReceivedMessage(self.myAddress, self.myAddress, str(data))
