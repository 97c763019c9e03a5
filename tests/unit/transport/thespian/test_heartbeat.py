"""The heartbeat counts missing answers, not seconds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from roger_actors.transport.memory import VirtualLoop
from roger_actors.transport.thespian.heartbeat import Heartbeat


@pytest.fixture
def loop() -> Iterator[VirtualLoop]:
    """A loop on virtual time."""
    loop = VirtualLoop()
    yield loop
    loop.close()


class Watch:
    """A heartbeat whose processes answer unless they are told not to."""

    def __init__(self, loop: VirtualLoop) -> None:
        self.silent: set[int] = set()
        self.asked = 0
        self.frozen: list[tuple[int, float]] = []
        self.heartbeat = Heartbeat(loop, self.ask, lambda key, limit: self.frozen.append((key, limit)))

    def ask(self, key: int) -> None:
        self.asked += 1
        if key not in self.silent:
            self.heartbeat.answered(key)


def test_a_process_that_answers_is_never_frozen(loop: VirtualLoop) -> None:
    watch = Watch(loop)
    watch.heartbeat.watch(1, 10.0)

    loop.advance(1000.0)

    assert watch.frozen == []


def test_a_silent_process_is_told_once_after_its_limit(loop: VirtualLoop) -> None:
    watch = Watch(loop)
    watch.heartbeat.watch(1, 10.0)
    watch.heartbeat.watch(2, 3.0)
    watch.silent = {1}

    loop.advance(9.0)
    assert watch.frozen == []

    loop.advance(20.0)
    assert watch.frozen == [(1, 10.0)]


def test_a_process_without_a_limit_is_not_asked(loop: VirtualLoop) -> None:
    watch = Watch(loop)

    watch.heartbeat.watch(1, None)
    loop.advance(100.0)

    assert watch.asked == 0


def test_a_forgotten_process_is_not_asked(loop: VirtualLoop) -> None:
    watch = Watch(loop)
    watch.heartbeat.watch(1, 1.0)
    watch.silent = {1}

    watch.heartbeat.forget(1)
    loop.advance(10.0)

    assert watch.frozen == []


def test_a_watcher_that_slept_finds_one_answer_missing_and_not_many(loop: VirtualLoop) -> None:
    watch = Watch(loop)
    watch.heartbeat.watch(1, 10.0)
    watch.silent = {1}
    loop.advance(1.0)

    loop.clock.advance(60.0)
    loop.settle()
    watch.silent = set()
    loop.advance(60.0)

    assert watch.frozen == []


def test_a_shorter_limit_quickens_the_beat(loop: VirtualLoop) -> None:
    watch = Watch(loop)
    watch.heartbeat.watch(1, 100.0)
    watch.heartbeat.watch(2, 0.4)
    watch.silent = {2}

    loop.advance(0.7)

    assert watch.frozen == [(2, 0.4)]
