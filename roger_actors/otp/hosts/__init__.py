"""Hosts as processes: opening them, supervising them, placing children on them, asking them from outside.

May import everything in `otp`. Modules: `host_child` (a host as a child), `process_info` (what a host's
processes do), `tracing`, `host_agent` (what each host answers), `host` (opening one), `bare_host` (one
of a node in memory), `placement` (children on other hosts), `node_view` (all hosts seen from the root host),
`trace_collector`, `outside` (a node seen from its starter).
"""

from roger_actors.otp.hosts import placement
from roger_actors.otp.hosts.bare_host import bare_host
from roger_actors.otp.hosts.host import open_host
from roger_actors.otp.hosts.host_agent import AGENT, APP_HOSTS, trace
from roger_actors.otp.hosts.host_child import host_child, host_of_role, start_host
from roger_actors.otp.hosts.outside import Outside, serve_outside
from roger_actors.otp.hosts.process_info import TOP, is_users

__all__ = [
    "AGENT",
    "APP_HOSTS",
    "TOP",
    "Outside",
    "bare_host",
    "host_child",
    "host_of_role",
    "is_users",
    "open_host",
    "placement",
    "serve_outside",
    "start_host",
    "trace",
]
