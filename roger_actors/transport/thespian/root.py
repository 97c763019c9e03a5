"""The root host: forks and kills hosts, knows which live, and tells every host who has ended.

The root's process is the parent of all hosts, so that it learns how each ended, and the adopter of
what they leave behind: whenever a host has ended, everything below this process that is no host
belongs to a dead one and is killed.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
import signal
import traceback
from collections.abc import Callable
from functools import partial
from typing import Any

import attrs

from roger_actors.transport.base import ROOT, HostExit, HostId, HostVitals, Role, Roles
from roger_actors.transport.thespian.birth import ADMIN
from roger_actors.transport.thespian.endpoint import (
    EXAMINE,
    Entry,
    HostEndpoint,
    decode,
    socket_name,
    stack_name,
)
from roger_actors.transport.thespian.heartbeat import Heartbeat
from roger_actors.transport.thespian.link import CONTROL, REQUEST, RESPONSE, Link
from roger_actors.transport.thespian.linux import catches, kill, kill_group, state_of, sweep, sweep_all
from roger_actors.transport.thespian.transport import Transport

SWEEP_AGAIN = 0.01
"""Seconds until the second look at what a dead host has left behind; each further one comes later."""

GRACE = 0.5
"""Seconds that hosts have to end by themselves when the root stops."""

SUSPICION = 1.0
"""Seconds until a host that has cut its connections, but lives, is killed."""

EXAMINED = 0.5
"""Seconds that an examined host has to say where it stands."""

_log = logging.getLogger(__name__)


def load_roles(spec: str) -> Roles:
    """Import a table of roles from `module:attribute`."""
    module, _, attribute = spec.partition(":")
    roles: Roles = getattr(importlib.import_module(module), attribute)
    return roles


def _no_main(endpoint: object, args: bytes) -> None:
    """Stand in until the table of roles has been imported in the root's own process."""


class RootEndpoint(HostEndpoint):
    """The root host's `Endpoint`, made in the admin and entered in the forked root.

    Args:
        node: The node's name.
        roles: `module:attribute` of what hosts may run, the role `root` among them.
        args: Given to the root role's `main`.
    """

    def __init__(self, node: str, roles: str, args: bytes) -> None:
        super().__init__(node, ROOT, Role("root", _no_main), args, {})
        self._roles_at = roles
        self._roles: Roles = {}
        self._roles_of: dict[int, Role] = {}
        self._sweeping = False
        self._stopping = False
        self._admin_pid = os.getpid()
        self.on_terminate = self.stop

    def enter(self, manager: Any) -> None:
        """In the new process: watch the admin, run the root's `main`, and say that the node is up."""
        self._manager = manager
        self._watch_admin(manager.transport)
        self._take(manager)
        try:
            self._roles = load_roles(self._roles_at)
            self._role = self._roles["root"]
            super().enter(manager)
        except Exception:
            self._tell_admin("failed", traceback.format_exc())
            self._hub.finish(GRACE)
            raise
        self._tell_admin("ready")

    def _take(self, manager: Any) -> None:
        super()._take(manager)
        self._heartbeat = Heartbeat(self.loop, self._ask, self._frozen)

    def _ask(self, host: int) -> None:
        link = self._link(host)
        if link is not None:
            self.tell(link, "ping")

    def _frozen(self, host: int, limit: float) -> None:
        entry = self._table[host]
        state = "is stopped" if state_of(entry.pid) in "tT" else "hangs"
        _log.error(
            "host %d (%s) %s and has not answered for %s s; killing it", host, entry.role, state, limit
        )
        self.kill_host(HostId(host))

    def _watch_admin(self, transport: Transport) -> None:
        fd = os.pidfd_open(self._admin_pid)
        transport.loop.add_reader(fd, self._perish)
        if os.getppid() != self._admin_pid:
            self._perish()

    def _perish(self) -> None:
        # The admin is dead, and with it whoever would clean up after this process.
        sweep_all()
        os._exit(0)

    def _tell_admin(self, *word: Any) -> None:
        link = self._hub.link_to(f"{self._directory}/{ADMIN}")
        if link is not None:
            link.trusted = True
            self.tell(link, *word)

    # --- hosts ----------------------------------------------------------------------------------

    def start_host(self, role: str, args: bytes) -> HostId:
        """Fork a host of a known role; it can be sent to at once.

        Raises:
            KeyError: No such role.
        """
        chosen = self._roles[role]
        host = HostId(self._newest + 1)
        table = {int(ROOT): Entry(self.role, os.getpid()), **self._table}
        resident = HostEndpoint(self.node, host, chosen, args, table)
        pid = self._manager.start_resident(resident, partial(self._ended, host))
        self._newest = host
        self._announce("up", host, role, pid)
        self._table[host] = Entry(role, pid)
        self._roles_of[host] = chosen
        self._heartbeat.watch(host, chosen.heartbeat)
        return host

    def kill_host(self, host: HostId) -> None:
        """SIGKILL a host and everything in its process group."""
        entry = self._table.get(host)
        if entry is not None:
            kill_group(entry.pid)
            kill(entry.pid)

    def vitals(self, host: HostId) -> HostVitals | None:
        """Return what the system shows of a host, and for how long it has been silent."""
        seen = super().vitals(host)
        return None if seen is None else attrs.evolve(seen, silent=self._heartbeat.silent(host))

    def examine(self, host: HostId, then: Callable[[str], None]) -> None:
        """Let a host write down where it stands; see `Endpoint.examine`."""
        entry = self._table.get(host)
        if entry is None or not catches(entry.pid, EXAMINE):
            self.loop.call_soon(then, "")
            return
        path = f"{self._directory}/{stack_name(host)}"
        with contextlib.suppress(OSError):
            os.truncate(path, 0)
        kill(entry.pid, EXAMINE)
        self._read_stack(path, self.loop.time() + EXAMINED, then)

    def _read_stack(self, path: str, deadline: float, then: Callable[[str], None]) -> None:
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                said = file.read()
        except OSError:  # the host has ended
            said = ""
        if "\n== " in said or self.loop.time() > deadline:
            then(said)
        else:
            self.loop.call_later(EXAMINED / 20, self._read_stack, path, deadline, then)

    def _announce(self, *word: Any) -> None:
        for host in self._table:
            link = self._link(host)
            if link is not None:
                self.tell(link, *word)

    def _ended(self, host: HostId, pid: int, how: HostExit) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{self._directory}/{socket_name(host)}")
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{self._directory}/{stack_name(host)}")
        self._heartbeat.forget(host)
        self._host_down(host, how)
        self._announce("down", host, how.signal, how.status)
        del self._roles_of[host]
        if not self._sweeping:
            self._sweeping = True
            self.loop.call_soon(self._sweep, SWEEP_AGAIN)
        if self._stopping and not self._table:
            super().stop(self.status)

    def _sweep(self, patience: float) -> None:
        if sweep(spare={entry.pid for entry in self._table.values()}):
            self._sweeping = False
        else:
            # What sits in an uninterruptible call may take its time.
            self.loop.call_later(patience, self._sweep, min(2 * patience, 1.0))

    def _suspect(self, host: int) -> None:
        if host in self._table:
            _log.warning("host %d (%s) has closed its connections; killing it", host, self._table[host].role)
            self.kill_host(HostId(host))

    # --- what the hub sees ----------------------------------------------------------------------

    def _is_admin(self, link: Link) -> bool:
        return link.pid == self._admin_pid

    def on_hello(self, link: Link) -> bool | None:
        """Let a process of the same user in that is no host: it may ask, and no more."""
        return True if not link.path else super().on_hello(link)

    def on_message(self, link: Link, kind: int, data: bytes) -> None:
        """Take requests from outside, the admin's word and the hosts' answers."""
        if kind == REQUEST:
            self.on_request(data[4:], partial(self._answer, link, data[:4]))
        elif kind == CONTROL:
            word, *rest = decode(data)
            if link.trusted and word == "stop":
                self.on_terminate()
            elif link.trusted and word == "ping":
                self.tell(link, "pong")
            elif link.host is not None and word == "pong":
                self._heartbeat.answered(link.host)
            elif link.host is not None and word == "lost":
                self.loop.call_later(SUSPICION, self._suspect, *rest)

    def _answer(self, link: Link, number: bytes, frame: bytes) -> None:
        if link.fd >= 0:
            self._hub.send(link, RESPONSE, number + frame)

    def on_closed(self, link: Link) -> None:
        """Watch a host that has closed its connection: one that lives on is of no use."""
        if link.host is not None:
            self._links.pop(link.host, None)
            self.loop.call_later(SUSPICION, self._suspect, link.host)

    # --- the end --------------------------------------------------------------------------------

    def stop(self, status: int = 0, why: str = "") -> None:
        """End every host, then this process, and with it the node.

        Args:
            status: The exit status of the node's processes that end by themselves.
            why: What the admin is told, and with it whoever started the node.
        """
        if self._stopping:
            return
        if why:
            self._tell_admin("ended", why)
        self.status, self._stopping = status, True
        if not self._table:
            super().stop(status)
            return
        self._hub.flush()
        for entry in self._table.values():
            kill(entry.pid, signal.SIGTERM)
        self.loop.call_later(GRACE, self._kill_all)

    def _kill_all(self) -> None:
        for host in list(self._table):
            self.kill_host(HostId(host))
