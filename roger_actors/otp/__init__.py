"""Processes and supervision, as in OTP: pids, mailboxes, links, monitors, GenServer, Supervisor.

May import: `transport` (its contract), `errors`, `clock`. Knows no job and no broker.

In reading order: `pid`, `reason`, `message`, `result`, `links` (values and decisions); `timers`, `wire`,
`remote`, `runtime` (one host's processes); `process`, `serving`, `gen_server` (what runs in them);
`child_spec`, `restart` (decisions), `children`, `report`, `supervisor`, `dynamic_supervisor` (who restarts them).
"""

from roger_actors.otp import process, reason, wire
from roger_actors.otp.child_spec import RESTARTING, ChildCount, ChildInfo, ChildSpec, Start
from roger_actors.otp.dynamic_supervisor import DynamicSupervisor
from roger_actors.otp.gen_server import GenServer
from roger_actors.otp.message import Down, Exit, From, Response, Timeout
from roger_actors.otp.pid import Pid, Ref
from roger_actors.otp.restart import SupervisorFlags
from roger_actors.otp.result import Ignore, NoReply, Ok, Reply, Stop
from roger_actors.otp.runtime import Runtime, Target
from roger_actors.otp.supervisor import Supervisor

__all__ = [
    "RESTARTING", "ChildCount", "ChildInfo", "ChildSpec", "Down", "DynamicSupervisor", "Exit", "From", "GenServer",
    "Ignore", "NoReply", "Ok", "Pid", "Ref", "Reply", "Response", "Runtime", "Start", "Stop", "Supervisor",
    "SupervisorFlags", "Target", "Timeout", "process", "reason", "wire",
]  # fmt: skip
