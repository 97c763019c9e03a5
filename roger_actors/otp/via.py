"""Via: a name that is kept by a registry instead of the host.

Source: Erlang and Elixir `{via, Module, Name}`.
"""

from __future__ import annotations

from typing import Any, Protocol

from roger_actors.errors import NameTaken, NoProcess
from roger_actors.otp.pid import Pid

_METHODS = ("register_name", "unregister_name", "whereis_name", "send")


class NameRegistry(Protocol):
    """What can keep names for `Via`: any object or class with these.

    It is asked in the process that uses the name, synchronously, and must not wait. That its entries end
    with their processes is its own affair; a process whose `init` fails is taken out.
    """

    def register_name(self, key: Any, pid: Pid, /) -> bool:
        """Keep a pid under a key; return whether that could be done, False if the key is taken."""
        ...

    def unregister_name(self, key: Any, /) -> None:
        """Forget a key; silent if it is not there."""
        ...

    def whereis_name(self, key: Any, /) -> Pid | None:
        """Return the pid kept under a key, None if there is none."""
        ...

    def send(self, key: Any, message: Any, /) -> Any:
        """Send a message to the process kept under a key.

        Raises:
            NoProcess: There is none.
        """
        ...


class Via:
    """The name that a registry keeps under a key; for `name=` at a start, and wherever a process is meant.

    It is looked up at each use, on the host of the one who uses it.

    Args:
        registry: A `NameRegistry`, such as the class `Registry`.
        key: What it calls the process.

    Raises:
        TypeError: The registry has not the four functions; a `Registry` that is known by its name or pid
            is meant by `Registry.via(name, key)`.

    Example:
        ```python
        await Cache.start_link(name=Via(Registry, ("tenants", "acme")))
        await Cache.call(Via(Registry, ("tenants", "acme")), "size")
        ```
    """

    __slots__ = ("key", "registry")

    def __init__(self, registry: NameRegistry, key: Any) -> None:
        missing = [name for name in _METHODS if not callable(getattr(registry, name, None))]
        if missing:
            advice = f"; write Registry.via({registry!r}, {key!r})" if isinstance(registry, str | Pid) else ""
            raise TypeError(
                f"a registry for Via has {', '.join(_METHODS)}; {registry!r} has no {missing[0]}{advice}"
            )
        self.registry = registry
        self.key = key

    def whereis(self) -> Pid | None:
        """Return the pid, None if there is none."""
        return self.registry.whereis_name(self.key)

    def pid(self) -> Pid:
        """Return the pid.

        Raises:
            NoProcess: There is none.
        """
        pid = self.registry.whereis_name(self.key)
        if pid is None:
            raise NoProcess(process=self)
        return pid

    def register(self, pid: Pid) -> None:
        """Give a process this name.

        Raises:
            NameTaken: It has a holder.
        """
        if not self.registry.register_name(self.key, pid):
            raise NameTaken(name=self, holder=self.registry.whereis_name(self.key))

    def release(self, pid: Pid) -> None:
        """Take the name from a process, if it still has it."""
        if self.registry.whereis_name(self.key) == pid:
            self.registry.unregister_name(self.key)

    def __eq__(self, other: object) -> bool:
        """Two are equal that mean the same key of the same registry."""
        if not isinstance(other, Via):
            return NotImplemented
        return self.registry is other.registry and bool(self.key == other.key)

    def __hash__(self) -> int:
        """Hash by key."""
        return hash((Via, self.key))

    def __repr__(self) -> str:
        """Return it as it would be written."""
        return f"Via({getattr(self.registry, '__name__', self.registry)}, {self.key!r})"
