"""A pika connection that hands the frequent frames to their channel's reader without pika's machinery.

pika cuts every frame off the front of its buffer by copying the rest, builds an object per frame and
looks up callbacks for each. Here frames are walked over in place; what no reader takes goes pika's way.
"""

from __future__ import annotations

from collections.abc import Callable

import pika.frame
from pika.adapters.asyncio_connection import AsyncioConnection
from pika.adapters.utils.io_services_utils import _AsyncPlaintextTransport
from pika.exceptions import InvalidFrameError

from roger_actors.broker.amqp.wire import BODY, END, HEADER, METHOD, read_frame_head

READ_SIZE = 1 << 16

Reader = Callable[[int, bytes], bool]
"""Takes frame type and payload; answers whether the frame was for it."""


class SwiftConnection(AsyncioConnection):
    """See the module; `readers` maps channel numbers to those who want their frames first."""

    def __init__(self, *arguments: object, **options: object) -> None:
        self.readers: dict[int, Reader] = {}
        self._rest = b""
        super().__init__(*arguments, **options)

    def emit(self, data: bytes) -> None:
        """Send bytes that are whole frames, now if the socket takes them."""
        self.bytes_sent += len(data)
        self.frames_sent += 1
        transport = self._transport
        if transport is None:
            return
        if type(transport) is _AsyncPlaintextTransport and not transport.get_write_buffer_size():
            # pika's write waits for the next turn of the loop; most of the time the socket has room.
            try:
                data = data[transport._sock.send(data) :]  # noqa: SLF001
            except OSError:
                pass  # full, or broken: pika's own write finds out which
        if data:
            transport.write(data)

    def cut(self) -> None:
        """Drop the connection without a goodbye, for a broker that does not answer one."""
        if self._transport is not None:
            self._transport.abort()

    @property
    def unsent(self) -> int:
        """Bytes that the socket has not taken yet."""
        return int(self._transport.get_write_buffer_size()) if self._transport is not None else 0

    def _proto_connection_made(self, transport: object) -> None:
        # 4 kB a read is pika's default: at 10,000 deliveries a second that is a system call for each five.
        transport._MAX_RECV_BYTES = READ_SIZE  # type: ignore[attr-defined]  # noqa: SLF001
        super()._proto_connection_made(transport)

    def _on_data_available(self, data_in: bytes) -> None:
        self.bytes_received += len(data_in)
        data = self._rest + data_in if self._rest else data_in
        self._rest = b""
        offset, length = 0, len(data)
        readers = self.readers
        while length - offset >= 8:
            kind, channel, size = read_frame_head(data, offset)
            end = offset + size + 8
            if kind > 8 or end > length:
                break
            if data[end - 1] != END:
                raise InvalidFrameError("frame without its end mark")
            reader = readers.get(channel)
            if reader is None or kind > BODY or not reader(kind, data[offset + 7 : end - 1]):
                self._slow_path(data[offset:end])
            offset = end
        self._rest = data[offset:]
        if self._rest[:4] == b"AMQP":
            self._slow_path(self._rest)

    def _slow_path(self, data: bytes) -> None:
        _, frame = pika.frame.decode_frame(data)
        if frame is not None:
            self._process_frame(frame)


__all__ = ["BODY", "HEADER", "METHOD", "Reader", "SwiftConnection"]
