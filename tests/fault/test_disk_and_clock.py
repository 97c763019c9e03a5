"""The embedded broker's disk full for a while, and the wall clock set back by an hour, while jobs flow."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from roger_actors.demo.history import SECOND
from tests.fault import faults
from tests.fault.enqueuer import Work
from tests.fault.shim import Shim

FLOW = Work(every=0.05, together=3, ahead=100, trouble=0.3)
HOUR = 3600

on_embedded = pytest.mark.parametrize("fault_broker", ["embedded"], indirect=True)


@pytest.fixture
def shim(fault_directory) -> Shim:
    return Shim(fault_directory)


def told_by(program, shim):
    command = [sys.executable, "-c", program]
    environment = {"PATH": "/usr/bin:/bin", **shim.environment}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False).stdout


def test_the_shim_sets_the_wall_clock_and_no_other(shim):
    shim.set_clock(-HOUR)

    wall, monotonic = told_by("import time; print(time.time(), time.monotonic())", shim).split()

    assert time.time() - float(wall) == pytest.approx(HOUR, abs=30)
    assert time.monotonic() - float(monotonic) < 30


def test_the_shim_fills_the_disk_of_the_brokers_file_and_of_no_other(shim, fault_directory):
    names = f"{fault_directory}/roger.db", f"{fault_directory}/other"
    program = (
        "import sqlite3\n"
        f"for name in {names!r}:\n"
        "    try: sqlite3.connect(name).execute('CREATE TABLE t (x)'); print('written')\n"
        "    except sqlite3.Error as error: print(error)\n"
    )
    with shim.full_disk():
        assert told_by(program, shim).splitlines() == ["database or disk is full", "written"]
    assert told_by(program, shim).splitlines()[0] == "written"


@on_embedded
@pytest.mark.long
@pytest.mark.timeout(300)
def test_jobs_flow_on_when_a_full_disk_has_room_again(campaign_on, fault_broker, shim):
    with campaign_on(fault_broker, work=FLOW, environment=shim.environment) as campaign:
        campaign.wait_until_ready()
        for _ in range(3):
            campaign.pause(3.0, 5.0)
            with campaign.trouble("outage", after=2.0), shim.full_disk():
                campaign.pause(2.0, 6.0)
            campaign.faults["disk full"] += 1
            campaign.recovered.append(("disk full", faults.flows_again(campaign)))

        campaign.judge()
        campaign.is_good = True


@pytest.mark.long
@pytest.mark.timeout(300)
def test_jobs_and_retries_go_on_when_the_clock_is_set_back_by_an_hour(campaign_on, fault_broker, shim):
    with campaign_on(fault_broker, work=FLOW, environment=shim.environment) as campaign:
        campaign.wait_until_ready()
        campaign.wait(campaign.broker.delayed, 60.0, "a job that waits for its retry")
        for back in (-HOUR, -2 * HOUR):
            shim.set_clock(back)
            campaign.faults["clock set back"] += 1
            campaign.pause(3.0, 5.0)

        campaign.drain(60.0)
        failed = [entry for entry in campaign.jobs() if entry.what == "failed" and entry.kind == "error"]
        waited = max(_next(campaign, entry) - entry.at for entry in failed)
        campaign.judge()
        assert waited < 60 * SECOND
        campaign.is_good = True


def _next(campaign, failed):
    """Return when the line after a failed attempt was written, about the same job."""
    return next((e.at for e in campaign.jobs() if e.job == failed.job and e.at > failed.at), failed.at)
