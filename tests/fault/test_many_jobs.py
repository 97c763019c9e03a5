"""Twenty thousand jobs, a third of them with keys, through kills of every process of a node: one run each.

ROGER_FAULT_JOBS sets how many jobs.
"""

from __future__ import annotations

import os

import pytest

from tests.fault import kills
from tests.fault.enqueuer import Work
from tests.fault.node_process import ROLES

JOBS = int(os.environ.get("ROGER_FAULT_JOBS", "20000"))
KILLS_OF_A_ROLE = 5


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_many_jobs_survive_kills_of_every_process_of_a_node(campaign_on, fault_broker):
    work = Work(jobs=JOBS, every=0.0, together=20, ahead=400, trouble=0.01)
    with campaign_on(fault_broker, work=work) as campaign:
        victims = [*ROLES * KILLS_OF_A_ROLE]
        campaign.chosen.shuffle(victims)
        for number, role in enumerate(victims):
            campaign.wait_for_progress(number / len(victims))
            kills.one_process(campaign, role)

        campaign.judge()
        campaign.is_good = True
