"""Tries again the jobs that were parked because nobody knew their class, its version or their format.

Such a job is most likely one of a newer release that runs elsewhere, or of one that is being rolled
out. Every node looks at the parked jobs now and then, takes those that it can run back to their queue,
and leaves the others.
"""

from __future__ import annotations

from typing import Any

from roger_actors.broker import Message
from roger_actors.errors import BrokerError, UndecodableJob
from roger_actors.otp import GenServer, NoReply, Ok, process
from roger_actors.roger import queue
from roger_actors.roger.jobs.codec import decode_header
from roger_actors.roger.jobs.versions import is_known
from roger_actors.roger.kernel import Kernel
from roger_actors.roger.shelf import shelf
from roger_actors.roger.shelf.shelf import Shelved

EVERY = 15.0
"""Seconds between two looks."""


class Parking(GenServer[Kernel]):
    """Looks after `roger.parked`; see the module."""

    def init(self, kernel: Kernel) -> Ok[Kernel]:
        """Look soon, when the first worker host may have said what it knows."""
        process.send_after(EVERY / 3, process.self(), "look")
        return Ok(kernel)

    def handle_info(self, message: Any, kernel: Kernel) -> NoReply[Kernel]:
        """Look again."""
        process.send_after(EVERY, process.self(), "look")
        return NoReply(kernel, then="look")

    async def handle_continue(self, token: Any, kernel: Kernel) -> NoReply[Kernel]:
        """Take back what this node knows."""
        if kernel.broker.is_connected and kernel.classes:
            try:
                await self._look(kernel)
            except BrokerError as error:
                kernel.log.warning("cannot look at the parked jobs: %s", error)
        return NoReply(kernel)

    async def _look(self, kernel: Kernel) -> None:
        counts = await kernel.broker.counts(queue.PARKED)
        if counts is None or counts.messages == 0:
            return

        def rewrite(shelved: Shelved) -> Message | None:
            if not _can_run(shelved, kernel.classes):
                return None
            return Message(shelved.queue, shelved.body, shelved.message_id, shelved.partition)

        moved = await shelf.put_back(kernel.broker, queue.PARKED, rewrite, kernel.config.enqueue_timeout)
        if moved:
            kernel.log.info("took back %d parked jobs whose class is known now", len(moved))


def _can_run(shelved: Shelved, known: frozenset[str]) -> bool:
    try:
        header = decode_header(shelved.body)
    except UndecodableJob:
        return False
    return is_known(known, header.class_name, header.class_version)
