"""Three RabbitMQ nodes, one of them killed at a time while jobs flow: the quorum keeps every job."""

from __future__ import annotations

import pytest

from tests.fault import faults
from tests.fault.brokers import RabbitBroker
from tests.fault.enqueuer import Work
from tests.fault.proxy import Proxy

pytestmark = [pytest.mark.rabbitmq, pytest.mark.long]
FLOW = Work(every=0.05, together=5, ahead=200, trouble=0.01)


@pytest.mark.timeout(600)
def test_jobs_flow_on_while_each_server_of_a_cluster_is_killed_in_turn(own_cluster, campaign_on):
    own_cluster.nodes[0].create_vhost("fault")
    # a client that has one address finds the cluster's others behind a proxy, as behind a load balancer
    proxy = Proxy(lambda: [node.port for node in own_cluster.nodes])
    try:
        with campaign_on(RabbitBroker(own_cluster, "fault", 1, proxy), work=FLOW) as campaign:
            for server in campaign.chosen.sample(own_cluster.nodes, len(own_cluster.nodes)):
                faults.server_killed(campaign, server)

            campaign.judge()
            campaign.is_good = True
    finally:
        proxy.close()
