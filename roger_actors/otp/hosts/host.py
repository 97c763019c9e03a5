"""Opening a host: a runtime around a tree.

A host that is opened runs a *keeper* (which starts the tree, says that it is ready, and ends the host in
order) and an *agent* (which shows the host's tree and starts children that were placed here).

Source: Erlang's `init` and `application_master`, in small.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from roger_actors.errors import StartFailed
from roger_actors.otp.child_spec import ChildSpec
from roger_actors.otp.hosts.host_agent import AGENT, HostAgent
from roger_actors.otp.hosts.process_info import KEEPER, TOP, standing
from roger_actors.otp.message import Exit
from roger_actors.otp.pid import Pid
from roger_actors.otp.process import exit, receive, spawn_on, trap_exit  # noqa: A004 - its OTP name
from roger_actors.otp.reason import KILL, SHUTDOWN, Reason, of_exception
from roger_actors.otp.runtime import Runtime
from roger_actors.otp.supervision.restart import AutoShutdown, Strategy
from roger_actors.otp.supervisor import Children, Supervisor
from roger_actors.transport import Endpoint

_KILLED_STATUS: Final = 137


def open_host(
    endpoint: Endpoint,
    children: Children = (),
    *,
    strategy: Strategy = "one_for_one",
    max_restarts: int = 3,
    max_seconds: float = 5.0,
    auto_shutdown: AutoShutdown = "never",
    own_host: ChildSpec | None = None,
    own_process: bool = True,
) -> Runtime:
    """Make a host out of an endpoint: a runtime, an agent, and a tree under a supervisor named `top`.

    Returns at once; the tree starts when the loop runs. When the tree ends, the host ends, and its root
    host is told why. Called in a role's `main`.

    Args:
        endpoint: The host's view of its node.
        children: The tree.
        strategy: Of the top supervisor.
        max_restarts: Likewise.
        max_seconds: Likewise.
        auto_shutdown: Likewise.
        own_host: In the root host: the `host_child` to start for a child with `host="own"`; its tree must
            be empty. The tree here must hold a `DynamicSupervisor` named `APP_HOSTS` for them.
        own_process: Whether this host has the OS process to itself, so that code outside any process
            finds its runtime.
    """
    runtime = Runtime(endpoint)
    if own_process:
        Runtime.default = runtime

    async def start_top() -> Pid:
        """Start the tree, in the keeper's process."""
        return await Supervisor.start_link(
            children,
            strategy=strategy,
            max_restarts=max_restarts,
            max_seconds=max_seconds,
            auto_shutdown=auto_shutdown,
            name=TOP,
        )

    keeper = spawn_on(runtime, _keep, runtime, start_top, own_host, name=KEEPER)
    runtime.on_shutdown = lambda reason: _asked_to_stop(runtime, keeper, reason)
    endpoint.on_examined = lambda frame: standing(runtime, frame)
    endpoint.on_terminate = lambda: runtime.on_shutdown(SHUTDOWN)
    return runtime


def _asked_to_stop(runtime: Runtime, keeper: Pid, reason: Reason) -> None:
    if reason is KILL:
        runtime.endpoint.stop(_KILLED_STATUS)
    else:
        runtime.send(keeper, Exit(runtime.host_pid, reason))


async def _keep(runtime: Runtime, start_top: Callable[[], Any], own_host: ChildSpec | None) -> None:
    """Run the host: start, say ready, wait for the end of the tree or the wish to end it."""
    trap_exit()
    await HostAgent.start_link(own_host, name=AGENT)
    try:
        top = await start_top()
    except StartFailed as error:
        runtime.stop(error.reason)
        return
    except Exception as error:  # noqa: BLE001 - whatever the tree's own function raised is why the host ends
        runtime.stop(of_exception(error))
        return
    runtime.remote.ready()
    while True:
        message = await receive()
        if message.__class__ is not Exit:
            continue
        if message.pid == top:
            runtime.stop(message.reason)
            return
        if message.pid == runtime.host_pid:
            exit(top, message.reason)
