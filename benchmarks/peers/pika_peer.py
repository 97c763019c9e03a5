"""A bare pika loop, as little as can be written: the limit that everyone else stays below.

On `SelectConnection`, the fastest of pika's adapters here. Enqueuing is unconfirmed, or confirmed and
pipelined with at most `WINDOW` messages unconfirmed; `work` consumes with `PREFETCH` and acks each
delivery after its job has run.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import Any

import pika
from pika.adapters.select_connection import SelectConnection

from benchmarks.digest_log import run_job
from benchmarks.peers.driver import MODE_VARIABLE, Arguments, amqp_url, drive, queue_name

WINDOW = 2000
BATCH = 100
MAX_BUFFERED = 262_144
PREFETCH = 100
PERSISTENT = pika.BasicProperties(delivery_mode=2, content_type="application/json")


class Opened:
    """A connection with one channel, whose loop runs only while something is waited for."""

    def __init__(self) -> None:
        self.connection: Any = SelectConnection(
            pika.URLParameters(amqp_url()),
            on_open_callback=lambda connection: connection.channel(on_open_callback=self._on_channel),
            on_open_error_callback=lambda _connection, error: sys.exit(f"cannot connect: {error}"),
            on_close_callback=lambda connection, _reason: connection.ioloop.stop(),
        )
        self.channel: Any = None
        self.run_loop()

    def _on_channel(self, channel: Any) -> None:
        self.channel = channel
        self.stop_loop()

    def run_loop(self) -> None:
        """Serve the connection until `stop_loop`."""
        self.connection.ioloop.start()

    def stop_loop(self) -> None:
        """Let `run_loop` return."""
        self.connection.ioloop.stop()

    @property
    def buffered(self) -> int:
        """Bytes that have not been written to the socket; pika offers no public name for it."""
        return int(self.connection._get_write_buffer_size())  # noqa: SLF001

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()
        self.run_loop()


class UnconfirmedEnqueuer(Opened):
    """Publishes and returns when everything has been written to the socket."""

    def enqueue(self, jobs: Arguments) -> None:
        """Publish jobs, a batch per turn of the loop."""
        self._publish_from(jobs, 0)
        self.run_loop()

    def _publish_from(self, jobs: Arguments, start: int) -> None:
        if start < len(jobs) and self.buffered < MAX_BUFFERED:
            publish(self.channel, jobs[start : start + BATCH])
            start += BATCH
        if start >= len(jobs) and self.buffered == 0:
            self.stop_loop()
        else:
            self.connection.ioloop.call_later(0, lambda: self._publish_from(jobs, start))


class PipelinedEnqueuer(Opened):
    """Publishes with confirms and returns when the broker has confirmed everything."""

    def __init__(self) -> None:
        super().__init__()
        self.jobs: Arguments = ()
        self.published = self.confirmed = self.tags_before = 0
        self.channel.confirm_delivery(self._on_confirm, callback=lambda _frame: self.stop_loop())
        self.run_loop()

    def enqueue(self, jobs: Arguments) -> None:
        """Publish jobs, keeping `WINDOW` of them unconfirmed."""
        self.jobs = jobs
        self.published = self.confirmed = 0
        self._fill_window()
        self.run_loop()
        self.tags_before += len(jobs)

    def _fill_window(self) -> None:
        end = min(len(self.jobs), self.confirmed + WINDOW)
        publish(self.channel, self.jobs[self.published : end])
        self.published = end

    def _on_confirm(self, frame: Any) -> None:
        # A quorum queue confirms in order; the highest tag with `multiple` speaks for those below.
        self.confirmed = max(self.confirmed, frame.method.delivery_tag - self.tags_before)
        if self.confirmed >= len(self.jobs):
            self.stop_loop()
        elif self.published - self.confirmed <= WINDOW - BATCH:
            self._fill_window()


def publish(channel: Any, jobs: Arguments) -> None:
    """Publish jobs on the default exchange."""
    queue = queue_name()
    for job in jobs:
        channel.basic_publish("", queue, json.dumps(job).encode(), PERSISTENT)


def work() -> None:
    """Consume, run, ack, until SIGTERM."""
    opened = Opened()
    signal.signal(signal.SIGTERM, lambda _signal, _frame: os._exit(0))

    def on_message(channel: Any, method: Any, _properties: Any, body: bytes) -> None:
        run_job(json.loads(body))
        channel.basic_ack(method.delivery_tag)

    opened.channel.basic_qos(prefetch_count=PREFETCH)
    opened.channel.basic_consume(queue_name(), on_message)
    opened.run_loop()


if __name__ == "__main__":
    if sys.argv[1] == "work":
        work()
    else:
        enqueuer = (
            PipelinedEnqueuer() if os.environ.get(MODE_VARIABLE) == "pipelined" else UnconfirmedEnqueuer()
        )
        drive(enqueuer)
        enqueuer.close()
