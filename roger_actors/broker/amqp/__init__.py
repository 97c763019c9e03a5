"""The broker on RabbitMQ. The only package that imports pika.

May import `broker.address`, `broker.base`, `broker.topology`, `errors`. pika opens, tunes and keeps the
connections and speaks all that is rare; the three things that are frequent (publish, deliver, acknowledge)
are encoded and decoded by `wire`, because pika spends several times as long on them.

Reading order:

- `wire`: frames to bytes and back.
- `connection`: a pika connection that takes the short way for frequent frames.
- `connecting`: connections that are kept open, to any of several servers.
- `control`: one question at a time, on channels of their own.
- `declarer`: queues and levels: declare, delete, count, look into.
- `mending`: queues declared otherwise than wanted, and declaring them anew.
- `outgoing`: a message on its way.
- `publisher`: confirmed publishing with deadlines.
- `consumer`: one subscription, on a channel of its own, over reconnects.
- `journal`: the tables as a sequence of entries.
- `owner`: who decides about them.
- `tables`: how everyone asks.
- `broker`: the contract.
"""

from __future__ import annotations

from roger_actors.broker.amqp.broker import AmqpBroker

__all__ = ["AmqpBroker"]
