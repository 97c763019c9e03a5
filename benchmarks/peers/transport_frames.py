"""Frames between the hosts of a node: echo through windows, a flood, starts and deaths.

`python -m benchmarks.peers.transport_frames SECONDS`: prints one JSON object.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

from roger_actors.transport import Endpoint, HostExit, HostId, Role
from roger_actors.transport.thespian import UnixNode, start_node

PAYLOAD = b"x" * 192
WINDOWS = (1, 16, 128, 1000)
LIMIT = 30.0


class Driver:
    """Keeps a window of frames under way to the echo host, or floods the sink."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        endpoint.on_frame = self.command

    def command(self, root: HostId, frame: bytes) -> None:
        self.root = root
        word, to, window, seconds = json.loads(frame)
        self.to, self.count, self.next = HostId(to), 0, 0
        self.begin = time.perf_counter()
        self.end = self.begin + seconds
        if word == "echo":
            self.endpoint.on_frame = self.answered
            for _ in range(window):
                self.send()
        else:
            self.endpoint.on_frame = self.flooded
            self.window = window
            for _ in range(window):
                self.send()

    def send(self) -> None:
        self.endpoint.send(self.to, self.next.to_bytes(8, "little") + PAYLOAD)
        self.next += 1

    def answered(self, sender: HostId, frame: bytes) -> None:
        if int.from_bytes(frame[:8], "little") != self.count:
            raise AssertionError("out of order")
        self.count += 1
        if time.perf_counter() < self.end:
            self.send()
        elif self.count == self.next:
            self.finish(self.count)

    def flooded(self, sender: HostId, frame: bytes) -> None:
        self.finish(self.window)

    def finish(self, count: int) -> None:
        self.endpoint.on_frame = self.command
        self.endpoint.send(self.root, json.dumps(count / (time.perf_counter() - self.begin)).encode())


def echo_main(endpoint: Endpoint, _args: bytes) -> None:
    """Send back what comes."""
    endpoint.on_frame = endpoint.send


def sink_main(endpoint: Endpoint, args: bytes) -> None:
    """Count a flood of as many frames as the arguments say, then answer once."""
    expected, seen = int(args), 0

    def on_frame(sender: HostId, frame: bytes) -> None:
        nonlocal seen
        if int.from_bytes(frame[:8], "little") != seen:
            raise AssertionError("out of order")
        seen += 1
        if seen == expected:
            endpoint.send(sender, b"all")

    endpoint.on_frame = on_frame


class Root:
    """Starts hosts and carries commands and answers."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.answer: Callable[[bytes], None] = lambda _frame: None
        self.downs: list[tuple[int, float]] = []
        self.downs_wanted = 0
        endpoint.on_request = self.on_request
        endpoint.on_frame = lambda _sender, frame: self.answer(frame)
        endpoint.on_host_down = self.on_host_down

    def on_request(self, frame: bytes, answer: Callable[[bytes], None]) -> None:
        word, *rest = json.loads(frame)
        self.answer = answer
        getattr(self, word)(*rest)

    def start(self, role: str, args: str) -> None:
        host = self.endpoint.start_host(role, args.encode())
        self.answer(json.dumps([host, self.endpoint.os_pid(host)]).encode())

    def start_and_greet(self, count: int) -> None:
        hosts = [self.endpoint.start_host("echo", b"") for _ in range(count)]
        left = len(hosts)

        def on_frame(_sender: HostId, _frame: bytes) -> None:
            nonlocal left
            left -= 1
            if not left:
                self.endpoint.on_frame = lambda _sender, frame: self.answer(frame)
                self.answer(json.dumps([self.endpoint.os_pid(host) for host in hosts]).encode())

        self.endpoint.on_frame = on_frame
        for host in hosts:
            self.endpoint.send(host, b"hello")

    def command(self, host: int, *rest: Any) -> None:
        self.endpoint.send(HostId(host), json.dumps(rest).encode())

    def wait_downs(self, count: int) -> None:
        self.downs_wanted = count
        self._tell_downs()

    def on_host_down(self, host: HostId, how: HostExit) -> None:
        self.downs.append((host, time.time()))
        self._tell_downs()

    def _tell_downs(self) -> None:
        if self.downs_wanted and len(self.downs) >= self.downs_wanted:
            self.answer(json.dumps(self.downs).encode())
            self.downs, self.downs_wanted = [], 0


def root_main(endpoint: Endpoint, _args: bytes) -> None:
    """Be the root."""
    Root(endpoint)


def driver_main(endpoint: Endpoint, _args: bytes) -> None:
    """Drive."""
    Driver(endpoint)


ROLES = {
    "root": Role("root", root_main),
    "echo": Role("echo", echo_main),
    "sink": Role("sink", sink_main),
    "driver": Role("driver", driver_main),
}


class Run:
    """One repetition."""

    def __init__(self, node: UnixNode, seconds: float) -> None:
        self.node = node
        self.seconds = seconds
        self.figures: dict[str, float] = {}
        self.checks: dict[str, int] = {}

    def ask(self, *words: Any) -> Any:
        return json.loads(self.node.request(json.dumps(words).encode(), LIMIT))

    def everything(self) -> None:
        begin = time.perf_counter()
        for _ in range(10):
            self.ask("start_and_greet", 1)
        self.figures["start_ms"] = (time.perf_counter() - begin) / 10 * 1e3
        driver, echo = self.ask("start", "driver", "")[0], self.ask("start", "echo", "")[0]
        for window in WINDOWS:
            self.figures[f"echo_{window}"] = self.ask("command", driver, "echo", echo, window, self.seconds)
        count = int(self.figures["echo_128"] * self.seconds)
        sink = self.ask("start", "sink", str(count))[0]
        self.figures["flood"] = self.ask("command", driver, "flood", sink, count, 0)
        for deaths in (1, 50):
            self.deaths(deaths)

    def deaths(self, count: int) -> None:
        pids = self.ask("start_and_greet", count)
        begin = time.time()
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        told = self.ask("wait_downs", count)
        self.checks[f"told_of_{count}"] = len({host for host, _ in told})
        self.figures[f"death_{count}_ms"] = (max(when for _, when in told) - begin) * 1e3


def main(seconds: float) -> None:
    """Measure and print."""
    node = start_node("bench", "benchmarks.peers.transport_frames:ROLES")
    try:
        run = Run(node, seconds)
        run.everything()
    finally:
        node.stop(5.0)
    print(json.dumps({"figures": run.figures, "checks": run.checks, "hung": []}))


if __name__ == "__main__":
    main(float(sys.argv[1]))
