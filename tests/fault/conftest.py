"""A campaign on each broker, and what remains of one that failed."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from roger_actors.testing.rabbitmq import RabbitNode
from roger_actors.testing.rabbitmq_cluster import RabbitCluster
from tests.fault import windows
from tests.fault.brokers import Broker, EmbeddedBroker, RabbitBroker
from tests.fault.campaign import Campaign
from tests.fault.proxy import Proxy


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which windows the kills have hit."""
    for (broker, window), count in sorted(windows.TOTAL.items()):
        terminalreporter.write_line(f"{broker}: {count:4} kills {window}")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the whole matrix when it has missed a window."""
    if os.environ.get("ROGER_FAULT_MATRIX") and (missed := windows.missed()):
        print("\nwindows that no kill has hit: " + ", ".join(missed))
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture
def fault_directory(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where a campaign writes; kept as evidence when the test says nothing."""
    directory = Path(tempfile.mkdtemp(prefix="roger-fault-", dir="/tmp"))
    monkeypatch.setenv("ROGER_RUNTIME_DIR", str(directory / "run"))
    yield directory
    if (directory / "good").exists():
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def fault_seed(fault_directory: Path) -> int:
    """The seed of the test, printed; ROGER_FAULT_SEED sets it."""
    seed = int(os.environ.get("ROGER_FAULT_SEED") or secrets.randbelow(1_000_000))
    print(f"ROGER_FAULT_SEED={seed}, logs in {fault_directory}")
    return seed


@pytest.fixture
def campaign_on(fault_directory: Path, fault_seed: int) -> Callable[..., Any]:
    """Make campaigns: `with campaign_on(broker, work=…, **settings_of_the_nodes) as campaign`."""

    @contextmanager
    def running(broker: Broker, **options: Any) -> Iterator[Campaign]:
        campaign = Campaign(broker, fault_directory, fault_seed, **options)
        try:
            yield campaign
        finally:
            campaign.close()
        if campaign.is_good:
            (fault_directory / "good").touch()

    return running


@pytest.fixture(params=["embedded", pytest.param("rabbitmq", marks=pytest.mark.rabbitmq)])
def fault_broker(request: pytest.FixtureRequest, fault_directory: Path) -> Iterator[Broker]:
    """Each broker; on RabbitMQ a vhost of its own."""
    if request.param == "embedded":
        yield EmbeddedBroker(fault_directory)
    else:
        node: RabbitNode = request.getfixturevalue("rabbit")
        with node.vhost("fault") as url:
            yield RabbitBroker(node, url.rpartition("/")[2])


@pytest.fixture
def own_rabbit() -> Iterator[RabbitNode]:
    """A RabbitMQ of the test's own, to be killed and started as it likes."""
    node = RabbitNode(Path(tempfile.mkdtemp(prefix="roger-rabbitmq-", dir="/tmp")))
    try:
        node.start()
        yield node
    finally:
        node.destroy()


@pytest.fixture
def own_proxy(own_rabbit: RabbitNode) -> Iterator[Proxy]:
    """A proxy in front of the test's own RabbitMQ, where the vhost `fault` is."""
    own_rabbit.create_vhost("fault")
    proxy = Proxy([own_rabbit.port])
    yield proxy
    proxy.close()


@pytest.fixture
def own_cluster() -> Iterator[RabbitCluster]:
    """Three RabbitMQ nodes of the test's own."""
    directory = Path(tempfile.mkdtemp(prefix="roger-cluster-", dir="/tmp"))
    cluster = RabbitCluster(directory)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.destroy()
        shutil.rmtree(directory)


@pytest.fixture
def campaign(campaign_on: Callable[..., Any], fault_broker: Broker) -> Iterator[Campaign]:
    """A running node on each broker, an enqueuer beside it, and the means to kill."""
    with campaign_on(fault_broker) as running:
        yield running
