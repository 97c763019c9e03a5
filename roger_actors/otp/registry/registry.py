"""Registry: keys to processes, unique or shared, with a value each; gone when their owner ends.

Source: Elixir `Registry`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from roger_actors.errors import ConfigError, NoProcess, UnknownRegistry
from roger_actors.otp.gen_server import GenServer
from roger_actors.otp.message import Exit, From, Refusal
from roger_actors.otp.pid import Pid
from roger_actors.otp.process import current, here, self
from roger_actors.otp.registry.operations import (
    OPERATIONS,
    State,
    is_alive,
    only_unique,
    register,
    unregister,
)
from roger_actors.otp.registry.table import Entry, Keys, strict
from roger_actors.otp.result import NoReply, Ok
from roger_actors.otp.runtime import Target
from roger_actors.otp.send_request import refused
from roger_actors.otp.serving import ServerProcess, Status
from roger_actors.otp.via import Via


class Registry(GenServer[State]):
    """The behaviour; used as it is: `await Registry.start_link("unique", name="tenants")`.

    A key belongs to the process that registered it, until that ends. Keys are told apart by type: 1, 1.0 and
    True are three keys. A process beside the registry works on it directly, without its mailbox; one of
    another host asks it, and names it as `("tenants", host)`. Predicates and other functions always run in
    the process that calls.

    While a process has a key it is linked to the registry: if the registry dies, a process that does not trap
    exits dies too, and so nobody believes to have a key that is forgotten.

    `start_link` takes for `init`:

    - `keys`: `unique`: a key has one owner; `duplicate`: any number, and one owner may have it many times;
    - `listeners`: names of processes of this host told of registrations: `Registered`, `Unregistered`;
    - `meta`: what `meta` answers at first.
    """

    trap_exit: ClassVar[bool] = True

    # ---------------------------------------------------------------- registering

    @staticmethod
    async def register(registry: Target, key: Any, value: Any = None) -> None:
        """Register the current process under a key.

        Args:
            registry: Which.
            key: Anything with a hash.
            value: Kept beside the pid.

        Raises:
            NameTaken: The key is unique and has a living owner, maybe the caller.
            UnknownRegistry: There is none of that name.
            TypeError: The key has no hash.

        Source: Elixir `Registry.register`.
        """
        await _do(registry, "register", key, value, self())

    @staticmethod
    async def unregister(registry: Target, key: Any) -> None:
        """Take back all that the current process registered under a key; fine if there is nothing.

        Source: Elixir `Registry.unregister`.
        """
        await _do(registry, "unregister", key, self())

    @staticmethod
    async def unregister_match(registry: Target, key: Any, where: Callable[[Any], bool]) -> None:
        """Take back what the current process registered under a key with a value for which `where` is true.

        Source: Elixir `Registry.unregister_match`.
        """
        values = await _do(registry, "values", key, self())
        await _do(registry, "unregister", key, self(), [n for n, value in enumerate(values) if where(value)])

    @staticmethod
    async def update_value(registry: Target, key: Any, change: Callable[[Any], Any]) -> tuple[Any, Any]:
        """Replace the value of the current process by what `change` makes of it; keys must be unique.

        Returns:
            The new value and the old one.

        Raises:
            NotRegistered: The current process does not have the key, whoever else has.
            ConfigError: The registry's keys are not unique.

        Source: Elixir `Registry.update_value`.
        """
        old = await _do(registry, "value", key, self())
        new = change(old)
        await _do(registry, "replace", key, self(), new)
        return new, old

    # ---------------------------------------------------------------- finding

    @staticmethod
    async def lookup(registry: Target, key: Any) -> list[tuple[Pid, Any]]:
        """Return the living owners of a key with their values.

        Source: Elixir `Registry.lookup`.
        """
        found: list[tuple[Pid, Any]] = await _do(registry, "entries", key)
        return found

    @staticmethod
    async def match(registry: Target, key: Any, where: Callable[[Any], bool]) -> list[tuple[Pid, Any]]:
        """Return the owners of a key with a value for which `where` is true.

        Source: Elixir `Registry.match`.
        """
        return [(pid, value) for pid, value in await Registry.lookup(registry, key) if where(value)]

    @staticmethod
    async def select(registry: Target, where: Callable[[Any, Pid, Any], bool] | None = None) -> list[Entry]:
        """Return the entries `(key, pid, value)` for which `where(key, pid, value)` is true.

        Without `where` all of them. It looks at every entry.

        Example:
            ```python
            eu = await Registry.select("tenants", lambda key, pid, value: value["zone"] == "eu")
            ```

        Source: Elixir `Registry.select`; a function in place of a match specification.
        """
        entries: list[Entry] = await _do(registry, "everything")
        return entries if where is None else [entry for entry in entries if where(*entry)]

    @staticmethod
    async def keys(registry: Target, pid: Pid) -> list[Any]:
        """Return the keys of a process, a shared key as often as the process has it.

        Source: Elixir `Registry.keys`.
        """
        found: list[Any] = await _do(registry, "keys", pid)
        return found

    @staticmethod
    async def values(registry: Target, key: Any, pid: Pid) -> list[Any]:
        """Return the values that a process has under a key.

        Source: Elixir `Registry.values`.
        """
        found: list[Any] = await _do(registry, "values", key, pid)
        return found

    @staticmethod
    async def count(registry: Target) -> int:
        """Return how many entries there are.

        Source: Elixir `Registry.count`.
        """
        return len(await _do(registry, "everything"))

    @staticmethod
    async def count_match(registry: Target, key: Any, where: Callable[[Any], bool]) -> int:
        """Return how many entries a key has with a value for which `where` is true.

        Source: Elixir `Registry.count_match`.
        """
        return len(await Registry.match(registry, key, where))

    @staticmethod
    async def dispatch(registry: Target, key: Any, function: Callable[[list[tuple[Pid, Any]]], Any]) -> None:
        """Call a function, plain or `async`, with the owners of a key and their values, if there are any.

        It runs in the process that calls; what it raises is raised here.

        Example:
            ```python
            await Registry.dispatch(
                "news", "sport", lambda owners: [process.send(pid, news) for pid, _ in owners]
            )
            ```

        Source: Elixir `Registry.dispatch`.
        """
        entries = await Registry.lookup(registry, key)
        if entries:
            result = function(entries)
            if inspect.isawaitable(result):
                await result

    # ---------------------------------------------------------------- about the registry

    @staticmethod
    async def meta(registry: Target, key: Any, default: Any = None) -> Any:
        """Return what `put_meta` stored, or the default.

        Source: Elixir `Registry.meta`.
        """
        return await _do(registry, "meta", key, default)

    @staticmethod
    async def put_meta(registry: Target, key: Any, value: Any) -> None:
        """Store something about the registry itself; it belongs to no process.

        Source: Elixir `Registry.put_meta`.
        """
        await _do(registry, "put_meta", key, value)

    @staticmethod
    async def delete_meta(registry: Target, key: Any) -> None:
        """Forget what `put_meta` stored.

        Source: Elixir `Registry.delete_meta`.
        """
        await _do(registry, "delete_meta", key)

    # ---------------------------------------------------------------- names

    @staticmethod
    def via(registry: Target, key: Any, value: Any = None) -> Via:
        """Return the name of the process that has a key: for `name=` at a start, and wherever one is meant.

        Only on the registry's own host, where it can be looked up at once. From another host, ask `lookup`
        and use the pid.

        Args:
            registry: One whose keys are unique.
            key: Which key.
            value: Registered with it at a start.

        Source: Elixir `{:via, Registry, {registry, key, value}}`.
        """
        strict(key)
        return Via(Registry, (registry, key) if value is None else (registry, key, value))

    @staticmethod
    def register_name(name: tuple[Any, ...], pid: Pid) -> bool:
        """Register a process, for `Via`; return whether the key was free."""
        server = _unique_here(name[0])
        return register(server, name[1], name[2] if len(name) > 2 else None, pid) is None

    @staticmethod
    def unregister_name(name: tuple[Any, ...]) -> None:
        """Take a key from whoever has it, for `Via`."""
        holder = Registry.whereis_name(name)
        if holder is not None:
            unregister(_unique_here(name[0]), name[1], holder)

    @staticmethod
    def whereis_name(name: tuple[Any, ...]) -> Pid | None:
        """Return who has a key, for `Via`; None if nobody has."""
        entries = _unique_here(name[0]).state.table.entries(name[1])
        return entries[0][0] if entries else None

    @staticmethod
    def send(name: tuple[Any, ...], message: Any) -> None:
        """Send a message to who has a key, for `Via`.

        Raises:
            NoProcess: Nobody has it.
        """
        pid = Registry.whereis_name(name)
        if pid is None:
            raise NoProcess(process=Via(Registry, name))
        here().send(pid, message)

    # ---------------------------------------------------------------- callbacks

    def init(
        self, keys: Keys = "unique", listeners: Sequence[str] = (), meta: Mapping[Any, Any] | None = None
    ) -> Ok[State]:
        """Begin without entries."""
        if keys not in {"unique", "duplicate"}:
            raise ConfigError(key="keys", value=keys, expected="unique or duplicate")
        if isinstance(listeners, str) or not all(isinstance(name, str) for name in listeners):
            raise ConfigError(key="listeners", value=listeners, expected="a list of names of this host")
        return Ok(State(current().runtime, keys, listeners, dict(meta or {})))

    def handle_call(self, request: Any, sender: From, state: State) -> NoReply[State]:
        """Do what a process of another host asks for; a value that cannot travel is that one's trouble."""
        operation, *arguments = request
        current().runtime.reply_or_refuse(sender, OPERATIONS[operation](current(), *arguments))
        return NoReply(state)

    def handle_info(self, message: Any, state: State) -> NoReply[State]:
        """Forget the keys of an owner that ended."""
        if message.__class__ is not Exit:
            super().handle_info(message, state)
        elif not is_alive(current().runtime, message.pid) or not current().runtime.is_here(message.pid):
            state.table.forget(message.pid)
            state.linked.discard(message.pid)
        return NoReply(state)

    def format_status(self, status: Status) -> Status:
        """Show how many entries there are, not what they hold."""
        if status.state.__class__ is State:
            table = status.state.table
            status.state = {"keys": table.keys, "entries": len(table.everything())}
        return status


def _here(registry: Target) -> ServerProcess | None:
    """Return a registry of this host, None for one of another."""
    runtime = here()
    if isinstance(registry, Via):
        registry = registry.pid()
    if not runtime.is_here(registry):
        return None
    found = runtime.find(registry)
    if not isinstance(found, ServerProcess) or found.state.__class__ is not State:
        raise UnknownRegistry(process=registry)
    return found


def _unique_here(registry: Target) -> ServerProcess:
    """Return a registry that can keep names.

    Raises:
        UnknownRegistry: There is none of that name on this host.
        ConfigError: Its keys are shared.
    """
    server = _here(registry)
    if server is None:
        raise UnknownRegistry(process=registry)
    refusal = only_unique(server, "Via")
    if refusal is not None:
        raise refused(refusal)
    return server


async def _do(registry: Target, operation: str, *arguments: Any) -> Any:
    """Do it here, or ask the registry's host.

    The first argument is a key or an owner: without a hash it is refused here, before anything is asked.
    """
    for argument in arguments[:1]:
        strict(argument)
    server = _here(registry)
    if server is not None:
        answer = OPERATIONS[operation](server, *arguments)
    else:
        try:
            answer = await here().call(registry, (operation, *arguments), 5.0)
        except NoProcess:
            raise UnknownRegistry(process=registry) from None
    if answer.__class__ is Refusal:
        raise refused(answer)
    return answer
