"""`roger-actors queues`: what is declared otherwise is shown, and mended through kills without a loss."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from roger_actors.broker import Broker, Message, QueueSpec, open_broker
from roger_actors.testing.rabbitmq import RabbitNode

pytestmark = [pytest.mark.live]

MESSAGES = 2000


def _file(folder: Path, url: str, **node: Any) -> Path:
    file = folder / "roger.toml"
    tables = {"name": "mender", "broker": url, "enqueue_timeout": 10.0, **node}
    lines = [f"{key} = {json.dumps(value)}" for key, value in tables.items()]
    file.write_text("\n".join(["[node]", *lines, "[partitions.acme]", "queues = { default = 2 }", ""]))
    return file


def _command(file: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "roger_actors", "queues", *arguments, "-c", str(file)]


def _run(file: Path, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    command = _command(file, *arguments)
    return subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=60.0, check=False)


def _start(file: Path, *arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(_command(file, *arguments), start_new_session=True)


async def _with_broker(url: str, act: Callable[[Broker], Any], prefix: str = "") -> Any:
    broker = open_broker(url, prefix=prefix, name="test")
    await broker.connect(10.0)
    try:
        return await act(broker)
    finally:
        await broker.close()


def _fill(url: str, spec: QueueSpec, count: int, prefix: str = "") -> None:
    async def act(broker: Broker) -> None:
        await broker.declare([spec])
        messages = [Message(spec.name, b"%d" % number, f"id-{number}") for number in range(count)]
        assert await broker.publish_many(messages, 30.0) == [None] * count

    asyncio.run(_with_broker(url, act, prefix))


async def _drain(broker: Broker, queue: str) -> list[int]:
    counts = await broker.counts(queue)
    assert counts is not None
    got, whole = [], asyncio.Event()

    def take(delivery: Any) -> None:
        got.append(int(delivery.body))
        if len(got) == counts.messages:
            whole.set()

    await broker.consume(queue, prefetch=5000, on_delivery=take, on_reset=print)
    await asyncio.wait_for(whole.wait(), 20.0)
    return got


def test_a_check_shows_what_differs_and_what_is_orphaned_and_mending_ends_it(broker_url: str, tmp_path: Path):
    _fill(broker_url, QueueSpec("acme-default", "classic"), 10)
    file = _file(tmp_path, broker_url)
    names = "acme-default\nacme.lane\ngone-default\ngone.buried\nroger.tables\nsomebody.else\n"

    shown = _run(file, "check", "--names", "-", "--json", stdin=names)
    assert shown.returncode == 1, shown.stderr
    found = json.loads(shown.stdout)
    assert [(each["queue"], each["wanted"]) for each in found["differences"]] == [("acme-default", "quorum")]
    assert found["orphaned"] == ["gone-default", "gone.buried"]
    assert "acme-default" in _run(file, "check").stdout

    mended = _run(file, "mend", "acme-default")
    assert (mended.returncode, mended.stdout) == (0, "mended acme-default, 10 messages\n"), mended.stderr

    whole = _run(file, "check")
    assert (whole.returncode, whole.stdout) == (0, "4 queues are as wanted\n")
    assert _run(file, "mend", "--all").stdout == "nothing to mend\n"
    assert asyncio.run(_with_broker(broker_url, lambda b: _drain(b, "acme-default"))) == list(range(10))


@pytest.mark.rabbitmq
def test_a_quorum_queue_is_mended_only_when_nobody_enqueues(rabbit: RabbitNode, tmp_path: Path):
    with rabbit.vhost() as url:
        _fill(url, QueueSpec("acme-default"), 5, prefix="shop.")
        file = _file(tmp_path, url, queue_kind="classic", prefix="shop.")

        refused = _run(file, "mend", "--all")
        assert refused.returncode == 1
        assert refused.stderr.startswith("error: queue 'acme-default' cannot be mended: a quorum queue")
        assert _run(file, "mend", "--all", "--quiet").stdout == "mended acme-default, 5 messages\n"

        other = _run(file, "mend", "acme-other")
        assert other.returncode == 2
        assert "'acme-other'" in other.stderr


async def _seen(broker: Broker, phase: str) -> bool:
    """Whether a mending has come so far: some messages, and not all, are in the temporary queue, or back."""
    aside = await broker.counts("acme-default.mend")
    if phase == "aside":
        return aside is not None and aside.messages >= MESSAGES // 10
    there = await broker.counts("acme-default")
    is_right = await broker.compare(QueueSpec("acme-default")) is None
    return aside is not None and there is not None and is_right and there.messages >= MESSAGES // 10


async def _kill_at(broker: Broker, file: Path, phase: str) -> None:
    process = _start(file, "mend", "--all")
    try:
        async with asyncio.timeout(60.0):
            while not await _seen(broker, phase):
                assert process.poll() is None, "it was over before it could be killed"
        os.kill(process.pid, signal.SIGKILL)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


@pytest.mark.rabbitmq
@pytest.mark.fault
def test_a_mending_that_is_killed_in_either_half_goes_on_and_loses_nothing(
    rabbit: RabbitNode, tmp_path: Path
):
    with rabbit.vhost() as url:
        _fill(url, QueueSpec("acme-default", "classic"), MESSAGES)
        file = _file(tmp_path, url)

        asyncio.run(_with_broker(url, lambda b: _kill_at(b, file, "aside")))
        assert _run(file, "check").returncode == 1
        asyncio.run(_with_broker(url, lambda b: _kill_at(b, file, "back")))
        interrupted = _run(file, "check")
        assert interrupted.returncode == 1
        assert "acme-default: a mending was interrupted" in interrupted.stdout

        assert _run(file, "mend", "--all").returncode == 0
        assert _run(file, "check").returncode == 0
        got = asyncio.run(_with_broker(url, lambda b: _drain(b, "acme-default")))

    assert set(got) == set(range(MESSAGES))
    assert len(got) - MESSAGES <= 100, "a batch may come twice, no more"
