"""What is asked of the owner of the tables, and what it answers."""

from __future__ import annotations

import msgspec

from roger_actors.broker.base import Change, Changed


class Get(msgspec.Struct, frozen=True, array_like=True, tag="g"):
    """Ask for one value."""

    table: str
    key: str


class Scan(msgspec.Struct, frozen=True, array_like=True, tag="s"):
    """Ask for all entries whose key starts with a prefix."""

    table: str
    prefix: str


class Alter(msgspec.Struct, frozen=True, array_like=True, tag="a"):
    """Ask for changes."""

    changes: list[Change]


Look = Get | Scan
Ask = Look | Alter
Answer = bytes | None | dict[str, bytes] | list[Changed]
