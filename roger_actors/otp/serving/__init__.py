"""The running half of a GenServer.

May import `runtime`, `process` and the values of `otp`. Modules: `server_process` (messages, callbacks,
state, the end), `system` (requests that need no callback), `status` (what is shown of a server),
`crash_report`, `idle` (timeouts of results), `rest_of_coroutine`, `long_mailbox` (a warning),
`bounded_server` (a limit).
"""

from roger_actors.otp.serving.bounded_server import BoundedServer
from roger_actors.otp.serving.server_process import (
    FAILED,
    IGNORED,
    RUNNING,
    STARTING,
    STOPPING,
    ServerProcess,
)
from roger_actors.otp.serving.status import Status, request_of

__all__ = [
    "FAILED",
    "IGNORED",
    "RUNNING",
    "STARTING",
    "STOPPING",
    "BoundedServer",
    "ServerProcess",
    "Status",
    "request_of",
]
