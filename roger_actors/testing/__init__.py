"""Tools for tests, shipped because users need them too.

May import every layer; nothing imports it.

- `rabbitmq`: a private RabbitMQ node, to be started, hurt and stopped.
"""
