"""The broker on one SQLite file: nothing to install, several processes at once, one machine.

May import `broker.base`, `errors`. Loaded by `roger_actors.broker.open_broker` only, so that
`import roger_actors` does not load SQLite.

Reading order:

- `schema`: the tables, how a file is opened and recognised.
- `incarnation`: the lock that says that a process lives, and the bell that wakes the others.
- `store`: what is done to the file, as functions inside a transaction.
- `subscription`: a consumer as the thread sees it.
- `watch`: when there is something to do.
- `engine`: the thread that does it, many commands to a transaction.
- `broker`: the contract, on the event loop.
"""

from __future__ import annotations

from roger_actors.broker.embedded.broker import EmbeddedBroker

__all__ = ["EmbeddedBroker"]
