"""RabbitMQ killed, stopped, frozen, alarmed, and its network cut, slow or silent, while jobs flow."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fault import faults
from tests.fault.brokers import RabbitBroker
from tests.fault.enqueuer import Work
from tests.fault.proxy import Proxy

pytestmark = pytest.mark.rabbitmq
FLOW = Work(every=0.02, together=5, ahead=400, trouble=0.01)


@pytest.fixture
def proxy(own_rabbit) -> Iterator[Proxy]:
    proxy = Proxy([own_rabbit.port])
    yield proxy
    proxy.close()


def through(own_rabbit, proxy, nodes) -> RabbitBroker:
    own_rabbit.create_vhost("fault")
    return RabbitBroker(own_rabbit, "fault", nodes, proxy)


@pytest.mark.parametrize("nodes", [1, 2])
@pytest.mark.long
@pytest.mark.timeout(900)
def test_jobs_flow_on_after_everything_that_is_done_to_their_broker(own_rabbit, proxy, campaign_on, nodes):
    with campaign_on(through(own_rabbit, proxy, nodes), work=FLOW) as campaign:
        for fault in campaign.chosen.sample(faults.ON_RABBITMQ, len(faults.ON_RABBITMQ)):
            fault(campaign)

        campaign.judge()
        campaign.is_good = True
