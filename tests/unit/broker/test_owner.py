"""Owners of the tables under random failures: they know and tell what the journal has decided."""

from __future__ import annotations

import asyncio
from collections import deque

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from roger_actors.broker.amqp import journal, owner
from roger_actors.broker.amqp.asking import Alter, Get
from roger_actors.broker.amqp.journal import Batch, Entry, Epoch, decode
from roger_actors.broker.amqp.owner import Owner
from roger_actors.broker.base import Change, Delivery, Message
from roger_actors.clock import ManualClock
from roger_actors.errors import PublishUnconfirmed

NAMES = ("one", "two")


class Queue:
    """A journal queue with a single active consumer, of which every step is taken by the test."""

    def __init__(self) -> None:
        self.entries: list[bytes] = []
        self.acked: set[int] = set()
        self.history: list[Entry] = []
        self.line: list[Link] = []

    def deliver(self) -> bool:
        """Hand the next entry to the first in line."""
        active = self.line[0] if self.line else None
        while active is not None and active.next < len(self.entries):
            number, active.next = active.next, active.next + 1
            if number not in self.acked:
                body = self.entries[number]
                active.on_delivery(Delivery(body, "", "roger.journal", {}, False, active.generation, number))
                return True
        return False


class Link:
    """One owner's broker object: what it publishes is on its way until it arrives or is lost."""

    def __init__(self, queue: Queue) -> None:
        self.queue = queue
        self.wire: deque[tuple[bytes, asyncio.Future[None]]] = deque()
        self.generation = self.next = 0
        self.is_severed = False
        self.on_delivery = self.on_reset = None

    async def declare(self, queues) -> None:
        """Nothing is to be done."""

    def publish_once(self, message: Message, timeout: float) -> asyncio.Future[None]:
        future = asyncio.get_running_loop().create_future()
        self.wire.append((message.body, future))
        return future

    async def consume(self, queue, *, prefetch, on_delivery, on_reset):
        self.on_delivery, self.on_reset = on_delivery, on_reset
        self._enter()
        return self

    def _enter(self) -> None:
        self.generation += 1
        self.next = 0
        self.is_severed = False
        if self in self.queue.line:
            self.queue.line.remove(self)
        self.queue.line.append(self)

    async def close(self) -> None:
        if self in self.queue.line:
            self.queue.line.remove(self)
        self.generation += 1

    def ack(self, delivery: Delivery) -> bool:
        if delivery.generation == self.generation and not self.is_severed:
            self.queue.acked.add(delivery.tag)
        return delivery.generation == self.generation

    # -- steps of the test

    def arrive(self) -> bool:
        """Let the oldest entry on its way reach the journal."""
        if not self.wire:
            return False
        body, future = self.wire.popleft()
        self.queue.entries.append(body)
        self.queue.history.append(decode(body))
        if not future.done():
            future.set_result(None)
        return True

    def sever(self) -> None:
        """Have the broker take the consumer for dead, while its owner knows nothing of it."""
        if self in self.queue.line:
            self.queue.line.remove(self)
            self.is_severed = True

    def cut(self, *, lost: bool) -> None:
        """Lose the connection; what is on its way is lost with it, or arrives late."""
        for _, future in self.wire:
            if not future.done():
                future.set_exception(PublishUnconfirmed(queue="roger.journal", message_id="", seconds=1.0))
        if lost:
            self.wire.clear()
        self._enter()
        self.on_reset("cut")


def _replay(history: list[Entry]) -> tuple[dict[str, bytes], dict[str, list[bool]]]:
    """Return what a journal decides, without snapshots: the list of changes that count."""
    epoch, number = "", 0
    values: dict[str, bytes | None] = {}
    answers: dict[str, list[bool]] = {}
    for entry in history:
        if isinstance(entry, Epoch):
            epoch, number = entry.epoch, 0
        elif isinstance(entry, Batch) and entry.epoch == epoch and entry.number == number + 1:
            number += 1
            values |= {key: value for _, key, value in entry.writes}
            answers |= dict(entry.answers)
    return {key: value for key, value in values.items() if value is not None}, answers


class World:
    """Two candidates, their journal, and all that was asked and answered."""

    def __init__(self) -> None:
        self.queue = Queue()
        self.clock = ManualClock()
        self.links = {name: Link(self.queue) for name in NAMES}
        self.owners = {
            name: Owner(link, lambda: None, lambda: None, self.clock.monotonic)
            for name, link in self.links.items()
        }
        self.told: dict[str, list[bool]] = {}
        self.asked = 0
        self.wrong: list[str] = []

    async def turn(self) -> None:
        for _ in range(8):
            await asyncio.sleep(0)

    async def step(self, kind: str, name: str, number: int) -> None:
        link = self.links[name]
        candidate = self.owners[name]
        if kind in {"ask", "again", "look", "compact"} and not candidate.is_owner:
            candidate = self.owners[NAMES[1 - NAMES.index(name)]]
        match kind:
            case "ask":
                self.ask(candidate, number)
            case "again":
                self.ask(candidate, number, again=True)
            case "look":
                self.look(candidate, f"p{number % 2}/{number % 5}")
            case "arrive":
                for _ in range(1 + number // 3):
                    link.arrive()
            case "deliver":
                for _ in range(1 + number // 2):
                    self.queue.deliver()
            case "cut":
                link.cut(lost=number % 2 == 0)
            case "flow":
                for _ in range(1 + number // 3):
                    for either in self.links.values():
                        either.arrive()
                    self.queue.deliver()
                    await self.turn()
            case "sever":
                link.sever()
            case "compact":
                candidate.compact()
            case _:
                self.clock.advance(float(number))
        await self.turn()

    def ask(self, candidate: Owner, number: int, *, again: bool = False) -> None:
        if not candidate.is_owner:
            return
        if not again:
            self.asked += 1
        request = f"r{self.asked}"
        current = candidate._state.get("t", f"p{number % 2}/{number % 5}")
        wanted = current if number % 3 else None
        new = None if number == 7 else request.encode()
        change = Change("t", f"p{number % 2}/{number % 5}", wanted, new, 5.0 if number % 4 == 0 else 0.0)
        candidate.submit(request, Alter([change]), lambda results: self.tell(request, results))

    def tell(self, request: str, results) -> None:
        done = [result.done for result in results]
        if self.told.setdefault(request, done) != done:
            self.wrong.append(f"{request} was answered twice, otherwise")
        if _replay(self.queue.history)[1].get(request) != done:
            self.wrong.append(f"{request} was answered and is not in the journal")

    def look(self, candidate: Owner, key: str) -> None:
        def found(value: bytes | None) -> None:
            states = [_replay(self.queue.history[:n])[0].get(key) for n in range(asked, len(history) + 1)]
            if value not in states:
                self.wrong.append(f"{key} was read as {value!r}, which it was not since")

        if candidate.is_owner:
            history, asked = self.queue.history, len(self.queue.history)
            candidate.submit("", Get("t", key), found)

    async def settle(self) -> None:
        """Let everything arrive, until one candidate is the owner and nothing moves any more."""
        for link in self.links.values():
            if link.is_severed:
                link.cut(lost=False)
        for _ in range(1000):
            moved = [link.arrive() for link in self.links.values()]
            moved.append(self.queue.deliver())
            await self.turn()
            if not any(moved) and any(o.is_owner and not o._awaited for o in self.owners.values()):
                return
        raise AssertionError("nobody has become the owner")


KINDS = ["ask"] * 6 + ["again", "look", "look", "cut", "sever", "compact", "compact", "later"]
FLOW = ["arrive"] * 4 + ["deliver"] * 4 + ["flow"] * 12
STEPS = st.lists(
    st.tuples(st.sampled_from(KINDS + FLOW), st.sampled_from(NAMES), st.integers(0, 9)),
    min_size=50,
    max_size=150,
)


# A deposed owner's snapshot stands between two parts of its successor's.
DEPOSED_IN_BETWEEN = [
    ("ask", "one", 2),
    ("sever", "one", 0),
    ("ask", "one", 0),
    ("flow", "one", 0),
    ("flow", "one", 6),
    ("compact", "two", 0),
    ("ask", "one", 0),
    ("compact", "one", 0),
]


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(STEPS)
@example(steps=DEPOSED_IN_BETWEEN)
def test_owners_know_and_tell_only_what_the_journal_has_decided(monkeypatch: pytest.MonkeyPatch, steps):
    monkeypatch.setattr(journal, "SNAPSHOT_BYTES", 10)
    monkeypatch.setattr(owner, "GREET_SECONDS", 0.0)
    monkeypatch.setattr(owner, "STAND_SECONDS", 0.0)

    async def run() -> None:
        world = World()
        for candidate in world.owners.values():
            await candidate.stand()
        await world.settle()
        for number, step in enumerate(steps):
            await world.step(*step)
            if number % 5 == 0:
                assert _read_anew(world) == _replay(world.queue.history)[0]
        await world.settle()

        chosen = [candidate for candidate in world.owners.values() if candidate.is_owner]
        assert len(chosen) == 1
        assert not world.wrong
        decided = _replay(world.queue.history)[0]
        assert chosen[0]._state.scan("t", "") == decided
        assert _read_anew(world) == decided
        for candidate in world.owners.values():
            await candidate.close()

    asyncio.run(run())


def _read_anew(world: World) -> dict[str, bytes]:
    """Return what a newcomer makes of the entries that were not acknowledged."""
    replica = journal.Replica()
    for number, entry in enumerate(world.queue.history):
        if number not in world.queue.acked:
            replica.apply(entry, 0.0)
    return replica.state.scan("t", "")


def test_a_candidate_that_is_to_close_reads_the_journal_to_its_end_first():
    async def run() -> None:
        world = World()
        link, candidate = world.links["one"], world.owners["one"]
        await candidate.stand()
        link.arrive()
        world.queue.deliver()
        closing = asyncio.create_task(candidate.close())
        await world.turn()
        assert not closing.done()
        assert world.queue.line == [link]

        link.arrive()
        world.queue.deliver()

        await closing
        assert world.queue.line == []

    asyncio.run(run())
