"""PartitionSupervisor: the same child many times, and each key always sent to the same one of them.

For a server that would be a bottleneck: each partition is a process of its own, and whoever knows a key finds
the partition without asking anybody. Partitions are found on the supervisor's own host.

Source: Elixir `PartitionSupervisor`.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import attrs

from roger_actors.errors import ConfigError, NoProcess, Undeliverable
from roger_actors.otp.child_spec import AnySpec, ChildSpec, Start, error_of, fault_of, spec_of
from roger_actors.otp.gen_server import GenServer
from roger_actors.otp.message import From, Refusal
from roger_actors.otp.pid import Pid
from roger_actors.otp.process import here
from roger_actors.otp.result import Ignore, Ok, Reply, Stop
from roger_actors.otp.runtime import Target, wire
from roger_actors.otp.serving import ServerProcess
from roger_actors.otp.supervision import acting
from roger_actors.otp.supervision.restart import SIMPLE, AutoShutdown, Strategy
from roger_actors.otp.supervisor import Either, Supervisor
from roger_actors.otp.via import Via

WithArguments = Callable[[tuple[Any, ...], int], Sequence[Any]]
"""Makes a partition's start arguments of those in the child spec and the partition's number."""


class PartitionSupervisor(Supervisor):
    """The behaviour; used as it is, not subclassed.

    A key that is an integer belongs to partition `abs(key) % partitions`, any other to the CRC-32 of its
    encoding modulo `partitions`: the same on every host, in every run and on every Python. A key is made of
    builtins, tuples, frozensets, pids and refs; a key's type counts, so that 1 and 1.0 may be apart.

    Attributes:
        size: How many partitions keys are sent to.
        most: How many there were at first.

    Example:
        ```python
        counters = ChildSpec(id="counter", start=Start(Counter, 0))
        await PartitionSupervisor.start_link(counters, name="counters", partitions=4)
        Counter.cast(PartitionSupervisor.via("counters", "some user"), 1)
        ```
    """

    size = 0
    most = 0

    # ---------------------------------------------------------------- client

    @classmethod
    async def start_link(  # type: ignore[override]  # one spec instead of many
        cls,
        child_spec: AnySpec,
        *,
        name: str,
        partitions: int | None = None,
        with_arguments: WithArguments | None = None,
        strategy: Strategy = "one_for_one",
        max_restarts: int = 3,
        max_seconds: float = 5.0,
        auto_shutdown: AutoShutdown = "never",
    ) -> Pid:
        """Start a supervisor with a child for each partition, linked to the current process.

        Args:
            child_spec: Of every partition; their ids are the partitions' numbers, from 0.
            name: Under which partitions are found.
            partitions: How many, 1 or more; by default the number of CPUs.
            with_arguments: Called with the spec's start arguments and a partition's number, once for each;
                returns that partition's start arguments.
            strategy: As for a `Supervisor`.
            max_restarts: Restarts tolerated within `max_seconds`, of all partitions together.
            max_seconds: Width of that window in seconds, above 0.
            auto_shutdown: Only `never`.

        Raises:
            ConfigError: An option is wrong.
            InvalidChildSpec: The spec is wrong.
            NameTaken: The name has a holder.
            StartFailed: A partition did not start.
        """
        for problem in option_problems(name, partitions, strategy, auto_shutdown):
            raise problem
        _check("with_arguments", with_arguments, "a function", valid=callable(with_arguments or len))
        count = (os.cpu_count() or 1) if partitions is None else partitions
        spec = spec_of(child_spec)
        return await super().start_link(
            [_partition(spec, number, with_arguments) for number in range(count)],
            strategy=strategy,
            max_restarts=max_restarts,
            max_seconds=max_seconds,
            name=name,
        )

    @classmethod
    def child_spec(cls, *args: Any, **kwargs: Any) -> ChildSpec:
        """Return how a supervisor starts this one; its id is the name.

        Args:
            args: For `start_link`.
            kwargs: Likewise.
        """
        return ChildSpec(id=kwargs.get("name"), start=Start(cls, *args, **kwargs))

    @staticmethod
    def whereis(name: str, key: Any) -> Pid | None:
        """Return the pid of the partition that a key belongs to, None while that one does not run.

        Args:
            name: Of a supervisor on this host.
            key: See the class.

        Raises:
            NoProcess: There is no such supervisor.
            ConfigError: It was resized to 0.
            TypeError: The key is made of something else.
        """
        server, state = _find(name)
        _check(f"partitions of {name}", server.size, "at least 1 to look a key up", valid=server.size > 0)
        pid = state.children[partition_of(key, server.size)].pid
        runtime = here()
        if not isinstance(pid, Pid) or (runtime.is_here(pid) and runtime.find(pid) is None):
            return None
        return pid

    @staticmethod
    def via(name: str, key: Any) -> Via:
        """Return the partition of a key as a target, looked up at each use."""
        return Via(PartitionSupervisor, (name, key))

    @staticmethod
    def register_name(name_and_key: Any, pid: Pid) -> bool:
        """Refuse: only partitions are found here, and nobody registers as one.

        Raises:
            TypeError: Always.
        """
        raise TypeError(f"{name_and_key!r} is a partition, not a name that {pid} could get")

    @staticmethod
    def unregister_name(name_and_key: Any) -> None:
        """Do nothing: there are no names to take back."""

    @staticmethod
    def whereis_name(name_and_key: tuple[str, Any]) -> Pid | None:
        """Return the pid of a partition, for `Via`; see `whereis`."""
        return PartitionSupervisor.whereis(*name_and_key)

    @staticmethod
    def send(name_and_key: tuple[str, Any], message: Any) -> None:
        """Send to a partition, for `Via`.

        Raises:
            NoProcess: It does not run, or there is no such supervisor.
        """
        here().send(PartitionSupervisor.via(*name_and_key).pid(), message)

    @staticmethod
    def partitions(name: str) -> int:
        """Return how many partitions keys are sent to.

        Raises:
            NoProcess: There is no such supervisor on this host.
        """
        return _find(name)[0].size

    @staticmethod
    async def resize(supervisor: Target, partitions: int, timeout: float | None = None) -> int:
        """Change the number of partitions: stop the last ones, or start stopped ones again.

        Args:
            supervisor: Pid, name on this host, or (name, host).
            partitions: From 0 to as many as there were at first.
            timeout: Seconds, None for no limit.

        Returns:
            How many there were before.

        Raises:
            ConfigError: It is no such number.
            StartFailed: A partition did not start again; the number is as it was.
        """
        before: int = await GenServer.call(supervisor, ("resize", partitions), timeout)
        return before

    # ---------------------------------------------------------------- callbacks

    async def init(self, children: Any, flags: Any) -> Ok[Any] | Ignore | Stop[Any]:
        """Start the partitions."""
        self.size = self.most = len(children)
        return await super().init(children, flags)

    async def handle_call(self, request: Any, sender: From, state: Either) -> Reply[Either]:
        """Answer the client functions."""
        if request[0] == "resize" and isinstance(state, acting.State):
            return Reply(await self._resize(state, request[1]), state)
        return await super().handle_call(request, sender, state)

    async def _resize(self, state: acting.State, size: Any) -> Any:
        if size.__class__ is not int or not 0 <= size <= self.most:
            expected = f"a number from 0 to {self.most}"
            return Refusal(
                ConfigError.__name__, {"key": "partitions", "value": repr(size), "expected": expected}
            )
        before = self.size
        for number in range(before, size):
            if not state.children[number].is_running:
                answer = await acting.REQUESTS["restart_child"](state, number)
                if answer.__class__ is Refusal:
                    return answer
        self.size = size
        for number in range(size, before):
            await acting.REQUESTS["terminate_child"](state, number)
        return before


def partition_of(key: Any, partitions: int) -> int:
    """Return the partition that a key belongs to.

    Args:
        key: See `PartitionSupervisor`.
        partitions: How many there are, 1 or more.

    Raises:
        TypeError: The key is made of something that has no encoding of its own.
    """
    if isinstance(key, int):
        return abs(key) % partitions
    try:
        return zlib.crc32(wire.dumps(_in_order(key))) % partitions
    except Undeliverable as error:
        raise TypeError(
            f"a partition's key is made of builtins, tuples, frozensets, pids and refs, not {key!r:.200}"
        ) from error


def _in_order(key: Any) -> Any:
    """Return a key with the items of its frozensets in an order that does not depend on the run."""
    if key.__class__ is frozenset:
        return ("frozenset", sorted(wire.dumps(_in_order(item)) for item in key))
    return tuple(map(_in_order, key)) if key.__class__ is tuple else key


def _partition(spec: ChildSpec, number: int, with_arguments: WithArguments | None) -> ChildSpec:
    wrong = fault_of(spec, auto_shutdown="never")
    if wrong is not None:
        raise error_of(wrong)
    start = spec.start
    args: Any = start.args if with_arguments is None else with_arguments(start.args, number)
    _check(f"with_arguments of {number}", args, "a list or tuple", valid=isinstance(args, list | tuple))
    return attrs.evolve(spec, id=number, start=Start(start.target, *args, **start.kwargs))


def _find(name: str) -> tuple[PartitionSupervisor, acting.State]:
    process = here().find(name)
    if isinstance(process, ServerProcess) and isinstance(process.server, PartitionSupervisor):
        state = process.state
        if isinstance(state, acting.State):
            return process.server, state
    raise NoProcess(process=name)


def option_problems(name: Any, partitions: Any, strategy: Any, auto_shutdown: Any) -> Iterator[ConfigError]:
    """Give everything that is wrong with the options that are not those of every supervisor."""
    good = partitions is None or (partitions.__class__ is int and partitions >= 1)
    for key, value, expected, valid in (
        ("name", name, "a string", isinstance(name, str)),
        ("partitions", partitions, "a number from 1", good),
        ("auto_shutdown", auto_shutdown, "never", auto_shutdown == "never"),
        ("strategy", strategy, "a strategy of children with ids", strategy != SIMPLE),
    ):
        if not valid:
            yield ConfigError(key=key, value=value, expected=expected)


def _check(key: str, value: Any, expected: str, *, valid: bool) -> None:
    if not valid:
        raise ConfigError(key=key, value=value, expected=expected)
