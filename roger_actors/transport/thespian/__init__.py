"""Hosts as Thespian actors over Unix-domain sockets: the real transport.

May import `roger_actors.transport.base`, `errors`, thespian, and the standard library.

Modules in reading order: `linux` (kernel facts), `link` (one connection), `hub` (all of them),
`children` (forking and deaths), `address`, `poll_loop`, `run_directory`, `transport` (Thespian's
interface), `actors` (admin and manager), `endpoint` (a host), `root` (the root host), `launch` (the
admin's process), `node` (from outside).
"""

from __future__ import annotations

from roger_actors.transport.thespian.node import UnixNode, attach, start_node

__all__ = ["UnixNode", "attach", "start_node"]
