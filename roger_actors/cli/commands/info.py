"""`roger-actors info`: what every live node says of its partitions, queues, workers and jobs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from roger_actors import Client
from roger_actors.cli import answers
from roger_actors.cli.options import config_option, json_option
from roger_actors.cli.output import print_facts, print_json, print_table
from roger_actors.roger import load

_QUEUES = ("node", "partition", "queue", "workers#", "running#", "waiting#", "consumers#", "state")
_JOBS = ("node", "partition", "job", "class", "queue", "attempt#", "for")


@click.command()
@config_option
@json_option
def command(file: Path, as_json: bool) -> int:
    """Show the nodes, their partitions, queues and running jobs.

    Exit status 1 if no node answers.
    """
    config = load(file)
    with Client(config) as client:
        told = client.info()
    answers.need_one(told, config.redacted_broker)
    if as_json:
        print_json(answers.as_mapping(told))
    else:
        _print(told.values)
        answers.print_failures(told)
    return 1 if told.errors or told.missing else 0


def partition_rows(nodes: Mapping[str, Any]) -> tuple[tuple[str, ...], list[tuple[object, ...]]]:
    """Return the columns and rows that show the queues of every node's partitions."""
    return _QUEUES, [row for name, info in sorted(nodes.items()) for row in _queue_rows(name, info)]


def _print(nodes: Mapping[str, Any]) -> None:
    for name, info in sorted(nodes.items()):
        print_facts(
            {
                "node": name,
                "broker": _broker(info),
                "worker hosts": _workers(info.get("workers", {})),
                "jobs": _counts(info.get("partitions", {}).values()),
            }
        )
    columns, rows = partition_rows(nodes)
    print()
    print_table(columns, rows, "no partitions")
    running = [row for name, info in sorted(nodes.items()) for row in _job_rows(name, info)]
    if running:
        print()
        print_table(_JOBS, running, "no job is running")


def _broker(info: Mapping[str, Any]) -> str:
    fault = info.get("broker_error")
    return f"{info.get('broker', '-')}{f' ({fault})' if fault else ''}"


def _workers(workers: Mapping[str, Any]) -> str:
    hosts = workers.get("hosts", [])
    busy = sum(1 for host in hosts if host.get("tickets"))
    text = f"{len(hosts)}, {busy} of them busy"
    refusal = workers.get("refusal")
    return f"{text}; cannot start more: {refusal}" if refusal else text


def _counts(partitions: Iterable[Mapping[str, Any]]) -> str:
    """Return what became of the jobs since the node's start."""
    total: Counter[str] = Counter()
    for partition in partitions:
        total.update(partition.get("counts", {}))
    return ", ".join(f"{count} {what}" for what, count in total.items()) or "none yet"


def _queue_rows(node: str, info: Mapping[str, Any]) -> Iterator[tuple[object, ...]]:
    waiting = dict(info.get("waiting", {}))
    for name, partition in sorted(info.get("partitions", {}).items()):
        running = [job.get("queue_type") for job in partition.get("running", [])]
        fault = waiting.pop(name, None)
        for queue, counts in sorted(partition.get("queues", {}).items()):
            state = fault or ("paused" if counts.get("paused") else "running")
            yield (
                *(node, name, queue, counts.get("max_workers"), running.count(queue)),
                *(counts.get("message_count"), counts.get("consumer_count"), state),
            )
    for name, fault in sorted(waiting.items()):
        yield (node, name, None, None, None, None, None, f"waiting: {fault}")


def _job_rows(node: str, info: Mapping[str, Any]) -> Iterator[tuple[object, ...]]:
    for name, partition in sorted(info.get("partitions", {}).items()):
        for job in partition.get("running", []):
            held = f"{float(job.get('held_for', 0)):.1f} s"
            attempt = int(job.get("retry_count", 0)) + 1
            yield (node, name, job.get("id"), job.get("class"), job.get("queue_type"), attempt, held)
