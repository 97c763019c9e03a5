"""Must 6: a node killed with SIGKILL, every process of it, at any moment, and started again loses nothing.

The seed is printed; ROGER_FAULT_SEED sets it. ROGER_FAULT_KILLS sets how many kills each window gets in
the long test.
"""

from __future__ import annotations

import os
from typing import Any

import pytest

SAMPLE_TIMES = 1
LONG_TIMES = int(os.environ.get("ROGER_FAULT_KILLS", "3"))
MOST_KILLS = 40
AIMED_TIMES = 4  # what was seen a moment before a kill may be over when all is dead


RUNNING = "jobs running"
UNCONFIRMED = "published but not yet confirmed"
WAITING = "waiting on an execution key"
DELAYED = "delayed for a retry"
BEFORE_ACK = "between follow-up and ack"
WINDOWS = (RUNNING, UNCONFIRMED, WAITING, DELAYED, BEFORE_ACK)


def judge(campaign: Any, wanted: int) -> None:
    campaign.judge()
    missed = [window for window in WINDOWS if campaign.hits[window] < wanted]
    assert not missed, f"seed {campaign.seed}: {dict(campaign.hits)}; not hit {wanted} times: {missed}"
    campaign.is_good = True


@pytest.mark.timeout(150)
def test_a_node_killed_once_in_every_window_loses_nothing(campaign):
    for kill, windows in (
        (campaign.kill_at_random, ()),
        (campaign.kill_in_keys_and_delays, (RUNNING, WAITING, DELAYED)),
        (campaign.kill_before_ack, (BEFORE_ACK,)),
        (campaign.kill_unconfirmed, (UNCONFIRMED,)),
    ):
        for _ in range(AIMED_TIMES):
            kill()
            campaign.start()
            if all(campaign.hits[window] for window in windows):
                break

    judge(campaign, SAMPLE_TIMES)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_node_killed_again_and_again_in_every_window_loses_nothing(campaign):
    kills = 0
    while min(campaign.hits[window] for window in WINDOWS) < LONG_TIMES and kills < MOST_KILLS:
        kill = campaign.chosen.choice(
            [
                campaign.kill_at_random,
                campaign.kill_at_random,
                campaign.kill_in_keys_and_delays,
                campaign.kill_before_ack,
                campaign.kill_unconfirmed,
            ]
        )
        if campaign.chosen.random() < 0.3:
            campaign.chosen.choice([campaign.kill_worker_host, campaign.kill_kernel_host])()
        kill()
        campaign.start()
        kills += 1

    judge(campaign, LONG_TIMES)


on_embedded = pytest.mark.parametrize("campaign", ["embedded"], indirect=True)


@on_embedded
@pytest.mark.parametrize("jobs", ["flaky-%", pytest.param("uniqueflaky-%", marks=pytest.mark.long)])
@pytest.mark.timeout(120)
def test_a_node_killed_between_the_confirm_of_a_retry_and_the_ack_loses_nothing(campaign, jobs):
    assert campaign.kill_in_the_gap(jobs)
    campaign.start()

    campaign.judge()
    campaign.is_good = True


@on_embedded
@pytest.mark.long
@pytest.mark.timeout(120)
def test_a_done_job_whose_key_was_released_before_the_kill_does_not_run_again(campaign):
    released = campaign.kill_after_release()
    assert released
    campaign.start()

    verdict = campaign.judge()

    assert not set(released) & set(verdict.again)
    campaign.is_good = True
