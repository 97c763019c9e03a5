"""dramatiq with its defaults: classic durable queue, publishing unconfirmed, its own middleware.

Its workers are run by its own command (see `jobs`); prefetch is its default, twice the threads.
"""

from __future__ import annotations

import dramatiq
from dramatiq.brokers.rabbitmq import RabbitmqBroker

from benchmarks.digest_log import run_job
from benchmarks.peers.driver import Arguments, amqp_url, drive, queue_name

broker = RabbitmqBroker(url=amqp_url())
dramatiq.set_broker(broker)


@dramatiq.actor(queue_name=queue_name())
def digest(argument: dict[str, str]) -> None:
    """Run the job."""
    run_job(argument)


class DramatiqEnqueuer:
    """`actor.send`, the only way to send one of its messages."""

    def enqueue(self, jobs: Arguments) -> None:
        """Send jobs one after another."""
        for job in jobs:
            digest.send(job)


if __name__ == "__main__":
    drive(DramatiqEnqueuer())
    broker.close()
