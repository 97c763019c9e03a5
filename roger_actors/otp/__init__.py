"""Processes and supervision, as in OTP: pids, mailboxes, links, monitors, GenServer, Supervisor.

May import: `transport` (its contract), `errors`, `clock`. Knows no job and no broker.

In reading order:

- values: `pid`, `reason`, `message`, `result`, `child_spec`;
- what runs: `runtime` (one host's processes, the wire), `process`, `serving`, `gen_server`;
- who restarts: `supervision`, `supervisor`, `dynamic_supervisor`; and who is found: `registry`;
- `hosts`: hosts as processes, and a node seen from its starter;
- `behaviours`: tasks, agents and partitions, made of servers and supervisors;
- `application`: a tree from code or from a file, started and stopped as one.
"""

from roger_actors.otp import process, reason
from roger_actors.otp.application import (
    BEHAVIOURS,
    DEFAULT_FLAGS,
    Application,
    ApplicationType,
    application_table,
    children_array,
    definitions,
    described,
    flags_of_child,
    flags_table,
    nested_specs,
    options_table,
    placed,
    read_application,
    read_options,
    schema_table,
    short_name,
    table_of,
    walk,
)
from roger_actors.otp.behaviours import (
    Agent,
    PartitionSupervisor,
    StreamOptions,
    Task,
    TaskExit,
    TaskOk,
    TaskSupervisor,
)
from roger_actors.otp.child_spec import RESTARTING, ChildCount, ChildInfo, ChildSpec, Start
from roger_actors.otp.dynamic_supervisor import DynamicSupervisor
from roger_actors.otp.gen_server import GenServer
from roger_actors.otp.hosts import (
    AGENT,
    APP_HOSTS,
    TOP,
    Outside,
    bare_host,
    host_child,
    host_of_role,
    open_host,
    placement,
    serve_outside,
    start_host,
    trace,
)
from roger_actors.otp.message import Down, Exit, From, Request, Response, Timeout, TraceEvent
from roger_actors.otp.pid import Pid, Ref
from roger_actors.otp.reason import (
    KILL,
    KILLED,
    NOCONNECTION,
    NOPROC,
    NORMAL,
    SHUTDOWN,
    TIMEOUT,
    CallExit,
    Crash,
    ExitProcess,
    ExitStatus,
    Fault,
    Shutdown,
    Signal,
)
from roger_actors.otp.registry import Registered, Registry, Unregistered
from roger_actors.otp.result import After, Ignore, NoReply, Ok, Reply, Stop
from roger_actors.otp.runtime import Runtime, Target, wire
from roger_actors.otp.send_request import NO_REPLY, Answer, RequestIds
from roger_actors.otp.serving import Status
from roger_actors.otp.supervision.report_formatter import ReportFormatter
from roger_actors.otp.supervision.restart import Strategy, SupervisorFlags
from roger_actors.otp.supervisor import Supervisor
from roger_actors.otp.via import NameRegistry, Via

__all__ = [
    "AGENT",
    "APP_HOSTS",
    "BEHAVIOURS",
    "DEFAULT_FLAGS",
    "KILL",
    "KILLED",
    "NOCONNECTION",
    "NOPROC",
    "NORMAL",
    "NO_REPLY",
    "RESTARTING",
    "SHUTDOWN",
    "TIMEOUT",
    "TOP",
    "After",
    "Agent",
    "Answer",
    "Application",
    "ApplicationType",
    "CallExit",
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
    "NameRegistry",
    "NoReply",
    "Ok",
    "Outside",
    "PartitionSupervisor",
    "Pid",
    "Ref",
    "Registered",
    "Registry",
    "Reply",
    "ReportFormatter",
    "Request",
    "RequestIds",
    "Response",
    "Runtime",
    "Shutdown",
    "Signal",
    "Start",
    "Status",
    "Stop",
    "Strategy",
    "StreamOptions",
    "Supervisor",
    "SupervisorFlags",
    "Target",
    "Task",
    "TaskExit",
    "TaskOk",
    "TaskSupervisor",
    "Timeout",
    "TraceEvent",
    "Unregistered",
    "Via",
    "application_table",
    "bare_host",
    "children_array",
    "definitions",
    "described",
    "flags_of_child",
    "flags_table",
    "host_child",
    "host_of_role",
    "nested_specs",
    "open_host",
    "options_table",
    "placed",
    "placement",
    "process",
    "read_application",
    "read_options",
    "reason",
    "schema_table",
    "serve_outside",
    "short_name",
    "start_host",
    "table_of",
    "trace",
    "walk",
    "wire",
]
