"""The durable tables in the file: entries, their leases, and the numbers of logs.

Every function runs inside a transaction that the engine has begun. `now` is on the machine's monotonic
clock, which all its processes share.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence

from roger_actors.broker.base import Change, Changed

FIRST_SURROGATE, LAST_SURROGATE, MAX_CHARACTER = 0xD800, 0xDFFF, 0x10FFFF


class Entries:
    """The statements on the tables.

    Args:
        connection: Opened by `schema.open_file`.
        prefix: What stands before every name of this system.
    """

    def __init__(self, connection: sqlite3.Connection, prefix: str) -> None:
        self.sql = connection
        self.prefix = prefix
        self.boot = ""

    def renew_leases(self, boot: str, now: float) -> None:
        """Count leases of an earlier boot of the machine anew: their clock is gone."""
        self.sql.execute(
            "UPDATE leases SET boot = ?, lapses = ? + seconds WHERE boot != ?", (boot, now, boot)
        )
        self.boot = boot

    def lapse(self, now: float, most: int = 1000) -> None:
        """Delete up to `most` entries whose lease is over."""
        for name, key in self.sql.execute(
            "SELECT name, key FROM leases WHERE NOT kept AND lapses <= ? ORDER BY lapses LIMIT ?", (now, most)
        ).fetchall():
            self.sql.execute("DELETE FROM entries WHERE name = ? AND key = ?", (name, key))
            self.sql.execute("DELETE FROM leases WHERE name = ? AND key = ?", (name, key))

    def change(self, changes: Sequence[Change], now: float) -> list[Changed]:
        """Try each change on its own, in order."""
        self.lapse(now)
        return [self._change_one(change, now) for change in changes]

    def _change_one(self, change: Change, now: float) -> Changed:
        current = self._value(change.table, change.key)
        if not change.applies_to(current, is_over=self._is_over(change, current, now)):
            return Changed(done=False, current=current)
        name = self.prefix + change.table
        if change.log and change.new is not None:
            number = self._number(name, change.key)
            change = change._replace(new=b"%d %s" % (number, change.new))
            self._shorten(name, change.key, number, change.log)
        self.sql.execute("DELETE FROM leases WHERE name = ? AND key = ?", (name, change.key))
        if change.new is not None and change.lease:
            self.sql.execute(
                "INSERT INTO leases VALUES (?, ?, ?, ?, ?, ?)",
                (name, change.key, self.boot, now + change.lease, change.lease, change.kept),
            )
        if change.new is None:
            self.sql.execute("DELETE FROM entries WHERE name = ? AND key = ?", (name, change.key))
        else:
            self.sql.execute(
                "INSERT OR REPLACE INTO entries VALUES (?, ?, ?)", (name, change.key, change.new)
            )
        return Changed(done=True, current=change.new)

    def _is_over(self, change: Change, current: bytes | None, now: float) -> bool:
        """Whether an entry is one that is kept though its lease is over."""
        if current is None or change.expected is not None:
            return False
        row = self.sql.execute(
            "SELECT 1 FROM leases WHERE name = ? AND key = ? AND kept AND lapses <= ?",
            (self.prefix + change.table, change.key, now),
        ).fetchone()
        return row is not None

    def _number(self, name: str, key: str) -> int:
        """Return the next number of a log."""
        segment = key[: key.find("/") + 1]
        self.sql.execute(
            "INSERT INTO logs VALUES (?, ?, 1) ON CONFLICT (name, segment) DO UPDATE SET number = number + 1",
            (name, segment),
        )
        row = self.sql.execute(
            "SELECT number FROM logs WHERE name = ? AND segment = ?", (name, segment)
        ).fetchone()
        return int(row[0])

    def _shorten(self, name: str, key: str, number: int, most: int) -> None:
        """Note the place of an entry in its log, and delete what is older than the latest `most`."""
        segment = key[: key.find("/") + 1]
        log = (name, segment, number - most)
        self.sql.execute("INSERT INTO logged VALUES (?, ?, ?, ?)", (name, segment, number, key))
        for old, place in self.sql.execute(
            "SELECT number, key FROM logged WHERE name = ? AND segment = ? AND number <= ?", log
        ).fetchall():
            # A key that has been written again since has another number.
            value = self.sql.execute(
                "SELECT value FROM entries WHERE name = ? AND key = ?", (name, place)
            ).fetchone()
            if value is not None and bytes(value[0]).startswith(b"%d " % old):
                self.sql.execute("DELETE FROM entries WHERE name = ? AND key = ?", (name, place))
                self.sql.execute("DELETE FROM leases WHERE name = ? AND key = ?", (name, place))
        self.sql.execute("DELETE FROM logged WHERE name = ? AND segment = ? AND number <= ?", log)

    def get(self, table: str, key: str, now: float) -> bytes | None:
        """Return one value of a table, None if there is none."""
        self.lapse(now)
        return self._value(table, key)

    def _value(self, table: str, key: str) -> bytes | None:
        row = self.sql.execute(
            "SELECT value FROM entries WHERE name = ? AND key = ?", (self.prefix + table, key)
        ).fetchone()
        return row and bytes(row[0])

    def scan(self, table: str, prefix: str, now: float) -> Mapping[str, bytes]:
        """Return the entries of a table whose key starts with `prefix`."""
        self.lapse(now)
        after = _after(prefix)
        until, more = ("", ()) if after is None else (" AND key < ?", (after,))
        rows = self.sql.execute(
            f"SELECT key, value FROM entries WHERE name = ? AND key >= ?{until} ORDER BY key",  # noqa: S608
            (self.prefix + table, prefix, *more),
        )
        return {key: bytes(value) for key, value in rows}


def _after(prefix: str) -> str | None:
    """Return the least string that is greater than all that begin with `prefix`, None if there is none."""
    while prefix:
        last = ord(prefix[-1]) + 1
        if last <= MAX_CHARACTER:
            return prefix[:-1] + chr(
                last if not FIRST_SURROGATE <= last <= LAST_SURROGATE else LAST_SURROGATE + 1
            )
        prefix = prefix[:-1]
    return None
