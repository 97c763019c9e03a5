"""OTP-style processes and supervision for Python, and a multi-tenant job system built on them.

Every public name is here, and is loaded when it is first used: importing this package loads
neither thespian nor pika nor sqlite3, so that a service pays for what it uses.

Reading order of the layers, from the ground up: `errors` and `clock`, `transport` (hosts and what
travels between them), `otp` (processes, servers, supervisors) beside `broker` (queues that keep
what was put into them), `roger` (jobs, partitions, workers), `bootstrap` (a node put together),
`cli` and `testing` (the edges).
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from roger_actors.bootstrap import Node
    from roger_actors.errors import RogerActorsError
    from roger_actors.otp import (
        KILL,
        KILLED,
        NOPROC,
        NORMAL,
        SHUTDOWN,
        After,
        Agent,
        Application,
        ChildSpec,
        Crash,
        Down,
        DynamicSupervisor,
        Exit,
        ExitStatus,
        From,
        GenServer,
        Ignore,
        NoReply,
        Ok,
        PartitionSupervisor,
        Pid,
        Ref,
        Registry,
        Reply,
        Request,
        Shutdown,
        Signal,
        Start,
        Stop,
        Supervisor,
        SupervisorFlags,
        Task,
        TaskExit,
        TaskOk,
        TaskSupervisor,
        Timeout,
        Via,
        process,
    )
    from roger_actors.roger import AsyncClient, Client, Config, Hooks, Job, JobRecord, load

    __version__: str

__all__ = [
    "KILL",
    "KILLED",
    "NOPROC",
    "NORMAL",
    "SHUTDOWN",
    "After",
    "Agent",
    "Application",
    "AsyncClient",
    "ChildSpec",
    "Client",
    "Config",
    "Crash",
    "Down",
    "DynamicSupervisor",
    "Exit",
    "ExitStatus",
    "From",
    "GenServer",
    "Hooks",
    "Ignore",
    "Job",
    "JobRecord",
    "NoReply",
    "Node",
    "Ok",
    "PartitionSupervisor",
    "Pid",
    "Ref",
    "Registry",
    "Reply",
    "Request",
    "RogerActorsError",
    "Shutdown",
    "Signal",
    "Start",
    "Stop",
    "Supervisor",
    "SupervisorFlags",
    "Task",
    "TaskExit",
    "TaskOk",
    "TaskSupervisor",
    "Timeout",
    "Via",
    "__version__",
    "load",
    "process",
]

_HOMES = {
    "bootstrap": ("Node",),
    "errors": ("RogerActorsError",),
    "roger": ("AsyncClient", "Client", "Config", "Hooks", "Job", "JobRecord", "load"),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Load a public name at its first use."""
    if name == "__version__":
        value: Any = importlib.import_module("importlib.metadata").version("roger-actors")
    elif name in __all__:
        value = getattr(importlib.import_module(f"{__name__}.{_HOME.get(name, 'otp')}"), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Return the public names, loaded or not."""
    return sorted({*globals(), *__all__})
