"""What a Thespian address holds on this system base: the path of a process's socket."""

from __future__ import annotations

import os
from typing import Any


class UnixAddress:
    """Address details of an actor: hashable, picklable, never used twice.

    Args:
        path: Absolute path of the actor's socket.
    """

    __slots__ = ("path",)

    def __init__(self, path: str) -> None:
        self.path = path

    # Thespian relies on an AttributeError when it compares with details of another kind.
    def __eq__(self, other: Any) -> bool:  # noqa: PYI032 - Thespian wants no NotImplemented
        """Compare with another address of this kind; others raise `AttributeError`."""
        return bool(self.path == other.path)

    def __ne__(self, other: Any) -> bool:  # noqa: PYI032 - Thespian wants no NotImplemented
        """Compare with another address of this kind; others raise `AttributeError`."""
        return bool(self.path != other.path)

    def __hash__(self) -> int:
        """Hash the path."""
        return hash(self.path)

    def __str__(self) -> str:
        """Show run directory and socket."""
        directory, name = os.path.split(self.path)
        return f"(U|{os.path.basename(directory)}/{name})"

    def __reduce__(self) -> tuple[Any, ...]:
        """Rebuild from the path."""
        return UnixAddress, (self.path,)

    def isLocalAddr(self) -> bool:
        """Every Unix-domain address is on this machine."""
        return True

    def isSameSystem(self, other: Any) -> bool:
        """Say whether both belong to one actor system, that is, one directory."""
        details = getattr(other, "addressDetails", other)
        return isinstance(details, UnixAddress) and os.path.dirname(details.path) == os.path.dirname(
            self.path
        )
