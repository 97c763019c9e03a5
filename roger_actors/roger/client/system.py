"""Asking and telling the nodes of the cluster, as `client.system`.

Source:
    `Roger.System`.
"""

from __future__ import annotations

from typing import Any

from roger_actors.roger.client.blocking import Blocking, blocking
from roger_actors.roger.system.call import Answers, SystemCaller


class AsyncSystem:
    """The cluster's bus; see `System`.

    Args:
        caller: Reaches the nodes.
        timeout: Seconds for all answers, unless a call says otherwise.
    """

    def __init__(self, caller: SystemCaller, timeout: float) -> None:
        self._caller = caller
        self._timeout = timeout

    async def call(self, op: str, /, timeout: float | None = None, **args: Any) -> Answers:
        """Ask every live node.

        Args:
            op: What; one of `roger_actors.roger.system.server.OPERATIONS`.
            timeout: Seconds for all answers; default from the configuration.
            args: The operation's arguments.

        Returns:
            What each node answered, which refused, and which did not answer in time.
        """
        return await self._caller.call(op, args, self._timeout if timeout is None else timeout)

    async def cast(self, op: str, /, **args: Any) -> None:
        """Tell every live node to do something, and wait for no answer; see `call`.

        A node that cannot do it logs why. Where no node runs, nobody hears it.

        Raises:
            BrokerError: The broker did not take it.
        """
        await self._caller.cast(op, args)

    async def ping(self) -> Answers:
        """Have every live node answer `pong`."""
        return await self.call("ping")


class System(Blocking):
    """The cluster's bus: `client.system.ping()`."""

    call = blocking(AsyncSystem.call)
    cast = blocking(AsyncSystem.cast)
    ping = blocking(AsyncSystem.ping)
