"""What a registry knows: keys, their owners and values (no process; who is alive is asked)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Any, Literal

from roger_actors.otp.pid import Pid

Keys = Literal["unique", "duplicate"]

Entry = tuple[Any, Pid, Any]
"""Key, owner, value."""


def strict(key: Any) -> Any:
    """Return a key with its type, and those inside of it, so that 1, 1.0 and True are three keys.

    Raises:
        TypeError: It has no hash.
    """
    kind = key.__class__
    if isinstance(key, tuple):
        return kind, tuple(strict(part) for part in key)
    if isinstance(key, frozenset):
        return kind, frozenset(strict(part) for part in key)
    hash(key)
    return kind, key


class Table:
    """The entries of a registry; those of dead owners are never seen.

    Args:
        keys: Whether a key has one owner or many.
        is_alive: Asked whether an owner is alive.
    """

    __slots__ = ("_is_alive", "_owned", "_values", "keys")

    def __init__(self, keys: Keys, is_alive: Callable[[Pid], bool]) -> None:
        self.keys = keys
        self._is_alive = is_alive
        self._values: dict[Any, dict[Pid, list[Any]]] = {}
        self._owned: dict[Pid, dict[Any, Any]] = {}

    def add(self, key: Any, owner: Pid, value: Any) -> Pid | None:
        """Add an entry; return who has the key if it is unique and taken."""
        place = strict(key)
        if self.keys == "unique":
            for holder in self._values.get(place, ()):
                if self._is_alive(holder):
                    return holder
            self._values[place] = {}
        self._values.setdefault(place, {}).setdefault(owner, []).append(value)
        self._owned.setdefault(owner, {})[place] = key
        return None

    def entries(self, key: Any) -> list[tuple[Pid, Any]]:
        """Return the owners of a key with their values."""
        owners = self._values.get(strict(key), {})
        return [(pid, value) for pid, values in owners.items() if self._is_alive(pid) for value in values]

    def values(self, key: Any, owner: Pid) -> list[Any]:
        """Return the values that an owner has under a key."""
        found = self._values.get(strict(key), {}).get(owner)
        return list(found) if found and self._is_alive(owner) else []

    def keys_of(self, owner: Pid) -> list[Any]:
        """Return the keys of an owner, each as often as it has it."""
        return [key for key, _ in self._of(owner)] if self._is_alive(owner) else []

    def _of(self, owner: Pid) -> Iterator[tuple[Any, Any]]:
        for place, key in self._owned.get(owner, {}).items():
            for value in self._values.get(place, {}).get(owner, ()):
                yield key, value

    def everything(self) -> list[Entry]:
        """Return all entries."""
        return [
            (key, owner, value)
            for owner in self._owned
            if self._is_alive(owner)
            for key, value in self._of(owner)
        ]

    def replace(self, key: Any, owner: Pid, value: Any) -> None:
        """Give the one entry of an owner under a key another value."""
        self._values[strict(key)][owner] = [value]

    def remove(self, key: Any, owner: Pid, positions: Collection[int] | None = None) -> bool:
        """Remove an owner's entries under a key: all, or those at these positions of `values`.

        Returns:
            Whether there is no entry of the owner left under this key, and there was one.
        """
        place = strict(key)
        owners = self._values.get(place, {})
        if owner not in owners:
            return False
        kept = [] if positions is None else [v for n, v in enumerate(owners[owner]) if n not in positions]
        if kept:
            owners[owner] = kept
            return False
        self._owned[owner].pop(place, None)
        if not self._owned[owner]:
            del self._owned[owner]
        self._drop(place, owner)
        return True

    def owns(self, owner: Pid) -> bool:
        """Return whether an owner has any key."""
        return owner in self._owned

    def forget(self, owner: Pid) -> None:
        """Remove all entries of an owner."""
        for place in self._owned.pop(owner, {}):
            self._drop(place, owner)

    def _drop(self, place: Any, owner: Pid) -> None:
        owners = self._values.get(place, {})
        owners.pop(owner, None)
        if not owners:
            self._values.pop(place, None)
