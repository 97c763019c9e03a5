"""RabbitMQ killed, stopped, frozen, alarmed, and its network cut, slow or silent, while jobs flow."""

from __future__ import annotations

import pytest

from tests.fault import faults
from tests.fault.brokers import RabbitBroker
from tests.fault.enqueuer import Work

pytestmark = pytest.mark.rabbitmq
FLOW = Work(every=0.02, together=5, ahead=400, trouble=0.01)


@pytest.mark.parametrize("nodes", [1, 2])
@pytest.mark.long
@pytest.mark.timeout(900)
def test_jobs_flow_on_after_everything_that_is_done_to_their_broker(
    own_rabbit, own_proxy, campaign_on, nodes
):
    with campaign_on(RabbitBroker(own_rabbit, "fault", nodes, own_proxy), work=FLOW) as campaign:
        for fault in campaign.chosen.sample(faults.ON_RABBITMQ, len(faults.ON_RABBITMQ)):
            fault(campaign)

        campaign.judge()
        campaign.is_good = True
