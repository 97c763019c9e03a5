"""A set of keys that can be saved, and put together with others.

Source:
    `Roger.KeySet`, a plain object here instead of a process.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from roger_actors.errors import UndecodableJob

_decode: Final = msgspec.json.Decoder(list[str]).decode


class KeySet:
    """A mutable set of strings.

    Args:
        keys: What it holds at first.

    Process:
        Belongs to whoever holds it; it is not safe for several threads.
    """

    __slots__ = ("_keys",)

    def __init__(self, keys: Iterable[str] = ()) -> None:
        self._keys = set(keys)

    def add(self, key: str) -> None:
        """Add one key; nothing happens if it is there."""
        self._keys.add(key)

    def add_many(self, keys: Iterable[str]) -> None:
        """Add several keys."""
        self._keys.update(keys)

    def remove(self, key: str) -> None:
        """Take one key out; nothing happens if it is not there."""
        self._keys.discard(key)

    def contains(self, key: str) -> bool:
        """Whether the key is there; `key in key_set` says the same."""
        return key in self._keys

    def union(self, other: KeySet) -> None:
        """Add every key of `other`, which stays as it is."""
        self._keys |= other._keys

    def difference(self, other: KeySet) -> None:
        """Take out every key of `other`, which stays as it is."""
        self._keys -= other._keys

    def save(self) -> bytes:
        """Return the keys as bytes for `load`; equal sets give equal bytes."""
        return msgspec.json.encode(sorted(self._keys))

    @classmethod
    def load(cls, saved: bytes) -> KeySet:
        """Return the set that was saved.

        Raises:
            UndecodableJob: `saved` did not come from `save`.
        """
        try:
            return cls(_decode(saved))
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            raise UndecodableJob(detail=f"a saved key set is a JSON array of strings: {error}") from error

    def __contains__(self, key: object) -> bool:
        return key in self._keys

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._keys))

    def __len__(self) -> int:
        return len(self._keys)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, KeySet) and self._keys == other._keys

    __hash__ = None  # type: ignore[assignment]  # it changes

    def __repr__(self) -> str:
        return f"KeySet({sorted(self._keys)!r})"
