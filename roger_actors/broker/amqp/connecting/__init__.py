"""Connections to RabbitMQ: where it is, keeping one open, and as many as the consumers need.

- `servers`: where to connect to, and its name without the password.
- `server`: what a server says of itself, and whether it will do.
- `connection`: a pika connection that takes the short way for frequent frames.
- `link`: a connection that is kept open; why one cannot be opened.
- `links`: the consuming connections of one process.
"""

from __future__ import annotations
