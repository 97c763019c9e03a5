"""Registry: keys to processes.

May import: `gen_server` and what is below it. Modules: `table` (keys, owners and values), `operations` (what
is done to a registry, by itself or by a process beside it), `registry` (the behaviour).
"""

from roger_actors.otp.registry.operations import Registered, Unregistered
from roger_actors.otp.registry.registry import Registry

__all__ = ["Registered", "Registry", "Unregistered"]
