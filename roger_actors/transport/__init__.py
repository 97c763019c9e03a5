"""How a process runs and is reached: hosts, frames between them, their deaths.

May import `errors` and `clock`. Modules: `base` (the contract), `memory` (hosts as objects in one
thread), `thespian` (hosts as OS processes). The implementations are named only where a node is put
together, so that importing this package loads neither.
"""

from roger_actors.transport.base import ROOT, Endpoint, HostExit, HostId, HostVitals, Node, Role, Roles

__all__ = ["ROOT", "Endpoint", "HostExit", "HostId", "HostVitals", "Node", "Role", "Roles"]
