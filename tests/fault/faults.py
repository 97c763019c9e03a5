"""What is done to brokers, networks and frozen processes, one function each; all leave things healed.

The kills are in `kills`. Each fault is noted in the enqueuers' log, so that the checker knows what it
excuses: with one node a fault of the broker excuses no second run of any job.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from roger_actors.demo import jobs, processes
from roger_actors.demo.log import Entry, now
from roger_actors.errors import RogerActorsError
from roger_actors.testing.rabbitmq import RabbitNode
from roger_actors.testing.rabbitmq_cluster import RabbitCluster
from tests.fault.brokers import RabbitBroker
from tests.fault.campaign import Campaign
from tests.fault.node_process import NodeProcess, below, send, wait_for

SILENT = 15.0
"""Seconds: longer than a connection's heartbeat lets pass unnoticed."""
FROZEN = 30.0
TAKEN_OVER = 15.0
"""Seconds within which the broker gives a lost node's jobs to another."""
FLOWS_WITHIN = 60.0
"""Seconds after which a job must begin once all is well; the machine may be busy."""


def broker_killed(campaign: Campaign) -> None:
    """SIGKILL of the server, and a start with the data that it had."""
    with _hurting(campaign, "broker killed"):
        _broker(campaign).node.kill()
        campaign.pause(0.2, 2.0)
        _broker(campaign).node.start()


def server_killed(campaign: Campaign, server: RabbitNode) -> None:
    """SIGKILL of one server of a cluster; the others go on, and jobs with them, before it is back."""
    with _hurting(campaign, "server of the cluster killed"):
        server.kill()
        flows_again(campaign)
    server.start()
    cluster = _broker(campaign).server
    assert isinstance(cluster, RabbitCluster)
    wait_for(lambda: cluster.running() == len(cluster.nodes), 60.0, "a server back in its cluster", pause=0.2)


def broker_restarted(campaign: Campaign) -> None:
    """An orderly stop and start of the server."""
    with _hurting(campaign, "broker restarted"):
        _broker(campaign).node.stop()
        _broker(campaign).node.start()


def broker_frozen(campaign: Campaign) -> None:
    """SIGSTOP of the server for longer than the heartbeat."""
    with _hurting(campaign, "broker frozen"):
        _broker(campaign).node.freeze()
        campaign.pause(SILENT, SILENT)
        _broker(campaign).node.thaw()


def connections_closed(campaign: Campaign) -> None:
    """What `rabbitmqctl close_all_connections` does."""
    with _hurting(campaign, "connections closed"):
        _broker(campaign).node.close_connections()


def memory_alarm(campaign: Campaign) -> None:
    """The server takes no publishes for a while; it takes acks and delivers."""
    with _hurting(campaign, "memory alarm", loses_connection=False):
        _broker(campaign).node.raise_memory_alarm()
        campaign.pause(3.0, 8.0)
        _broker(campaign).node.clear_memory_alarm()


def network_cut(campaign: Campaign) -> None:
    """Every connection is reset, and none is to be had for a while."""
    with _hurting(campaign, "network cut"):
        _proxy(campaign).cut()
        campaign.pause(0.5, 4.0)
        _proxy(campaign).heal()


def network_slow(campaign: Campaign) -> None:
    """Every piece of every connection is late."""
    with _hurting(campaign, "network slow"):
        _proxy(campaign).delay(0.2)
        campaign.pause(5.0, 5.0)
        _proxy(campaign).heal()


def network_half_open(campaign: Campaign) -> None:
    """Nothing gets through for longer than the heartbeat, and nobody is told; old connections die then."""
    with _hurting(campaign, "network half open"):
        _proxy(campaign).mute()
        campaign.pause(SILENT, SILENT)
        _proxy(campaign).close_all()
        _proxy(campaign).heal()


ON_RABBITMQ: tuple[Callable[[Campaign], None], ...] = (
    broker_killed,
    broker_restarted,
    broker_frozen,
    connections_closed,
    memory_alarm,
    network_cut,
    network_slow,
    network_half_open,
)


@contextmanager
def _hurting(campaign: Campaign, name: str, *, loses_connection: bool = True) -> Iterator[None]:
    """Do something to the broker of all nodes, and see jobs begin again soon after it."""
    campaign.wait_until_ready()
    campaign.pause(4.0, 5.0)
    is_cut = loses_connection and len(campaign.nodes) > 1
    with campaign.trouble("cut" if is_cut else "outage", before=1.0, after=2.0):
        yield
    campaign.faults[name] += 1
    campaign.recovered.append((name, flows_again(campaign)))


def flows_again(campaign: Campaign) -> float:
    """Wait until a job begins that was not running before, and return the seconds until it did."""
    since = now()
    began = time.monotonic()

    def has_begun() -> bool:
        return any(entry.what == "begun" and entry.at > since for entry in campaign.jobs()[-500:])

    wait_for(has_begun, FLOWS_WITHIN, "a job that begins after the fault")
    return time.monotonic() - began


def _broker(campaign: Campaign) -> RabbitBroker:
    assert isinstance(campaign.broker, RabbitBroker)
    return campaign.broker


def _proxy(campaign: Campaign) -> Any:
    proxy = _broker(campaign).proxy
    assert proxy is not None
    return proxy


# -- processes that are stopped and go on ------------------------------------------------------------


def frozen(campaign: Campaign, role: str, seconds: float = FROZEN) -> None:
    """SIGSTOP of one process of a node, or of `all`, and SIGCONT; a node that gave up is started again.

    The node is one that runs a long serial job: another will run that job, or the next of its key, before
    the frozen one goes on. The worker host is that job's.
    """
    campaign.wait_until_ready()
    make = campaign.maker.make
    long = make(jobs.LongSerial, "globex", seconds=TAKEN_OVER + 5.0, about="ledger")
    campaign.enqueue(long, make(jobs.LongSerial, "globex", seconds=1.0, about="ledger"))
    job = wait_for(lambda: campaign.look().running.get(long.record.id), 60.0, "a long serial job at work")
    victim = next(node for node in campaign.nodes if node.mark == job.node)
    pids = {"all": lambda: below(victim.pid), "worker": lambda: [job.pid]}
    root = victim.pid_of("root")
    chosen = pids.get(role, lambda: [victim.pid_of(role)])()
    with campaign.trouble("cut", victim.mark, after=15.0):
        send(signal.SIGSTOP, chosen)
        campaign.pause(seconds, seconds)
        if role == "all":
            # the root host ends the jobs of a lost lane, and looks every 0.1 s: see how-to/serial-execution
            send(signal.SIGCONT, [root])
            campaign.pause(1.0, 1.0)
        send(signal.SIGCONT, chosen)
    campaign.faults[f"SIGSTOP {role}"] += 1
    campaign.recovered.append((f"SIGSTOP {role}", flows_again(campaign)))
    campaign.pause(5.0, 5.0)
    settle(campaign, victim)


def settle(campaign: Campaign, node: NodeProcess) -> None:
    """See a node answer, or over for good because a part of it was frozen; then start it again."""
    wait_for(
        lambda: _answers(node) or not node.is_running, 60.0, f"node {node.name} alive or over", pause=0.2
    )
    if node.is_running:
        return
    left = processes.wait_until_gone([pid for pid in below(node.pid) if pid != node.pid], 5.0)
    assert not left, f"left of node {node.name}, which has ended: {left}"
    campaign.log(Entry(at=now(), what="killed", pid=node.pid, node=node.mark))
    node.start()


def _answers(node: NodeProcess) -> bool:
    try:
        return bool(node.running_tree())
    except RogerActorsError:
        return False
