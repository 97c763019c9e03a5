"""A bare asyncio echo over a Unix socket between two processes: the limit to compare with.

Messages of the same size, cut from the stream one by one; each is answered with one
`transport.write`, as a straightforward asyncio program does.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
import time

SIZE = 204
MESSAGE = b"x" * SIZE
WINDOWS = (1, 16, 128, 1000)


class Cutter(asyncio.Protocol):
    """Cuts a stream into messages of one size."""

    rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.WriteTransport)
        self.write = transport.write

    def data_received(self, data: bytes) -> None:
        """Hand on whole messages."""
        data = self.rest + data
        end = len(data) - len(data) % SIZE
        for start in range(0, end, SIZE):
            self.message(data[start : start + SIZE])
        self.rest = data[end:]

    def message(self, message: bytes) -> None:
        """Echo."""
        self.write(message)


class Driver(Cutter):
    """Keeps a window under way for a time."""

    def drive(self, window: int, seconds: float) -> asyncio.Future[float]:
        """Begin; the result is the rate."""
        self.done: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self.sent, self.got, self.begin = window, 0, time.perf_counter()
        self.end = self.begin + seconds
        for _ in range(window):
            self.write(MESSAGE)
        return self.done

    def message(self, message: bytes) -> None:
        """Count one round trip."""
        self.got += 1
        if time.perf_counter() < self.end:
            self.sent += 1
            self.write(message)
        elif self.got == self.sent:
            self.done.set_result(self.got / (time.perf_counter() - self.begin))


async def _echo(sock: socket.socket) -> None:
    await asyncio.get_running_loop().create_connection(Cutter, sock=sock)
    await asyncio.Event().wait()


async def _drive(sock: socket.socket, seconds: float) -> dict[str, float]:
    _, driver = await asyncio.get_running_loop().create_connection(Driver, sock=sock)
    return {f"echo_{window}": await driver.drive(window, seconds) for window in WINDOWS}


def main(seconds: float) -> None:
    """Measure and print."""
    ours, theirs = socket.socketpair()
    child = os.fork()
    if not child:
        ours.close()
        asyncio.run(_echo(theirs))
    theirs.close()
    figures = asyncio.run(_drive(ours, seconds))
    os.kill(child, 9)
    os.waitpid(child, 0)
    print(json.dumps({"figures": figures, "checks": {}, "hung": []}))


if __name__ == "__main__":
    main(float(sys.argv[1]))
