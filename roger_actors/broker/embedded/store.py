"""What is done to the file. Every function here runs inside a transaction that the engine has begun.

Queue names are those of the file (with their prefix). Times are seconds since the epoch, on the clock
of the machine, because they must mean the same to every process and after a restart.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence

import msgspec

from roger_actors.broker.base import (
    QUARANTINE,
    Difference,
    Message,
    QueueCounts,
    QueueSpec,
    check_delay,
)
from roger_actors.broker.embedded.entries import Entries
from roger_actors.errors import BrokerError, QueueInUse, TopologyMismatch, Unroutable

BROADCASTS_KEPT = 30.0
CLOCK_STEP = 1.0
"""Seconds by which the wall clock must be off, against its last reading, to have been set."""

Properties = tuple[str, dict[str, str | int], str, str]
Row = tuple[int, int, str, bytes | None, bytes]
"""Id, redelivered, message id, properties, body."""
Prepared = tuple[str, float, str, bytes | None, bytes]
"""Queue with prefix, delay in seconds, message id, properties, body."""
NO_PROPERTIES: Properties = ("", {}, "", "")

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Properties).decode


def read_properties(packed: bytes | None) -> Properties:
    """Return partition, headers, reply_to and correlation_id as they were published."""
    return NO_PROPERTIES if packed is None else _decode(packed)


def prepare(message: Message, prefix: str) -> Prepared:
    """Return a message as it goes into the file; on the loop, so that a bad one harms its caller only.

    Raises:
        ValueError: Its delay is over the limit.
    """
    check_delay(message)
    packed = None
    if message.partition or message.headers or message.reply_to or message.correlation_id:
        packed = _encode((message.partition, message.headers, message.reply_to, message.correlation_id))
    return prefix + message.queue, message.delay, message.message_id, packed, bytes(message.body)


class Store:
    """The statements, on one connection that belongs to one thread.

    Args:
        connection: Opened by `schema.open_file`.
        incarnation: The number of the broker object that it belongs to.
        prefix: What stands before every name of this system.
    """

    def __init__(self, connection: sqlite3.Connection, incarnation: int, prefix: str) -> None:
        self.sql = connection
        self.incarnation = incarnation
        self.prefix = prefix
        self.entries = Entries(connection, prefix)

    # -- queues

    def queue_id(self, name: str) -> int | None:
        """Return the number of a queue, None if there is none."""
        row = self.sql.execute("SELECT id FROM queues WHERE name = ?", (name,)).fetchone()
        return row and int(row[0])

    def declare(self, queues: Iterable[QueueSpec]) -> None:
        """Make sure that queues exist.

        Raises:
            TopologyMismatch: The first that exists with other settings; the others are made.
        """
        mismatch: TopologyMismatch | None = None
        for spec in queues:
            try:
                self._declare_one(spec)
            except TopologyMismatch as error:
                mismatch = mismatch or error
        if mismatch:
            raise mismatch

    def _declare_one(self, spec: QueueSpec) -> None:
        kind = "classic" if spec.exclusive else spec.kind
        owner = self.incarnation if spec.exclusive else None
        row = self.sql.execute(
            "SELECT kind, single_active, owner FROM queues WHERE name = ?", (spec.name,)
        ).fetchone()
        if row is None:
            self.sql.execute(
                "INSERT INTO queues (name, kind, single_active, owner) VALUES (?, ?, ?, ?)",
                (spec.name, kind, int(spec.single_active), owner),
            )
        elif row != (kind, int(spec.single_active), owner):
            difference = self.compare(spec)
            assert difference is not None
            raise TopologyMismatch(
                name=difference.queue,
                setting=difference.setting,
                wanted=difference.wanted,
                found=difference.found,
            )

    def compare(self, spec: QueueSpec) -> Difference | None:
        """Return what of a queue is not as wanted; None also where there is no such queue."""
        row = self.sql.execute(
            "SELECT kind, single_active, owner FROM queues WHERE name = ?", (spec.name,)
        ).fetchone()
        if row is None:
            return None
        kind, owner = ("classic", self.incarnation) if spec.exclusive else (spec.kind, None)
        settings = (
            ("kind", kind, row[0]),
            ("single_active", spec.single_active, bool(row[1])),
            ("owner", owner, row[2]),
        )
        for setting, wanted, found in settings:
            if wanted != found:
                name = spec.name.removeprefix(self.prefix)
                return Difference(name, setting, str(wanted), str(found))
        return None

    def mend(self, spec: QueueSpec) -> int:
        """Change a queue into what is wanted, and answer how many messages wait in it.

        Raises:
            QueueInUse: It is consumed.
        """
        difference, counts = self.compare(spec), self.counts(spec.name)
        if difference is None or counts is None:
            return 0
        if counts.consumers:
            raise QueueInUse(
                queue=difference.queue, detail=f"{counts.consumers} consumers are on it; stop its partition"
            )
        self.sql.execute(
            "UPDATE queues SET kind = ?, single_active = ? WHERE name = ?",
            (spec.kind, int(spec.single_active), spec.name),
        )
        return counts.messages

    def delete(self, name: str) -> None:
        """Delete a queue with all that is in it, and its consumers."""
        queue = self.queue_id(name)
        if queue is None:
            return
        self.sql.execute("DELETE FROM messages WHERE queue = ?", (queue,))
        self.sql.execute("DELETE FROM consumers WHERE queue = ?", (queue,))
        self.sql.execute("DELETE FROM queues WHERE id = ?", (queue,))
        self.sql.execute("UPDATE deletions SET count = count + 1")

    def purge(self, name: str) -> int:
        """Remove what is ready in a queue; answers how many."""
        done = self.sql.execute(
            "DELETE FROM messages WHERE holder IS NULL AND queue = (SELECT id FROM queues WHERE name = ?)",
            (name,),
        )
        return done.rowcount

    def counts(self, name: str) -> QueueCounts | None:
        """Return how full a queue is, None if it does not exist."""
        queue = self.queue_id(name)
        if queue is None:
            return None
        ready = self.sql.execute(
            "SELECT count(*) FROM messages WHERE queue = ? AND holder IS NULL", (queue,)
        ).fetchone()[0]
        consumers = self.sql.execute(
            "SELECT count(*) FROM consumers WHERE queue = ? AND NOT paused", (queue,)
        ).fetchone()[0]
        return QueueCounts(messages=ready, consumers=consumers)

    def existing_queues(self) -> set[int]:
        """Return the numbers of all queues."""
        return {row[0] for row in self.sql.execute("SELECT id FROM queues")}

    def deletions(self) -> int:
        """Return a number that changes whenever a queue is deleted."""
        return int(self.sql.execute("SELECT count FROM deletions").fetchone()[0])

    # -- publishing

    def publish(self, messages: Sequence[Prepared], now: float) -> list[BrokerError | None]:
        """Insert messages; the error of each, or None."""
        found: dict[str, int | None] = {}
        results: list[BrokerError | None] = []
        rows = []
        for queue, delay, *rest in messages:
            if delay > 0:
                self.sql.execute(
                    "INSERT INTO delayed (due, queue, message_id, properties, body) VALUES (?, ?, ?, ?, ?)",
                    (now + delay, queue, *rest),
                )
                results.append(None)
                continue
            if queue not in found:
                found[queue] = self.queue_id(queue)
            number = found[queue]
            if number is None:
                results.append(Unroutable(queue=queue.removeprefix(self.prefix)))
                continue
            rows.append((number, *rest))
            results.append(None)
        self.sql.executemany(
            "INSERT INTO messages (queue, message_id, properties, body) VALUES (?, ?, ?, ?)", rows
        )
        return results

    def follow_clock(self, ahead: float) -> None:
        """Move what is delayed along when the wall clock was set, so that no delay gets longer or shorter.

        Args:
            ahead: Seconds by which the wall clock is ahead of the machine's time since its start.
        """
        boot = self.entries.boot
        row = self.sql.execute("SELECT boot, ahead FROM clock").fetchone()
        is_known = row is not None and row[0] == boot
        if is_known and abs(ahead - row[1]) <= CLOCK_STEP:
            return
        if is_known:
            self.sql.execute("UPDATE delayed SET due = due + ?", (ahead - row[1],))
        self.sql.execute("DELETE FROM clock")
        self.sql.execute("INSERT INTO clock (boot, ahead) VALUES (?, ?)", (boot, ahead))

    def next_due(self) -> float | None:
        """Return the time of the next delayed message, None if there is none."""
        due: float | None = self.sql.execute("SELECT min(due) FROM delayed").fetchone()[0]
        return due

    def release_due(self, now: float, limit: int = 1000) -> int:
        """Move up to `limit` messages whose time has come to the ends of their queues; answers how many."""
        rows = self.sql.execute(
            "SELECT id, queue, message_id, properties, body FROM delayed"
            " WHERE due <= ? ORDER BY due, id LIMIT ?",
            (now, limit),
        ).fetchall()
        for number, queue, message_id, properties, body in rows:
            self.sql.execute(
                "INSERT INTO messages (queue, message_id, properties, body) VALUES (?, ?, ?, ?)",
                (self.queue_id(queue) or self._quarantine(), message_id, properties, body),
            )
            self.sql.execute("DELETE FROM delayed WHERE id = ?", (number,))
        return len(rows)

    def _quarantine(self) -> int:
        name = self.prefix + QUARANTINE
        found = self.queue_id(name)
        if found is None:
            self._declare_one(QueueSpec(name))
            found = self.queue_id(name)
        assert found is not None
        return found

    # -- consuming

    def add_consumer(self, queue: int) -> int:
        """Note a consumer of a queue; answers its number."""
        done = self.sql.execute(
            "INSERT INTO consumers (queue, incarnation) VALUES (?, ?)", (queue, self.incarnation)
        )
        assert done.lastrowid is not None
        return done.lastrowid

    def consumers(self) -> set[int]:
        """Return the numbers of this broker object's consumers."""
        rows = self.sql.execute("SELECT id FROM consumers WHERE incarnation = ?", (self.incarnation,))
        return {row[0] for row in rows}

    def pause_consumer(self, consumer: int, paused: int) -> None:
        """Note whether a consumer takes deliveries."""
        self.sql.execute("UPDATE consumers SET paused = ? WHERE id = ?", (paused, consumer))

    def remove_consumer(self, consumer: int) -> None:
        """Forget a consumer and give back what it holds."""
        self._return_held(consumer)
        self.sql.execute("DELETE FROM consumers WHERE id = ?", (consumer,))

    def _return_held(self, consumer: int) -> None:
        self.sql.execute("UPDATE messages SET holder = NULL, redelivered = 1 WHERE holder = ?", (consumer,))

    def is_active(self, consumer: int, queue: int) -> bool:
        """Whether a consumer is the first of its queue's that are not paused."""
        row = self.sql.execute(
            "SELECT min(id) FROM consumers WHERE queue = ? AND NOT paused", (queue,)
        ).fetchone()
        return bool(row[0] == consumer)

    def is_single_active(self, queue: int) -> bool:
        """Whether a queue serves one consumer at a time."""
        row = self.sql.execute("SELECT single_active FROM queues WHERE id = ?", (queue,)).fetchone()
        return bool(row and row[0])

    def queues_with_ready(self) -> set[int]:
        """Return the numbers of the queues that are not empty."""
        rows = self.sql.execute(
            "WITH RECURSIVE found (queue) AS ("
            " SELECT min(queue) FROM messages INDEXED BY ready WHERE holder IS NULL"
            " UNION ALL"
            " SELECT (SELECT min(queue) FROM messages INDEXED BY ready"
            "  WHERE holder IS NULL AND queue > found.queue) FROM found WHERE found.queue IS NOT NULL"
            ") SELECT queue FROM found WHERE queue IS NOT NULL"
        )
        return {row[0] for row in rows}

    def take_ready(self, consumer: int, queue: int, limit: int) -> list[Row]:
        """Hand up to `limit` ready messages to a consumer, oldest first."""
        rows: list[Row] = self.sql.execute(
            "SELECT id, redelivered, message_id, properties, body FROM messages INDEXED BY ready"
            " WHERE queue = ? AND holder IS NULL ORDER BY id LIMIT ?",
            (queue, limit),
        ).fetchall()
        if rows:
            self.sql.execute(
                "UPDATE messages INDEXED BY ready SET holder = ?"
                " WHERE queue = ? AND holder IS NULL AND id <= ?",
                (consumer, queue, rows[-1][0]),
            )
        return rows

    def settle(self, acked: Sequence[tuple[int, int]], returned: Sequence[tuple[int, int]]) -> None:
        """Remove and give back messages, each named by (id, holder)."""
        if acked:
            self.sql.executemany("DELETE FROM messages WHERE id = ? AND holder = ?", acked)
        if returned:
            self.sql.executemany(
                "UPDATE messages SET holder = NULL, redelivered = 1 WHERE id = ? AND holder = ?", returned
            )

    def peek(self, name: str, limit: int) -> list[Row]:
        """Return ready messages, oldest first, and leave them."""
        rows: list[Row] = self.sql.execute(
            "SELECT id, redelivered, message_id, properties, body FROM messages INDEXED BY ready"
            " WHERE queue = (SELECT id FROM queues WHERE name = ?) AND holder IS NULL ORDER BY id LIMIT ?",
            (name, limit),
        ).fetchall()
        return rows

    def take(self, name: str, message_id: str) -> Row | None:
        """Remove the oldest ready message with this id and return it."""
        row: Row | None = self.sql.execute(
            "SELECT id, redelivered, message_id, properties, body FROM messages INDEXED BY ready"
            " WHERE queue = (SELECT id FROM queues WHERE name = ?) AND holder IS NULL AND message_id = ?"
            " ORDER BY id LIMIT 1",
            (name, message_id),
        ).fetchone()
        if row is not None:
            self.sql.execute("DELETE FROM messages WHERE id = ?", (row[0],))
        return row

    # -- incarnations

    def add_incarnation(self, name: str, pid: int) -> int:
        """Note a new broker object; answers its number, 1 or more."""
        done = self.sql.execute("INSERT INTO incarnations (name, pid) VALUES (?, ?)", (name, pid))
        assert done.lastrowid is not None
        return done.lastrowid

    def incarnations(self) -> list[int]:
        """Return the numbers of all broker objects that have not ended in order."""
        return [row[0] for row in self.sql.execute("SELECT id FROM incarnations")]

    def remove_incarnation(self, number: int) -> None:
        """Give back what a broker object held, delete its exclusive queues, forget it."""
        for (consumer,) in self.sql.execute(
            "SELECT id FROM consumers WHERE incarnation = ?", (number,)
        ).fetchall():
            self.remove_consumer(consumer)
        for (name,) in self.sql.execute("SELECT name FROM queues WHERE owner = ?", (number,)).fetchall():
            self.delete(name)
        self.sql.execute("DELETE FROM incarnations WHERE id = ?", (number,))

    # -- broadcasts

    def broadcast(self, topic: str, body: bytes, now: float) -> None:
        """Leave a note for the current subscribers; notes older than 30 s are swept."""
        self.sql.execute("DELETE FROM broadcasts WHERE at < ?", (now - BROADCASTS_KEPT,))
        self.sql.execute("INSERT INTO broadcasts (at, topic, body) VALUES (?, ?, ?)", (now, topic, body))

    def last_broadcast(self) -> int:
        """Return the number of the newest note ever left."""
        row = self.sql.execute("SELECT seq FROM sqlite_sequence WHERE name = 'broadcasts'").fetchone()
        return int(row[0]) if row else 0

    def broadcasts_after(self, last: int) -> list[tuple[int, str, bytes]]:
        """Return the notes left since number `last`: number, topic, body."""
        return self.sql.execute(
            "SELECT id, topic, body FROM broadcasts WHERE id > ? ORDER BY id", (last,)
        ).fetchall()
