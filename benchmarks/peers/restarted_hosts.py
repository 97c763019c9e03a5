"""Our hosts, killed by SIGKILL and started anew by their supervisor; prints figures as JSON.

Argument: how many kills. Hosts are real OS processes; the clock is the root host's and runs from the kill
until a child on the new host has answered a call.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import tempfile
import time

from roger_actors.otp import (
    ChildSpec,
    GenServer,
    NoReply,
    Ok,
    Outside,
    Reply,
    Start,
    host_child,
    open_host,
    process,
    serve_outside,
)
from roger_actors.transport import ROOT, Role
from roger_actors.transport.thespian import start_node

LIMIT = 50.0


class Echo(GenServer[None]):
    """The child on the host that is killed; tells the driver that it is there."""

    def init(self):
        process.send(("driver", ROOT), process.self())
        return Ok(None)

    def handle_call(self, request, sender, state):
        return Reply(request, state)


class Driver(GenServer[list]):
    """In the root host: kills the other host and waits for the child on its successor."""

    def init(self):
        return Ok([])

    def handle_call(self, request, sender, state):
        process.spawn(kill_and_wait, request, sender, name="round")
        return NoReply(state)

    def handle_info(self, message, state):
        if process.whereis("round") is not None:
            process.send("round", message)
        return NoReply([message])


async def kill_and_wait(count, sender):
    endpoint = process.here().endpoint
    (echo,) = await GenServer.get_state("driver")
    times = []
    for _ in range(count):
        begun = time.perf_counter()
        os.kill(endpoint.os_pid(echo.host), signal.SIGKILL)
        echo = await process.receive()
        await Echo.call(echo, 1)
        times.append((time.perf_counter() - begun) * 1e3)
    GenServer.reply(sender, times)


def root(endpoint, _):
    logging.disable()
    tree = [
        ChildSpec(id="driver", start=Start(Driver, name="driver")),
        host_child("app", "app"),
    ]
    serve_outside(open_host(endpoint, tree, max_restarts=10**6))


def app(endpoint, _):
    logging.disable()
    open_host(endpoint, [ChildSpec(id="echo", start=Start(Echo))])


ROLES = {role.name: role for role in (Role("root", root), Role("app", app))}


def main(count: int) -> None:
    with tempfile.TemporaryDirectory(
        prefix="roger-", dir="/tmp"
    ) as folder:  # short enough for a socket's name
        node = start_node("bench-hosts", "benchmarks.peers.restarted_hosts:ROLES", runtime_dir=folder)
        outside = Outside(node)
        while not all(info["ready"] for info in outside.hosts().values()) or len(outside.hosts()) < 2:
            time.sleep(0.01)
        outside.call("root", "driver", 5, timeout=LIMIT)
        times = sorted(outside.call("root", "driver", count, timeout=LIMIT))
        node.stop(5.0)
    figures = {"host_ms": times[count // 2], "host_p99_ms": times[count * 99 // 100], "kills": count}
    print(json.dumps(figures))


if __name__ == "__main__":
    main(int(sys.argv[1]))
