"""What runs the processes of one host.

May import: the values of `otp` (pids, reasons, messages, wire) and `transport`.

In reading order: `log`, `records` (a process, a pending call), `timers`, `wire` (bytes), `scheduler` (table
and run queue), `links` (decisions), `signals` (links, monitors, ends), `calls`, `unreadable`,
`remote` (other hosts), `runtime`.
"""

from roger_actors.otp.runtime import wire
from roger_actors.otp.runtime.log import Log
from roger_actors.otp.runtime.records import CURRENT, Inbox, Name, Pending, Process, Target
from roger_actors.otp.runtime.runtime import Runtime
from roger_actors.otp.runtime.scheduler import Turn
from roger_actors.otp.runtime.timers import Timer, Timers

__all__ = [
    "CURRENT",
    "Inbox",
    "Log",
    "Name",
    "Pending",
    "Process",
    "Runtime",
    "Target",
    "Timer",
    "Timers",
    "Turn",
    "wire",
]
