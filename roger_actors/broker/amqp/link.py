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
from urllib.parse import urlsplit

import pika
import pika.exceptions

from roger_actors.broker.amqp.connection import SwiftConnection
from roger_actors.errors import BrokerError, ConnectionFailed, ConnectionLost

logger = logging.getLogger(__name__)
# Whatever pika reports comes back to us as an error or a callback and is told once, in one line.
logging.getLogger("pika").setLevel(logging.CRITICAL)

HEARTBEAT = 8
OPEN_SECONDS = 10.0
CLOSE_SECONDS = 2.0
FIRST_PAUSE = 0.1
LONGEST_PAUSE = 0.5
"""Seconds between two tries to connect at the most: that of a broker that is away costs next to nothing."""
FRAME_MAX = 131_072


def read_url(url: str, name: str) -> pika.URLParameters:
    """Return pika's parameters for a URL.

    Raises:
        ConnectionFailed: The URL is malformed; says what of it, without the password.
    """
    shown = url.rpartition("@")[2]
    try:
        parameters = pika.URLParameters(url)
        shown_host = urlsplit(url).hostname
    except (ValueError, TypeError, KeyError, IndexError) as error:
        raise ConnectionFailed(broker=shown, detail=f"the URL is malformed: {error}") from None
    if not shown_host:
        raise ConnectionFailed(broker=shown, detail="the URL is malformed: it names no host")
    if "heartbeat=" not in url:
        parameters.heartbeat = HEARTBEAT
    parameters.connection_attempts = 1
    parameters.socket_timeout = OPEN_SECONDS
    parameters.stack_timeout = OPEN_SECONDS
    parameters.frame_max = FRAME_MAX
    parameters.client_properties = {"connection_name": name, "product": "roger_actors"}
    return parameters


def address_of(parameters: pika.URLParameters) -> str:
    """Return where a broker is, without the password."""
    scheme = "amqps" if parameters.ssl_options is not None else "amqp"
    vhost = "" if parameters.virtual_host == "/" else parameters.virtual_host
    return f"{scheme}://{parameters.host}:{parameters.port}/{vhost}"


def explain(error: BaseException, parameters: pika.URLParameters) -> str:
    """Return one line that says why a connection could not be opened or was lost."""
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, pika.exceptions.ConnectionClosed):
            return _explain_close(cause, parameters)
    denied = next((c for c in causes if isinstance(c, pika.exceptions.ProbableAccessDeniedError)), None)
    if denied is not None:
        return _explain_denial(str(denied), parameters)
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
    (ssl.SSLError, "TLS failed"),
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


class Link:
    """A connection that is kept open.

    Args:
        parameters: Where to.
        on_up: Awaited after each opening; if it fails, the connection is closed and opened anew.
        on_down: Called with a one-line reason when an open connection is lost.

    Attributes:
        channel_max: How many channels the broker allows on it, 0 before the first opening.
    """

    def __init__(
        self,
        parameters: pika.URLParameters,
        on_up: Callable[[SwiftConnection], Awaitable[None]],
        on_down: Callable[[str], None],
    ) -> None:
        self._parameters = parameters
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
        loop = asyncio.get_running_loop()
        opened: asyncio.Future[SwiftConnection] = loop.create_future()
        lost: asyncio.Future[str] = loop.create_future()

        def fail(_: object, error: BaseException) -> None:
            if not opened.done():
                opened.set_exception(self._failure(error))

        def end(_: object, error: BaseException) -> None:
            self._end(lost, explain(error, self._parameters))

        connection = SwiftConnection(
            self._parameters,
            on_open_callback=lambda c: None if opened.done() else opened.set_result(c),
            on_open_error_callback=fail,
            on_close_callback=end,
            custom_ioloop=loop,
        )
        try:
            await asyncio.wait_for(opened, OPEN_SECONDS + 1.0)
        except BaseException as error:
            if not (connection.is_closed or connection.is_closing):
                connection.close()
            if isinstance(error, TimeoutError):
                raise self._failure(error) from None
            raise
        self.connection, self._lost, self.is_blocked = connection, lost, False
        self.channel_max = int(connection.params.channel_max)
        return connection

    def _failure(self, error: BaseException) -> ConnectionFailed:
        return ConnectionFailed(broker=address_of(self._parameters), detail=explain(error, self._parameters))

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
            raise ConnectionLost(broker=address_of(self._parameters), detail=lost.result())
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
