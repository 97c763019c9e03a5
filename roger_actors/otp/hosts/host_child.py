"""Whole hosts as children: what a supervisor in the root host starts, watches and stops.

Source: ours; a host is to its supervisor what any linked process is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from roger_actors.errors import StartFailed
from roger_actors.otp.child_spec import ChildSpec, Restart, ShutdownLimit, Start
from roger_actors.otp.gen_server import drop_exit
from roger_actors.otp.pid import Pid
from roger_actors.otp.process import current
from roger_actors.otp.reason import TIMEOUT, Reason
from roger_actors.otp.runtime import Runtime
from roger_actors.transport import HostId


async def start_host(role: str, args: bytes | Callable[[], bytes] = b"", timeout: float = 30.0) -> Pid:
    """Start a host from the root host, linked to the current process, and wait until it is ready.

    Args:
        role: A known role.
        args: For the role's `main`; a function is asked at each start.
        timeout: Seconds until the host must be ready; then it is killed.

    Returns:
        The host's pid: exit signals stop it in order, `KILL` kills it, links and monitors tell its end.

    Raises:
        StartFailed: It ended or was not ready in time.
    """
    process = current()
    runtime = process.runtime
    host = runtime.endpoint.start_host(role, args() if callable(args) else args)
    pid = Pid(runtime.node, host, 0)
    ready: asyncio.Future[Reason] = runtime.loop.create_future()
    runtime.remote.hosts[host] = role, ready
    runtime.link(process, pid)
    ended = runtime.wait_for_end(pid)
    assert ended.future is not None
    ended.future.add_done_callback(
        lambda end: _settle(ready, end.result() if not end.cancelled() else TIMEOUT)
    )
    timer = runtime.timers.start(timeout, lambda _: _settle(ready, TIMEOUT), None)
    try:
        failure = await ready
    finally:
        runtime.timers.cancel(timer)
        runtime.forget(ended)
    if failure is None:
        return pid
    runtime.unlink(process, pid)
    drop_exit(process, pid)
    if failure is TIMEOUT:
        runtime.endpoint.kill_host(host)
    raise StartFailed(what=f"host {host} of role {role}", reason=failure)


def _settle(ready: asyncio.Future[Reason], failure: Reason) -> None:
    if not ready.done():
        ready.set_result(failure)


def host_child(
    id: str,  # noqa: A002 as in ChildSpec
    role: str,
    args: bytes | Callable[[], bytes] = b"",
    *,
    restart: Restart = "permanent",
    shutdown: ShutdownLimit = 10.0,
    timeout: float = 30.0,
) -> ChildSpec:
    """Return the spec of a child that is a whole host; for supervisors in the root host.

    Args:
        id: The child's id.
        role: Which role the host plays.
        args: For the role's `main`; a function is asked at each start.
        restart: As in `ChildSpec`.
        shutdown: Seconds the host has to stop its tree before it is killed.
        timeout: Seconds it has to become ready.
    """
    start = Start(start_host, role, args, timeout=timeout)
    return ChildSpec(id=id, start=start, restart=restart, shutdown=shutdown, type="supervisor")


def host_of_role(runtime: Runtime, role: str) -> HostId | None:
    """Root host: return a ready host of a role, the newest, or None."""
    if role == runtime.endpoint.role:
        return runtime.host
    found = [host for host, (known, ready) in runtime.remote.hosts.items() if known == role and ready.done()]
    return max(found, default=None)
