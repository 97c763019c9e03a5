"""One host's processes: the whole of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from roger_actors.otp.pid import Pid
from roger_actors.otp.reason import NORMAL, SHUTDOWN, Reason, is_clean, said
from roger_actors.otp.runtime.calls import Calls
from roger_actors.otp.runtime.remote import Remote
from roger_actors.otp.runtime.timers import Timer
from roger_actors.transport import Endpoint


class Runtime(Calls):
    """The processes of one host. Everything runs on the host's loop and in its thread.

    Attributes:
        applications: Who watches over each application that was started here, by its name.
        environments: What `Application.get_env` finds here, by the application's name.

    Args:
        endpoint: The host's view of its node; `on_frame` and `on_host_down` are taken over.
    """

    default: Runtime | None = None
    """The runtime of this OS process, where there is only one; set by a role's main."""

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__(endpoint)
        self.sends: dict[int, Timer] = {}
        self.remote = Remote(self)
        self.applications: dict[str, Pid] = {}
        self.environments: dict[str, dict[str, Any]] = {}
        self.on_shutdown: Callable[[Reason], None] = self.stop
        if hasattr(endpoint, "on_killed"):  # a host that is an object must be told to vanish
            endpoint.on_killed = self.halt

    def stop(self, reason: Reason = NORMAL) -> None:
        """End this host: its root host is told why, and every process is gone with it."""
        self.remote.farewell(reason)
        self.remote.flush()
        why = "" if reason is NORMAL or reason is SHUTDOWN else said(reason)
        self.endpoint.stop(0 if is_clean(reason) else 1, why)

    def halt(self) -> None:
        """Stop everything where it stands, telling nobody: the host was killed (in-memory hosts only)."""
        self._halted = True
        self.timers.close()
        self._queue.clear()
        for process in list(self.processes.values()):
            process.alive = False
            if process.task is not None:
                self._cancel(process.task, process.work)
        self.processes.clear()
        self.names.clear()
        self.calls.clear()
