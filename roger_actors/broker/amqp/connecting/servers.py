"""Where RabbitMQ is: the servers that a URL names, as pika's parameters, and their names without a password.

Servers of one cluster stand in one URL with commas between. Which one a connection goes to does not matter
to what it does, so they are tried in random order, a new one at each opening: after one was lost, its
clients spread over the others.
"""

from __future__ import annotations

import logging
import random
from urllib.parse import urlsplit

import pika

from roger_actors.broker.address import each_server
from roger_actors.broker.amqp.connecting.server import Server
from roger_actors.errors import ConnectionFailed

logger = logging.getLogger(__name__)

HEARTBEAT = 8
"""Seconds of silence after which a connection counts as lost, where the URL does not say."""
OPEN_SECONDS = 10.0
"""Seconds that the opening of a connection may take, all servers together."""
FEWEST_SECONDS = 2.0
"""Seconds that one server gets at the least, however many there are."""
FRAME_MAX = 131_072


class Servers:
    """See the module.

    Args:
        url: `amqp://user:password@host[:port][,host[:port]…]/vhost`, or `amqps://…`.
        name: Shown in the broker's list of connections.

    Attributes:
        address: All of them, without the password, for messages.

    Raises:
        ConnectionFailed: The URL is malformed; says what of it, without the password.
    """

    def __init__(self, url: str, name: str) -> None:
        urls = each_server(url)
        self._all = [_read(one, name, max(FEWEST_SECONDS, OPEN_SECONDS / len(urls))) for one in urls]
        self._told: set[str] = set()
        hosts = ",".join(map(host_of, self._all))
        self.address = address_of(self._all[0]).replace(host_of(self._all[0]), hosts, 1)

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._all)

    def note(self, server: Server) -> None:
        """Say once in the log which version is there that this project is not tested with."""
        if not server.is_tested and server.version not in self._told:
            self._told.add(server.version)
            logger.info("%s is %s %s: not tested with it", self.address, server.product, server.version)

    def in_random_order(self) -> list[pika.URLParameters]:
        """Return each once, in the order in which they are to be tried now."""
        return random.sample(self._all, len(self._all))


def _read(url: str, name: str, seconds: float) -> pika.URLParameters:
    # What stands before an `@` is secret; without one nobody can say what is a password and what a host.
    shown = url.rpartition("@")[2] if "@" in url else url.partition("//")[0] + "//"
    try:
        parameters = pika.URLParameters(url)
        shown_host = urlsplit(url).hostname
    except (ValueError, TypeError, KeyError, IndexError):  # their text may quote a part of a password
        raise ConnectionFailed(broker=shown, detail="the URL is malformed") from None
    except OSError as error:
        raise ConnectionFailed(broker=shown, detail=f"a file of its ssl_options: {error}") from None
    if not shown_host:
        raise ConnectionFailed(broker=shown, detail="the URL is malformed: it names no host")
    if "heartbeat=" not in url:
        parameters.heartbeat = HEARTBEAT
    if parameters.ssl_options is not None and parameters.ssl_options.server_hostname is None:
        parameters.ssl_options.server_hostname = parameters.host  # without it no certificate can be checked
    parameters.connection_attempts = 1
    parameters.socket_timeout = seconds
    parameters.stack_timeout = seconds
    parameters.frame_max = FRAME_MAX
    parameters.client_properties = {"connection_name": name, "product": "roger_actors"}
    return parameters


def host_of(parameters: pika.URLParameters) -> str:
    """Return host and port of a server."""
    host = f"[{parameters.host}]" if ":" in parameters.host else parameters.host
    return f"{host}:{parameters.port}"


def address_of(parameters: pika.URLParameters) -> str:
    """Return where a server is, without the password."""
    scheme = "amqps" if parameters.ssl_options is not None else "amqp"
    vhost = "" if parameters.virtual_host == "/" else parameters.virtual_host
    return f"{scheme}://{host_of(parameters)}/{vhost}"
