"""A node that is gone, or cannot be reached: within seconds another node runs its jobs."""

from __future__ import annotations

import pytest

from roger_actors.demo import jobs
from roger_actors.demo.history import SECOND
from roger_actors.demo.log import now
from tests.fault.brokers import RabbitBroker
from tests.fault.enqueuer import Work

pytestmark = pytest.mark.rabbitmq
FLOW = Work(every=0.1, together=5, ahead=200, trouble=0.0)
HEARTBEAT = 3.0
"""RabbitMQ notices silence after two to three times as long; the fence adds what it waits."""
CLOSED_WITHIN = 8.0
SILENT_WITHIN = 15.0
"""Seconds until another node runs a job of one whose connection was closed, or of one that fell silent.

On an idle machine it is 4.5 and 12."""


def a_long_job(campaign, seconds, about="account"):
    """Enqueue a job with an execution key; return its id and the node where it has begun."""
    campaign.wait_until_ready()
    planned = campaign.maker.make(jobs.LongSerial, "acme", seconds=seconds, about=about)
    campaign.enqueue(planned)
    job = planned.record.id
    line = campaign.wait(lambda: campaign.look().running.get(job), 60.0, "a long job")
    return job, next(node for node in campaign.nodes if node.mark == line.node)


def seconds_until_elsewhere(campaign, job, node, since):
    """Return how long it takes until another node begins the job."""

    def elsewhere():
        lines = [e for e in campaign.jobs() if e.job == job and e.what == "begun" and e.node != node.mark]
        return lines[0].at if lines else 0

    return (campaign.wait(elsewhere, 60.0, "the job on another node") - since) / SECOND


@pytest.mark.timeout(150)
def test_a_killed_nodes_job_runs_on_another_within_seconds(rabbit, campaign_on):
    with rabbit.vhost("fault") as url:
        broker = RabbitBroker(rabbit, url.rpartition("/")[2], nodes=2)
        with campaign_on(broker, work=FLOW) as campaign:
            job, node = a_long_job(campaign, 8.0)
            since = now()
            campaign.kill_whole(node=node)
            seconds = seconds_until_elsewhere(campaign, job, node, since)
            node.start()

            campaign.judge()
            print(f"on another node after {seconds:.1f} s")
            assert seconds < CLOSED_WITHIN
            campaign.is_good = True


@pytest.mark.long
@pytest.mark.timeout(200)
def test_a_job_of_a_node_that_fell_silent_runs_on_another_within_seconds_and_does_not_overlap(
    own_rabbit, own_proxy, campaign_on
):
    broker = RabbitBroker(own_rabbit, "fault", 2, own_proxy, only_first=True)
    with campaign_on(broker, work=FLOW, heartbeat=HEARTBEAT) as campaign:
        job, node = a_long_job(campaign, 20.0)
        while node is not campaign.node:
            campaign.kill_whole(node=node)
            node.start()
            job, node = a_long_job(campaign, 20.0, f"account after {job}")
        since = now()
        with campaign.trouble("cut", node.mark, after=15.0):
            own_proxy.mute()
            seconds = seconds_until_elsewhere(campaign, job, node, since)
            campaign.pause(5.0, 5.0)
            own_proxy.close_all()
            own_proxy.heal()

        campaign.judge()
        print(f"on another node after {seconds:.1f} s")
        assert seconds < SILENT_WITHIN
        campaign.is_good = True
