"""What a node remembers of the ends of jobs."""

from __future__ import annotations

import asyncio

from roger_actors.roger.jobs.lately import Ended, Lately


def test_the_latest_ends_are_kept_and_older_ones_forgotten() -> None:
    lately = Lately(kept=2)
    for number in range(3):
        lately.note("acme", str(number), Ended("done", float(number), 0))

    assert lately.find("acme", "0") is None
    assert lately.find("acme", "2") == Ended("done", 2.0, 0)
    assert lately.find("globex", "2") is None


def test_who_waits_is_told_of_the_end_and_not_of_a_retry() -> None:
    async def scenario() -> None:
        lately = Lately()
        waiting = asyncio.ensure_future(lately.wait("acme", "j", 10.0))
        await asyncio.sleep(0)
        lately.note("acme", "j", Ended("retried", 1.0, 0, 2.0))
        await asyncio.sleep(0)
        assert not waiting.done()

        lately.note("acme", "j", Ended("done", 3.0, 1))

        assert await waiting == Ended("done", 3.0, 1)
        assert await lately.wait("acme", "other", 0.001) is None
        assert not lately._waiting

    asyncio.run(scenario())
