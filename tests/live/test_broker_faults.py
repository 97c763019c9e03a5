"""What is done to a broker, and what must come of it: nothing confirmed is lost, all goes on by itself."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from roger_actors.broker import Broker, Change, Delivery, Message, QueueSpec, open_broker
from roger_actors.errors import ConnectionFailed, PublishUnconfirmed, StorageFailed
from roger_actors.testing.rabbitmq import BrokerNotInstalled, RabbitNode

WAIT = 20.0


@pytest.fixture(scope="module")
def node() -> Iterator[RabbitNode]:
    """A RabbitMQ that may be killed and frozen; what a test leaves behind is looked for at the end."""
    node = RabbitNode(Path(tempfile.mkdtemp(prefix="roger-victim-", dir="/tmp")))
    try:
        node.start()
    except BrokerNotInstalled as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))
    yield node
    node.destroy()


@pytest.fixture(scope="module")
def starter() -> Iterator[ThreadPoolExecutor]:
    """A thread that lasts: a private RabbitMQ dies with the thread that started it."""
    with ThreadPoolExecutor(1) as executor:
        executor.submit(int).result()
        yield executor


@pytest.fixture
def url(node: RabbitNode) -> Iterator[str]:
    with node.vhost() as url:
        yield url


async def _age() -> None:
    """Let new queues grow old enough for kill -9.

    RabbitMQ 3.10 keeps the names of its Raft logs in a table that it writes to disk half a second after
    a change (auto_save). Killed before that, it comes back with the queue but without its log: what was
    confirmed is lost, or the queue never has a leader again. There is nothing to be asked about it.
    """
    await asyncio.sleep(2.0)


class Watch:
    """An open broker, what it said, and what its consumer got."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self.events: list[str] = []
        self.deliveries: list[Delivery] = []
        self.changed = asyncio.Event()
        broker.on_connected = lambda: self._note("up")
        broker.on_disconnected = lambda reason: self._note(f"down: {reason}")

    def _note(self, event: str) -> None:
        self.events.append(event)
        self.changed.set()

    def on_delivery(self, delivery: Delivery) -> None:
        self.deliveries.append(delivery)
        self.changed.set()

    async def until(self, condition, seconds: float = WAIT) -> None:
        async with asyncio.timeout(seconds):
            while not condition():
                self.changed.clear()
                await self.changed.wait()

    async def consume(self, queue: str, prefetch: int = 10) -> None:
        self.consumer = await self.broker.consume(
            queue,
            prefetch=prefetch,
            on_delivery=self.on_delivery,
            on_reset=lambda reason: self._note(f"reset: {reason}"),
        )


async def _open(url: str, *queues: str) -> Watch:
    watch = Watch(open_broker(url, name="fault-test"))
    await watch.broker.connect(10.0)
    await watch.broker.declare([QueueSpec(queue) for queue in queues])
    return watch


def _bodies(count: int) -> list[Message]:
    return [Message("jobs", b"%d" % number, message_id=str(number)) for number in range(count)]


# ------------------------------------------------------------------------------- why it cannot connect


@pytest.mark.rabbitmq
@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda url: url.replace("roger:", "nobody:"), "user name or password refused"),
        (lambda url: url.rpartition("/")[0] + "/no-such-vhost", "there is no vhost 'no-such-vhost'"),
        (lambda url: "amqp://u:secret@127.0.0.1:1/", "connection refused"),
        (lambda url: "amqp://u:secret@no-such-host.invalid/", "host name is not known"),
        (lambda url: "amqp://u:secret@127.0.0.1:port/", "the URL is malformed"),
        (lambda url: "amqp://", "the URL is malformed"),
    ],
)
def test_each_reason_why_a_connection_fails_is_told_in_one_line_without_the_password(url, change, complaint):
    async def scenario() -> None:
        broker = open_broker(change(url), name="test")
        await broker.connect(10.0)

    with pytest.raises(ConnectionFailed, match=complaint) as failure:
        asyncio.run(scenario())

    assert "\n" not in str(failure.value)
    assert "secret" not in str(failure.value)
    assert "cannot connect to" in str(failure.value)


@pytest.mark.roger_fault("channel opens too slowly")
@pytest.mark.rabbitmq
def test_a_frozen_broker_does_not_connect_and_says_so_in_time(node, url):
    async def scenario() -> None:
        node.freeze()
        try:
            await open_broker(url, name="test").connect(2.0)
        finally:
            node.thaw()

    with pytest.raises(ConnectionFailed, match="no answer in"):
        asyncio.run(scenario())


# --------------------------------------------------------------------------------- connections are lost


@pytest.mark.roger_fault("broker restarted while enqueuing")
@pytest.mark.rabbitmq
@pytest.mark.fault
def test_what_was_confirmed_survives_a_killed_broker_and_what_was_not_is_published_after_it(
    node, starter, url
):
    async def scenario() -> None:
        watch = await _open(url, "jobs")
        await _age()
        await watch.broker.publish_many(_bodies(2000), 10.0)
        await watch.consume("jobs", prefetch=50)
        await watch.until(lambda: len(watch.deliveries) == 50)
        held = list(watch.deliveries)

        late = asyncio.ensure_future(watch.broker.publish_many(_bodies(4000)[2000:], 60.0))
        await asyncio.sleep(0.02)
        await asyncio.to_thread(node.kill)
        await watch.until(lambda: "down" in "".join(watch.events))
        await asyncio.get_running_loop().run_in_executor(starter, node.start)
        assert set(await late) == {None}
        await watch.until(lambda: watch.events[-1] == "up", 30.0)
        assert not any(watch.consumer.ack(delivery) for delivery in held)
        watch.deliveries = [d for d in watch.deliveries if d not in held]
        seen: set[str] = set()

        def all_seen() -> bool:
            for delivery in watch.deliveries:
                seen.add(delivery.message_id)
                watch.consumer.ack(delivery)
            watch.deliveries.clear()
            return len(seen) == 4000

        await watch.until(all_seen, 30.0)
        await watch.broker.close()

    asyncio.run(scenario())


@pytest.mark.rabbitmq
@pytest.mark.fault
def test_consumers_and_subscribers_stand_again_after_the_broker_closed_every_connection(node, url):
    async def scenario() -> None:
        watch = await _open(url, "jobs")
        heard: list[bytes] = []
        await watch.broker.subscribe("news", lambda body: (heard.append(body), watch.changed.set()))
        await watch.consume("jobs")
        for number in range(3):
            before = len(watch.events)
            await asyncio.to_thread(node.close_connections)
            await watch.until(lambda at=before: "up" in watch.events[at:])
            await watch.broker.publish(Message("jobs", b"%d" % number), 10.0)
            await watch.broker.broadcast("news", b"%d" % number)
            await watch.until(lambda n=number: len(watch.deliveries) == len(heard) == n + 1)
            assert watch.consumer.ack(watch.deliveries[-1])
        assert [d.body for d in watch.deliveries] == heard == [b"0", b"1", b"2"]
        await watch.broker.close()

    asyncio.run(scenario())


@pytest.mark.roger_fault("broker restarted while enqueuing")
@pytest.mark.rabbitmq
@pytest.mark.fault
def test_a_publish_during_an_outage_fails_at_its_deadline_and_not_before_or_long_after(node, url):
    async def scenario() -> None:
        watch = await _open(url, "jobs")
        loop = asyncio.get_running_loop()
        node.freeze()
        try:
            start = loop.time()
            with pytest.raises(PublishUnconfirmed, match="not confirmed within"):
                await watch.broker.publish(Message("jobs", b"x"), 1.0)
            results = await watch.broker.publish_many([Message("jobs", b"y")] * 10, 1.0)
            assert 1.9 < loop.time() - start < 3.0
            assert {type(result) for result in results} == {PublishUnconfirmed}
        finally:
            node.thaw()
        await watch.broker.publish(Message("jobs", b"z"), 10.0)
        await watch.broker.close()

    asyncio.run(scenario())


async def _first_that_waits(broker):
    """Publish until the broker blocks: an alarm reaches a connection a moment after it was raised."""
    while True:
        waiting = broker.publish(Message("jobs", b"late"), 30.0)
        while broker.is_connected and not waiting.done():
            await asyncio.wait({waiting}, timeout=0.05)
        if not waiting.done():
            return waiting


@pytest.mark.rabbitmq
@pytest.mark.fault
def test_under_a_memory_alarm_acks_go_on_and_publishing_waits(node, url):
    async def scenario() -> None:
        watch = await _open(url, "jobs")
        await watch.broker.publish_many(_bodies(5), 10.0)
        await watch.consume("jobs", prefetch=1)
        await watch.until(lambda: len(watch.deliveries) == 1)
        await asyncio.to_thread(node.raise_memory_alarm)
        try:
            waiting = await _first_that_waits(watch.broker)
            for number in range(4):
                assert watch.consumer.ack(watch.deliveries[number])
                await watch.until(lambda n=number: len(watch.deliveries) == n + 2)
            assert not waiting.done()
        finally:
            await asyncio.to_thread(node.clear_memory_alarm)
        await waiting
        await watch.broker.close()

    asyncio.run(scenario())


@pytest.mark.rabbitmq
@pytest.mark.fault
def test_what_the_broker_refuses_is_published_again_until_its_time_is_up(node, url):
    async def run() -> None:
        vhost = url.rpartition("/")[2]
        broker = open_broker(url, name="test")
        await broker.connect(WAIT)
        await broker.declare([QueueSpec("full"), QueueSpec("other")])
        policy = '{\\"max-length\\": 1, \\"overflow\\": \\"reject-publish\\"}'
        node.eval(
            f'rabbit_policy:parse_set(<<"{vhost}">>, <<"p">>, <<"^full$">>, <<"{policy}">>, '
            '0, <<"queues">>, <<"roger">>)'
        )
        async with asyncio.timeout(WAIT):
            with pytest.raises(PublishUnconfirmed, match=r"within 1\.0 s"):
                await _publish_until_refused(broker, "full")
        refused = asyncio.ensure_future(broker.publish(Message("full", b"last"), WAIT))
        await broker.publish(Message("other", b"goes on"), WAIT)
        assert not refused.done()
        await broker.purge("full")
        await refused
        await broker.close()

    asyncio.run(run())


async def _publish_until_refused(broker: Broker, queue: str) -> None:
    while True:
        await broker.publish(Message(queue, b"x"), 1.0)


@pytest.mark.rabbitmq
@pytest.mark.fault
def test_a_message_over_the_brokers_limit_is_an_error_of_its_own_and_no_other(node, url):
    async def scenario() -> None:
        watch = await _open(url, "jobs")
        await asyncio.to_thread(node.eval, "application:set_env(rabbit, max_message_size, 100000)")
        try:
            await asyncio.to_thread(node.close_connections)
            await watch.until(lambda: watch.events[-1] == "up")
            good = [watch.broker.publish(Message("jobs", b"small"), 15.0) for _ in range(3)]
            bad = watch.broker.publish(Message("jobs", b"x" * 200_000), 15.0)
            results = await asyncio.gather(bad, *good, return_exceptions=True)
            assert "larger than configured" in str(results[0])
            await watch.broker.publish(Message("jobs", b"after"), 10.0)
        finally:
            await asyncio.to_thread(node.eval, "application:set_env(rabbit, max_message_size, 134217728)")
        await watch.broker.close()

    asyncio.run(scenario())


@pytest.mark.roger_fault("owner of the state dies")
@pytest.mark.rabbitmq
@pytest.mark.fault
def test_the_tables_survive_a_killed_broker_and_the_death_of_their_owner(node, starter, url):
    async def scenario() -> None:
        first, second, client = [await _open(url) for _ in range(3)]
        await first.broker.serve_tables()
        await second.broker.serve_tables()
        keys = [Change("keys", f"k{number}", None, b"v") for number in range(300)]
        assert all(r.done for r in await client.broker.tables.change(keys, 10.0))
        await _age()

        await asyncio.to_thread(node.kill)
        asked = asyncio.ensure_future(
            client.broker.tables.change([Change("keys", "during", None, b"v")], 60.0)
        )
        await asyncio.get_running_loop().run_in_executor(starter, node.start)
        assert (await asked)[0].done
        await first.broker.close()
        assert len(await client.broker.tables.scan("keys", "", 20.0)) == 301
        assert not (await client.broker.tables.change(keys[:1], 20.0))[0].done
        await second.broker.close()
        await client.broker.close()

    asyncio.run(scenario())


# ------------------------------------------------------------------------------------ the embedded file

HOLDER = """
    import asyncio, sys
    from roger_actors.broker import Message, QueueSpec, open_broker

    async def main():
        broker = open_broker(sys.argv[1], name="holder")
        await broker.connect(10.0)
        await broker.declare([QueueSpec("jobs"), QueueSpec("mine", exclusive=True)])
        if sys.argv[2] == "hold":
            await broker.publish_many([Message("jobs", b"%d" % n) for n in range(10)], 10.0)
            got = []
            consumer = await broker.consume("jobs", prefetch=5, on_delivery=got.append, on_reset=print)
            while len(got) < 5:
                await asyncio.sleep(0.005)
            consumer.ack(got[1])
            while (await broker.counts("jobs")).messages > 4:
                await asyncio.sleep(0.005)
            print("holding", flush=True)
            await asyncio.sleep(60)
        number = 0
        while True:
            await broker.publish_many([Message("jobs", b"%d" % (number + n)) for n in range(7)], 10.0)
            number += 7
            print(number, flush=True)

    asyncio.run(main())
"""


def _start(url: str, what: str) -> subprocess.Popen[str]:
    code = textwrap.dedent(HOLDER)
    return subprocess.Popen([sys.executable, "-c", code, url, what], stdout=subprocess.PIPE, text=True)


@pytest.mark.fault
def test_what_a_killed_process_held_comes_again_in_its_place_and_its_exclusive_queues_are_gone(tmp_path):
    url = f"embedded:{tmp_path}/roger.db"

    async def scenario() -> None:
        watch = await _open(url, "jobs")
        with _start(url, "hold") as holder:
            assert holder.stdout.readline() == "holding\n"
            holder.kill()
        await watch.consume("jobs", prefetch=20)
        await watch.until(lambda: len(watch.deliveries) == 9)
        assert sorted(int(d.body) for d in watch.deliveries) == [0, 2, 3, 4, 5, 6, 7, 8, 9]
        assert {d.body for d in watch.deliveries if d.redelivered} == {b"0", b"2", b"3", b"4", b"5"}
        assert await watch.broker.counts("mine") is None
        await watch.broker.close()

    asyncio.run(scenario())


@pytest.mark.fault
def test_what_a_killed_process_had_confirmed_is_in_the_file_in_order(tmp_path):
    url = f"embedded:{tmp_path}/roger.db"
    with _start(url, "publish") as publisher:
        confirmed = 0
        while confirmed < 1000:
            confirmed = int(publisher.stdout.readline())
        publisher.kill()
        confirmed = max([confirmed, *(int(line) for line in publisher.stdout.read().splitlines() if line)])

    async def scenario() -> None:
        watch = await _open(url, "jobs")
        there = [int(d.body) for d in await watch.broker.peek("jobs", 1_000_000)]
        assert there == list(range(len(there)))
        assert len(there) >= confirmed
        await watch.broker.close()

    asyncio.run(scenario())


@pytest.mark.fault
def test_a_broker_forked_into_a_child_is_closed_there_and_lives_on_in_the_parent(tmp_path):
    async def scenario() -> None:
        watch = await _open(f"embedded:{tmp_path}/roger.db", "jobs")
        child = os.fork()
        if child == 0:
            os._exit(1 if watch.broker.is_connected else 0)
        _, status = os.waitpid(child, 0)  # noqa: ASYNC222 - it ends at once
        assert os.waitstatus_to_exitcode(status) == 0
        await watch.broker.publish(Message("jobs", b"x"), 5.0)
        await watch.broker.close()

    asyncio.run(scenario())


@pytest.mark.fault
def test_a_holder_whose_forked_child_lives_on_is_dead_all_the_same(tmp_path):
    url = f"embedded:{tmp_path}/roger.db"
    code = textwrap.dedent(HOLDER).replace(
        'print("holding", flush=True)',
        'import os; child = os.fork(); child or os.execlp("sleep", "sleep", "60"); print(child, flush=True)',
    )
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", code, url, "hold"], stdout=subprocess.PIPE, text=True
    ) as holder:
        child = int(holder.stdout.readline())
        holder.kill()
        try:

            async def scenario() -> None:
                watch = await _open(url, "jobs")
                await watch.consume("jobs", prefetch=20)
                await watch.until(lambda: len(watch.deliveries) == 9)
                await watch.broker.close()

            asyncio.run(scenario())
        finally:
            os.kill(child, signal.SIGKILL)


def test_a_file_that_is_no_database_of_ours_is_refused_and_left_alone(tmp_path):
    garbage, foreign = tmp_path / "garbage.db", tmp_path / "foreign.db"
    garbage.write_bytes(b"this is no database, and long enough to be read as one" * 100)
    with sqlite3.connect(foreign) as connection:
        connection.execute("CREATE TABLE theirs (x)")
    connection.close()
    before = foreign.read_bytes()

    async def connect(path: Path) -> None:
        await open_broker(f"embedded:{path}", name="test").connect(5.0)

    with pytest.raises(ConnectionFailed, match="not a database of this broker"):
        asyncio.run(connect(garbage))
    with pytest.raises(ConnectionFailed, match="a database of something else"):
        asyncio.run(connect(foreign))
    with pytest.raises(ConnectionFailed, match="there is no directory"):
        asyncio.run(connect(tmp_path / "nowhere" / "x.db"))
    with pytest.raises(ConnectionFailed, match="it is a directory"):
        asyncio.run(connect(tmp_path))
    assert foreign.read_bytes() == before


@pytest.mark.fault
def test_a_full_disk_is_a_clear_error_and_the_broker_goes_on_when_there_is_room(tmp_path):
    async def scenario() -> None:
        watch = await _open(f"embedded:{tmp_path}/roger.db", "jobs")
        await watch.broker.publish(Message("jobs", b"small"), 5.0)
        await watch.consume("jobs", prefetch=1)
        await watch.until(lambda: len(watch.deliveries) == 1)
        await watch.broker.run(lambda store: store.sql.execute("PRAGMA max_page_count = 30"))

        with pytest.raises(StorageFailed, match="full"):
            await watch.broker.publish(Message("jobs", b"x" * 1_000_000), 5.0)
        await watch.broker.run(lambda store: store.sql.execute("PRAGMA max_page_count = 1000000"))
        await watch.broker.publish(Message("jobs", b"y" * 1_000_000), 5.0)

        assert watch.consumer.ack(watch.deliveries[0])
        await watch.until(lambda: len(watch.deliveries) == 2)
        await watch.broker.close()

    asyncio.run(scenario())


def test_many_processes_open_a_new_file_at_once(tmp_path):
    code = textwrap.dedent(
        """
        import asyncio, sys
        from roger_actors.broker import Message, QueueSpec, open_broker

        async def main():
            broker = open_broker(sys.argv[1], name="one-of-many")
            await broker.connect(20.0)
            await broker.declare([QueueSpec("jobs")])
            for _ in range(20):
                await broker.publish(Message("jobs", b"x"), 20.0)
            await broker.close()

        asyncio.run(main())
        """
    )
    url = f"embedded:{tmp_path}/roger.db"
    many = [subprocess.Popen([sys.executable, "-c", code, url]) for _ in range(6)]
    assert [one.wait(40) for one in many] == [0] * 6

    async def scenario() -> None:
        watch = await _open(url)
        assert (await watch.broker.counts("jobs")).messages == 120
        await watch.broker.close()

    asyncio.run(scenario())
