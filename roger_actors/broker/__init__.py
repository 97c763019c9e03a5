"""The message broker: durable queues, confirmed publishing, delays, small shared tables.

May import `errors` and nothing else of this package; knows no process and no job.

Reading order:

- `base`: the contract, and the values that cross it.
- `address`: a URL that names several servers, taken apart.
- `topology`: names, arguments and delay levels of RabbitMQ as values.
- `embedded`: the contract on one SQLite file.
- `amqp`: the contract on RabbitMQ; the only package that imports pika.

Example:
    ```python
    broker = open_broker("embedded:/var/lib/shop/roger.db", name="shop-1")
    await broker.connect(timeout=5.0)
    ```
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qs

from roger_actors.broker.address import each_server
from roger_actors.broker.base import (
    MAX_DELAY,
    QUARANTINE,
    Broker,
    Change,
    Changed,
    Consumer,
    Delivery,
    Difference,
    Message,
    QueueCounts,
    QueueKind,
    QueueSpec,
    Tables,
)
from roger_actors.errors import ConfigError

__all__ = [
    "MAX_DELAY",
    "QUARANTINE",
    "Broker",
    "Change",
    "Changed",
    "Consumer",
    "Delivery",
    "Difference",
    "Message",
    "QueueCounts",
    "QueueKind",
    "QueueSpec",
    "Tables",
    "each_server",
    "open_broker",
]


def open_broker(url: str, *, prefix: str = "", name: str, heartbeat: float | None = None) -> Broker:
    """Return a broker object for a URL, not yet connected.

    Args:
        url: `embedded:PATH` (optionally `?synchronous=NORMAL`), `amqp://user:password@host:port/vhost`
            or `amqps://…` (optionally `?heartbeat=SECONDS`); several servers of one cluster with commas
            between: `host:port,host:port`.
        prefix: Put before the name of every queue and exchange, so that several systems share a broker.
        name: Who this is: shown in the broker's list of connections.
        heartbeat: Seconds of silence after which a connection counts as lost, where the URL does not say;
            1 or more, taken in whole seconds. None for the implementation's own.

    Raises:
        ConfigError: The URL is none of these.
    """
    if url.startswith("embedded:"):
        return _open_embedded(url, prefix, name)
    if url.startswith(("amqp://", "amqps://")):
        from roger_actors.broker.amqp import AmqpBroker

        if heartbeat is not None and "heartbeat=" not in url:
            url = f"{url}{'&' if '?' in url else '?'}heartbeat={max(1, int(heartbeat))}"
        return AmqpBroker(url, prefix=prefix, name=name)
    shown = url.partition("@")[2] or url
    raise ConfigError(key="broker", value=shown, expected="embedded:PATH, amqp://… or amqps://…")


def _open_embedded(url: str, prefix: str, name: str) -> Broker:
    from roger_actors.broker.embedded import EmbeddedBroker

    path, _, query = url.removeprefix("embedded:").partition("?")
    if not path:
        raise ConfigError(key="broker", value=url, expected="embedded:PATH")
    synchronous = parse_qs(query).get("synchronous", ["FULL"])[0].upper()
    return EmbeddedBroker(Path(path), prefix=prefix, name=name, synchronous=synchronous)
