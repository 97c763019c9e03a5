"""The page for readers who come from Roger has no gap: all that Roger has, and what is named is there."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from attrs import fields_dict, has
from click.testing import CliRunner

from roger_actors import Client, Config, Node
from roger_actors.cli.app import roger_actors as command_line
from roger_actors.roger.config.schema import schema

PAGE = Path(__file__).parents[2] / "docs" / "pages" / "from-roger.md"
EMPTY = Config.from_mapping({"node": {"name": "shown", "broker": "embedded:nothing.db"}})

INFO = [
    *("partitions/0", "running_partitions/0", "waiting_partitions/0", "running_jobs/0", "running_jobs/1"),
    *("queued_jobs/3", "running_partition_ids/0"),
]
NAMES = {
    "A job class": [
        *("perform/1", "queue_key/1", "execution_key/1", "queue_type/1", "retryable?/0"),
        "max_execution_time/0",
    ],
    "The struct": [
        *("id", "module", "args", "queue_key", "execution_key", "retry_count", "queued_at", "started_at"),
        "max_execution_time",
    ],
    "`Roger.Job`": [
        *("Job.create/3", "Job.encode/1", "Job.decode/1", "Job.enqueue/3", "Job.publish_opts/2"),
        *("Job.execute/1", "Job.queue_type/1", "Job.retryable?/1"),
    ],
    "Processes": [
        *("Roger.Supervisor", "Roger.System", "Roger.ApplySystem", "Roger.PartitionSupervisor"),
        *("Roger.Partition.ContainingSupervisor", "Roger.Partition.WorkerSupervisor"),
        *("Roger.Partition.Worker", "Roger.Partition.Consumer", "Roger.Partition", "Roger.ShutdownHandler"),
        "Roger.Partition.Global",
    ],
    "`Roger.Partition`": [
        *("Partition.start/2", "Partition.stop/1", "Partition.safe_stop/1", "Partition.reconfigure/2"),
    ],
    "`Roger.Partition.Consumer`": [
        *("Consumer.get_queues/1", "Consumer.pause/2", "Consumer.resume/2", "Consumer.reconfigure/2"),
    ],
    "`Roger.Partition.Worker`": [
        *("decode", "cancelled?", "execution key", "run", "crash, exit, timeout, kill", "ack"),
    ],
    "`Roger.Partition.Retry`": ["the levels", "a queue per level", "buried"],
    "Callbacks": ["before_run/2", "after_run/4", "on_error/5", "on_cancel/2", "on_buried/5"],
    "`Roger.Partition.Global`": [
        *("Global.cancel_job/2", "Global.cancelled?/3", "Global.queued?/3", "Global.remove_queued/2"),
        *("Global.executing?/3", "Global.remove_executed/2", "Global.queue_pause/2"),
        *("Global.queue_resume/2", "Global.queue_get_paused/1"),
    ],
    "`Roger.Partition.Global.StatePersister`": [
        *("StatePersister.init/1", "StatePersister.store/2", "StatePersister.load/1"),
    ],
    "`Roger.KeySet`": [
        *("KeySet.add/2", "KeySet.add_many/2", "KeySet.remove/2", "KeySet.contains?/2", "KeySet.union/2"),
        *("KeySet.difference/2", "KeySet.save/1", "KeySet.load/1"),
    ],
    "`Roger.Info`": [f"Info.{name}" for name in INFO],
    "`Roger.NodeInfo`": [f"NodeInfo.{name}" for name in INFO],
    "`Roger.Queue`": ["Queue.make_name/3", "Queue.purge/2"],
    "`Roger.System`": [
        *("System.call/2", "System.cast/2", "System.connected?/0", "System.active?/0"),
        *("System.set_inactive/0", "System.unsubscribe_all/0", "the command ping", "the command cancel"),
        *("the command pause", "the command resume"),
    ],
    "`Roger.ShutdownHandler`": ["stop"],
    "Configuration": [
        *("partitions", "connection_name", "host, port, username, password, virtual_host", "ssl_options"),
        *("heartbeat", "callbacks", "persister", "retry_levels", "max_buried_queue_size"),
        *("shutdown_timeout", "start_on_application", "system_exchange_prefix"),
    ],
}
"""What Roger has, by the heading of its table: the documented core of 1.0, and what 3.2 added."""


class Row(NamedTuple):
    heading: str
    roger: str
    here: list[str]
    differs: str


def rows() -> Iterator[Row]:
    for part in PAGE.read_text().split("\n## ")[1:]:
        heading, _, text = part.partition("\n")
        for line in text.splitlines():
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            if line.startswith("|") and len(cells) == 3 and cells[0] not in ("Roger", "---"):
                yield Row(heading, cells[0].replace("`", ""), re.findall(r"`([^`]+)`", cells[1]), cells[2])


ROWS = list(rows())


def test_everything_that_roger_has_is_on_the_page_in_its_order_and_nothing_twice() -> None:
    listed: dict[str, list[str]] = {}
    for row in ROWS:
        listed.setdefault(row.heading, []).append(row.roger)

    assert listed == NAMES


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.heading.strip('`')}-{row.roger}")
def test_what_the_page_names_is_there(row: Row) -> None:
    assert row.here, "the row says nothing of what is here"
    for name in [*row.here, *re.findall(r"`((?:client|node|roger_actors)\.[\w.]+)`", row.differs)]:
        find(name)


@pytest.mark.parametrize("words", ["not yet", "planned", "missing", "TODO", "to come"])
def test_no_row_puts_off(words: str) -> None:
    assert not [row for row in ROWS if words in row.differs]


def find(name: str) -> object:
    """Return what a name of the page means; fail where it means nothing."""
    if name.startswith("roger-actors "):
        done = CliRunner().invoke(command_line, [*name.split()[1:], "--help"])
        assert done.exit_code == 0, f"{name}: {done.output}"
        return done.output
    if found := re.fullmatch(r"\[(\w+)\] (\w+)", name):
        table = schema()["properties"][found[1]]
        assert found[2] in table.get("properties", {}) or found[2].isupper(), name
        return table
    first, *attributes = name.split(".")
    if first in ("client", "node"):
        return walk({"client": Client(EMPTY), "node": Node(EMPTY, object())}[first], attributes, name)  # type: ignore[arg-type]
    assert first == "roger_actors", f"{name} is nothing that a reader can use"
    return walk(importlib.import_module(first), attributes, name)


def walk(value: Any, attributes: list[str], name: str) -> object:
    for attribute in attributes:
        if has(value if isinstance(value, type) else type(value)) and attribute in fields_dict(value):
            return None
        if not hasattr(value, attribute):
            try:
                value = importlib.import_module(f"{value.__name__}.{attribute}")
            except (ImportError, AttributeError):
                pytest.fail(f"{name}: {value} has no {attribute}")
        else:
            value = getattr(value, attribute)
    return value


def test_a_name_that_is_not_there_is_seen() -> None:
    for name in (
        "client.info.nothing",
        "roger_actors.roger.queue.nothing",
        "[node] nothing",
        "nothing.at.all",
    ):
        with pytest.raises((AssertionError, pytest.fail.Exception)):
            find(name)
