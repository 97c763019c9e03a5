"""Processes of a node stopped with SIGSTOP for half a minute: another node goes on, and nothing overlaps."""

from __future__ import annotations

import pytest

from tests.fault import faults
from tests.fault.brokers import RabbitBroker
from tests.fault.enqueuer import Work

pytestmark = [pytest.mark.rabbitmq, pytest.mark.long]
FLOW = Work(every=0.1, together=5, ahead=400, trouble=0.01)


@pytest.mark.parametrize("role", ["all", "kernel", "worker", "root", "admin", "starter"])
@pytest.mark.timeout(400)
def test_no_two_runs_of_a_key_overlap_when_a_frozen_process_goes_on(rabbit, campaign_on, role):
    with rabbit.vhost("fault") as url:
        broker = RabbitBroker(rabbit, url.rpartition("/")[2], nodes=2)
        with campaign_on(broker, work=FLOW) as campaign:
            faults.frozen(campaign, role)

            campaign.judge()
            campaign.is_good = True
