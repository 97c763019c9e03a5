"""Celery: prefork, late acknowledgement, JSON, no result back-end, classic durable queue, unconfirmed.

Its workers are run by its own command (see `jobs`).
"""

from __future__ import annotations

from celery import Celery  # type: ignore[import-untyped]

from benchmarks.digest_log import run_job
from benchmarks.peers.driver import Arguments, amqp_url, drive, queue_name

app = Celery("benchmarks", broker=amqp_url())
app.conf.update(
    task_default_queue=queue_name(),
    task_acks_late=True,
    task_ignore_result=True,
    task_serializer="json",
    accept_content=["json"],
    worker_prefetch_multiplier=4,
    worker_send_task_events=False,
    worker_hijack_root_logger=False,
    broker_connection_retry_on_startup=False,
)


@app.task(name="digest")  # type: ignore[untyped-decorator]
def digest(argument: dict[str, str]) -> None:
    """Run the job."""
    run_job(argument)


class CeleryEnqueuer:
    """`task.apply_async` on one producer, which is how Celery's documentation says to send many."""

    def enqueue(self, jobs: Arguments) -> None:
        """Send jobs one after another."""
        with app.producer_pool.acquire(block=True) as producer:
            for job in jobs:
                digest.apply_async((job,), producer=producer)


if __name__ == "__main__":
    drive(CeleryEnqueuer())
    app.close()
