"""A random mix of faults for some minutes, judged by the checker: `make chaos MINUTES=10`.

    python -m tests.fault.chaos MINUTES [SEED]

Two nodes on a RabbitMQ of their own, behind a proxy. Without a seed it is made of the commit's hash. The
exit status is 0 when nothing was lost and nothing was wrong.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from roger_actors.demo.checker import Verdict
from roger_actors.testing.rabbitmq import RabbitNode
from tests.fault import faults, kills
from tests.fault.brokers import RabbitBroker
from tests.fault.campaign import Campaign
from tests.fault.enqueuer import Work
from tests.fault.node_process import ROLES
from tests.fault.proxy import Proxy

WORK = Work(every=0.02, together=10, ahead=400, trouble=0.02)
FROZEN_FOR = 20.0


def seed_of_the_commit() -> int:
    """Return a number that the checked-out commit decides."""
    command = ["git", "rev-parse", "HEAD"]
    where = Path(__file__).parent
    told = subprocess.run(command, cwd=where, capture_output=True, text=True, check=False).stdout.strip()
    return int(told[:8], 16) % 1_000_000 if told else 1


def _kill(role: str) -> Callable[[Campaign], None]:
    return lambda campaign: kills.one_process(campaign, role, campaign.chosen.choice(campaign.nodes))


def _freeze(role: str) -> Callable[[Campaign], None]:
    return lambda campaign: faults.frozen(campaign, role, FROZEN_FOR)


def _kill_a_whole_node(campaign: Campaign) -> None:
    campaign.wait_until_ready()
    node = campaign.chosen.choice(campaign.nodes)
    campaign.pause(0.1, 2.0)
    campaign.note(campaign.count_windows(campaign.kill_whole(node=node)))
    node.start()
    campaign.faults["SIGKILL all"] += 1


CHOICES: list[tuple[int, Callable[[Campaign], None]]] = [
    *((4, _kill(role)) for role in ROLES),
    (4, _kill_a_whole_node),
    *((1, _freeze(role)) for role in (*ROLES, "all")),
    *((2, fault) for fault in faults.ON_RABBITMQ),
    (2, kills.in_handover),
]
"""What may be done, and how often compared with the rest."""


def hurt(campaign: Campaign, minutes: float) -> None:
    """Do one thing after another until the time is up."""
    weights = [weight for weight, _ in CHOICES]
    acts = [act for _, act in CHOICES]
    end = time.monotonic() + 60.0 * minutes
    while time.monotonic() < end:
        for node in campaign.nodes:
            faults.settle(campaign, node)
        act = campaign.chosen.choices(acts, weights)[0]
        act(campaign)
        print(f"  {time.monotonic() - end + 60 * minutes:6.0f} s {campaign.progress()}", flush=True)


def play(minutes: float, seed: int) -> int:
    """Run it, print what has come of it, and return the exit status."""
    directory = Path(tempfile.mkdtemp(prefix="roger-chaos-", dir="/tmp"))
    os.environ["ROGER_RUNTIME_DIR"] = str(directory / "run")
    print(f"seed {seed}; logs in {directory}", flush=True)
    server = RabbitNode(directory / "rabbitmq")
    proxy = campaign = verdict = None
    try:
        server.start()
        server.create_vhost("chaos")
        proxy = Proxy([server.port])
        campaign = Campaign(RabbitBroker(server, "chaos", 2, proxy), directory, seed, WORK)
        hurt(campaign, minutes)
        verdict = campaign.finish()
    finally:
        if campaign is not None:
            campaign.close()
        if proxy is not None:
            proxy.close()
        server.destroy()
    return _told(campaign, verdict, directory)


def _told(campaign: Campaign, verdict: Verdict, directory: Path) -> int:
    print(campaign.told(verdict))
    for fault in verdict.faults[:50]:
        print(f"  {fault.job} {fault.what}")
    print(f"verdict: {'clean' if verdict.is_clean else 'NOT CLEAN'}, seed {campaign.seed}")
    if verdict.is_clean:
        shutil.rmtree(directory, ignore_errors=True)
    return 0 if verdict.is_clean else 1


def main(arguments: list[str]) -> int:
    """Read the minutes, and the seed if there is one."""
    minutes = float(arguments[0]) if arguments else 10.0
    seed = int(arguments[1]) if len(arguments) > 1 and arguments[1] else seed_of_the_commit()
    return play(minutes, seed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
