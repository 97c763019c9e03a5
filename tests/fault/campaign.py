"""A campaign: nodes that are hurt at chosen moments and started again, while others go on enqueuing.

Nothing here believes what a node says of itself. What became of the jobs is read from the two logs, what
the broker holds is looked up in the broker, and what still runs is looked up in `/proc`.
"""

from __future__ import annotations

import json
import os
import random
import secrets
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs

from roger_actors import Client
from roger_actors.demo import jobs, plan, processes
from roger_actors.demo.checker import Verdict, check
from roger_actors.demo.enqueuing import Enqueuer
from roger_actors.demo.history import SECOND
from roger_actors.demo.log import Entry, Log, Step, now
from roger_actors.demo.tampering import violate
from tests.fault import windows
from tests.fault.brokers import Broker
from tests.fault.enqueuer import Work
from tests.fault.node_process import NodeProcess, below, kill_all, spawn, wait_for
from tests.fault.sight import Sight

LEVELS = (0.4, 0.8, 1.2)
DEAD_WITHIN = 5.0
"""Seconds after which nothing of a node that was killed may be alive; the machine may be busy."""
STALLED = 60.0
"""Seconds without a line of any job after which what has not ended counts as lost."""
KEYS_TRIED = 60
"""Keys that are tried again at the end."""


class Campaign:
    """One run of the demo's jobs through faults.

    Args:
        broker: Which broker, and how many nodes share it.
        directory: Of its logs.
        seed: Chooses jobs, victims and moments.
        work: What is enqueued from outside.
        environment: More variables of all its processes.
        settings: More settings of the nodes.
    """

    def __init__(
        self,
        broker: Broker,
        directory: Path,
        seed: int,
        work: Work | None = None,
        environment: dict[str, str] | None = None,
        **settings: Any,
    ) -> None:
        self.broker = broker
        self.directory = directory
        self.places = plan.Places(directory)
        self.chosen = random.Random(seed)
        self.seed = seed
        self.token = secrets.token_hex(8)
        self._environment = {processes.MARK: self.token, **(environment or {})}
        self.hits: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.recovered: list[tuple[str, float]] = []
        self.is_good = False
        self.sight = Sight(self.places)
        self.maker = plan.Maker(self.places, seed + 77)
        self.shelves: dict[str, list[str]] = {}
        self.work = work or Work()
        (directory / "work.json").write_text(json.dumps(attrs.asdict(self.work)))
        self._log = Log(self.places.enqueued, durable=True)
        names = ["fault"] if broker.nodes == 1 else [f"fault-{n + 1}" for n in range(broker.nodes)]
        self.nodes = [self._node(name, number, settings) for number, name in enumerate(names)]
        for node in self.nodes:
            node.start()
        tables = directory / f"{names[-1]}.json"
        self.enqueuer = spawn("enqueuer.py", tables, directory, seed, self._environment)

    def _node(self, name: str, number: int, settings: dict[str, Any]) -> NodeProcess:
        defaults = {"retry_levels": list(LEVELS), "enqueue_timeout": 5.0, "max_worker_hosts": 8}
        tables = plan.tables(name, self.broker.url_of(number), self.places, **(defaults | settings))
        tables["logging"]["handlers"]["file"]["filename"] = str(self.directory / f"{name}.log")
        return NodeProcess(name, self.directory, tables, self._environment, self.seed * 10 + number)

    @property
    def node(self) -> NodeProcess:
        """The first node."""
        return self.nodes[0]

    @property
    def tables(self) -> dict[str, Any]:
        """The configuration of the last node, which clients use."""
        return self.nodes[-1].tables

    # -- what is done to nodes ---------------------------------------------------------------------

    def start(self, node: NodeProcess | None = None) -> None:
        """Start a node again."""
        (node or self.node).start()

    def wait_until_ready(self) -> None:
        """Wait until every node that runs has started."""
        for node in self.nodes:
            if node.is_running:
                node.wait_until_ready()

    def kill_whole(self, grace: float = 2.0, node: NodeProcess | None = None) -> int:
        """Kill every process of a node, as good as at once, and return when that was."""
        victim = node or self.node
        at = now()
        pids = victim.pids()
        self.chosen.shuffle(pids)
        kill_all(pids)
        self._see_dead(victim, pids, at, grace, DEAD_WITHIN)
        return at

    def kill_only(
        self, pid: int, limit: float = DEAD_WITHIN, grace: float = 2.0, node: NodeProcess | None = None
    ) -> int:
        """Kill one process; all others of the node must end by themselves within `limit` seconds."""
        victim = node or self.node
        at = now()
        rest = victim.pids()
        kill_all([pid])
        self._see_dead(victim, rest, at, grace, limit)
        return at

    def _see_dead(self, node: NodeProcess, pids: list[int], since: int, grace: float, limit: float) -> None:
        began = time.monotonic()
        kill_all([node.pid])
        node.reap()
        left = processes.wait_until_gone(pids, limit)
        strays = [pid for pid in processes.marked(self.token) if pid not in self._of_others(node)]
        left += processes.wait_until_gone(strays, max(0.0, limit - (time.monotonic() - began)))
        kinds = processes.marked(self.token)
        kill_all(left)
        assert not left, f"alive {limit} s after the kill: {[kinds.get(pid, pid) for pid in left]}"
        at = now()
        self.log(Entry(at=at, what="killed", pid=0, grace=grace, since=since, node=node.mark))
        self.log(Entry(at=at, what="killed", pid=node.pid, node=node.mark))

    def _of_others(self, victim: NodeProcess) -> set[int]:
        others = [node.pid for node in self.nodes if node is not victim and node.is_running]
        tops = [*others, *([self.enqueuer.pid] if hasattr(self, "enqueuer") else [])]
        return {pid for top in tops for pid in below(top)}

    def kill_worker_host(self) -> int:
        """Kill a worker host in the middle of a job, and return its pid."""
        self.wait_until_ready()
        victim = int(wait_for(self._busy_host, 30.0, "a worker host that runs a job"))
        kill_all([victim])
        assert not processes.wait_until_gone([victim], DEAD_WITHIN)
        self.log(Entry(at=now(), what="killed", pid=victim))
        return victim

    def _busy_host(self) -> int:
        """Return a host that runs a job, one of those that do for a while if there are any, else 0."""
        old = now() - SECOND // 50
        running = [entry for entry in self.look().running.values() if processes.is_alive(entry.pid)]
        busy = [entry for entry in running if entry.at < old] or running
        return self.chosen.choice(busy).pid if busy else 0

    def kill_kernel_host(self, node: NodeProcess | None = None) -> None:
        """Kill a kernel host: the worker hosts must follow, and all start anew."""
        self.wait_until_ready()
        victim = node or self.node
        tree = victim.running_tree()
        kernel, workers = victim.host_pids("kernel", tree), victim.host_pids("worker", tree)
        since = now()
        kill_all(kernel)
        left = processes.wait_until_gone([*kernel, *workers], DEAD_WITHIN)
        self.log(Entry(at=now(), what="killed", pid=0, grace=2.0, since=since, node=victim.mark))
        assert not left, f"worker hosts outlived the kernel host: {left}"

    def log(self, entry: Entry) -> None:
        """Write what was done into the enqueuers' log."""
        self._log.append(entry)

    @contextmanager
    def trouble(
        self, what: Step, node: str = "", *, before: float = 2.0, after: float = 0.0
    ) -> Iterator[None]:
        """Note how long a `cut` or an `outage` lasted.

        Args:
            what: Which of the two.
            node: Mark of the node that was cut off; empty for all.
            before: Seconds before it in which an ack may have been under way.
            after: Seconds after it in which a node may not yet know.
        """
        began = now()
        try:
            yield
        finally:
            at = now() + round(after * SECOND)
            self.log(Entry(at=at, what=what, node=node, grace=(at - began) / SECOND + before))

    # -- evidence ----------------------------------------------------------------------------------

    def look(self) -> Sight:
        """Read what is new in both logs."""
        return self.sight.look()

    def jobs(self) -> list[Entry]:
        """Return all lines of the jobs' log."""
        return self.look().jobs

    def count_windows(self, at: int) -> set[str]:
        """Decide, with the node dead since just after `at`, which windows the kill has hit."""
        kills = sorted({entry.at for entry in self.look().enqueued if entry.what == "killed"})
        since = kills[-2] if len(kills) > 1 else 0
        return windows.hit(self.sight, at, since, LEVELS, self.broker.delayed)

    def note(self, hit: set[str]) -> None:
        """Count windows that were hit."""
        self.hits.update(hit)
        windows.TOTAL.update((self.broker.kind, window) for window in hit)

    def wait_for_progress(self, share: float, limit: float = 600.0) -> None:
        """Wait until a share of the work has ended, or nothing has happened for a long while."""
        goal = share * self.work.jobs
        wait_for(
            lambda: self.look().finished >= goal or self.is_late(), limit, f"{goal:.0f} jobs done", pause=0.05
        )
        assert not self.is_late(), f"no job has begun or ended for {STALLED} s: {self.words()}"

    wait = staticmethod(wait_for)

    def is_late(self) -> bool:
        """Whether nothing has happened for a long while."""
        last = self.sight.jobs[-1:] or self.sight.enqueued[:1]
        return bool(last) and now() - last[0].at > STALLED * SECOND

    # -- the end -----------------------------------------------------------------------------------

    def drain(self, limit: float = 600.0) -> None:
        """Let everything end: the enqueuer first, then the jobs."""
        (self.directory / "quiet").touch()
        assert self.enqueuer.wait(60.0) == 0, self.words()
        wait_for(lambda: not self.look().unfinished or self.is_late(), limit, "the end", pause=0.05)

    def try_keys_again(self) -> None:
        """Enqueue one more job for each key that was used: none may be held any more."""
        intents = {entry.job: entry for entry in self.look().enqueued if entry.what == "intent"}
        used = sorted({(e.partition, e.queue_key) for e in intents.values() if e.queue_key is not None})
        serial = sorted({(e.partition, e.execution_key) for e in intents.values() if e.execution_key})
        make = self.maker.make
        tried = [
            _with(make(jobs.Nap, partition, seconds=0.0), **{kind: key})
            for kind, keys in (("queue_key", used), ("execution_key", serial))
            for partition, key in self.chosen.sample(keys, min(KEYS_TRIED, len(keys)))
        ]
        self.enqueue(*tried)
        new = [e for e in self.look().enqueued if e.what == "refused" and e.pid == os.getpid()]
        assert not new, f"keys that are still held when every job has left: {[e.detail for e in new]}"
        wait_for(lambda: not self.look().unfinished, STALLED, "one more job of each key", pause=0.05)

    def enqueue(self, *planned: plan.Planned) -> None:
        """Enqueue jobs, one after another, by a client of this process."""
        with Client(self.tables) as client:
            enqueuer = Enqueuer(client, self._log)
            for each in planned:
                enqueuer.enqueue(each)

    def finish(self, limit: float = 600.0) -> Verdict:
        """Let everything end, stop the nodes in order, and judge."""
        self.wait_until_ready()
        self.drain(limit)
        if not self.sight.unfinished:
            self.try_keys_again()
            # a job that a kill has doubled may have ended once, and its other run is still to come
            wait_for(lambda: not self.broker.left() or self.is_late(), limit, "empty queues", pause=0.2)
        self.stop()
        left = self.broker.left()
        self.shelves = self.buried()
        verdict = check(self.look().enqueued, self.sight.jobs, self.shelves)
        assert verdict.lost or not left, f"seed {self.seed}: left in the broker: {left}"
        return verdict

    def stop(self) -> None:
        """Stop all nodes in order; nothing of them may be left."""
        running = [node for node in self.nodes if node.is_running]
        for node in running:
            node.starter.send_signal(signal.SIGTERM)
        for node in running:
            assert node.starter.wait(60.0) == 0, self.words()
        left = processes.wait_until_gone(processes.marked(self.token), DEAD_WITHIN)
        assert not left, f"left after the stop: {left}"

    def judge(self, limit: float = 600.0) -> Verdict:
        """Finish, and fail unless all is well."""
        verdict = self.finish(limit)
        told = self.told(verdict)
        print(told)
        faults = "\n".join(f"{fault.job} {fault.what}" for fault in verdict.faults[:20])
        assert verdict.lost == 0, f"{told}\nlost:\n{faults}"
        assert verdict.is_clean, f"{told}\n{faults}"
        tried = violate(self.sight.enqueued, self.sight.jobs, self.shelves, self.seed)
        unnoticed = [each.what for each in tried if not each.noticed]
        assert tried, "the run has no job to test the checker with"
        assert not unnoticed, f"the checker does not notice when these are broken: {unnoticed}"
        return verdict

    def told(self, verdict: Verdict) -> str:
        """Return what a run has shown, in a line."""
        accepted = sum(counts.enqueued for counts in verdict.tenants.values())
        intents = {entry.job: entry for entry in self.sight.enqueued if entry.what == "intent"}
        taken = {entry.job for entry in self.sight.enqueued if entry.what == "accepted"}
        keyed = sum(1 for job in taken if intents[job].queue_key or intents[job].execution_key)
        kills = sum(1 for e in self.sight.enqueued if e.what == "killed" and (e.pid == 0 or not e.node))
        return (
            f"seed {self.seed}: {accepted} jobs, {keyed / max(1, accepted):.0%} keyed, {kills} kills, "
            f"faults {dict(self.faults)}, flowing again after {self._recovered()}, "
            f"windows {dict(self.hits)}; {len(verdict.again)} ran twice, "
            f"{verdict.lost} lost, {len(verdict.faults)} wrong; {verdict.tenants}"
        )

    def progress(self) -> str:
        """Return how far it is, in a few words."""
        sight = self.look()
        return f"{sight.accepted} accepted, {sight.finished} left, {dict(self.faults.most_common())}"

    def _recovered(self) -> str:
        return ", ".join(f"{name} {seconds:.1f} s" for name, seconds in self.recovered) or "nothing"

    def buried(self) -> dict[str, list[str]]:
        """Return what lies on the shelves; each with its cause."""
        with Client(self.tables) as client:
            shelves = {tenant: client.buried(tenant, 100_000) for tenant in plan.QUEUES}
        bare = [shelved.message_id for shelf in shelves.values() for shelved in shelf if not shelved.cause]
        assert not bare, f"buried without a cause: {bare}"
        return {tenant: [shelved.message_id for shelved in shelf] for tenant, shelf in shelves.items()}

    def words(self) -> str:
        """Return the end of what the nodes have said."""
        return "\n".join(node.words() for node in self.nodes)

    def close(self) -> None:
        """End everything, whatever has happened."""
        tops: Sequence[int] = [*(node.pid for node in self.nodes), self.enqueuer.pid]
        kill_all([*(pid for top in tops for pid in below(top)), *processes.marked(self.token)])
        for node in self.nodes:
            node.reap()
        self.enqueuer.wait(10.0)
        self._log.close()

    def pause(self, least: float, most: float) -> None:
        """Wait for some time, by the seed."""
        threading.Event().wait(self.chosen.uniform(least, most))


def _with(planned: plan.Planned, **keys: str) -> plan.Planned:
    return attrs.evolve(planned, record=attrs.evolve(planned.record, **keys))
