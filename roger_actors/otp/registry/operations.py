"""What can be done to a registry: by itself for processes of other hosts, and by those beside it directly.

All processes of a host run in one thread, so one that is beside the registry reads and changes its table
itself, in its own time, as Elixir's processes read and write its ETS tables.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec

from roger_actors.errors import ConfigError, NameTaken, NotRegistered
from roger_actors.otp.message import Refusal
from roger_actors.otp.pid import Pid
from roger_actors.otp.registry.table import Keys, Table
from roger_actors.otp.runtime import Process, Runtime, wire
from roger_actors.otp.serving import ServerProcess


@wire.register
class Registered(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """A listener's message: a process registered itself.

    Attributes:
        registry: The registry's name, or its pid if it has none.
        key: Under which key.
        pid: Which process.
        value: With which value.
    """

    registry: Any
    key: Any
    pid: Pid
    value: Any


@wire.register
class Unregistered(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """A listener's message: a process took its registration back. The end of a process tells nothing.

    Attributes:
        registry: The registry's name, or its pid if it has none.
        key: Which key.
        pid: Which process.
    """

    registry: Any
    key: Any
    pid: Pid


class State:
    """What a registry holds; the processes of its host read and change it too.

    Attributes:
        table: The entries.
        listeners: Who is told of registrations.
        meta: What `put_meta` was given.
        linked: Owners that are linked only because they have keys.
    """

    __slots__ = ("linked", "listeners", "meta", "table")

    def __init__(self, runtime: Runtime, keys: Keys, listeners: Iterable[str], meta: dict[Any, Any]) -> None:
        self.table = Table(keys, lambda pid: is_alive(runtime, pid))
        self.listeners = tuple(listeners)
        self.meta = meta
        self.linked: set[Pid] = set()


def is_alive(runtime: Runtime, pid: Pid) -> bool:
    """Return whether an owner is alive as far as is known on this host."""
    return runtime.find(pid) is not None if runtime.is_here(pid) else runtime.remote.is_up(pid.host)


def register(server: ServerProcess, key: Any, value: Any, owner: Pid) -> Refusal | None:
    """Add an entry, link its owner, and tell the listeners."""
    state: State = server.state
    holder = state.table.add(key, owner, value)
    if holder is not None:
        return Refusal(NameTaken.__name__, {"name": key, "holder": holder})
    if owner not in (server.links or ()):
        state.linked.add(owner)
        server.runtime.link(server, owner)
    _tell(server, Registered(_name(server), key, owner, value))
    return None


def unregister(server: ServerProcess, key: Any, owner: Pid, positions: list[int] | None = None) -> None:
    """Remove entries of an owner; unlink it after its last one, and tell the listeners when a key is free."""
    state: State = server.state
    if not state.table.remove(key, owner, positions):
        return
    if owner in state.linked and not state.table.owns(owner):
        state.linked.discard(owner)
        server.runtime.unlink(server, owner)
    _tell(server, Unregistered(_name(server), key, owner))


def _name(server: Process) -> Any:
    return server.names[0] if server.names else server.pid


def _tell(server: ServerProcess, event: Registered | Unregistered) -> None:
    for name in server.state.listeners:
        listener = server.runtime.names.get(name)
        if listener is not None:  # who is not there misses what it would have been told
            server.runtime.deliver(listener, event)


def only_unique(server: ServerProcess, what: str) -> Refusal | None:
    """Refuse what makes sense only where a key has one owner."""
    keys = server.state.table.keys
    if keys == "unique":
        return None
    return Refusal(ConfigError.__name__, {"key": "keys", "value": keys, "expected": f"unique, for {what}"})


def _value(server: ServerProcess, key: Any, owner: Pid) -> Any:
    refusal = only_unique(server, "update_value")
    if refusal is not None:
        return refusal
    values = server.state.table.values(key, owner)
    if not values:
        data = {"registry": _name(server), "key": key, "process": owner}
        return Refusal(NotRegistered.__name__, data)
    return values[0]


def _replace(server: ServerProcess, key: Any, owner: Pid, value: Any) -> Refusal | None:
    old = _value(server, key, owner)
    if old.__class__ is Refusal:  # its key was taken from it meanwhile
        refusal: Refusal = old
        return refusal
    server.state.table.replace(key, owner, value)
    return None


def _put_meta(server: ServerProcess, key: Any, value: Any) -> None:
    server.state.meta[key] = value


def _delete_meta(server: ServerProcess, key: Any) -> None:
    server.state.meta.pop(key, None)


OPERATIONS: Final[dict[str, Callable[..., Any]]] = {
    "register": register,
    "unregister": unregister,
    "entries": lambda server, key: server.state.table.entries(key),
    "values": lambda server, key, owner: server.state.table.values(key, owner),
    "keys": lambda server, owner: server.state.table.keys_of(owner),
    "everything": lambda server: server.state.table.everything(),
    "value": _value,
    "replace": _replace,
    "meta": lambda server, key, default: server.state.meta.get(key, default),
    "put_meta": _put_meta,
    "delete_meta": _delete_meta,
}
