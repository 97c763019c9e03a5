"""A TCP proxy in front of a broker, by which the tests cut, slow and mute its network.

It runs on an event loop in a thread of its own; every method may be called from the test.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

CHUNK = 1 << 16


class Proxy:
    """Forwards connections to the first of some ports that answers.

    Args:
        ports: On 127.0.0.1, in order of preference, or what returns them.
    """

    def __init__(self, ports: Sequence[int] | Callable[[], Sequence[int]]) -> None:
        self._ports = ports if callable(ports) else lambda: ports
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy")
        self._pumps: set[asyncio.Task[None]] = set()
        self._open: asyncio.Event | None = None
        self._delay = 0.0
        self._marked = b""
        self.seen = threading.Event()
        self._server: asyncio.Server | None = None
        self._thread.start()
        self.port: int = self._run(self._begin())

    def _run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(20.0)

    async def _begin(self) -> int:
        self._open = asyncio.Event()
        self._open.set()
        await self._listen(0)
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    async def _listen(self, port: int) -> None:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", port)

    # -- what the network does -----------------------------------------------------------------------

    def cut(self) -> None:
        """Close every connection and refuse new ones."""
        self._run(self._cut())

    def close_all(self) -> None:
        """Close every connection; new ones are taken."""
        self._run(self._close_all())

    def mute(self) -> None:
        """Forward nothing any more, and close nothing: the other side seems to be silent."""
        self._loop.call_soon_threadsafe(self._mute)

    def delay(self, seconds: float) -> None:
        """Forward each piece late.

        Args:
            seconds: How late.
        """
        self._delay = seconds

    def mute_after(self, mark: bytes) -> None:
        """Become mute as soon as a client has sent certain bytes, which are forwarded; `seen` tells."""
        self.seen.clear()
        self._marked = mark

    def heal(self) -> None:
        """End all of it: connections that were muted go on."""
        self._delay, self._marked = 0.0, b""
        self._run(self._heal())

    def close(self) -> None:
        """End the proxy."""
        self.cut()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10.0)
        self._loop.close()

    # -- on the loop ---------------------------------------------------------------------------------

    def _mute(self) -> None:
        assert self._open is not None
        self._open.clear()

    async def _heal(self) -> None:
        assert self._open is not None
        self._open.set()
        if self._server is None:
            await self._listen(self.port)

    async def _cut(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        await self._close_all()

    async def _close_all(self) -> None:
        pumps = list(self._pumps)
        for pump in pumps:
            pump.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)

    def _connected(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        work = self._loop.create_task(self._forward(client, to_client))
        self._pumps.add(work)
        work.add_done_callback(self._pumps.discard)

    async def _forward(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        writers = [to_client]
        try:
            server, to_server = await self._reach()
            writers.append(to_server)
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pump(client, to_server, is_client=True))
                both.create_task(self._pump(server, to_client, is_client=False))
        except* (OSError, _Ended):
            pass
        finally:
            for writer in writers:
                writer.transport.abort()

    async def _reach(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        for port in self._ports():
            with contextlib.suppress(OSError):
                return await asyncio.open_connection("127.0.0.1", port)
        raise ConnectionRefusedError

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, is_client: bool
    ) -> None:
        assert self._open is not None
        while data := await reader.read(CHUNK):
            await self._open.wait()
            if self._delay:
                await asyncio.sleep(self._delay)
            writer.write(data)
            await writer.drain()
            if is_client and self._marked and self._marked in data:
                self._marked = b""
                self._open.clear()
                self.seen.set()
        raise _Ended


class _Ended(Exception):
    """One side has closed the connection: the other is closed, too."""
