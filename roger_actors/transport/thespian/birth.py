"""How a process of an actor system comes to be: its place, made by its parent before it runs.

A child's socket listens before the child is forked, so that it can be sent to at once; what is sent
waits in the socket.
"""

from __future__ import annotations

import socket
from typing import Any, Protocol

import attrs
from thespian.actors import ActorAddress

from roger_actors.transport.thespian.address import UnixAddress
from roger_actors.transport.thespian.link import Link

ADMIN = "admin"
"""File name of the admin's socket in a run directory."""


def listen(path: str) -> socket.socket:
    """Return a socket that listens at `path`; whoever connects before its owner runs just waits."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(path)
    listener.listen(4096)
    return listener


@attrs.frozen
class Birth:
    """What a parent gives to the process it starts: its place, before it runs.

    Attributes:
        listener: Bound and listening, so that the child can be sent to at once.
        instance: Thespian's number or address of the child in its parent.
        parent: The parent's address, None for the admin.
        admin: The admin's address.
        resident: What the child becomes part of; None for an actor of a plain system.
    """

    listener: socket.socket
    instance: Any
    parent: Any
    admin: Any
    resident: Resident | None = None

    @property
    def addrInst(self) -> Any:
        """Thespian's number of the child in its parent."""
        return self.instance

    @property
    def address(self) -> Any:
        """The child's address."""
        return ActorAddress(UnixAddress(self.listener.getsockname()))


class Resident(Protocol):
    """What answers for everything on the wire that is not Thespian's."""

    status: int
    """With which the process ends."""

    def enter(self, manager: Any) -> None:
        """In the new process: begin, before its loop runs."""

    def on_hello(self, link: Link) -> bool | None:
        """Say whether a connection is who it says it is."""

    def on_message(self, link: Link, kind: int, data: bytes) -> None:
        """Take one frame that is neither Thespian's nor for `on_frame`."""

    def on_closed(self, link: Link) -> None:
        """Learn that a peer has closed its connection."""


class Stranger:
    """The resident of a plain actor system: everybody of this user may send actor messages."""

    status = 0

    def enter(self, manager: Any) -> None:
        """Begin with nothing."""

    def on_hello(self, link: Link) -> bool | None:
        """Trust the sender's name; the kernel has told that it is the same user."""
        link.trusted = True
        return True

    def on_message(self, link: Link, kind: int, data: bytes) -> None:
        """Ignore what only a node's processes know."""

    def on_closed(self, link: Link) -> None:
        """Leave it to Thespian to notice."""
