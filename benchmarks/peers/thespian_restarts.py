"""A Thespian child killed by SIGKILL and made anew by its parent; prints figures as JSON.

Arguments: how many kills, seconds for all of them. An actor is an OS process; the clock is the parent's and
runs from the kill, over `ChildActorExited` and `createActor`, until the new child has answered. A kill whose
answer does not come within its share of the time is counted as hung and ends the run.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time

from thespian.actors import Actor, ActorSystem, ChildActorExited

from benchmarks.peers.transport_actors import _free_port
from roger_actors.transport.thespian.linux import adopt_orphans, sweep_all

BASE = "multiprocTCPBase"


class Child(Actor):
    """Answers with its OS process's id."""

    def receiveMessage(self, message, sender):  # noqa: N802 - Thespian's name
        if message == "ping":
            self.send(sender, os.getpid())


class Parent(Actor):
    """Kills its child when it is told to, and makes another when it hears of the end."""

    def receiveMessage(self, message, sender):  # noqa: N802 - Thespian's name
        if message == "begin":
            self.asker, self.begun = sender, None
            self.make()
        elif message == "kill":
            self.asker, self.begun = sender, time.perf_counter()
            os.kill(self.pid, signal.SIGKILL)
        elif isinstance(message, ChildActorExited):
            # The stock bases may tell of one end twice.
            if message.childAddress == self.child:
                self.make()
        elif isinstance(message, int):
            self.pid = message
            spent = 0.0 if self.begun is None else (time.perf_counter() - self.begun) * 1e3
            self.send(self.asker, spent)

    def make(self):
        self.child = self.createActor(Child)
        self.send(self.child, "ping")


def measure(count: int, seconds: float) -> dict[str, float]:
    system = ActorSystem(BASE, {"Admin Port": _free_port()}, transientUnique=True)
    parent = system.createActor(Parent)
    system.ask(parent, "begin", 5.0)
    times = []
    deadline = time.monotonic() + seconds
    while len(times) < count and time.monotonic() < deadline:
        answer = system.ask(parent, "kill", max(0.1, deadline - time.monotonic()))
        if not isinstance(answer, float):
            break
        times.append(answer)
    ordered = sorted(times)
    figures = {"kills": len(times), "hung": count - len(times)}
    if times:
        figures["host_ms"] = ordered[len(times) // 2]
        figures["host_p99_ms"] = ordered[len(times) * 99 // 100]
    return figures


def main(count: int, seconds: float) -> None:
    adopt_orphans()
    out = os.dup(1)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 1)
    os.dup2(null, 2)
    figures = measure(count, seconds)
    sweep_all()
    with os.fdopen(out, "w") as stream:
        json.dump(figures, stream)


if __name__ == "__main__":
    from benchmarks.peers import thespian_restarts  # noqa: PLW0406 - actors are found by this name, not __main__

    thespian_restarts.main(int(sys.argv[1]), float(sys.argv[2]))
