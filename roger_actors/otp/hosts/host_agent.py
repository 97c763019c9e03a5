"""The agent of a host: shows its tree, and starts children that supervisors on other hosts placed here.

One runs in every opened host, registered as `host_agent`, started by the host's keeper.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Final, NamedTuple

import attrs

from roger_actors.errors import RogerActorsError, StartFailed
from roger_actors.otp.child_spec import ChildSpec, Start
from roger_actors.otp.dynamic_supervisor import DynamicSupervisor
from roger_actors.otp.gen_server import GenServer
from roger_actors.otp.hosts.process_info import busiest, host_tree
from roger_actors.otp.hosts.tracing import LENGTH, trace_here, untrace_here
from roger_actors.otp.message import Down, Exit, From, Refusal
from roger_actors.otp.pid import Pid, Ref
from roger_actors.otp.process import (
    current,
    demonitor,
    exit,  # noqa: A004 - its OTP name
    here,
    monitor,
    receive,
    spawn,
    trap_exit,
    unlink,
    whereis,
)
from roger_actors.otp.reason import KILL, KILLED, NOPROC, SHUTDOWN, Fault, crash_of, shown
from roger_actors.otp.result import NoReply, Ok, Reply
from roger_actors.otp.runtime import Target
from roger_actors.otp.supervision.children import REFUSED, STARTED, start_one
from roger_actors.otp.via import Via
from roger_actors.transport import HostId

AGENT: Final = "host_agent"
APP_HOSTS: Final = "app_hosts"
"""The name of the root host's DynamicSupervisor of hosts made for single children."""


class State(NamedTuple):
    """What an agent holds.

    Attributes:
        own_host: In the root host: the spec of hosts made for single children.
        made_for: In such a host: the monitor of whom it ends with, the child's supervisor until there is the
            child.
        has_child: Whether that is the child.
    """

    own_host: ChildSpec | None
    made_for: Ref | None = None
    has_child: bool = False


class HostAgent(GenServer[State]):
    """Answers for its host.

    Requests: `("tree",)`, `("busiest", limit, order)`, `("whereis", name)`, `("trace", …)`,
    `("start_child", …)`.

    In the root host also `("start_host", supervisor)`.

    Casts, in a host that was made for one child: `("made_for", supervisor)`, `("child", pid)`.
    """

    trap_exit: ClassVar[bool] = True

    def init(self, own_host: ChildSpec | None) -> Ok[State]:
        """Hold what to start for a child that wants a host of its own; only the root host can."""
        return Ok(State(own_host))

    def handle_call(self, request: Any, sender: From, state: State) -> Reply[State] | NoReply[State]:
        """Answer a request; what goes wrong is the asker's to know.

        A start may take its time, so it has a process of its own: the agent goes on answering.
        """
        if request[0] in {"start_child", "start_host"}:
            spawn(_start, sender, request, state.own_host)
            return NoReply(state)
        try:
            return Reply(_LOOKS[request[0]](*request[1:]), state)
        except RogerActorsError as error:
            return Reply(Refusal(type(error).__name__, error.data), state)
        except Exception as error:  # noqa: BLE001 - nothing that is looked at may end who looks
            return Reply(_refusal(request, error), state)

    def handle_cast(self, request: tuple[str, Pid], state: State) -> NoReply[State]:
        """This host was made for one child: watch whom it ends with."""
        is_child = request[0] == "child"
        if state.has_child and not is_child:  # it comes from another host than the child, and may be late
            return NoReply(state)
        if state.made_for is not None:
            demonitor(state.made_for, flush=True)
        return NoReply(State(state.own_host, monitor(request[1]), is_child))

    def handle_info(self, message: Any, state: State) -> NoReply[State]:
        """Whom this host ends with has ended."""
        if message.__class__ is Down:
            current().runtime.on_shutdown(SHUTDOWN)
        return NoReply(state)


async def _start(sender: From, request: Any, own_host: ChildSpec | None) -> None:
    """Start something for a supervisor on another host, in a process of its own, and answer."""
    trap_exit()
    answer: Any
    try:
        if request[0] == "start_host":
            answer = await _start_host(own_host, request[1])
        else:
            answer = await _start_child(*request[1:])
    except RogerActorsError as error:
        answer = Refusal(type(error).__name__, error.data)
    except Exception as error:  # noqa: BLE001 - the supervisor waits without a limit: it must be told
        answer = _refusal(request, error)
    GenServer.reply(sender, answer)


def _refusal(request: Any, error: Exception) -> Refusal:
    return Refusal(StartFailed.__name__, {"what": shown(request[0]), "reason": crash_of(error)})


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
    outcome = await start_one(ChildSpec(id=path, start=Start(path, *args, **kwargs)))
    if outcome.kind is REFUSED:
        raise StartFailed(what=path, reason=outcome.reason)
    if outcome.kind is not STARTED or outcome.pid is None:
        return None
    if here().remote.portable(supervisor.host, outcome.extra) is not outcome.extra:
        exit(outcome.pid, KILL)
        raise StartFailed(what=path, reason=Fault("unportable_extra", shown(outcome.extra)))
    await _hand_over(outcome.pid, supervisor)
    if only:
        GenServer.cast(AGENT, ("child", outcome.pid))
    return outcome.pid, outcome.extra


async def _hand_over(pid: Pid, supervisor: Pid) -> None:
    """Give a child of this process to its supervisor; if it has ended already, tell what of."""
    runtime = here()
    child = runtime.find(pid)
    if child is not None:
        child.parent = supervisor
        runtime.link(child, supervisor)
        unlink(pid)
        return
    told = await receive(0, matching=lambda message: message.__class__ is Exit and message.pid == pid)
    reason = told.reason if told.__class__ is Exit else NOPROC
    # Told by an exit signal, for there is no link; an end with the reason `KILL` must not become a kill.
    runtime.exit(pid, supervisor, KILLED if reason is KILL else reason)


async def _start_host(spec: ChildSpec | None, supervisor: Pid) -> Pid:
    """Root host: start a host for one child; it is not restarted, the child's supervisor asks anew.

    The host watches the supervisor, which may have ended before it has placed the child.
    """
    if spec is None:
        raise StartFailed(what="a host of its own", reason=Fault("no_own_host"))
    pid: Pid = await DynamicSupervisor.start_child(APP_HOSTS, attrs.evolve(spec, restart="temporary"))
    GenServer.cast((AGENT, pid.host), ("made_for", supervisor))
    return pid


def _trace(target: int | str, on: bool, to: Pid | None, length: int) -> Pid:
    runtime = current().runtime
    whom = target if isinstance(target, str) else Pid(runtime.node, runtime.host, target)
    return trace_here(runtime, whom, to, length) if on else untrace_here(runtime, whom)


_LOOKS: Final[dict[str, Callable[..., Any]]] = {
    "tree": lambda: host_tree(current().runtime),
    "busiest": lambda limit, order: busiest(current().runtime, limit, order),
    "whereis": whereis,
    "trace": _trace,
}


# -------------------------------------------------------------------- client


async def trace(
    target: Target, on: bool = True, *, to: Pid | None = None, length: int = LENGTH, timeout: float = 5.0
) -> Pid:
    """Let a process's messages and changes of state be told, or end that.

    A process has one trace: another takes its place. It ends with the process, and with whoever gets the
    events. On other hosts it is begun by the host's agent, also while the process itself is busy. What
    `format_status` hides is not told.

    Args:
        target: Which process, a server or one of a function: its pid, its name here, or (name, host).
        on: Whether to begin or to end it.
        to: Who gets a `TraceEvent` for each; None for the log `roger_actors.otp.trace`, at debug level, of
            the process's own host.
        length: Characters of a message or state that an event shows.
        timeout: Seconds for the other host to answer.

    Returns:
        The process's pid.

    Raises:
        NoProcess: There is no such process.
        ProcessError: It would get its own events.
        CallTimeout: Its host does not answer.

    Source:
        Erlang `sys:trace`, which prints; `erlang:trace`, which sends.
    """
    runtime = here()
    if isinstance(target, Via):
        target = target.pid()
    if runtime.is_here(target):
        return trace_here(runtime, target, to, length) if on else untrace_here(runtime, target)
    whom, host = (target[2], target[1]) if isinstance(target, Pid) else (target[0], target[1])
    pid: Pid = await GenServer.call((AGENT, HostId(int(host))), ("trace", whom, on, to, length), timeout)
    return pid
