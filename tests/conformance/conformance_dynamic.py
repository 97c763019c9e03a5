"""Supervisors of children on demand, Erlang's and Elixir's, under one face for the lines that both keep."""

from __future__ import annotations

import attrs

from roger_actors.otp import DynamicSupervisor, Pid, Start, Supervisor, SupervisorFlags

KINDS = ("simple_one_for_one", "DynamicSupervisor")
"""Erlang's and Elixir's."""


class Payload:
    """A big argument: nothing holds it but who was given it."""

    def __init__(self):
        self.bytes = bytes(100_000)


class OnDemand:
    """A supervisor whose children all have one spec, of either kind.

    Attributes:
        pid: The supervisor's.
        behaviour: `Supervisor` or `DynamicSupervisor`.
    """

    def __init__(self, pid, behaviour, spec):
        self.pid = pid
        self.behaviour = behaviour
        self._spec = spec

    @classmethod
    async def start(cls, kind, spec, *, intensity=10):
        """Start one without children."""
        if kind == "DynamicSupervisor":
            return cls(await DynamicSupervisor.start_link(max_restarts=intensity), DynamicSupervisor, spec)
        return cls(await simple(spec, intensity=intensity), Supervisor, spec)

    async def child(self, *extra):
        """Start a child with more arguments after the spec's own."""
        if self.behaviour is Supervisor:
            return await Supervisor.start_child(self.pid, list(extra))
        start = self._spec.start
        start = Start(start.target, *start.args, *extra, **start.kwargs)
        return await DynamicSupervisor.start_child(self.pid, attrs.evolve(self._spec, start=start))

    async def children(self):
        """Return what stands in the place of each child's pid; the question waits for a restart under way."""
        return [info.pid for info in await self.behaviour.which_children(self.pid)]

    async def running(self):
        """Return the pids of the children that run."""
        return {pid for pid in await self.children() if isinstance(pid, Pid)}

    async def terminate(self, pid):
        """Stop a child."""
        await self.behaviour.terminate_child(self.pid, pid)


async def simple(*specs, intensity=10, **flags):
    """Start a `simple_one_for_one` supervisor linked to the test."""
    wanted = SupervisorFlags(strategy="simple_one_for_one", intensity=intensity, **flags)
    return await Supervisor.start_link(list(specs), flags=wanted)
