"""A campaign: a node that is killed at chosen moments and started again, while others go on enqueuing.

Which window a kill has hit is decided by outside evidence alone: the two logs (nothing is written any
more once all is dead) and what the broker holds.
"""

from __future__ import annotations

import json
import os
import random
import secrets
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from roger_actors import Client
from roger_actors.bootstrap import look_into
from roger_actors.demo import plan, processes
from roger_actors.demo.checker import Verdict, check
from roger_actors.demo.history import SECOND
from roger_actors.demo.log import Entry, Log, Tail, now, read
from roger_actors.testing.rabbitmq import RabbitNode

HERE = Path(__file__).parent
LEVELS = (0.4, 0.8, 1.2)
RUNNING = "jobs running"
UNCONFIRMED = "published but not yet confirmed"
WAITING = "waiting on an execution key"
DELAYED = "delayed for a retry"
BEFORE_ACK = "between follow-up and ack"
WINDOWS = (RUNNING, UNCONFIRMED, WAITING, DELAYED, BEFORE_ACK)


def wait_for(happened: Callable[[], Any], limit: float, what: str, *, pause: float = 0.01) -> Any:
    deadline = time.monotonic() + limit
    pausing = threading.Event()
    while not (found := happened()):
        assert time.monotonic() < deadline, f"{what}: not within {limit} s"
        pausing.wait(pause)
    return found


# ------------------------------------------------------------------------------------------- processes


def parents() -> dict[int, int]:
    """Return the parent of every process."""
    found = {}
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                fields = Path(entry.path, "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if fields[0] not in "ZX":
                found[int(entry.name)] = int(fields[1])
    return found


def below(pid: int) -> list[int]:
    """Return a process and all its descendants."""
    tree = parents()
    found = [pid] if pid in tree else []
    for one in found:
        found.extend(child for child, parent in tree.items() if parent == one)
    return found


def kill_all(pids: list[int]) -> None:
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


# --------------------------------------------------------------------------------------------- brokers


class EmbeddedBroker:
    """The file, and what it holds, read beside the node."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "roger.db"
        self.url = f"embedded:{self.path}"

    def _rows(self, query: str) -> list[tuple[Any, ...]]:
        connection = sqlite3.connect(f"file:{self.path}?mode=ro", uri=True, timeout=5.0)
        try:
            return connection.execute(query).fetchall()
        finally:
            connection.close()

    def delayed(self) -> int:
        return int(self._rows("SELECT count(*) FROM delayed")[0][0])

    def unacked(self) -> int:
        return int(self._rows("SELECT count(*) FROM messages WHERE holder IS NOT NULL")[0][0])

    def followed_up(self, jobs: str) -> list[str]:
        """Return the jobs, ids like a pattern, whose retry is confirmed and whose delivery is not acked."""
        query = "SELECT message_id FROM messages JOIN delayed USING (message_id) WHERE holder IS NOT NULL"
        return [row[0] for row in self._rows(f"{query} AND message_id LIKE '{jobs}'")]

    def released(self, keys: dict[str, str]) -> list[str]:
        """Return the jobs that hold their queue key no more, while their delivery is not acked.

        Args:
            keys: What the table of queue keys calls a job's key, by job.
        """
        held = self._rows("SELECT message_id FROM messages WHERE holder IS NOT NULL")
        taken = {row[0] for row in self._rows("SELECT key FROM entries WHERE name = 'queue_keys'")}
        return [row[0] for row in held if row[0] in keys and keys[row[0]] not in taken]

    @contextmanager
    def confirming_nothing(self) -> Iterator[None]:
        """Hold the file's write lock, so that no publish can be committed."""
        connection = sqlite3.connect(self.path, timeout=10.0, isolation_level=None)
        try:
            connection.execute("BEGIN IMMEDIATE")
            yield
        finally:
            connection.close()


class RabbitBroker:
    """A vhost of a private RabbitMQ, and what it holds."""

    def __init__(self, node: RabbitNode, url: str) -> None:
        self.node = node
        self.url = url
        self._vhost = url.rpartition("/")[2]

    def _sum(self, query: str, having: str) -> int:
        """Ask the state machines themselves: what the broker tells of queues is up to 5 s old."""
        expression = (
            f"lists:sum([V || Q <- rabbit_amqqueue:list(<<{json.dumps(self._vhost)}>>), "
            f"nomatch =/= string:find(element(4, amqqueue:get_name(Q)), <<{json.dumps(having)}>>), "
            f"{{ok, {{_, V}}, _}} <- [ra:leader_query(amqqueue:get_pid(Q), fun rabbit_fifo:{query}/1)]])"
        )
        return int(self.node.eval(expression))

    def delayed(self) -> int:
        return self._sum("query_messages_total", "roger.delay.")

    def unacked(self) -> int:
        return self._sum("query_messages_checked_out", "-")

    @contextmanager
    def confirming_nothing(self) -> Iterator[None]:
        """Stop the broker where it stands: it takes what is sent, and answers nothing."""
        self.node.freeze()
        try:
            yield
        finally:
            self.node.thaw()


# -------------------------------------------------------------------------------------------- campaign


class Campaign:
    """One run of the demo's jobs through kills."""

    def __init__(self, broker: EmbeddedBroker | RabbitBroker, directory: Path, seed: int) -> None:
        self.broker = broker
        self.directory = directory
        self.places = plan.Places(directory)
        self.chosen = random.Random(seed)
        self.seed = seed
        self.token = secrets.token_hex(8)
        self.hits: Counter[str] = Counter()
        self.is_good = False
        self.tables = plan.tables(
            "fault",
            broker.url,
            self.places,
            retry_levels=list(LEVELS),
            enqueue_timeout=5.0,
            max_worker_hosts=8,
        )
        (directory / "tables.json").write_text(json.dumps(self.tables))
        self._log = Log(self.places.enqueued, durable=True)
        self._starts = 0
        self.starter = self.start()
        self.enqueuer = self._spawn("enqueuer.py", seed)

    def _spawn(self, script: str, seed: int) -> subprocess.Popen[bytes]:
        command = [
            sys.executable,
            str(HERE / script),
            str(self.directory / "tables.json"),
            str(self.directory),
        ]
        environment = {
            **os.environ,
            processes.MARK: self.token,
            "ROGER_RUNTIME_DIR": str(self.directory / "run"),
            "PYTHONPATH": os.pathsep.join(sys.path),
        }
        with (self.directory / "stderr.log").open("ab") as out:
            return subprocess.Popen([*command, str(seed)], env=environment, stdout=out, stderr=out)

    wait = staticmethod(wait_for)

    # -- the node --------------------------------------------------------------------------------

    def start(self) -> subprocess.Popen[bytes]:
        """Start a node, the same one again."""
        (self.directory / "ready").unlink(missing_ok=True)
        self._starts += 1
        self.starter = self._spawn("starter.py", self.seed * 1000 + self._starts)
        return self.starter

    def wait_until_ready(self) -> None:
        def is_ready() -> bool:
            assert self.starter.poll() is None, f"the node did not start: {self.words()}"
            return (self.directory / "ready").exists()

        wait_for(is_ready, 30.0, "a node that starts")

    def kill_whole(self, grace: float = 2.0) -> int:
        """Kill every process of the node, as good as at once, and return when that was."""
        at = now()
        victims = below(self.starter.pid)
        self.chosen.shuffle(victims)
        kill_all(victims)
        self._dead(victims, grace, 5.0)
        return at

    def kill_only(self, pid: int, limit: float = 2.0, grace: float = 2.0) -> int:
        """Kill one process; all others of the node must end by themselves within `limit` seconds."""
        at = now()
        rest = below(self.starter.pid)
        kill_all([pid])
        self._dead(rest, grace, limit)
        return at

    def pid_of(self, role: str) -> int:
        """Return the OS process of one of the node's hosts, or of what runs above them."""
        if role == "starter":
            return self.starter.pid
        root = self.running_tree()["os_pid"]
        if role == "root":
            return int(root)
        if role == "admin":
            return parents()[int(root)]
        return self.host_pids(role)[0]

    def running_tree(self) -> dict[str, Any]:
        """Return the node's running tree."""
        with look_into("fault") as outside:
            return outside.tree()

    def host_pids(self, role: str) -> list[int]:
        """Return the OS processes of the node's hosts of a role."""
        hosts = self.running_tree()["hosts"].values()
        return [int(host["os_pid"]) for host in hosts if host["role"] == role]

    def kill_worker_host(self) -> int:
        """Kill a worker host in the middle of a job, and return its pid."""
        self.wait_until_ready()
        victim = int(wait_for(self._busy_host, 15.0, "a worker host that runs a job"))
        kill_all([victim])
        assert not processes.wait_until_gone([victim], 2.0)
        self._log.append(Entry(at=now(), what="killed", pid=victim))
        return victim

    def _busy_host(self) -> int:
        """Return a host whose job has run for 20 ms, else 0."""
        jobs = self.jobs()
        last = {entry.pid: entry for entry in jobs}
        old = now() - SECOND // 50
        busy = [
            pid for pid, e in last.items() if e.what == "begun" and e.at < old and processes.is_alive(pid)
        ]
        return self.chosen.choice(busy) if busy else 0

    def kill_kernel_host(self) -> None:
        """Kill the kernel host: the worker hosts must follow, and all start anew."""
        self.wait_until_ready()
        kernel, workers = self.pid_of("kernel"), self.host_pids("worker")
        kill_all([kernel])
        left = processes.wait_until_gone([kernel, *workers], 2.0)
        self._log.append(Entry(at=now(), what="killed", pid=0, grace=2.0))
        assert not left, f"worker hosts outlived the kernel host: {left}"

    def _dead(self, pids: list[int], grace: float, limit: float) -> None:
        began = time.monotonic()
        kill_all([self.starter.pid])
        self.starter.wait(10.0)
        left = processes.wait_until_gone(pids, limit)
        enqueuer = set(below(self.enqueuer.pid)) if hasattr(self, "enqueuer") else set()
        strays = [pid for pid in processes.marked(self.token) if pid not in enqueuer]
        left += processes.wait_until_gone(strays, max(0.0, limit - (time.monotonic() - began)))
        kinds = processes.marked(self.token)
        kill_all(left)
        assert not left, f"alive {limit} s after the kill: {[kinds.get(pid, pid) for pid in left]}"
        at = now()
        starter = Entry(at=at, what="killed", pid=self.starter.pid)
        self._log.append(Entry(at=at, what="killed", pid=0, grace=grace), starter)

    # -- evidence --------------------------------------------------------------------------------

    def jobs(self) -> list[Entry]:
        return read(self.places.jobs)

    def enqueued(self) -> list[Entry]:
        return read(self.places.enqueued)

    def count_windows(self, at: int) -> set[str]:
        """Decide, with the node dead since just after `at`, which windows the kill has hit."""
        jobs, enqueued = self.jobs(), self.enqueued()
        last = {entry.job: entry for entry in jobs}
        running = {job for job, entry in last.items() if entry.what == "begun" and _before(entry, at, 0.0)}
        running &= {job for job in running if last[job].at > self._previous_kill(enqueued)}
        hit = {RUNNING} if running else set()
        if self._waiting(enqueued, last, running, at):
            hit.add(WAITING)
        due = [
            e for e in last.values() if e.what == "failed" and e.kind == "error" and e.attempt < len(LEVELS)
        ]
        if any(0 < at - entry.at < LEVELS[entry.attempt] * SECOND for entry in due) and self.broker.delayed():
            hit.add(DELAYED)
        return hit

    def _previous_kill(self, enqueued: list[Entry]) -> int:
        kills = sorted({entry.at for entry in enqueued if entry.what == "killed"})
        return kills[-2] if len(kills) > 1 else 0

    def _waiting(self, enqueued: list[Entry], last: dict[str, Entry], running: set[str], at: int) -> bool:
        """Whether a job was accepted a while ago, has not begun, and its key is held by one that runs."""
        keys = {
            e.job: (e.partition, e.execution_key) for e in enqueued if e.what == "intent" and e.execution_key
        }
        held = {keys[job] for job in running if job in keys}
        accepted = [e for e in enqueued if e.what == "accepted" and e.job in keys and _before(e, at, 0.05)]
        return any(keys[entry.job] in held and entry.job not in last for entry in accepted)

    def note(self, hit: set[str]) -> None:
        self.hits.update(hit)

    # -- kills -----------------------------------------------------------------------------------

    def kill_at_random(self) -> None:
        """Kill the node at a random moment, sometimes while it is starting."""
        if self.chosen.random() > 0.15:
            self.wait_until_ready()
        threading.Event().wait(self.chosen.uniform(0.1, 1.5))
        is_starter_only = self.chosen.random() < 0.3
        at = self.kill_only(self.starter.pid) if is_starter_only else self.kill_whole()
        self.note(self.count_windows(at))

    def kill_in_keys_and_delays(self) -> None:
        """Kill the node when a job waits on a key and another for its retry."""
        self.wait_until_ready()
        wanted = {RUNNING, WAITING, DELAYED}
        wait_for(lambda: self.count_windows(now()) >= wanted, 15.0, "a key that is waited for, and a retry")
        self.note(self.count_windows(self.kill_whole()))

    def kill_before_ack(self) -> None:
        """Kill the node while a hook, after the follow-up was confirmed, keeps the delivery from its ack."""
        self.wait_until_ready()
        hold = self.directory / "hold"
        hold.touch()
        try:
            since = now()
            told = wait_for(lambda: self._told_elsewhere(since), 20.0, "a hook that is held")
            threading.Event().wait(self.chosen.uniform(0.0, 0.2))
            unacked = self.broker.unacked()
            at = self.kill_whole(grace=(now() - told.at) / SECOND + 3.0)
        finally:
            hold.unlink()
        after = [entry for entry in self.jobs() if entry.job == told.job]
        assert unacked, "the delivery of the held job was acked already"
        if after[-1].what in ("failed", "begun") or after[-1].at > at:
            self.note({BEFORE_ACK})
        self.note(self.count_windows(at))

    def kill_in_the_gap(self, jobs: str) -> list[str]:
        """Kill the node in the millisecond between a retry's confirm and the ack, no hook being held."""
        hit = self._kill_while(lambda: self.broker.followed_up(jobs), "a retry confirmed before the ack")
        self.note({BEFORE_ACK})
        return hit

    def kill_after_release(self) -> list[str]:
        """Kill the node in the millisecond between the release of a done job's queue key and its ack."""
        keys: dict[str, str] = {}
        tail = Tail(self.places.enqueued)

        def released() -> list[str]:
            for entry in tail.read():
                if entry.what == "intent" and entry.name == "Unique":
                    keys[entry.job] = f"{entry.partition}/{entry.queue_key}"
            done = {entry.job for entry in self.jobs() if entry.what == "done"} if keys else set()
            return [job for job in self.broker.released(keys) if job in done]

        return self._kill_while(released, "a queue key released before the ack")

    def _kill_while(self, look: Callable[[], list[str]], what: str) -> list[str]:
        """Stop the kernel host whenever the file shows something, and kill the node if it still does."""
        self.wait_until_ready()
        kernel = self.pid_of("kernel")

        def is_stopped_there() -> bool:
            if not look():
                return False
            os.kill(kernel, signal.SIGSTOP)
            if look():
                return True
            os.kill(kernel, signal.SIGCONT)
            return False

        wait_for(is_stopped_there, 40.0, what, pause=0.0)
        self.kill_whole()
        return look()

    def _told_elsewhere(self, since: int) -> Entry | None:
        jobs = self.jobs()
        kinds = ("signal", "status", "timeout")
        return next((e for e in jobs if e.at > since and e.what == "failed" and e.kind in kinds), None)

    def kill_unconfirmed(self) -> None:
        """Kill the node while the broker confirms nothing: follow-ups and enqueues are under way."""
        self.wait_until_ready()
        with self.broker.confirming_nothing():
            since = now()
            limit = time.monotonic() + 2.5
            wait_for(
                lambda: self._follow_ups(since) or time.monotonic() > limit,
                5.0,
                "a follow-up that is not confirmed",
            )
            threading.Event().wait(self.chosen.uniform(0.02, 0.2))
            follow_ups, enqueues = self._follow_ups(since), self._open_enqueues(since)
            at = self.kill_whole(grace=(now() - since) / SECOND + 3.0)
        if follow_ups or enqueues:
            self.note({UNCONFIRMED})
        self.note(self.count_windows(at) - {DELAYED})

    def _follow_ups(self, since: int) -> list[Entry]:
        """Return attempts that failed since the broker stands still: their retries cannot be confirmed."""
        return [e for e in self.jobs() if e.at > since and e.what == "failed" and e.kind == "error"]

    def _open_enqueues(self, since: int) -> list[Entry]:
        """Return what the starter has meant to enqueue, and not been answered."""
        own = [e for e in self.enqueued() if e.pid == self.starter.pid]
        return own[-1:] if own and own[-1].what == "intent" and now() - own[-1].at > SECOND // 20 else []

    # -- the end ---------------------------------------------------------------------------------

    def finish(self, limit: float = 120.0) -> Verdict:
        """Start the node a last time, let everything end, stop it in order, and judge."""
        self.wait_until_ready()
        (self.directory / "quiet").touch()
        assert self.enqueuer.wait(30.0) == 0, self.words()
        wait_for(
            lambda: check(self.enqueued(), self.jobs()).lost == 0 or self._is_late(),
            limit + 5,
            "the end",
        )
        self.starter.send_signal(signal.SIGTERM)
        assert self.starter.wait(30.0) == 0, self.words()
        left = processes.wait_until_gone(processes.marked(self.token), 2.0)
        assert not left, f"left after the stop: {left}"
        return check(self.enqueued(), self.jobs(), self.buried())

    def judge(self) -> Verdict:
        """Finish, and fail unless all is well."""
        verdict = self.finish()
        hits = dict(self.hits)
        shown = f"seed {self.seed}: {hits}, {len(verdict.again)} ran twice, {verdict.tenants}"
        print(shown)
        faults = "\n".join(f"{fault.job} {fault.what}" for fault in verdict.faults[:20])
        assert verdict.lost == 0, f"{shown}\nlost:\n{faults}"
        assert verdict.is_clean, f"{shown}\n{faults}"
        return verdict

    def _is_late(self) -> bool:
        """Whether nothing has happened for a while: what has not ended by now is lost."""
        jobs = self.jobs()
        return bool(jobs) and now() - jobs[-1].at > 12.0 * SECOND

    def buried(self) -> dict[str, list[str]]:
        with Client(self.tables) as client:
            return {tenant: [s.message_id for s in client.buried(tenant, 10_000)] for tenant in plan.QUEUES}

    def words(self) -> str:
        logs = [self.directory / "stderr.log", self.places.node]
        return "\n".join(log.read_text(errors="replace")[-1500:] for log in logs if log.exists())

    def close(self) -> None:
        """End everything, whatever has happened."""
        kill_all([*below(self.starter.pid), *below(self.enqueuer.pid), *processes.marked(self.token)])
        for process in (self.starter, self.enqueuer):
            process.wait(10.0)
        self._log.close()


def _before(entry: Entry, at: int, seconds: float) -> bool:
    return entry.at < at - seconds * SECOND


# -------------------------------------------------------------------------------------------- fixtures


@pytest.fixture(params=["embedded", pytest.param("rabbitmq", marks=pytest.mark.rabbitmq)])
def campaign(request: pytest.FixtureRequest) -> Iterator[Campaign]:
    """A running node on each broker, an enqueuer beside it, and the means to kill."""
    monkeypatch = request.getfixturevalue("monkeypatch")
    seed = int(os.environ.get("ROGER_FAULT_SEED") or secrets.randbelow(1_000_000))
    directory = Path(tempfile.mkdtemp(prefix="roger-fault-", dir="/tmp"))
    monkeypatch.setenv("ROGER_RUNTIME_DIR", str(directory / "run"))
    print(f"ROGER_FAULT_SEED={seed}, logs in {directory}")
    if request.param == "embedded":
        yield from _campaign(EmbeddedBroker(directory), directory, seed)
    else:
        node: RabbitNode = request.getfixturevalue("rabbit")
        with node.vhost("fault") as url:
            yield from _campaign(RabbitBroker(node, url), directory, seed)


def _campaign(broker: EmbeddedBroker | RabbitBroker, directory: Path, seed: int) -> Iterator[Campaign]:
    campaign = Campaign(broker, directory, seed)
    try:
        yield campaign
    finally:
        campaign.close()
    if campaign.is_good:
        shutil.rmtree(directory, ignore_errors=True)  # else it is evidence
