"""The first process of a node: executed by the starter, it becomes the Thespian admin.

It is executed rather than forked, so that nothing of the service (threads, locks, descriptors)
comes with it. What it is to start arrives on its standard input, from the starter and nobody else.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
from functools import partial
from pathlib import Path
from typing import Any

import attrs

from roger_actors.transport.base import ROOT, HostExit
from roger_actors.transport.thespian.actors import Admin, quiet_thespian
from roger_actors.transport.thespian.birth import ADMIN, Birth, listen
from roger_actors.transport.thespian.endpoint import decode, encode, socket_name
from roger_actors.transport.thespian.heartbeat import Heartbeat
from roger_actors.transport.thespian.link import CONTROL, Link
from roger_actors.transport.thespian.linux import adopt_orphans, kill, raise_file_limit, set_title, sweep_all
from roger_actors.transport.thespian.root import RootEndpoint
from roger_actors.transport.thespian.run_directory import RunDirectory, remove
from roger_actors.transport.thespian.transport import Transport

STOP_LIMIT = 30.0
"""Seconds that the root has to end the node after a SIGTERM before the admin does it by force."""


_log = logging.getLogger(__name__)


@attrs.frozen
class NodeOrder:
    """What the starter wants of a new admin.

    Attributes:
        node: The node's name.
        directory: Its run directory.
        roles: `module:attribute` of the table of roles.
        root_args: Given to the root role's `main`.
        starter: The starter's process id.
        die_with_starter: Whether the node ends when the starter does.
        status: Descriptor on which the starter waits for the node.
        lock: Descriptor that holds the run directory's lock.
        heartbeat: Seconds that the root's loop may stand still before the node is ended.
    """

    node: str
    directory: str
    roles: str
    root_args: bytes
    starter: int
    die_with_starter: bool
    status: int
    lock: int
    heartbeat: float | None

    def carry_out(self) -> None:
        """Be the admin of a node until it ends."""
        raise_file_limit()
        quiet_thespian()
        set_title("node." + self.node)
        adopt_orphans()
        os.set_inheritable(self.status, False)
        os.set_inheritable(self.lock, False)
        directory = RunDirectory(Path(self.directory), self.lock)
        resident = AdminResident(self, directory)
        listener = listen(f"{self.directory}/{ADMIN}")
        capabilities = {"Unix Dir": self.directory}
        transport = Transport(Birth(listener, None, None, Transport.getAdminAddr(capabilities), resident))
        admin = Admin(transport, transport.myAddress, capabilities, None)
        resident.enter(admin)
        transport.run(admin.handleIncoming)
        sweep_all()
        remove(directory.path)
        os._exit(resident.status)


class AdminResident:
    """What an admin does for its node: start the root, watch root and starter, clean up.

    Args:
        order: What was asked for.
        directory: The node's run directory, locked.
    """

    def __init__(self, order: NodeOrder, directory: RunDirectory) -> None:
        self.status = 0
        self._why = ""
        self._order = order
        self._directory = directory
        self._root: int | None = None
        self._root_path = f"{order.directory}/{socket_name(ROOT)}"

    def enter(self, manager: Any) -> None:
        """Watch the starter and fork the root."""
        self._transport: Transport = manager.transport
        self._transport.loop.add_signal_handler(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, lambda *_: None)
        if self._order.die_with_starter:
            self._watch_starter()
        root = RootEndpoint(self._order.node, self._order.roles, self._order.root_args)
        # Not bound to this process: a root whose admin is dead still has to clean up.
        self._root = manager.start_resident(root, self._root_ended, bound=False)
        self._heartbeat = Heartbeat(self._transport.loop, self._ask, self._frozen)
        self._directory.describe({"node": self._order.node, "admin": os.getpid(), "root": self._root})

    def _watch_starter(self) -> None:
        try:
            fd = os.pidfd_open(self._order.starter)
        except ProcessLookupError:
            self._transport.loop.call_soon(self._force)
            return
        self._transport.loop.add_reader(fd, self._force)
        if os.getppid() != self._order.starter:
            self._transport.loop.call_soon(self._force)

    def _stop(self, limit: float = STOP_LIMIT) -> None:
        self._tell_root("stop")
        self._transport.loop.call_later(limit, self._force)

    def _tell_root(self, word: str) -> None:
        link = self._transport.hub.link_to(self._root_path)
        if link is not None:
            link.trusted = True
            self._transport.hub.send(link, CONTROL, encode((word,)))

    def _ask(self, _: int) -> None:
        self._tell_root("ping")

    def _frozen(self, _: int, limit: float) -> None:
        _log.critical(
            "the root host of node %s has not answered for %s s; ending the node", self._order.node, limit
        )
        self._force()

    def _force(self) -> None:
        # A dead root is noticed like any other, and what it leaves is swept then.
        if self._root is not None:
            kill(self._root)

    def _root_ended(self, pid: int, how: HostExit) -> None:
        # What it said last comes before its end.
        self._transport.hub.drain(self._root_path, pid)
        self._transport.hub.post(partial(self._finish, how))

    def _finish(self, how: HostExit) -> None:
        self._root = None
        self.status = how.status if how.status is not None else 128 + (how.signal or 0)
        self._report(error=self._why or f"the root host ended: {how}", ended=True)
        self._transport.abort_run()

    def _report(self, **about: Any) -> None:
        """Tell the starter, if it is there to hear it: `ready` or `error`, later `ended`."""
        with contextlib.suppress(BrokenPipeError):
            os.write(self._order.status, json.dumps(about).encode() + b"\n")

    # --- what the hub sees ----------------------------------------------------------------------

    def on_hello(self, link: Link) -> bool | None:
        """Know the root by its process id; anybody else of this user may ask for a stop."""
        link.trusted = link.pid == self._root
        return link.trusted or not link.path

    def on_message(self, link: Link, kind: int, data: bytes) -> None:
        """Hear the root's reports, and requests to stop."""
        if kind != CONTROL:
            return
        word, *rest = decode(data)
        if word == "stop":
            self._stop(*rest)
        elif link.trusted and word == "pong":
            self._heartbeat.answered(ROOT)
        elif link.trusted and word == "ready":
            self._report(ready=True)
            self._heartbeat.watch(ROOT, self._order.heartbeat)
        elif link.trusted and word == "ended":
            (self._why,) = rest
        elif link.trusted and word == "failed":
            self._report(error=rest[0])

    def on_closed(self, link: Link) -> None:
        """Nothing: the root's end is seen through its pidfd."""
