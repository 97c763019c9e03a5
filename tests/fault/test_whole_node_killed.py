"""A node killed with SIGKILL, every process of it, in each window, and started again loses nothing.

The seed is printed; ROGER_FAULT_SEED sets it. ROGER_FAULT_KILLS sets how many kills each window gets in
the long test.
"""

from __future__ import annotations

import os
from typing import Any

import pytest

from tests.fault import kills, windows

SAMPLE_TIMES = 1
LONG_TIMES = int(os.environ.get("ROGER_FAULT_KILLS", "3"))
MOST_KILLS = 40
AIMED_TIMES = 4  # what was seen a moment before a kill may be over when all is dead
WINDOWS = (
    windows.RUNNING,
    windows.BEFORE_CONFIRM,
    windows.WAITING,
    windows.DELAYED,
    windows.AFTER_FOLLOW_UP,
    windows.BEFORE_ACK,
)


def judge(campaign: Any, wanted: int) -> None:
    campaign.judge()
    missed = [window for window in WINDOWS if campaign.hits[window] < wanted]
    assert not missed, f"seed {campaign.seed}: {dict(campaign.hits)}; not hit {wanted} times: {missed}"
    campaign.is_good = True


@pytest.mark.roger_fault("node killed with jobs")
@pytest.mark.roger_fault("node killed while jobs wait on a key")
@pytest.mark.timeout(150)
def test_a_node_killed_once_in_every_window_loses_nothing(campaign):
    for kill, aimed_at in (
        (kills.at_random, ()),
        (kills.in_keys_and_delays, (windows.RUNNING, windows.WAITING, windows.DELAYED)),
        (kills.after_follow_up, (windows.AFTER_FOLLOW_UP,)),
        (kills.before_ack, (windows.BEFORE_ACK,)),
        (kills.before_confirm, (windows.BEFORE_CONFIRM,)),
    ):
        for _ in range(AIMED_TIMES):
            kill(campaign)
            campaign.start()
            if all(campaign.hits[window] for window in aimed_at):
                break

    judge(campaign, SAMPLE_TIMES)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_node_killed_again_and_again_in_every_window_loses_nothing(campaign):
    count = 0
    while min(campaign.hits[window] for window in WINDOWS) < LONG_TIMES and count < MOST_KILLS:
        kill = campaign.chosen.choice(
            [
                kills.at_random,
                kills.at_random,
                kills.in_keys_and_delays,
                kills.after_follow_up,
                kills.before_ack,
                kills.before_confirm,
            ]
        )
        if campaign.chosen.random() < 0.3:
            campaign.chosen.choice([campaign.kill_worker_host, campaign.kill_kernel_host])()
        kill(campaign)
        campaign.start()
        count += 1

    judge(campaign, LONG_TIMES)


on_embedded = pytest.mark.parametrize("fault_broker", ["embedded"], indirect=True)


@on_embedded
@pytest.mark.parametrize("jobs", ["flaky-%", pytest.param("uniqueflaky-%", marks=pytest.mark.long)])
@pytest.mark.timeout(120)
def test_a_node_killed_between_the_confirm_of_a_retry_and_the_ack_loses_nothing(campaign, jobs):
    assert kills.in_the_gap(campaign, jobs)
    campaign.start()

    campaign.judge()
    campaign.is_good = True


@pytest.mark.roger_fault("node killed after a unique job")
@on_embedded
@pytest.mark.long
@pytest.mark.timeout(120)
def test_a_done_job_whose_key_was_released_before_the_kill_does_not_run_again(campaign):
    released = kills.after_release(campaign)
    assert released
    campaign.start()

    verdict = campaign.judge()

    assert not set(released) & set(verdict.again)
    campaign.is_good = True
