"""The client of a web process: many threads, and children made by fork."""

from __future__ import annotations

import asyncio
import os
import threading
import traceback
from collections.abc import Callable
from typing import Any

import pytest
import roger_test_jobs as jobs

from roger_actors import Client

pytestmark = pytest.mark.timeout(90)

Until = Callable[..., Any]


def test_many_threads_share_one_client(tenant: Any, events: Any) -> None:
    ids: list[str] = []

    with Client(tenant.node.config) as client:

        def enqueue() -> None:
            ids.extend(client.enqueue(jobs.Tell.create({}), tenant.name).id for _ in range(5))

        threads = [threading.Thread(target=enqueue) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert len(set(ids)) == 40
    assert {told["id"] for told in events.take(40, "ran")} == set(ids)


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_child_made_by_fork_gets_a_connection_of_its_own_and_harms_not_its_parent_s(
    tenant: Any, events: Any
) -> None:
    with Client(tenant.node.config) as client:
        before = client.enqueue(jobs.Tell.create({"who": "parent"}), tenant.name)

        child = os.fork()
        if child == 0:
            status = 1
            try:
                client.enqueue(jobs.Tell.create({"who": "child"}), tenant.name)
                client.close()
                status = 0
            except BaseException:  # nothing of a forked child may reach pytest
                traceback.print_exc()
            os._exit(status)
        _, ended = os.waitpid(child, 0)
        after = client.enqueue(jobs.Tell.create({"who": "parent again"}), tenant.name)

    assert os.waitstatus_to_exitcode(ended) == 0
    told = events.take(3, "ran")
    assert {each["args"]["who"] for each in told} == {"parent", "child", "parent again"}
    assert {before.id, after.id} < {each["id"] for each in told}


def test_the_groups_of_a_client_can_be_awaited_and_are_called_as_they_are_on_a_thread(tenant: Any) -> None:
    name = tenant.node.config.name

    async def look() -> tuple[Any, Any, Any]:
        aio = tenant.node.aio
        info = await aio.info()
        ids = await aio.info.running_partition_ids()
        return info.values[name], ids.values[name], await aio.global_state.queued(tenant.name, "nobody")

    info, ids, holder = asyncio.run(look())

    assert tenant.name in info["partitions"]
    assert ids == tenant.node.info.running_partition_ids().values[name]
    assert tenant.name in ids
    assert holder is None
    with pytest.raises(AttributeError):
        _ = tenant.node.aio.info.nothing
