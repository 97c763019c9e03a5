"""The agent of a host: shows its tree, and starts children that supervisors on other hosts placed here.

One runs in every opened host, registered as `host_agent`, started by the host's keeper.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, ClassVar, Final

import attrs

from roger_actors.errors import RogerActorsError, StartFailed
from roger_actors.otp.child_spec import ChildInfo, ChildSpec, Start
from roger_actors.otp.dynamic_supervisor import DynamicSupervisor
from roger_actors.otp.gen_server import GenServer
from roger_actors.otp.message import Down, From, Refusal
from roger_actors.otp.pid import Pid
from roger_actors.otp.process import current, exit, monitor  # noqa: A004 - its OTP name
from roger_actors.otp.reason import KILL, SHUTDOWN, Fault, shown
from roger_actors.otp.result import NoReply, Ok, Reply
from roger_actors.otp.runtime import Process, Runtime
from roger_actors.otp.serving import ServerProcess
from roger_actors.otp.supervision.children import REFUSED, STARTED, start_one

AGENT: Final = "host_agent"
APP_HOSTS: Final = "app_hosts"
"""The name of the root host's DynamicSupervisor of hosts made for single children."""

TOP: Final = "top"
"""The name of a host's top supervisor."""

_MOST_CHILDREN: Final = 200


class HostAgent(GenServer[ChildSpec | None]):
    """Answers `("tree",)`, `("processes", limit)`, `("start_child", …)`.

    In the root host also `("start_host",)`; there it holds the spec of hosts made for single children.
    """

    trap_exit: ClassVar[bool] = True

    def init(self, own_host: ChildSpec | None) -> Ok[ChildSpec | None]:
        """Hold what to start for a child that wants a host of its own; only the root host can."""
        return Ok(own_host)

    async def handle_call(
        self, request: Any, sender: From, state: ChildSpec | None
    ) -> Reply[ChildSpec | None]:
        """Answer a request; what goes wrong is the asker's to know."""
        try:
            if request[0] == "start_host":
                return Reply(await _start_host(state), state)
            return Reply(await _CALLS[request[0]](*request[1:]), state)
        except RogerActorsError as error:
            return Reply(Refusal(type(error).__name__, error.data), state)

    def handle_info(self, message: Any, state: ChildSpec | None) -> NoReply[ChildSpec | None]:
        """The only child of a host made for it has ended: end the host."""
        if message.__class__ is Down:
            current().runtime.on_shutdown(SHUTDOWN)
        return NoReply(state)


async def _start_child(
    supervisor: Pid, path: str, args: Any, kwargs: Any, only: bool
) -> tuple[Pid, Any] | None:
    """Start a child whose supervisor is on another host; return it and what its start said besides.

    Args:
        supervisor: Its parent.
        path: What to start, `module:name`.
        args: Its positional arguments.
        kwargs: Its keyword arguments.
        only: Whether this host was made for it and ends with it.
    """
    agent = current()
    outcome = await start_one(ChildSpec(id=path, start=Start(path, *args, **kwargs)))
    if outcome.kind is REFUSED:
        raise StartFailed(what=path, reason=outcome.reason)
    if outcome.kind is not STARTED or outcome.pid is None:
        return None
    runtime = agent.runtime
    if runtime.remote.portable(supervisor.host, outcome.extra) is not outcome.extra:
        exit(outcome.pid, KILL)
        raise StartFailed(what=path, reason=Fault("unportable_extra", shown(outcome.extra)))
    child = runtime.local(outcome.pid)
    child.parent = supervisor
    runtime.link(child, supervisor)
    runtime.unlink(agent, outcome.pid)
    if only:
        monitor(outcome.pid)
    return outcome.pid, outcome.extra


async def _start_host(spec: ChildSpec | None) -> Pid:
    """Root host: start a host for one child; it is not restarted, the child's supervisor asks anew."""
    if spec is None:
        raise StartFailed(what="a host of its own", reason=Fault("no_own_host"))
    pid: Pid = await DynamicSupervisor.start_child(APP_HOSTS, attrs.evolve(spec, restart="temporary"))
    return pid


async def _tree() -> dict[str, Any]:
    return host_tree(current().runtime)


async def _processes(limit: int) -> list[dict[str, Any]]:
    runtime = current().runtime
    return [
        describe(process) for _, process in zip(range(limit), list(runtime.processes.values()), strict=False)
    ]


_CALLS: Final[dict[str, Callable[..., Coroutine[Any, Any, Any]]]] = {
    "start_child": _start_child,
    "tree": _tree,
    "processes": _processes,
}


def host_tree(runtime: Runtime) -> dict[str, Any]:
    """Return what a host runs, as plain data, walked down from its top supervisor."""
    top = runtime.names.get(TOP)
    return {
        "host": runtime.host,
        "role": runtime.endpoint.role,
        "processes": len(runtime.processes),
        "lingering": len(runtime.lingering),
        "placed": [describe(process) for process in _placed(runtime)],
        "tree": None
        if top is None
        else _node(runtime, ChildInfo(TOP, top.pid, "supervisor", (top.label(),)), 0),
    }


def _placed(runtime: Runtime) -> list[Process]:
    """Return the processes whose supervisor is on another host."""
    return [
        process
        for process in runtime.processes.values()
        if process.parent and process.parent.host != runtime.host
    ]


def _node(runtime: Runtime, info: ChildInfo, restarts: int) -> dict[str, Any]:
    pid = info.pid
    node: dict[str, Any] = {
        "id": info.id if isinstance(info.id, str | int) else repr(info.id),
        "pid": str(pid) if pid.__class__ is Pid else None,
        "host": pid.host if pid.__class__ is Pid else None,
        "type": info.type,
        "class": info.modules[0].rpartition(":")[2]
        if info.modules.__class__ is tuple and info.modules
        else "",
        "state": "restarting" if pid is not None and pid.__class__ is not Pid else "stopped",
        "restarts": restarts,
        "children": [],
    }
    process = runtime.find(pid) if pid.__class__ is Pid else None
    if process is not None:
        node.update(describe(process))
        node["children"] = _children(runtime, process, node)
    elif pid.__class__ is Pid:
        node["state"] = "elsewhere"
    return node


def _children(runtime: Runtime, process: Process, node: dict[str, Any]) -> list[dict[str, Any]]:
    if not isinstance(process, ServerProcess) or process.state is None:
        return []
    children = process.server.children_of(process.state)
    node["count"] = len(children)
    return [_node(runtime, info, restarts) for info, restarts in children[:_MOST_CHILDREN]]


def describe(process: Process) -> dict[str, Any]:
    """Return one process as plain data."""
    busy = process.task is not None
    phase = getattr(process, "phase", "running")
    state = "busy" if phase == "running" and busy else "waiting" if phase == "running" else phase
    return {
        "pid": str(process.pid),
        "host": process.pid.host,
        "name": process.names[0] if process.names else None,
        "class": process.label(),
        "state": "suspended" if getattr(process, "suspended", False) else state,
        "mailbox": len(process.mailbox or ()),
    }
