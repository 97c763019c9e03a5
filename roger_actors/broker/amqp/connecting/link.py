"""One connection to RabbitMQ that is kept open, and why it cannot be.

A `Link` opens a connection, tells its owner, and opens another whenever it is lost, after pauses that
grow and are jittered, until it is closed.
"""

from __future__ import annotations

import asyncio
import logging
import random
import re
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pika
import pika.exceptions

from roger_actors.broker.amqp.connecting.connection import SwiftConnection
from roger_actors.broker.amqp.connecting.server import fault, read_server
from roger_actors.broker.amqp.connecting.servers import Servers, address_of, host_of
from roger_actors.errors import BrokerError, ConnectionFailed, ConnectionLost

logger = logging.getLogger(__name__)
# Whatever pika reports comes back to us as an error or a callback and is told once, in one line.
logging.getLogger("pika").setLevel(logging.CRITICAL)

CLOSE_SECONDS = 2.0
FIRST_PAUSE = 0.1
LONGEST_PAUSE = 0.5
"""Seconds between two tries to connect at the most: that of a broker that is away costs next to nothing."""


def explain(error: BaseException, parameters: pika.URLParameters) -> str:
    """Return one line that says why a connection could not be opened or was lost."""
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, pika.exceptions.ConnectionClosed):
            return _explain_close(cause, parameters)
    denied = next((c for c in causes if isinstance(c, pika.exceptions.ProbableAccessDeniedError)), None)
    if denied is not None:
        return _explain_denial(str(denied), parameters)
    secured = next((cause for cause in causes if isinstance(cause, ssl.SSLError)), None)
    if secured is not None:
        return _explain_tls(secured, parameters)
    for kinds, text in _TEXTS:
        if any(isinstance(cause, kinds) for cause in causes):
            return text
    deepest = causes[-1]
    return f"{type(deepest).__name__}: {deepest}".rstrip(": ")


def _explain_close(error: pika.exceptions.ConnectionClosed, parameters: pika.URLParameters) -> str:
    text = str(error.reply_text)
    if error.reply_code == 403:
        return f"user name or password refused for {parameters.credentials.username!r}"
    if error.reply_code == 530 and "not found" in text:
        return f"there is no vhost {parameters.virtual_host!r}"
    return f"closed by the broker: {error.reply_code} {text}"


def _explain_tls(error: ssl.SSLError, parameters: pika.URLParameters) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate of {parameters.host!r} is refused: {error.verify_message.rstrip('.')}"
    return f"TLS failed: {(error.reason or str(error)).replace('_', ' ').lower()}"


def _explain_denial(text: str, parameters: pika.URLParameters) -> str:
    """Say why a vhost cannot be entered; what the broker said of it is only to be had as text."""
    if "not found" in text:
        return f"there is no vhost {parameters.virtual_host!r}"
    limit = re.search(r"connection limit \(\d+\) is reached", text)
    return f"access to the vhost refused: {limit[0]}" if limit else "access to the vhost refused"


_TEXTS: tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], str], ...] = (
    (pika.exceptions.AuthenticationError, "user name or password refused"),
    (pika.exceptions.ProbableAuthenticationError, "user name or password refused"),
    (pika.exceptions.AMQPHeartbeatTimeout, "the broker was silent for too long"),
    (ConnectionRefusedError, "connection refused, nothing listens there"),
    (socket.gaierror, "the host name is not known"),
    ((TimeoutError, pika.exceptions.ConnectionOpenAborted), "no answer in time"),
    (pika.exceptions.IncompatibleProtocolError, "it does not speak AMQP 0-9-1"),
)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Walk through an error and all that it wraps; pika hides them in `exceptions` and `exception`."""
    waiting: list[Any] = [error]
    while waiting:
        current = waiting.pop(0)
        if isinstance(current, BaseException):
            yield current
            waiting += [current.__cause__, getattr(current, "exception", None)]
            waiting += list(getattr(current, "exceptions", ()))
            waiting += [a for a in current.args if isinstance(a, BaseException)]


def _failure(error: BaseException, parameters: pika.URLParameters) -> ConnectionFailed:
    return ConnectionFailed(broker=address_of(parameters), detail=explain(error, parameters))


class Link:
    """A connection that is kept open.

    Args:
        servers: Where to: any of them.
        on_up: Awaited after each opening; if it fails, the connection is closed and opened anew.
        on_down: Called with a one-line reason when an open connection is lost.

    Attributes:
        channel_max: How many channels the broker allows on it, 0 before the first opening.
    """

    def __init__(
        self,
        servers: Servers,
        on_up: Callable[[SwiftConnection], Awaitable[None]],
        on_down: Callable[[str], None],
    ) -> None:
        self._servers = servers
        self._on_up, self._on_down = on_up, on_down
        self._keeper: asyncio.Task[None] | None = None
        self._lost: asyncio.Future[str] | None = None
        self._up = asyncio.Event()
        self.connection: SwiftConnection | None = None
        self.is_blocked = False
        self.is_closed = False
        self.channel_max = 0

    async def open(self) -> None:
        """Open the connection once; from then on it is kept open.

        Raises:
            ConnectionFailed: It could not be opened now; nothing goes on in the background.
        """
        connection = await self._attempt()
        await self._welcome(connection)
        self._keeper = asyncio.create_task(self._keep(), name="amqp-link")

    async def wait_up(self) -> SwiftConnection:
        """Wait until the connection is open and welcomed, and return it."""
        while True:
            await self._up.wait()
            if self.connection is not None:
                return self.connection

    @property
    def is_kept(self) -> bool:
        """Whether `open` has succeeded: then it mends itself."""
        return self._keeper is not None

    @property
    def is_up(self) -> bool:
        """Whether the connection is open and welcomed."""
        return self._up.is_set()

    async def close(self) -> None:
        """Close for good. Idempotent."""
        self.is_closed = True
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            keeper.cancel()
            await asyncio.gather(keeper, return_exceptions=True)
        connection, lost = self.connection, self._lost
        self._up.clear()
        self.connection = None
        if connection is not None and lost is not None:
            await _close(connection, lost)

    async def _keep(self) -> None:
        while True:
            assert self._lost is not None
            await asyncio.shield(self._lost)
            await self._reopen()

    async def _reopen(self) -> None:
        pause, told = FIRST_PAUSE, ""
        while True:
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311  not a secret
            try:
                connection = await self._attempt()
                await self._welcome(connection)
            except BrokerError as error:
                if str(error) != told:
                    told = str(error)
                    logger.info("could not connect again: %s; trying on", told)
                pause = min(pause * 2, LONGEST_PAUSE)
            else:
                return

    async def _attempt(self) -> SwiftConnection:
        """Open a connection to the first server that lets us in; the error names what each said."""
        failures = []
        for parameters in self._servers.in_random_order():
            try:
                return await self._attempt_at(parameters)
            except ConnectionFailed as error:
                failures.append(error)
        if len(failures) == 1:
            raise failures[0]
        details = sorted(f"{error.data['broker']}: {error.data['detail']}" for error in failures)
        raise ConnectionFailed(broker=self._servers.address, detail="; ".join(details))

    async def _attempt_at(self, parameters: pika.URLParameters) -> SwiftConnection:
        loop = asyncio.get_running_loop()
        opened: asyncio.Future[SwiftConnection] = loop.create_future()
        lost: asyncio.Future[str] = loop.create_future()

        def fail(_: object, error: BaseException) -> None:
            if not opened.done():
                opened.set_exception(_failure(error, parameters))

        def end(_: object, error: BaseException) -> None:
            where = f"{host_of(parameters)}: " if len(self._servers) > 1 else ""
            self._end(lost, where + explain(error, parameters))

        connection = SwiftConnection(
            parameters,
            on_open_callback=lambda c: None if opened.done() else opened.set_result(c),
            on_open_error_callback=fail,
            on_close_callback=end,
            custom_ioloop=loop,
        )
        try:
            await asyncio.wait_for(opened, parameters.stack_timeout + 1.0)
        except BaseException as error:
            if not (connection.is_closed or connection.is_closing):
                connection.close()
            if isinstance(error, TimeoutError):
                raise _failure(error, parameters) from None
            raise
        self._check(connection, parameters)
        self.connection, self._lost, self.is_blocked = connection, lost, False
        self.channel_max = int(connection.params.channel_max)
        return connection

    def _check(self, connection: SwiftConnection, parameters: pika.URLParameters) -> None:
        """Turn away from a server that will not do."""
        server = read_server(connection.server_properties or {})
        problem = fault(server)
        if problem is not None:
            connection.close()
            raise ConnectionFailed(broker=address_of(parameters), detail=problem)
        self._servers.note(server)

    async def _welcome(self, connection: SwiftConnection) -> None:
        """Let the owner build what it needs; a connection on which that fails is closed again."""
        assert self._lost is not None
        lost = self._lost
        connection.add_on_connection_blocked_callback(lambda *_: self._set_blocked(True))
        connection.add_on_connection_unblocked_callback(lambda *_: self._set_blocked(False))
        try:
            await self._on_up(connection)
        except BaseException:
            self.connection = None
            await _close(connection, lost)
            raise
        if lost.done():
            raise ConnectionLost(broker=self._servers.address, detail=lost.result())
        self._up.set()

    def _set_blocked(self, blocked: bool) -> None:
        self.is_blocked = blocked
        self.on_unblocked()

    on_unblocked: Callable[[], None] = staticmethod(lambda: None)
    """Called when the broker's word about blocking changes."""

    def _end(self, lost: asyncio.Future[str], reason: str) -> None:
        if lost.done():
            return
        lost.set_result(reason)
        if lost is self._lost:
            self.connection = None
            if self._up.is_set():
                self._up.clear()
                self._on_down(reason)


async def _close(connection: SwiftConnection, lost: asyncio.Future[str]) -> None:
    if connection.is_open:
        connection.close()
    try:
        await asyncio.wait_for(asyncio.shield(lost), CLOSE_SECONDS)
    except TimeoutError:
        connection.cut()
