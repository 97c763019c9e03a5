"""Plain Thespian actors for the system base's own tests."""

from __future__ import annotations

import os
from typing import Any

from thespian.actors import Actor, ChildActorExited, DeadEnvelope


class Echo(Actor):
    """Answers with what it gets, or with its process id."""

    def receiveMessage(self, message: Any, sender: Any) -> None:  # noqa: N802 - Thespian's name
        if message == "pid":
            self.send(sender, os.getpid())
        elif message == "exit 9":
            os._exit(9)
        elif isinstance(message, (str, list)):
            self.send(sender, message)


class BadInit(Actor):
    """Cannot be made."""

    def __init__(self) -> None:
        raise ValueError("told to fail")


class Parent(Actor):
    """Starts children and collects their process ids, then how they ended."""

    def receiveMessage(self, message: Any, sender: Any) -> None:  # noqa: N802 - Thespian's name
        if isinstance(message, tuple):
            self.asker, (kind, self.wanted) = sender, message
            self.pids: list[int] = []
            self.ends: list[tuple[int | None, int | None]] = []
            for _ in range(self.wanted):
                self.send(self.createActor(BadInit if kind == "bad" else Echo), "pid")
        elif isinstance(message, int):
            self.pids.append(message)
            if len(self.pids) == self.wanted:
                self.send(self.asker, self.pids)
        elif isinstance(message, ChildActorExited):
            self.ends.append((message.how.signal, message.how.status))
            if len(self.ends) == self.wanted:
                self.send(self.asker, self.ends)


class DeadLetters(Actor):
    """Collects dead letters."""

    def receiveMessage(self, message: Any, sender: Any) -> None:  # noqa: N802 - Thespian's name
        if message == "begin":
            self.handleDeadLetters()
            self.asker = sender
            self.send(sender, "begun")
        elif isinstance(message, DeadEnvelope):
            self.send(self.asker, message.deadMessage)
