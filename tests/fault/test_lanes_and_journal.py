"""Nodes killed while a lane is handed over, and while the journal of the tables is compacted."""

from __future__ import annotations

import pytest

from tests.fault import kills, windows
from tests.fault.brokers import RabbitBroker
from tests.fault.enqueuer import Work

FLOW = Work(every=0.05, together=5, ahead=200, trouble=0.1)
TIMES = 3

on_embedded = pytest.mark.parametrize("fault_broker", ["embedded"], indirect=True)


@pytest.mark.long
@pytest.mark.rabbitmq
@pytest.mark.timeout(400)
def test_nodes_killed_while_a_lane_is_handed_over_lose_nothing_and_overlap_nothing(rabbit, campaign_on):
    with rabbit.vhost("fault") as url:
        broker = RabbitBroker(rabbit, url.rpartition("/")[2], nodes=2)
        with campaign_on(broker, work=FLOW) as campaign:
            for _ in range(TIMES):
                kills.in_handover(campaign)

            campaign.judge()
            campaign.is_good = True


@pytest.mark.long
@on_embedded
@pytest.mark.timeout(300)
def test_a_node_killed_while_a_new_kernel_host_takes_over_the_lanes_loses_nothing(campaign):
    for _ in range(10):
        kills.in_handover(campaign)
        if campaign.hits[windows.HANDOVER]:
            break

    campaign.judge()
    assert campaign.hits[windows.HANDOVER]
    campaign.is_good = True


@pytest.mark.long
@pytest.mark.rabbitmq
@pytest.mark.timeout(600)
def test_a_node_killed_while_the_journal_is_compacted_loses_nothing(own_rabbit, own_proxy, campaign_on):
    with campaign_on(RabbitBroker(own_rabbit, "fault", 1, own_proxy), work=FLOW) as campaign:
        for _ in range(2):
            kills.in_compaction(campaign)
            campaign.start()

        campaign.judge()
        assert campaign.hits[windows.COMPACTION]
        campaign.is_good = True
