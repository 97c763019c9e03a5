"""Pid and Ref: the names of processes and of single events, hashable, orderable, safe to send."""

from __future__ import annotations

from typing import NamedTuple

from roger_actors.transport import HostId


class Pid(NamedTuple):
    """Names one process for ever; never used twice within a node's run.

    Attributes:
        node: Name of the node.
        host: The host that the process lives on.
        serial: Number of the process on its host, from 1; 0 is the host itself, which can be
            linked, monitored and told to exit like a process.

    Source:
        Erlang `pid()`.
    """

    node: str
    host: HostId
    serial: int

    def __str__(self) -> str:
        """Return `<node.host.serial>`."""
        return f"<{self.node}.{self.host}.{self.serial}>"

    def __repr__(self) -> str:
        """Return the same, so that lists of pids read well."""
        return str(self)


class Ref(NamedTuple):
    """Names one monitor, timer or request for ever.

    Source:
        Erlang `reference()`.
    """

    node: str
    host: HostId
    number: int

    def __str__(self) -> str:
        """Return `#Ref<node.host.number>`."""
        return f"#Ref<{self.node}.{self.host}.{self.number}>"

    def __repr__(self) -> str:
        """Return the same, so that messages read well."""
        return str(self)
