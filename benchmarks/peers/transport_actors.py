"""Thespian actors on any system base: echo through windows, a flood, starts and deaths.

`python -m benchmarks.peers.transport_actors BASE TOTAL SECONDS`: prints one JSON object. What is not
reached after TOTAL seconds is left out and named under `hung`.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from thespian.actors import Actor, ActorSystem, ChildActorExited

from roger_actors.transport.thespian import system_base
from roger_actors.transport.thespian.linux import adopt_orphans, sweep_all

PAYLOAD = "x" * 200
WINDOWS = (1, 16, 128, 1000)
PATIENCE = 2.0
"""Seconds that one figure may take before it counts as hung."""


class Echo(Actor):
    """Sends back what it gets."""

    def receiveMessage(self, message: Any, sender: Any) -> None:  # noqa: N802 - Thespian's name
        """Echo."""
        if isinstance(message, dict):
            self.send(sender, message)
        elif message == "pid":
            self.send(sender, os.getpid())


class Driver(Actor):
    """Keeps a window of messages under way for a time."""

    def receiveMessage(self, message: Any, sender: Any) -> None:  # noqa: N802 - Thespian's name
        """Begin, or answer the echo's answer with the next message."""
        if isinstance(message, tuple):
            self.echo, window, seconds = message
            self.asker, self.count, self.end, self.window = sender, 0, time.perf_counter() + seconds, window
            self.begin, self.last = time.perf_counter(), -1
            for index in range(window):
                self.send(self.echo, {"i": index, "p": PAYLOAD})
            self.next = window
        elif isinstance(message, dict):
            self.answered(message["i"])

    def answered(self, index: int) -> None:
        """Count one round trip; the last ones are not answered with new messages."""
        if index != self.count:
            self.send(self.asker, "out of order")
        self.count += 1
        if time.perf_counter() < self.end:
            self.send(self.echo, {"i": self.next, "p": PAYLOAD})
            self.next += 1
        elif self.count == self.next:
            self.send(self.asker, self.count / (time.perf_counter() - self.begin))


class Flooder(Actor):
    """Sends many messages from one handler."""

    def receiveMessage(self, message: Any, sender: Any) -> None:  # noqa: N802 - Thespian's name
        """Send them all; the sink answers whoever asked."""
        if isinstance(message, tuple):
            sink, count = message
            self.send(sink, (sender, count, time.perf_counter()))
            for index in range(count):
                self.send(sink, {"i": index, "p": PAYLOAD})


class Sink(Actor):
    """Counts a flood."""

    def receiveMessage(self, message: Any, sender: Any) -> None:  # noqa: N802 - Thespian's name
        """Count, and tell the rate at the end."""
        if isinstance(message, tuple):
            self.asker, self.count, self.begin = message
            self.seen = 0
        elif message["i"] != self.seen:
            self.send(self.asker, "out of order")
        else:
            self.seen += 1
            if self.seen == self.count:
                self.send(self.asker, self.count / (time.perf_counter() - self.begin))


class Parent(Actor):
    """Starts children and notes when it is told of their ends."""

    def receiveMessage(self, message: Any, sender: Any) -> None:  # noqa: N802 - Thespian's name
        """Start children, collect their process ids, then their ends."""
        if isinstance(message, tuple):
            self.asker, self.wanted, self.pids, self.told = sender, message[0], [], []
            for _ in range(self.wanted):
                self.send(self.createActor(Echo), "pid")
        elif isinstance(message, int):
            self.pids.append(message)
            if len(self.pids) == self.wanted:
                self.send(self.asker, self.pids)
        elif message == "told":
            self.send(sender, self.told)
        elif isinstance(message, ChildActorExited):
            self.note(str(message.childAddress))

    def note(self, address: str) -> None:
        """Note the end of a child once: the stock bases may tell it twice."""
        if address not in [known for known, _ in self.told]:
            self.told.append((address, time.time()))


class Run:
    """One repetition on one base."""

    def __init__(self, base: str, seconds: float) -> None:
        self.system = ActorSystem(base, {"Admin Port": _free_port()}, transientUnique=True)
        self.seconds = seconds
        self.figures: dict[str, float] = {}
        self.checks: dict[str, int] = {}
        self.hung: list[str] = []

    def note(self, key: str, answer: Any) -> bool:
        if not isinstance(answer, float):
            self.hung.append(f"{key}: {answer or 'no answer'}")
            return False
        self.figures[key] = answer
        return True

    def everything(self, total: int) -> None:
        """Measure, for `total` seconds at most: a base that hangs may never answer again."""
        signal.signal(signal.SIGALRM, _give_up)
        signal.setitimer(signal.ITIMER_REAL, total)
        steps: list[tuple[str, Callable[[], None]]] = [
            ("start_ms", self.starts),
            ("death_1_ms", lambda: self.deaths(1)),
        ]
        steps += [(f"echo_{window}", partial(self.echo, window)) for window in WINDOWS[:3]]
        steps += [("flood", self.flood), ("death_50_ms", lambda: self.deaths(50))]
        steps += [(f"echo_{window}", partial(self.echo, window)) for window in WINDOWS[3:]]
        for name, step in steps:
            try:
                step()
            except GaveUp:
                self.hung.append(f"{name}: not reached in {total} s")
                return

    def echo(self, window: int) -> None:
        driver, echo = self.system.createActor(Driver), self.system.createActor(Echo)
        limit = self.seconds + PATIENCE
        self.note(f"echo_{window}", self.system.ask(driver, (echo, window, self.seconds), limit))

    def starts(self) -> None:
        begin = time.perf_counter()
        for _ in range(10):
            self.system.ask(self.system.createActor(Echo), {"i": 0}, PATIENCE)
        self.figures["start_ms"] = (time.perf_counter() - begin) / 10 * 1e3

    def flood(self) -> None:
        rate = self.figures.get("echo_128", 200.0)
        flooder, sink = self.system.createActor(Flooder), self.system.createActor(Sink)
        answer = self.system.ask(
            flooder, (sink, max(500, int(rate * self.seconds))), self.seconds + 2 * PATIENCE
        )
        self.note("flood", answer)

    def deaths(self, count: int) -> None:
        parent = self.system.createActor(Parent)
        pids = self.system.ask(parent, (count,), 3 * PATIENCE)
        if not isinstance(pids, list):
            self.hung.append(f"death_{count}_ms: children did not start")
            return
        begin = time.time()
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        told = self._told(parent, count)
        self.checks[f"told_of_{count}"] = len(told)
        if len(told) == count:
            self.figures[f"death_{count}_ms"] = (max(when for _, when in told) - begin) * 1e3

    def _told(self, parent: Any, count: int) -> list[Any]:
        deadline = time.monotonic() + 2.5
        told: list[Any] = []
        while len(told) < count and time.monotonic() < deadline:
            time.sleep(0.1)
            told = self.system.ask(parent, "told", PATIENCE) or told
        return told


class GaveUp(BaseException):
    """The time is over; no `Exception`, because the stock bases swallow those."""


def _give_up(_number: int, _frame: object) -> None:
    raise GaveUp


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def main(base: str, total: int, seconds: float) -> None:
    """Measure one base and print; nothing of it is left, however badly it ended."""
    adopt_orphans()
    out = os.dup(1)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 1)
    os.dup2(null, 2)
    assert system_base.NAME
    run = Run(base, seconds)
    run.everything(total)
    sweep_all()
    with os.fdopen(out, "w") as stream:
        json.dump({"figures": run.figures, "checks": run.checks, "hung": run.hung}, stream)


if __name__ == "__main__":
    from benchmarks.peers import transport_actors  # noqa: PLW0406 - actors are found by this name, not __main__

    transport_actors.main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))
