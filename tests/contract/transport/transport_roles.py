"""Roles whose hosts do what a test tells them and write down what they see.

A test asks the root host (`Node.request`), the root passes the command on in a frame, and the host
answers in one. Every host keeps one list of what it saw, frames and deaths, in order.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from roger_actors.transport import ROOT, Endpoint, HostExit, HostId, Role

Answer = Callable[[Any], None]


class Puppet:
    """A host that obeys."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.seen: list[list[Any]] = []
        self.waiting: list[tuple[int, Answer]] = []
        self.children: list[subprocess.Popen[bytes]] = []
        endpoint.on_frame = self.on_frame
        endpoint.on_host_down = self.on_host_down

    def on_frame(self, sender: HostId, frame: bytes) -> None:
        if frame[:1] == b"C":
            ticket, word, *rest = json.loads(frame[1:])
            self.obey(word, rest, lambda result: self.reply(sender, ticket, result))
        else:
            self.note(["frame", sender, int(frame[1:9]) if len(frame) >= 9 else -1, len(frame)])

    def reply(self, to: HostId, ticket: int, result: Any) -> None:
        self.endpoint.send(to, b"A" + json.dumps([ticket, result]).encode())

    def on_host_down(self, host: HostId, how: HostExit) -> None:
        self.note(["down", host, how.signal, how.status])

    def note(self, entry: list[Any]) -> None:
        self.seen.append(entry)
        self.answer_waiting()

    def answer_waiting(self) -> None:
        ready = [item for item in self.waiting if len(self.seen) >= item[0]]
        self.waiting = [item for item in self.waiting if item not in ready]
        for _, answer in ready:
            answer(self.seen)

    def obey(self, word: str, rest: list[Any], answer: Answer) -> None:
        if word == "until":
            self.waiting.append((rest[0], answer))
            self.answer_waiting()
        else:
            answer(getattr(self, word)(*rest))

    # --- commands that every transport can carry out ----------------------------------------------

    def send(self, to: int, count: int, size: int = 9) -> int:
        for index in range(count):
            self.endpoint.send(HostId(to), b"F%08d" % index + b"x" * (size - 9))
        return len(self.seen)

    def send_raw(self, to: int, text: str) -> None:
        self.endpoint.send(HostId(to), text.encode())

    def send_and_stop(self, to: int, count: int, status: int) -> None:
        self.send(to, count)
        self.endpoint.stop(status)

    def role_of(self, host: int) -> str | None:
        return self.endpoint.role_of(HostId(host))

    # --- commands for real processes --------------------------------------------------------------

    def send_and_exit(self, to: int, count: int, status: int) -> None:
        self.send(to, count)
        self.endpoint.loop.call_later(0.05, os._exit, status)

    def die(self, how: str) -> None:
        self.endpoint.loop.call_soon(_DEATHS[how])

    def raise_in_frame(self) -> None:
        raise ValueError("told to")

    def spawn(self, how: str) -> int:
        code = "import time; print(__import__('os').getpid(), flush=True); time.sleep(1000)"
        if how == "daemon":
            code = "import os; os.setsid(); os.fork() and os._exit(0); " + code
        child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
        self.children.append(child)
        assert child.stdout is not None
        return int(child.stdout.readline())

    def hang(self, seconds: float) -> None:
        self.endpoint.loop.call_soon(time.sleep, seconds)  # noqa: TID251 - hanging is what it is told to do

    def close_descriptors(self) -> None:
        threading.Thread(target=os.closerange, args=(3, 256), daemon=True).start()

    def fork_in_thread(self) -> list[str]:
        read, write = os.pipe()

        def fork() -> None:
            if not os.fork():
                os.write(write, json.dumps(open_sockets()).encode())
                os._exit(0)

        thread = threading.Thread(target=fork)
        thread.start()
        thread.join()
        os.wait()
        os.close(write)
        with os.fdopen(read, "rb") as stream:
            result: list[str] = json.loads(stream.read())
        return result

    def terminate_a_fork(self) -> int:
        ends: list[int] = []

        def fork() -> None:
            child = os.fork()
            if not child:
                signal.pause()
            os.kill(child, signal.SIGTERM)
            ends.append(os.waitpid(child, 0)[1])

        thread = threading.Thread(target=fork)
        thread.start()
        thread.join()
        return os.WTERMSIG(ends[0])

    def describe(self) -> dict[str, Any]:
        return {
            "pid": os.getpid(),
            "session": os.getsid(0),
            "descriptors": {fd: _target(fd) for fd in descriptors()},
            "threads": threading.active_count(),
            "segv": str(signal.getsignal(signal.SIGSEGV)),
        }

    def frozen(self, pid: int) -> None:
        os.kill(pid, signal.SIGSTOP)


def descriptors() -> list[str]:
    return [path.name for path in Path("/proc/self/fd").iterdir()]


def _target(fd: str) -> str:
    try:
        return str(Path("/proc/self/fd", fd).readlink())
    except OSError:
        return ""


def open_sockets() -> list[str]:
    return [_target(fd) for fd in descriptors() if _target(fd).startswith("socket:")]


def _raise() -> None:
    raise ValueError("told to")


_DEATHS: dict[str, Callable[[], Any]] = {
    "segfault": lambda: ctypes.string_at(0),
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "abort": os.abort,
    "exit 9": lambda: os._exit(9),
    "group": lambda: os.killpg(0, signal.SIGKILL),
    "raise": _raise,
}


def _drop(result: Any) -> None:
    pass


class Root(Puppet):
    """The root: starts hosts, and passes commands on."""

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__(endpoint)
        self.answers: dict[int, Answer] = {}
        self.last_ticket = 0
        endpoint.on_request = self.on_request

    def on_request(self, frame: bytes, reply: Callable[[bytes], None]) -> None:
        host, word, *rest = json.loads(frame)

        def answer(result: Any) -> None:
            reply(json.dumps(result).encode())

        if host == ROOT:
            self.obey(word, rest, answer)
        else:
            self.last_ticket += 1
            ticket = self.last_ticket
            self.answers[ticket] = answer
            self.endpoint.send(host, b"C" + json.dumps([ticket, word, *rest]).encode())

    def on_frame(self, sender: HostId, frame: bytes) -> None:
        if frame[:1] == b"A":
            ticket, result = json.loads(frame[1:])
            self.answers.pop(ticket, _drop)(result)
        else:
            super().on_frame(sender, frame)

    def start(self, role: str, args: str = "", count: int = 1) -> list[int]:
        try:
            return [self.endpoint.start_host(role, args.encode()) for _ in range(count)]
        except KeyError:
            return []

    def start_and_send(self, role: str, frames: int) -> int:
        host = self.endpoint.start_host(role, b"")
        self.send(host, frames)
        return host

    def start_and_sleep_till_its_end(self, role: str, args: str) -> int:
        host = self.endpoint.start_host(role, args.encode())
        os.waitid(os.P_PID, self.endpoint.os_pid(host) or 0, os.WEXITED | os.WNOWAIT)
        return host

    def kill(self, *hosts: int) -> None:
        for host in hosts:
            self.endpoint.kill_host(HostId(host))

    def pids(self, *hosts: int) -> list[int | None]:
        return [self.endpoint.os_pid(HostId(host)) for host in hosts]

    def never(self) -> None:
        raise AssertionError("answered nothing")

    def obey(self, word: str, rest: list[Any], answer: Answer) -> None:
        if word != "never":
            super().obey(word, rest, answer)


def root_main(endpoint: Endpoint, args: bytes) -> None:
    if args == b"fail":
        raise ValueError("the root was told to fail")
    Root(endpoint)


def puppet_main(endpoint: Endpoint, args: bytes) -> None:
    puppet = Puppet(endpoint)
    if args == b"farewell":
        endpoint.loop.call_soon(puppet.send_and_stop, ROOT, 1, 7)


def failing_main(endpoint: Endpoint, args: bytes) -> None:
    raise ValueError("told to fail")


ROLES = {
    "root": Role("root", root_main),
    "puppet": Role("puppet", puppet_main, own_session=True, heartbeat=None),
    "grouped": Role("grouped", puppet_main),
    "watched": Role("watched", puppet_main, own_session=True, heartbeat=0.4),
    "failing": Role("failing", failing_main),
}
