"""Kills that aim at a window: each waits for it, kills a node in it, and counts what was hit."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

from roger_actors.demo import jobs, plan
from roger_actors.demo.history import SECOND
from roger_actors.demo.log import Entry, Tail, now
from tests.fault import windows
from tests.fault.brokers import EmbeddedBroker, RabbitBroker
from tests.fault.campaign import Campaign
from tests.fault.node_process import NodeProcess, children, send, wait_for


def at_random(campaign: Campaign) -> None:
    """Kill the node at a random moment, sometimes while it is starting."""
    if campaign.chosen.random() > 0.15:
        campaign.wait_until_ready()
    campaign.pause(0.1, 1.5)
    is_starter_only = campaign.chosen.random() < 0.3
    at = campaign.kill_only(campaign.node.pid) if is_starter_only else campaign.kill_whole()
    campaign.note(campaign.count_windows(at))


def in_keys_and_delays(campaign: Campaign) -> None:
    """Kill the node when a job waits on a key and another for its retry."""
    campaign.wait_until_ready()
    wanted = {windows.RUNNING, windows.WAITING, windows.DELAYED}
    wait_for(
        lambda: campaign.count_windows(now()) >= wanted,
        30.0,
        "a key that is waited for, and a retry",
        pause=0.02,
    )
    campaign.note(campaign.count_windows(campaign.kill_whole()))


def after_follow_up(campaign: Campaign) -> None:
    """Kill the node while a hook, after the follow-up was confirmed, keeps the delivery from its ack."""
    campaign.wait_until_ready()
    hold = campaign.directory / "hold"
    hold.touch()
    try:
        since = now()
        told = wait_for(lambda: _told_elsewhere(campaign, since), 60.0, "a hook that is held")
        campaign.pause(0.0, 0.2)
        unacked = campaign.broker.unacked()
        at = campaign.kill_whole(grace=(now() - told.at) / SECOND + 3.0)
    finally:
        hold.unlink()
    after = [entry for entry in campaign.jobs() if entry.job == told.job]
    assert unacked, "the delivery of the held job was acked already"
    if after[-1].what in ("failed", "begun") or after[-1].at > at:
        campaign.note({windows.AFTER_FOLLOW_UP})
    campaign.note(campaign.count_windows(at))


def _told_elsewhere(campaign: Campaign, since: int) -> Entry | None:
    kinds = ("signal", "status", "timeout")
    recent = reversed(campaign.jobs())
    for entry in recent:
        if entry.at <= since:
            return None
        if entry.what == "failed" and entry.kind in kinds:
            return entry
    return None


def before_ack(campaign: Campaign) -> None:
    """Freeze the kernel host until jobs have ended in their hosts that it cannot ack, and kill the node."""
    campaign.wait_until_ready()
    kernel = campaign.node.pid_of("kernel")

    def is_done_unacked() -> bool:
        if not campaign.look().running:
            return False
        send(signal.SIGSTOP, [kernel])
        since, limit = now(), time.monotonic() + 1.0
        pausing = threading.Event()
        while time.monotonic() < limit:
            if any(entry.what == "done" and entry.at > since for entry in campaign.jobs()[-20:]):
                return True
            pausing.wait(0.01)
        send(signal.SIGCONT, [kernel])
        return False

    wait_for(is_done_unacked, 60.0, "a job that ended and is not acknowledged")
    assert campaign.broker.unacked(), "what the kernel host could not acknowledge is not in the broker"
    at = campaign.kill_whole(grace=4.0)
    campaign.note({windows.BEFORE_ACK} | campaign.count_windows(at))


def before_confirm(campaign: Campaign) -> None:
    """Kill the node while the broker confirms nothing: follow-ups and enqueues are under way."""
    campaign.wait_until_ready()
    with campaign.trouble("outage"), campaign.broker.confirming_nothing():
        since = now()
        limit = time.monotonic() + 2.5
        wait_for(
            lambda: _follow_ups(campaign, since) or time.monotonic() > limit,
            5.0,
            "a follow-up that is not confirmed",
        )
        campaign.pause(0.02, 0.2)
        is_under_way = bool(_follow_ups(campaign, since)) or _is_enqueuing(campaign)
        at = campaign.kill_whole(grace=(now() - since) / SECOND + 3.0)
    if is_under_way:
        campaign.note({windows.BEFORE_CONFIRM})
    campaign.note(campaign.count_windows(at) - {windows.DELAYED})


def _follow_ups(campaign: Campaign, since: int) -> list[Entry]:
    """Return attempts that failed since the broker stands still: their retries cannot be confirmed."""
    recent = campaign.jobs()[-200:]
    return [e for e in recent if e.at > since and e.what == "failed" and e.kind == "error"]


def _is_enqueuing(campaign: Campaign) -> bool:
    """Whether the starter has meant to enqueue, and was not answered."""
    pid = campaign.node.pid
    last = next((e for e in reversed(campaign.look().enqueued) if e.pid == pid and e.what != "killed"), None)
    return last is not None and last.what == "intent" and now() - last.at > SECOND // 20


def in_handover(campaign: Campaign) -> None:
    """Kill a node when the lanes have just come to it and none of their jobs has begun there."""
    if campaign.broker.nodes > 1:
        _between_two_nodes(campaign)
    else:
        _between_two_kernels(campaign)


def _between_two_nodes(campaign: Campaign) -> None:
    """Let a lane come to a node that is frozen, and kill it with the lane's jobs in its hands."""
    campaign.wait_until_ready()
    broker = campaign.broker
    assert isinstance(broker, RabbitBroker)
    lanes = plan.QUEUES
    wait_for(lambda: all(broker.lane_consumers(each) > 1 for each in lanes), 60.0, "lanes of both", pause=0.1)
    planned = campaign.maker.make(jobs.LongSerial, "acme", seconds=3.0, about="estate")
    campaign.enqueue(planned)
    job = wait_for(lambda: campaign.look().running.get(planned.record.id), 60.0, "a serial job at work")
    leaving = next(node for node in campaign.nodes if node.mark == job.node)
    coming = next(node for node in campaign.nodes if node is not leaving)
    send(signal.SIGSTOP, [coming.pid_of("kernel")])
    campaign.kill_whole(node=leaving)
    wait_for(lambda: broker.lane_held(job.partition), 10.0, "the lane with the other node")
    campaign.kill_whole(node=coming)
    campaign.note({windows.HANDOVER})
    for node in (leaving, coming):
        node.start()


def in_compaction(campaign: Campaign) -> None:
    """Kill the node when a snapshot of the tables is in the journal and what it replaces is still there.

    The network falls silent behind the snapshot, so that the owner cannot read it back and go on.
    """
    campaign.wait_until_ready()
    broker = campaign.broker
    assert isinstance(broker, RabbitBroker)
    assert broker.proxy is not None
    with campaign.trouble("outage"):
        broker.proxy.mute_after(b"Snapshot")
        assert broker.proxy.seen.wait(180.0), "the owner of the tables has written no snapshot"
        at = campaign.kill_whole(grace=3.0)
        broker.proxy.close_all()
        if broker.journal() > 1:
            campaign.note({windows.COMPACTION})
        broker.proxy.heal()
    campaign.note(campaign.count_windows(at) - {windows.DELAYED})


def _between_two_kernels(campaign: Campaign) -> None:
    """Kill the kernel host, freeze the next one when it has the lanes' jobs in hand, and kill the node."""
    campaign.wait_until_ready()
    broker = campaign.broker
    assert isinstance(broker, EmbeddedBroker)
    root = campaign.node.pid_of("root")
    before = wait_for(broker.lane_holders, 60.0, "jobs in the lanes")
    known = set(children(root))
    campaign.kill_kernel_host()
    since = now()
    kernel = wait_for(
        lambda: [c for c in children(root) if c not in known], 10.0, "a new kernel host", pause=0.0
    )

    def begun() -> bool:
        sight = campaign.look()
        return any(e.what == "begun" and e.at > since and e.job in sight.keys for e in sight.jobs[-200:])

    def has_come() -> list[int]:
        return [] if begun() else sorted(broker.lane_holders() - before)

    if frozen_while(kernel[0], has_come, "lanes with the new kernel host", limit=10.0, until=begun):
        campaign.note({windows.HANDOVER})
    campaign.kill_whole()
    campaign.start()


def in_the_gap(campaign: Campaign, pattern: str) -> list[str]:
    """Kill the node in the millisecond between a retry's confirm and the ack, no hook being held."""
    assert isinstance(campaign.broker, EmbeddedBroker)
    broker = campaign.broker
    hit = _killed_while(campaign, lambda: broker.followed_up(pattern), "a retry confirmed before the ack")
    campaign.note({windows.AFTER_FOLLOW_UP})
    return hit


def after_release(campaign: Campaign) -> list[str]:
    """Kill the node in the millisecond between the release of a done job's queue key and its ack."""
    assert isinstance(campaign.broker, EmbeddedBroker)
    broker = campaign.broker
    keys: dict[str, str] = {}
    tail = Tail(campaign.places.enqueued)

    def released() -> list[str]:
        for entry in tail.read():
            if entry.what == "intent" and entry.name == "Unique":
                keys[entry.job] = f"{entry.partition}/{entry.queue_key}"
        done = {entry.job for entry in campaign.jobs() if entry.what == "done"} if keys else set()
        return [job for job in broker.released(keys) if job in done]

    return _killed_while(campaign, released, "a queue key released before the ack")


def _killed_while(campaign: Campaign, look: Callable[[], list[str]], what: str) -> list[str]:
    campaign.wait_until_ready()
    assert frozen_while(campaign.node.pid_of("kernel"), look, what)
    campaign.kill_whole()
    return look()


def frozen_while(
    pid: int,
    look: Callable[[], list[Any]],
    what: str,
    limit: float = 60.0,
    until: Callable[[], bool] = lambda: False,
) -> bool:
    """Stop a process whenever something is seen, and leave it so if it is still seen then.

    Returns:
        Whether that came about, before `until` did.
    """

    def is_stopped_there() -> bool:
        if not look():
            return until()
        os.kill(pid, signal.SIGSTOP)
        if look():
            return True
        os.kill(pid, signal.SIGCONT)
        return until()

    wait_for(is_stopped_there, limit, what, pause=0.0)
    return bool(look())


def one_process(campaign: Campaign, role: str, node: NodeProcess | None = None) -> None:
    """Kill one process of a role, and see what must go with it go."""
    victim = node or campaign.node
    campaign.wait_until_ready()
    campaign.pause(0.0, 0.4)
    if role == "worker":
        campaign.kill_worker_host()
    elif role == "kernel":
        campaign.kill_kernel_host(victim)
    else:
        at = campaign.kill_only(victim.pid_of(role), node=victim)
        campaign.note(campaign.count_windows(at))
        campaign.start(victim)
    campaign.faults[f"SIGKILL {role}"] += 1
