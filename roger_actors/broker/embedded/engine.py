"""The thread that owns the connection to the file, and does many commands in one transaction.

The event loop appends commands and acks; the thread takes all there are, does them between one BEGIN
and one COMMIT, hands ready messages to the consumers in the same transaction, and tells the loop what
came of it in one call. While it commits, more commands gather: load makes the batches.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from roger_actors.broker.embedded.incarnation import Lifeline
from roger_actors.broker.embedded.schema import open_file
from roger_actors.broker.embedded.store import Row, Store
from roger_actors.broker.embedded.subscription import Subscription
from roger_actors.broker.embedded.watch import Watch, ahead
from roger_actors.errors import BrokerError, ConnectionLost, StorageFailed, Unroutable

BATCH = 2000
FETCH = 500
BUSY_PAUSE = 0.02
RETRY_PAUSE = 0.5
BOOT = Path("/proc/sys/kernel/random/boot_id")

Command = tuple[Callable[[Store], Any], "asyncio.Future[Any] | None", bool]
Settling = tuple["Subscription", int, int, bool]
Handover = Callable[["Subscription", int, list[Row]], None]


class Engine:
    """The thread and what it is told; every callback runs on the loop.

    Args:
        path: The database file.
        prefix: What stands before every name.
        name: Who this is, for people.
        synchronous: SQLite's setting, `FULL` or `NORMAL`.
        on_rows: Gets what a subscription was handed: subscription, generation, rows.
        on_reset: Gets a subscription whose outstanding deliveries became stale, its new generation, and why.
        on_broadcast: Gets topic (with prefix) and body.
        on_broken: Gets what ended the thread against its will.
    """

    def __init__(
        self,
        path: Path,
        prefix: str,
        name: str,
        synchronous: str,
        *,
        on_rows: Handover,
        on_reset: Callable[[Subscription, int, str], None],
        on_broadcast: Callable[[str, bytes], None],
        on_broken: Callable[[str], None],
    ) -> None:
        self._path, self._prefix, self._name, self._synchronous = path, prefix, name, synchronous
        self._on_rows, self._on_reset, self._on_broadcast = on_rows, on_reset, on_broadcast
        self._on_broken = on_broken
        self._loop = asyncio.get_running_loop()
        self._commands: deque[Command] = deque()
        self._settled: deque[Settling] = deque()
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._is_awake = False
        self._is_ending = False
        self._subscriptions: list[Subscription] = []
        self._batch: tuple[list[Command], list[Settling]] = ([], [])
        self._last_broadcast = -1
        self._ready: asyncio.Future[None] = self._loop.create_future()
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self._thread = threading.Thread(target=self._run, name=f"roger-embedded-{name}", daemon=True)
        self.lifeline: Lifeline | None = None
        self.connection: sqlite3.Connection | None = None

    # -- called on the loop

    async def start(self) -> None:
        """Open the file; raises `ConnectionFailed`."""
        self._thread.start()
        try:
            await self._ready
        except BaseException:
            self._is_ending = True
            self._thread.join()
            os.close(self._wake)
            raise

    def submit(self, function: Callable[[Store], Any], *, tells: bool = False) -> asyncio.Future[Any]:
        """Have a function run on the store in a transaction; the future ends after the commit.

        Args:
            function: What to do.
            tells: Whether other processes may be waiting for its effect.
        """
        future = self._loop.create_future()
        if self._is_ending:
            future.set_exception(ConnectionLost(broker=f"embedded:{self._path}", detail="it was closed"))
            return future
        self._commands.append((function, future, tells))
        self._rouse()
        return future

    def settle(self, subscription: Subscription, generation: int, tag: int, acked: bool) -> None:
        """Remove a delivered message, or give it back; stale ones are dropped."""
        self._settled.append((subscription, generation, tag, acked))
        self._rouse()

    def _rouse(self) -> None:
        # A plain flag: at worst both sides see it late and an eventfd write is made in vain.
        if not self._is_awake:
            self._is_awake = True
            os.eventfd_write(self._wake, 1)

    async def stop(self) -> None:
        """Give everything back, close the file and wait for the thread."""
        if self._is_ending:
            return
        self._is_ending = True
        self._is_awake = False
        self._rouse()
        await self._ended
        self._thread.join()
        os.close(self._wake)

    def abandon(self) -> None:
        """In a forked child: close the copies of what the parent holds, touch nothing else."""
        self._is_ending = True
        os.close(self._wake)
        if self.lifeline is not None:
            self.lifeline.close()
        if self.connection is not None:
            # Never closed in the child: SQLite would act on locks and memory that are the parent's.
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(self.connection))

    # -- subscriptions: run as commands

    def attach(self, store: Store, subscription: Subscription) -> None:
        """Make the consumer known, its queue too if it has vanished and was declared here."""
        if subscription.queue:
            return
        if subscription.spec is not None and store.queue_id(subscription.name) is None:
            store.declare([subscription.spec])
        queue = store.queue_id(subscription.name)
        if queue is None:
            raise Unroutable(queue=subscription.name.removeprefix(store.prefix))
        subscription.queue = queue
        subscription.number = store.add_consumer(queue)
        subscription.is_single = store.is_single_active(queue)
        subscription.outstanding = 0
        if subscription.is_paused:
            store.pause_consumer(subscription.number, 1)
        if subscription not in self._subscriptions:
            self._subscriptions.append(subscription)

    def detach(self, store: Store, subscription: Subscription) -> None:
        """Forget the consumer; what it held is ready again."""
        if subscription in self._subscriptions:
            self._subscriptions.remove(subscription)
            subscription.queue = 0
            store.remove_consumer(subscription.number)

    def listen(self, store: Store) -> None:
        """Hand on what is broadcast from now on."""
        if self._last_broadcast < 0:
            self._last_broadcast = store.last_broadcast()

    # -- the thread

    def _run(self) -> None:
        try:
            store = self._open()
        except BaseException as error:  # noqa: BLE001  whatever it is, it is the answer of `start`
            self._tell(_fail, self._ready, error)
            return
        self._tell(_finish, self._ready, None)
        try:
            self._serve(store)
        except BaseException as error:
            self._tell(self._on_broken, f"{type(error).__name__}: {error}")
            raise
        finally:
            self._close(store)
            self._tell(_finish, self._ended, None)

    def _tell(self, function: Callable[..., None], *arguments: Any) -> None:
        try:
            self._loop.call_soon_threadsafe(function, *arguments)
        except RuntimeError:
            pass  # the loop was closed without closing the broker

    def _open(self) -> Store:
        connection = self.connection = open_file(self._path, self._synchronous)
        try:
            self.lifeline = Lifeline(self._path.with_name(self._path.name + "-alive"))
            connection.execute("BEGIN IMMEDIATE")
            store = Store(connection, 0, self._prefix)
            store.incarnation = store.add_incarnation(self._name, os.getpid())
            store.entries.renew_leases(BOOT.read_text().strip(), time.monotonic())
            store.follow_clock(ahead())
            self.lifeline.hold(store.incarnation)
            self._sweep(store)
            connection.execute("COMMIT")
        except BaseException:
            connection.close()
            raise
        return store

    def _sweep(self, store: Store) -> bool:
        """Give back what dead ones held; runs in a transaction, so that nobody is half born."""
        assert self.lifeline is not None
        dead = [
            number
            for number in store.incarnations()
            if number != store.incarnation and not self.lifeline.is_held(number)
        ]
        for number in dead:
            store.remove_incarnation(number)
        return bool(dead)

    def _serve(self, store: Store) -> None:
        watch = Watch(store, self.lifeline, self._wake)
        while not self._is_ending:
            self._is_awake = False
            if not (self._commands or self._settled or watch.has_more):
                watch.wait()
            self._is_awake = True
            try:
                self._round(store, watch)
            except sqlite3.Error as error:
                self._recover(store, watch, error)

    def _round(self, store: Store, watch: Watch) -> None:
        """One transaction, if there is anything to do; then tell the loop and the others."""
        is_sweeping = watch.is_sweep_due() and self._look_around(store)
        changed = watch.has_changed()
        if changed:
            self._check_queues(store, watch)
            self._hand_on_broadcasts(store)
        is_time = watch.is_due() or watch.has_clock_moved()
        has_work = self._commands or self._settled or is_sweeping or watch.has_more or is_time
        if has_work or (changed and self._hungry(store)):
            self._transact(store, watch, is_sweeping)

    def _look_around(self, store: Store) -> bool:
        """Try again what waits for a queue; answers whether there are dead ones to be swept."""
        assert self.lifeline is not None
        lifeline = self.lifeline
        for subscription in self._subscriptions:
            if not subscription.queue:
                self._commands.append((partial(self.attach, subscription=subscription), None, True))
        return any(n != store.incarnation and not lifeline.is_held(n) for n in store.incarnations())

    def _transact(self, store: Store, watch: Watch, is_sweeping: bool) -> None:
        store.sql.execute("BEGIN IMMEDIATE")
        store.follow_clock(ahead())
        tells = self._sweep(store) if is_sweeping else False
        done, settled = self._take(self._commands, BATCH), self._take(self._settled, BATCH)
        self._batch = done, settled
        tells |= self._settle(store, settled)
        answers = [self._do(store, command) for command in done]
        tells |= any(command[2] for command in done) | bool(store.release_due(time.time()))
        handed = self._feed(store)
        store.sql.execute("COMMIT")
        self._batch = [], []
        for subscription, _, rows in handed:
            subscription.outstanding += len(rows)
        watch.after_commit(store, has_more=any(len(rows) == FETCH for *_, rows in handed))
        self._tell(self._answer, answers, handed)
        if tells:
            self._ring()
            self._check_queues(store, watch)
            self._hand_on_broadcasts(store)

    def _ring(self) -> None:
        assert self.lifeline is not None
        self.lifeline.ring()

    @staticmethod
    def _take(waiting: deque[Any], limit: int) -> list[Any]:
        return [waiting.popleft() for _ in range(min(limit, len(waiting)))]

    @staticmethod
    def _do(store: Store, command: Command) -> tuple[Command, Any]:
        future = command[1]
        if future is not None and future.done():
            return command, None  # its caller has given up: then rather not at all
        try:
            return command, command[0](store)
        except BrokerError as error:
            return command, error

    @staticmethod
    def _settle(store: Store, settled: list[Settling]) -> bool:
        acked: list[tuple[int, int]] = []
        returned: list[tuple[int, int]] = []
        for subscription, generation, tag, is_acked in settled:
            if generation == subscription.generation:
                subscription.outstanding -= 1
                (acked if is_acked else returned).append((tag, subscription.number))
        store.settle(acked, returned)
        return bool(returned)

    def _hungry(self, store: Store) -> list[Subscription]:
        """Return those that have room and a queue with something for them."""
        roomy = [s for s in self._subscriptions if not s.is_paused and s.outstanding < s.prefetch]
        if not roomy:
            return []
        ready = store.queues_with_ready()
        return [
            s
            for s in roomy
            if s.queue in ready and not (s.is_single and not store.is_active(s.number, s.queue))
        ]

    def _feed(self, store: Store) -> list[tuple[Subscription, int, list[Row]]]:
        handed = []
        for subscription in self._hungry(store):
            room = min(subscription.prefetch - subscription.outstanding, FETCH)
            rows = store.take_ready(subscription.number, subscription.queue, room)
            if rows:
                handed.append((subscription, subscription.generation, rows))
        return handed

    def _answer(
        self, answers: list[tuple[Command, Any]], handed: list[tuple[Subscription, int, list[Row]]]
    ) -> None:
        for (_, future, _), result in answers:
            if future is None or future.done():
                continue
            if isinstance(result, BrokerError):
                future.set_exception(result)
            else:
                future.set_result(result)
        for subscription, generation, rows in handed:
            self._on_rows(subscription, generation, rows)

    def _check_queues(self, store: Store, watch: Watch) -> None:
        if not watch.has_deletions(store):
            return
        existing = store.existing_queues()
        for subscription in self._subscriptions:
            if subscription.queue and subscription.queue not in existing:
                self._revive(subscription, "the queue was deleted")

    def _revive(self, subscription: Subscription, why: str) -> None:
        subscription.generation += 1
        subscription.outstanding = subscription.queue = 0
        self._tell(self._on_reset, subscription, subscription.generation, why)
        self._commands.append((partial(self.attach, subscription=subscription), None, True))

    def _hand_on_broadcasts(self, store: Store) -> None:
        if self._last_broadcast < 0:
            return
        for number, topic, body in store.broadcasts_after(self._last_broadcast):
            self._last_broadcast = number
            self._tell(self._on_broadcast, topic, body)

    def _recover(self, store: Store, watch: Watch, error: sqlite3.Error) -> None:
        """Undo the batch. A busy file is tried again; a full disk fails the commands, acks are kept."""
        commands, settled = self._batch
        self._batch = [], []
        if store.sql.in_transaction:
            store.sql.execute("ROLLBACK")
        for subscription, generation, *_ in settled:
            subscription.outstanding += generation == subscription.generation
        self._settled.extendleft(reversed(settled))
        known = store.consumers()
        for subscription in self._subscriptions:
            if subscription.number not in known:
                subscription.queue = 0
        if "locked" in str(error) or "busy" in str(error):
            self._commands.extendleft(reversed(commands))
            watch.pause(BUSY_PAUSE)
            return
        failure = StorageFailed(broker=f"embedded:{self._path}", detail=str(error))
        self._tell(self._answer, [(command, failure) for command in commands], [])
        watch.pause(RETRY_PAUSE if settled else BUSY_PAUSE)

    def _close(self, store: Store) -> None:
        try:
            store.sql.execute("BEGIN IMMEDIATE")
            self._settle(store, self._take(self._settled, len(self._settled)))
            answers = [
                self._do(store, command) for command in self._take(self._commands, len(self._commands))
            ]
            store.remove_incarnation(store.incarnation)
            store.sql.execute("COMMIT")
            self._tell(self._answer, answers, [])
            self._ring()
        except sqlite3.Error:
            pass  # the lock is let go of below: the others give back what we held
        store.sql.close()
        assert self.lifeline is not None
        self.lifeline.close()


def _finish(future: asyncio.Future[None], result: None) -> None:
    if not future.done():
        future.set_result(result)


def _fail(future: asyncio.Future[None], error: BaseException) -> None:
    if not future.done():
        future.set_exception(error)
