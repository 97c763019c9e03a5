"""Signals to and from other hosts: sending, links, monitors, calls, and the death of a host.

Signals are encoded where they are sent, gathered per host, and leave as one frame per loop turn. What
watches a host's processes is indexed by host, so that its death costs what it touches.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from roger_actors.errors import ServerExited, Undeliverable
from roger_actors.otp.message import CallRequest, From, Refusal, SystemRequest
from roger_actors.otp.pid import Pid
from roger_actors.otp.reason import KILL, NOCONNECTION, NOPROC, Fault, Reason, of_host_exit, shown
from roger_actors.otp.runtime import wire
from roger_actors.otp.runtime.log import Log
from roger_actors.otp.runtime.records import Address, Pending, Process
from roger_actors.otp.runtime.unreadable import readable_part
from roger_actors.transport import ROOT, HostExit, HostId

if TYPE_CHECKING:
    from roger_actors.otp.runtime.runtime import Runtime

_log = Log(__name__)

_SEND, _EXIT, _LINK, _UNLINK, _UNLINKED, _LINK_EXIT = range(6)
_MONITOR, _DEMONITOR, _DOWN, _CALL, _REPLY, _FAREWELL, _READY = range(6, 13)

_WITH_REASON = frozenset({_EXIT, _LINK_EXIT, _DOWN, _FAREWELL})

_FLUSH_BYTES = 262_144
MOST_BYTES = 64 * 1024 * 1024
"""The largest message that is sent to another host, encoded."""


class Remote:
    """The part of a runtime that speaks to other hosts.

    Args:
        runtime: The runtime it belongs to.

    Attributes:
        waiting: Whether there is something to flush.
        hosts: Root host: role of every host started here, and what becomes None when it is ready.
    """

    def __init__(self, runtime: Runtime) -> None:
        self.waiting = False
        self.hosts: dict[HostId, tuple[str, asyncio.Future[Reason]]] = {}
        self._runtime = runtime
        self._endpoint = runtime.endpoint
        self._plain_only = runtime.endpoint.role in wire.PLAIN_ROLES
        self._codecs: dict[HostId, Callable[[list[Any]], bytes]] = {}
        self._outboxes: dict[HostId, list[bytes]] = {}
        self._sizes: dict[HostId, int] = {}
        self._watching: dict[HostId, dict[int, Process | Pending]] = {}
        self._linked: dict[HostId, set[Process]] = {}
        self._unlinking: dict[HostId, dict[tuple[int, Pid], int]] = {}
        self._incoming: dict[tuple[HostId, int], Process] = {}
        self._farewells: dict[HostId, Reason] = {}
        self._handlers = self._make_handlers()
        runtime.endpoint.on_frame = self._on_frame
        runtime.endpoint.on_host_down = self._on_host_down

    # ---------------------------------------------------------------- out

    def _put(self, host: HostId, *signal: Any) -> None:
        encode = self._codecs.get(host) or self._choose_codec(host)
        if encode is None:
            return
        data = encode(list(signal))
        if len(data) > MOST_BYTES:
            raise Undeliverable(type=wire.type_of(signal[-1]), detail=f"{len(data)} bytes, over {MOST_BYTES}")
        outbox = self._outboxes.get(host)
        if outbox is None:
            outbox = self._outboxes[host] = []
            self._sizes[host] = 0
        outbox.append(data)
        self._sizes[host] += len(data)
        if self._sizes[host] > _FLUSH_BYTES:
            self._flush(host)
        elif not self.waiting:
            self.waiting = True
            self._runtime.wake()

    def _put_reason(self, host: HostId, *signal: Any) -> None:
        """Send a signal that ends in an exit reason; one that cannot travel goes as text."""
        try:
            self._put(host, *signal)
        except Undeliverable:
            self._put(host, *signal[:-1], Fault("unportable_reason", shown(signal[-1])))

    def portable(self, host: HostId, value: Any) -> Any:
        """Return a value that can travel to a host: itself, or its text."""
        encode = self._codecs.get(host) or self._choose_codec(host)
        return value if encode is None else wire.portable(value, encode)

    def _choose_codec(self, host: HostId) -> Callable[[list[Any]], bytes] | None:
        role = self._endpoint.role_of(host)
        if role is None:
            return None
        plain = self._plain_only or role in wire.PLAIN_ROLES
        codec = self._codecs[host] = wire.encode_plain if plain else wire.encode_pickled
        return codec

    def flush(self) -> None:
        """Send every gathered signal on its way."""
        self.waiting = False
        for host in list(self._outboxes):
            self._flush(host)

    def _flush(self, host: HostId) -> None:
        signals = self._outboxes.pop(host)
        del self._sizes[host]
        if self._endpoint.role_of(host) is None:
            return
        try:
            self._endpoint.send(host, wire.frame(signals, plain=self._codecs[host] is wire.encode_plain))
        except Undeliverable as error:
            # Each signal was within the limit when it was taken; nobody is left here to be told.
            _log.error("%d signals to host %s were dropped: %s", len(signals), host, error)

    def is_up(self, host: HostId) -> bool:
        """Return whether a host is alive as far as is known here."""
        return self._endpoint.role_of(host) is not None

    def send(self, target: Address, message: Any) -> None:
        """Send a message to a process of another host."""
        self._put(target[1], _SEND, _address(target), message)  # type: ignore[arg-type]

    def reply(self, sender: From, value: Any) -> None:
        """Answer a request from another host."""
        if value.__class__ is Refusal:
            data = {key: self.portable(sender.pid.host, item) for key, item in value.data.items()}
            value = Refusal(value.error, data)
        # First the reply: if it cannot travel, whoever waits must still be told of this process's end.
        self._put(sender.pid.host, _REPLY, sender.ref, value)
        process = self._incoming.pop((sender.pid.host, sender.ref), None)
        if process is not None and process.monitors is not None:
            process.monitors.pop((sender.pid.host, sender.ref), None)

    def exit(self, sender: Pid, target: Pid, reason: Reason) -> None:
        """Send an exit signal to a process of another host."""
        self._put_reason(target.host, _EXIT, target.serial, sender, reason)

    def exit_host(self, sender: Pid, target: Pid, reason: Reason) -> None:
        """Tell a host to end; with `KILL` the root host kills its OS process."""
        if target.host == self._runtime.host:
            self._runtime.on_shutdown(reason)
        elif reason is KILL and self._runtime.host == ROOT:
            self._endpoint.kill_host(target.host)
        else:
            self._put_reason(target.host, _EXIT, 0, sender, reason)

    def link(self, process: Process, other: Pid) -> None:
        """Tell the other side of a link that was made here."""
        if not self.is_up(other.host):
            self._runtime.linked_exit(process, other, NOCONNECTION)
            return
        self._linked.setdefault(other.host, set()).add(process)
        if other.serial:
            self._put(other.host, _LINK, other.serial, process.pid)

    def unlink(self, process: Process, other: Pid) -> None:
        """Tell the other side that a link is gone.

        Until it says that it knows, what it says of a link between the two is of the link that is gone:
        its exit signal, and a link of its own that our word of this one will undo.
        """
        self._drop_link(process, other.host)
        if other.serial and self.is_up(other.host):
            unlinking = self._unlinking.setdefault(other.host, {})
            key = process.pid.serial, other
            unlinking[key] = unlinking.get(key, 0) + 1
            self._put(other.host, _UNLINK, other.serial, process.pid)

    def link_exit(self, process: Process, other: Pid, reason: Reason) -> None:
        """Tell the other side of a link that this one ended."""
        linked = self._linked.get(other.host)
        if linked is not None:
            linked.discard(process)
        self._put_reason(other.host, _LINK_EXIT, other.serial, process.pid, reason)

    def _drop_link(self, process: Process, host: HostId) -> None:
        linked = self._linked.get(host)
        if linked is not None and not any(other.host == host for other in process.links or ()):
            linked.discard(process)

    def monitor(self, watcher: Process, target: Address, number: int) -> None:
        """Watch a process of another host for a local one."""
        host: HostId = target[1]  # type: ignore[assignment]
        if not self.is_up(host):
            self._runtime.watched_down(watcher, number, NOCONNECTION)
            return
        self._watching.setdefault(host, {})[number] = watcher
        self._send_monitor(target, host, number)

    def watch(self, pending: Pending, target: Address) -> None:
        """Watch a process of another host for someone who waits for its end."""
        host: HostId = target[1]  # type: ignore[assignment]
        pending.host = host
        if not self.is_up(host):
            self._runtime.call_down(pending, NOCONNECTION)
            return
        self._watching.setdefault(host, {})[pending.number] = pending
        self._send_monitor(target, host, pending.number)

    def _send_monitor(self, target: Address, host: HostId, number: int) -> None:
        # A host itself is watched by the transport: nothing to ask of it.
        if target.__class__ is not Pid or target[2]:
            self._put(host, _MONITOR, _address(target), number)

    def demonitor(self, target: Address, number: int) -> None:
        """Stop watching a process of another host."""
        host: HostId = target[1]  # type: ignore[assignment]
        watching = self._watching.get(host)
        if watching is not None and watching.pop(number, None) is not None:
            self._put(host, _DEMONITOR, number)

    def down(self, key: tuple[HostId, int], reason: Reason) -> None:
        """Tell a watcher on another host of an end here."""
        self._incoming.pop(key, None)
        self._put_reason(key[0], _DOWN, key[1], reason)

    def ask(self, pending: Pending, target: Address, message: CallRequest | SystemRequest) -> None:
        """Send a request to a process of another host.

        Raises:
            ServerExited: The host is gone.
            Undeliverable: The request cannot travel.
        """
        host: HostId = target[1]  # type: ignore[assignment]
        if not self.is_up(host):
            raise ServerExited(process=target, reason=NOCONNECTION)
        self._put(host, _CALL, _address(target), message)
        pending.host = host
        self._watching.setdefault(host, {})[pending.number] = pending

    def farewell(self, reason: Reason) -> None:
        """Tell the root host why this host is about to end."""
        if self._runtime.host != ROOT:
            self._put_reason(ROOT, _FAREWELL, reason)

    def ready(self) -> None:
        """Tell the root host that this host's processes are up."""
        if self._runtime.host != ROOT:
            self._put(ROOT, _READY)

    # ---------------------------------------------------------------- in

    def _on_frame(self, sender: HostId, data: bytes) -> None:
        try:
            signals = wire.unframe(data, plain_only=self._plain_only)
        except Undeliverable as error:
            _log.error("a frame of host %s was dropped: %s", sender, error)
            return
        handlers = self._handlers
        for signal in signals:
            if isinstance(signal, wire.Unreadable):
                self._refuse(sender, signal)
                continue
            try:
                handlers[signal[0]](sender, *signal[1:])
            except Exception:  # noqa: BLE001 - a malformed signal of another host must not harm this one
                _log.exception("a signal of host %s was dropped: %.500r", sender, signal)

    def _refuse(self, sender: HostId, unreadable: wire.Unreadable) -> None:
        """Say that a signal cannot be read here; who waits for an answer or an end must still get it."""
        _log.error("what host %s sent cannot be read here: %s", sender, unreadable.fault)
        signal = readable_part(unreadable.item)
        if signal is None:
            return
        detail = f"it cannot be read on host {self._runtime.host}: {unreadable.fault}"
        kind, *given, last = signal
        if kind in _WITH_REASON:
            self._handlers[kind](sender, *given, Fault("unportable_reason", unreadable.fault))
        elif kind == _REPLY:
            self._in_reply(sender, given[0], Refusal("Undeliverable", {"type": "reply", "detail": detail}))
        elif isinstance(last, CallRequest | SystemRequest):
            refusal = Refusal("Undeliverable", {"type": "request", "detail": detail})
            self._put(sender, _REPLY, last.sender.ref, refusal)

    def _make_handlers(self) -> list[Callable[..., None]]:
        return [
            *(self._in_send, self._in_exit, self._in_link, self._in_unlink, self._in_unlinked),
            *(self._in_link_exit, self._in_monitor, self._in_demonitor, self._in_down),
            *(self._in_call, self._in_reply, self._in_farewell, self._in_ready),
        ]

    def _local(self, address: int | str) -> Process | None:
        runtime = self._runtime
        return runtime.names.get(address) if address.__class__ is str else runtime.processes.get(address)  # type: ignore[arg-type]

    def _in_send(self, _: HostId, address: int | str, message: Any) -> None:
        process = self._local(address)
        if process is not None:
            self._runtime.deliver(process, message)

    def _in_exit(self, _: HostId, serial: int, sender: Pid, reason: Reason) -> None:
        runtime = self._runtime
        if serial == 0:
            runtime.on_shutdown(reason)
        else:
            runtime.exit(sender, Pid(runtime.node, runtime.host, serial), reason)

    def _in_link(self, _: HostId, serial: int, other: Pid) -> None:
        process = self._runtime.processes.get(serial)
        if process is None:
            self._put(
                other.host, _LINK_EXIT, other.serial, Pid(other.node, self._runtime.host, serial), NOPROC
            )
            return
        if self._is_unlinking(serial, other):
            return
        if process.links is None:
            process.links = set()
        process.links.add(other)
        self._linked.setdefault(other.host, set()).add(process)

    def _in_unlink(self, sender: HostId, serial: int, other: Pid) -> None:
        process = self._runtime.processes.get(serial)
        if process is not None and process.links is not None:
            process.links.discard(other)
            self._drop_link(process, other.host)
        self._put(sender, _UNLINKED, other.serial, Pid(other.node, self._runtime.host, serial))

    def _in_unlinked(self, sender: HostId, serial: int, other: Pid) -> None:
        unlinking = self._unlinking[sender]
        unlinking[serial, other] -= 1
        if not unlinking[serial, other]:
            del unlinking[serial, other]

    def _is_unlinking(self, serial: int, other: Pid) -> bool:
        return (serial, other) in self._unlinking.get(other.host, ())

    def _in_link_exit(self, _: HostId, serial: int, other: Pid, reason: Reason) -> None:
        if serial == 0:
            self._runtime.on_shutdown(reason)
            return
        process = self._runtime.processes.get(serial)
        if process is not None and not self._is_unlinking(serial, other):
            self._runtime.linked_exit(process, other, reason)
            self._drop_link(process, other.host)

    def _in_monitor(self, sender: HostId, address: int | str, number: int) -> None:
        process = self._local(address)
        if process is None:
            self._put(sender, _DOWN, number, NOPROC)
        else:
            self._watch_for(process, sender, number)

    def _watch_for(self, process: Process, host: HostId, number: int) -> None:
        key = host, number
        self._incoming[key] = process
        if process.monitors is None:
            process.monitors = {key: None}
        else:
            process.monitors[key] = None

    def _in_demonitor(self, sender: HostId, number: int) -> None:
        process = self._incoming.pop((sender, number), None)
        if process is not None and process.monitors is not None:
            process.monitors.pop((sender, number), None)

    def _in_down(self, sender: HostId, number: int, reason: Reason) -> None:
        watching = self._watching.get(sender)
        watcher = watching.pop(number, None) if watching is not None else None
        if watcher is not None:
            self._tell(watcher, number, reason)

    def _tell(self, watcher: Process | Pending, number: int, reason: Reason) -> None:
        if number in self._runtime.calls:
            self._runtime.call_down(self._runtime.calls[number], reason)
        else:
            self._runtime.watched_down(watcher, number, reason)  # type: ignore[arg-type]

    def _in_call(self, sender: HostId, address: int | str, message: CallRequest | SystemRequest) -> None:
        process = self._local(address)
        if process is None:
            self._put(sender, _DOWN, message.sender.ref, NOPROC)
            return
        self._watch_for(process, sender, message.sender.ref)
        self._runtime.deliver(process, message)

    def _in_reply(self, sender: HostId, number: int, value: Any) -> None:
        pending = self._runtime.calls.get(number)
        if pending is None:
            return
        if pending.host == sender:
            # The answering host has dropped its side of the monitor with the reply.
            self._watching[sender].pop(number, None)
        self._runtime.answered(number, value)

    def _in_farewell(self, sender: HostId, reason: Reason) -> None:
        self._farewells[sender] = reason

    def _in_ready(self, sender: HostId) -> None:
        started = self.hosts.get(sender)
        if started is not None and not started[1].done():
            started[1].set_result(None)

    # ---------------------------------------------------------------- a host's death

    def _on_host_down(self, host: HostId, ended: HostExit) -> None:
        runtime = self._runtime
        self.hosts.pop(host, None)
        reason = self._farewells.pop(host, None)
        if reason is None:
            reason = of_host_exit(ended.signal, ended.status)
        self._outboxes.pop(host, None)
        self._codecs.pop(host, None)
        self._unlinking.pop(host, None)
        for process in self._linked.pop(host, ()):
            for other in [pid for pid in process.links or () if pid.host == host]:
                runtime.linked_exit(process, other, reason)
        for number, watcher in self._watching.pop(host, {}).items():
            self._tell(watcher, number, reason)
        for key in [key for key in self._incoming if key[0] == host]:
            process = self._incoming.pop(key)
            if process.monitors is not None:
                process.monitors.pop(key, None)


def _address(target: Address) -> int | str:
    """Return how a target is named on its own host."""
    return target[2] if target.__class__ is Pid else target[0]
