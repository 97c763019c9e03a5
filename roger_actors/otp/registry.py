"""Registry: keys to processes, unique or shared, with a value each; gone when their owner ends.

For names beyond the plain registered ones: found by (role, tenant, …), or held by many. Started under a
supervisor; its own death forgets every key.

Source: Elixir `Registry`.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from roger_actors.errors import NameTaken
from roger_actors.otp.gen_server import GenServer
from roger_actors.otp.message import Down, From, Refusal
from roger_actors.otp.pid import Pid
from roger_actors.otp.process import current, monitor, self
from roger_actors.otp.result import NoReply, Ok, Reply
from roger_actors.otp.runtime import Target

Keys = Literal["unique", "duplicate"]


class State:
    """What a registry holds; only its own process touches it.

    Attributes:
        keys: Whether a key has one owner or many.
        entries: Values by key and owner; a key is told apart by its type too (1 is not 1.0).
        watched: Keys of each owner that is monitored.
    """

    __slots__ = ("entries", "keys", "watched")

    def __init__(self, keys: Keys) -> None:
        self.keys = keys
        self.entries: dict[tuple[type, Any], dict[Pid, Any]] = {}
        self.watched: dict[Pid, set[tuple[type, Any]]] = {}


class Registry(GenServer[State]):
    """The behaviour; used as it is: `await Registry.start_link("unique", name="tenants")`."""

    trap_exit: ClassVar[bool] = True

    # ---------------------------------------------------------------- client

    @staticmethod
    async def register(registry: Target, key: Any, value: Any = None) -> None:
        """Register the current process under a key.

        Raises:
            NameTaken: The key is unique and has an owner, maybe the caller.
        """
        await GenServer.call(registry, ("register", key, value, self()))

    @staticmethod
    async def unregister(registry: Target, key: Any) -> None:
        """Take the current process's registration back."""
        await GenServer.call(registry, ("unregister", key, self()))

    @staticmethod
    async def lookup(registry: Target, key: Any) -> list[tuple[Pid, Any]]:
        """Return the living owners of a key with their values."""
        found: list[tuple[Pid, Any]] = await GenServer.call(registry, ("lookup", key))
        return found

    @staticmethod
    async def keys(registry: Target, pid: Pid) -> list[Any]:
        """Return the keys that a process is registered under."""
        found: list[Any] = await GenServer.call(registry, ("keys", pid))
        return found

    # ---------------------------------------------------------------- callbacks

    def init(self, keys: Keys = "unique") -> Ok[State]:
        """Begin without entries."""
        if keys not in {"unique", "duplicate"}:
            raise ValueError(f"a registry's keys are unique or duplicate, not {keys!r}")
        return Ok(State(keys))

    def handle_call(self, request: Any, sender: From, state: State) -> Reply[State]:
        """Answer the client functions."""
        match request:
            case ("register", key, value, owner):
                return Reply(_register(state, (type(key), key), value, owner), state)
            case ("unregister", key, owner):
                _forget(state, (type(key), key), owner)
                return Reply(None, state)
            case ("lookup", key):
                return Reply(_living(state, (type(key), key)), state)
            case ("keys", owner):
                return Reply([key for _, key in state.watched.get(owner, ())], state)
        raise ValueError(f"unknown request {request!r}")

    def handle_info(self, message: Any, state: State) -> NoReply[State]:
        """Forget what an owner that ended had registered."""
        if message.__class__ is Down:
            for key in list(state.watched.get(message.process, ())):
                _forget(state, key, message.process)
            state.watched.pop(message.process, None)
        return NoReply(state)


def _register(state: State, key: tuple[type, Any], value: Any, owner: Pid) -> Refusal | None:
    living = _living(state, key)
    if state.keys == "unique" and living:
        return Refusal(NameTaken.__name__, {"name": key[1], "holder": living[0][0]})
    if owner not in state.watched:
        state.watched[owner] = set()
        monitor(owner)
    state.watched[owner].add(key)
    if state.keys == "unique":
        state.entries.pop(key, None)
    state.entries.setdefault(key, {})[owner] = value
    return None


def _living(state: State, key: tuple[type, Any]) -> list[tuple[Pid, Any]]:
    """Return the owners that are alive, also before the end of one was told."""
    runtime = current().runtime
    entries = state.entries.get(key, {}).items()
    return [
        (pid, value) for pid, value in entries if not runtime.is_here(pid) or runtime.find(pid) is not None
    ]


def _forget(state: State, key: tuple[type, Any], owner: Pid) -> None:
    owners = state.entries.get(key, {})
    owners.pop(owner, None)
    if not owners:
        state.entries.pop(key, None)
    state.watched.get(owner, set()).discard(key)
