"""The tables of the embedded broker, and how its file is opened.

A message waits in `messages`, in the order of its id; `holder` is the consumer that has it, none while
it is ready. Giving it back empties `holder` and keeps the id, hence its place. What is to come later
lies in `delayed` and gets its id when it is due; `clock` says by how much the wall clock, on which that
is counted, was ahead of the clock that counts since the machine's start. A row of `leases` says when
the entry of that name and key is deleted.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from roger_actors.errors import ConnectionFailed

APPLICATION_ID = 0x526F6765  # "Roge"
FORMAT = 1

TABLES = """
CREATE TABLE queues (
    id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, kind TEXT NOT NULL,
    single_active INTEGER NOT NULL, owner INTEGER);
CREATE TABLE messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT, queue INTEGER NOT NULL, holder INTEGER,
    redelivered INTEGER NOT NULL DEFAULT 0, message_id TEXT NOT NULL, properties BLOB, body BLOB NOT NULL);
CREATE INDEX ready ON messages (queue, id) WHERE holder IS NULL;
CREATE INDEX held ON messages (holder) WHERE holder IS NOT NULL;
CREATE TABLE delayed (
    id INTEGER PRIMARY KEY AUTOINCREMENT, due REAL NOT NULL, queue TEXT NOT NULL,
    message_id TEXT NOT NULL, properties BLOB, body BLOB NOT NULL);
CREATE INDEX due ON delayed (due, id);
CREATE TABLE incarnations (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, pid INTEGER NOT NULL);
CREATE TABLE consumers (
    id INTEGER PRIMARY KEY AUTOINCREMENT, queue INTEGER NOT NULL, incarnation INTEGER NOT NULL,
    paused INTEGER NOT NULL DEFAULT 0);
CREATE INDEX consumers_of_queue ON consumers (queue, id);
CREATE TABLE broadcasts (
    id INTEGER PRIMARY KEY AUTOINCREMENT, at REAL NOT NULL, topic TEXT NOT NULL, body BLOB NOT NULL);
CREATE TABLE entries (
    name TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL, PRIMARY KEY (name, key)) WITHOUT ROWID;
CREATE TABLE deletions (count INTEGER NOT NULL);
INSERT INTO deletions VALUES (0);
"""

ADDED = """
CREATE TABLE IF NOT EXISTS leases (
    name TEXT NOT NULL, key TEXT NOT NULL, boot TEXT NOT NULL, lapses REAL NOT NULL, seconds REAL NOT NULL,
    kept INTEGER NOT NULL, PRIMARY KEY (name, key)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS logs (
    name TEXT NOT NULL, segment TEXT NOT NULL, number INTEGER NOT NULL,
    PRIMARY KEY (name, segment)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS logged (
    name TEXT NOT NULL, segment TEXT NOT NULL, number INTEGER NOT NULL, key TEXT NOT NULL,
    PRIMARY KEY (name, segment, number)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS clock (boot TEXT NOT NULL, ahead REAL NOT NULL);
CREATE INDEX IF NOT EXISTS lapsing ON leases (lapses) WHERE NOT kept;
"""
"""What came later: a file made before gets it when it is opened. Releases before do not miss it."""


def open_file(path: Path, synchronous: str) -> sqlite3.Connection:
    """Open the file, made with its tables if it is new.

    Raises:
        ConnectionFailed: No such folder, no permission, not a database, or one of something else.
    """
    try:
        connection = sqlite3.connect(path, timeout=1.0, isolation_level=None)
    except sqlite3.Error as error:
        raise ConnectionFailed(broker=f"embedded:{path}", detail=_explain(path, error)) from error
    try:
        _prepare(connection, path, synchronous)
    except sqlite3.Error as error:
        connection.close()
        raise ConnectionFailed(broker=f"embedded:{path}", detail=_explain(path, error)) from error
    except BaseException:
        connection.close()
        raise
    return connection


def _explain(path: Path, error: sqlite3.Error) -> str:
    if not path.parent.is_dir():
        return f"there is no directory {path.parent}"
    if path.is_dir():
        return "it is a directory, not a file"
    if "not a database" in str(error):
        return "the file is not a database of this broker"
    return str(error)


def _prepare(connection: sqlite3.Connection, path: Path, synchronous: str) -> None:
    connection.execute("PRAGMA busy_timeout = 10000")
    if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        _create(connection, path)
    found = connection.execute("PRAGMA user_version").fetchone()[0]
    if found != FORMAT:
        detail = f"its format is {found}, this release knows {FORMAT}"
        raise ConnectionFailed(broker=f"embedded:{path}", detail=detail)
    connection.execute("PRAGMA journal_mode = WAL")
    for statement in ADDED.split(";"):
        connection.execute(statement)
    connection.execute(f"PRAGMA synchronous = {synchronous}")
    connection.execute("PRAGMA temp_store = MEMORY")
    connection.execute("PRAGMA busy_timeout = 1000")


def _create(connection: sqlite3.Connection, path: Path) -> None:
    connection.execute("BEGIN IMMEDIATE")
    # Another process may have made the tables since we looked; the lock decides.
    if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        if connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            raise ConnectionFailed(
                broker=f"embedded:{path}", detail="the file is a database of something else"
            )
        for statement in TABLES.split(";"):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {FORMAT}")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute("COMMIT")
