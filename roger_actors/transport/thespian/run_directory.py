"""Where the sockets of a run lie: made private, found by name, swept when their processes are gone.

Each run of a node has a directory of its own below a directory of this user. A lock on a file in
it is held by the run's admin (and, until that has started, by its starter); a run directory whose
lock is free belongs to a dead run, whose files whoever comes next removes.

A Unix socket's path may have 108 bytes, so a candidate for the parent that is too deep is skipped.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import secrets
import shutil
import socket
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs

from roger_actors.errors import TransportDown

LONGEST = 107 - len("/c4194304.999999")
"""Longest run directory, in bytes, that leaves room for every socket's name."""

SYSTEM = "system-"
"""How the names of plain actor systems' directories begin."""

_FORMING = ".forming-"
_FORMING_LIMIT = 3600.0
_BEGINNING = 60.0
_LOCK, _ABOUT = "lock", "node.json"


def _parents() -> Iterator[Path]:
    for candidate in (os.environ.get("ROGER_RUNTIME_DIR"), os.environ.get("XDG_RUNTIME_DIR"), "/dev/shm"):  # noqa: S108
        if candidate:
            yield Path(candidate, f"roger-actors-{os.geteuid()}")
    yield Path(tempfile.gettempdir(), f"roger-actors-{os.geteuid()}")


def make_private(directory: Path) -> None:
    """Make a directory that only this user may enter, or see to it that an existing one is such.

    Raises:
        OSError: It cannot be made, or belongs to somebody else.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = directory.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise PermissionError(f"{directory} is not a directory of this user")
    if found.st_mode & 0o077:
        directory.chmod(0o700)


def parent_directory(given: str | None = None, *, room: int = 0) -> Path:
    """Return this user's private directory for run directories, made if need be.

    Args:
        given: Used instead of the environment's choice.
        room: Bytes that the name of the run directory will take.

    Raises:
        TransportDown: No candidate is writable and short enough.
    """
    tried = []
    for parent in (Path(given),) if given else _parents():
        if len(os.fsencode(parent)) + 1 + room > LONGEST:
            tried.append(f"{parent}: too long for a Unix socket's 108 bytes")
            continue
        try:
            make_private(parent)
            _check_writable(parent)
        except OSError as error:
            tried.append(str(error))
        else:
            return parent
    raise TransportDown(node="-", detail="no place for sockets; set ROGER_RUNTIME_DIR; " + "; ".join(tried))


def _check_writable(directory: Path) -> None:
    with tempfile.TemporaryFile(dir=directory):
        pass


@attrs.frozen
class RunDirectory:
    """A run's directory and the lock that says it is alive.

    Attributes:
        path: The directory.
        lock: Descriptor that holds the lock as long as any process has it open.
    """

    path: Path
    lock: int

    def describe(self, about: dict[str, Any]) -> None:
        """Write what `attach` reads: the node's name and its admin's process id."""
        forming = self.path / f"{_ABOUT}.new"
        forming.write_text(json.dumps(about))
        forming.rename(self.path / _ABOUT)


def create(node: str, parent: Path) -> RunDirectory:
    """Make a run directory, locked by this process, and sweep those of dead runs.

    Args:
        node: The node's name; its letters and digits become part of the directory's name.
        parent: See `parent_directory`.
    """
    sweep(parent)
    token = secrets.token_hex(4)
    forming = parent / f"{_FORMING}{token}"
    forming.mkdir(mode=0o700)
    lock = os.open(forming / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    final = parent / f"{slug(node)}.{token}"
    forming.rename(final)
    return RunDirectory(final, lock)


def slug(node: str) -> str:
    """Return at most twenty characters of a node's name that are safe in a path."""
    return re.sub(r"[^A-Za-z0-9-]", "-", node)[:20]


def is_alive(directory: Path) -> bool:
    """Say whether a process of this run still holds its lock."""
    try:
        lock = os.open(directory / _LOCK, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


def sweep(parent: Path) -> None:
    """Remove the directories of runs that are dead."""
    for directory in parent.iterdir():
        if directory.name.startswith(_FORMING):
            with contextlib.suppress(FileNotFoundError):
                if time.time() - directory.stat().st_mtime > _FORMING_LIMIT:
                    remove(directory)
        elif (directory / _LOCK).exists():
            if not is_alive(directory):
                remove(directory)
        elif directory.name.startswith(SYSTEM) and _is_deserted(directory):
            remove(directory)


def _is_deserted(directory: Path) -> bool:
    # A plain actor system has no lock: it is dead when nobody listens, and is not just beginning.
    with contextlib.suppress(FileNotFoundError):
        if time.time() - directory.stat().st_mtime > _BEGINNING:
            return not any(_is_listening(path) for path in directory.iterdir())
    return False


def _is_listening(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(str(path))
        except BlockingIOError:
            return True
        except OSError:
            return False
    return True


def remove(directory: Path) -> None:
    """Remove a run directory; no matter who else does so at the same time."""
    shutil.rmtree(directory, ignore_errors=True)


def find(name: str, given: str | None = None) -> tuple[Path, dict[str, Any]]:
    """Find the run directory of a living node of this user.

    Args:
        name: The node's name, or the absolute path of its run directory.
        given: Where to look instead of the environment's choices.

    Raises:
        TransportDown: No such node is running, or several are.
    """
    if name.startswith("/"):
        found = [(Path(name), about(Path(name)))] if is_alive(Path(name)) else []
    else:
        found = [(path, said) for path, said in _living(given) if said.get("node") == name]
    if not found:
        raise TransportDown(node=name, detail="no such node of this user is running on this machine")
    if len(found) > 1:
        places = ", ".join(str(path) for path, _ in found)
        raise TransportDown(node=name, detail=f"several are running; name one of the directories {places}")
    return found[0]


def _living(given: str | None) -> Iterator[tuple[Path, dict[str, Any]]]:
    for parent in (Path(given),) if given else dict.fromkeys(_parents()):
        if not parent.is_dir():
            continue
        for directory in parent.iterdir():
            if is_alive(directory):
                yield directory, about(directory)


def about(directory: Path) -> dict[str, Any]:
    """Return what a run's admin wrote about it; empty when it has not yet, or no more."""
    try:
        found = json.loads((directory / _ABOUT).read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def system_directory(capabilities: dict[str, Any]) -> str:
    """Return the directory of a plain actor system, which its capabilities decide.

    Args:
        capabilities: `Unix Dir` names the directory; else `Admin Port` tells systems apart.
    """
    given = capabilities.get("Unix Dir")
    if given:
        return str(given)
    name = f"{SYSTEM}{slug(str(capabilities.get('Admin Port', 'default')))}"
    return str(parent_directory(room=len(name)) / name)
