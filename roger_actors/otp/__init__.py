"""Processes and supervision, as in OTP: pids, mailboxes, links, monitors, GenServer, Supervisor.

May import: `transport` (its contract), `errors`, `clock`. Knows no job and no broker.

In reading order:

- values and decisions: `pid`, `reason`, `message`, `result`, `links`, `child_spec`, `restart`, `wire`;
- what runs: `runtime` (one host's processes), `process`, `serving`, `system`, `gen_server`;
- who restarts: `children`, `report`, `supervision`, `supervisor`, `dynamic_supervisor`;
- hosts as processes: `host_child`, `host_agent`, `host`, `placement`, and `outside`, a node seen from its starter.
"""

from roger_actors.otp import placement, process, reason, wire
from roger_actors.otp.child_spec import RESTARTING, ChildCount, ChildInfo, ChildSpec, Start
from roger_actors.otp.dynamic_supervisor import DynamicSupervisor
from roger_actors.otp.gen_server import GenServer
from roger_actors.otp.host import open_host
from roger_actors.otp.host_agent import AGENT, APP_HOSTS, TOP
from roger_actors.otp.host_child import host_child, host_of_role, start_host
from roger_actors.otp.message import Down, Exit, From, Response, Timeout
from roger_actors.otp.outside import Outside, serve_outside
from roger_actors.otp.pid import Pid, Ref
from roger_actors.otp.reason import (
    KILL,
    KILLED,
    NORMAL,
    SHUTDOWN,
    Crash,
    ExitProcess,
    ExitStatus,
    Fault,
    Shutdown,
    Signal,
)
from roger_actors.otp.restart import SupervisorFlags
from roger_actors.otp.result import Ignore, NoReply, Ok, Reply, Stop
from roger_actors.otp.runtime import Runtime, Target
from roger_actors.otp.supervisor import Supervisor

__all__ = [
    "AGENT",
    "APP_HOSTS",
    "KILL",
    "KILLED",
    "NORMAL",
    "RESTARTING",
    "SHUTDOWN",
    "TOP",
    "ChildCount",
    "ChildInfo",
    "ChildSpec",
    "Crash",
    "Down",
    "DynamicSupervisor",
    "Exit",
    "ExitProcess",
    "ExitStatus",
    "Fault",
    "From",
    "GenServer",
    "Ignore",
    "NoReply",
    "Ok",
    "Outside",
    "Pid",
    "Ref",
    "Reply",
    "Response",
    "Runtime",
    "Shutdown",
    "Signal",
    "Start",
    "Stop",
    "Supervisor",
    "SupervisorFlags",
    "Target",
    "Timeout",
    "host_child",
    "host_of_role",
    "open_host",
    "placement",
    "process",
    "reason",
    "serve_outside",
    "start_host",
    "wire",
]
