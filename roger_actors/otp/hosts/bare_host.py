"""A host in which nothing runs but what it is told to: for a node in memory, whose tests count processes.

It can be given children of other hosts' supervisors all the same: the agent that starts them, and in the
root host the supervisor of hosts made for single children, are there as soon as somebody looks for them.
"""

from __future__ import annotations

from typing import Any

from roger_actors.otp.child_spec import ChildSpec
from roger_actors.otp.dynamic_supervisor import DynamicSupervisor
from roger_actors.otp.gen_server import GenServer, start_under
from roger_actors.otp.hosts.host_agent import AGENT, APP_HOSTS, HostAgent
from roger_actors.otp.process import receive, spawn_on
from roger_actors.otp.runtime import Process, Runtime
from roger_actors.otp.supervision.restart import SupervisorFlags
from roger_actors.transport import Endpoint


def bare_host(endpoint: Endpoint, own_host: ChildSpec | None = None) -> Runtime:
    """Make a host out of an endpoint: a runtime without a tree; it ends when it is told to.

    Args:
        endpoint: The host's view of its node.
        own_host: In the root host: the `host_child` to start for a child with `host="own"`.
    """
    runtime = Runtime(endpoint)
    runtime.names = _Names(runtime, own_host)
    return runtime


class _Names(dict[str, Process]):
    """The names of a bare host."""

    def __init__(self, runtime: Runtime, own_host: ChildSpec | None) -> None:
        super().__init__()
        self._runtime = runtime
        self._own_host = own_host

    def get(self, name: str, default: Any = None) -> Any:
        """Return who has a name, started now if it is one of those that are there on demand."""
        found = super().get(name)
        if found is not None:
            return found
        if name == AGENT:
            return self._start(name, HostAgent(), self._own_host)
        if name == APP_HOSTS and self._own_host is not None:
            return self._start(name, DynamicSupervisor(), SupervisorFlags(strategy="one_for_one"), None, ())
        return default

    def _start(self, name: str, server: GenServer[Any], *args: Any) -> Process:
        runtime = self._runtime
        parent = runtime.local(spawn_on(runtime, receive, None, _never))
        started = runtime.local(start_under(parent, server, args))
        runtime.register(name, started)
        return started


def _never(_: Any) -> bool:
    return False
