"""More than a socket can hold: senders wait a bounded time, and nothing is lost or locked."""

from __future__ import annotations

import os
import signal

from transport_driver import Puppets


def test_two_hosts_that_flood_each_other_lose_nothing_and_do_not_lock(puppets: Puppets) -> None:
    first, second = puppets.start(count=2)

    puppets.tell(0, "send_raw", first, f'C[-1, "send", {second}, 20000, 1000]')
    puppets.tell(0, "send_raw", second, f'C[-1, "send", {first}, 20000, 1000]')

    for host in (first, second):
        assert [entry[2] for entry in puppets.seen(host, 20000)] == list(range(20000))


def test_a_stopped_host_holds_up_its_senders_for_a_bounded_time_only(puppets: Puppets) -> None:
    first, second, third = puppets.start(count=3)
    os.kill(puppets.pids(second)[0], signal.SIGSTOP)

    puppets.tell(first, "send", second, 20000, 1000, limit=5.0)
    puppets.tell(first, "send", third, 1)

    assert len(puppets.seen(third, 1)) == 1
    os.kill(puppets.pids(second)[0], signal.SIGCONT)
    assert [entry[2] for entry in puppets.seen(second, 20000)] == list(range(20000))
