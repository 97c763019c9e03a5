"""Several servers in one URL, and TLS with a private authority: who is let in, who is refused, and why."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from roger_actors.broker import Message, QueueSpec, open_broker
from roger_actors.errors import ConnectionFailed
from roger_actors.testing.rabbitmq import BrokerNotInstalled, RabbitNode, free_ports

pytestmark = [pytest.mark.live, pytest.mark.rabbitmq]


@pytest.fixture
def hanging_up() -> Iterator[int]:
    """The port of a server that hangs up on everybody."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ended = threading.Event()

        def serve() -> None:
            while True:
                try:
                    listener.accept()[0].close()
                except OSError:
                    ended.set()
                    return

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        assert ended.wait(5.0)


def _with_servers(url: str, servers: str) -> str:
    before, _, after = url.rpartition("@")
    return f"{before}@{servers}/{after.partition('/')[2]}"


def test_the_server_that_is_there_is_found_at_the_start_and_after_a_loss(rabbit: RabbitNode, hanging_up: int):
    async def scenario(url: str) -> None:
        servers = f"127.0.0.1:1,127.0.0.1:{hanging_up},127.0.0.1:{rabbit.port}"
        broker = open_broker(_with_servers(url, servers), name="test")
        lost, back = asyncio.Queue[str](), asyncio.Event()
        await broker.connect(10.0)
        broker.on_disconnected, broker.on_connected = lost.put_nowait, back.set
        await broker.declare([QueueSpec("jobs")])
        for _ in range(3):
            back.clear()
            await asyncio.to_thread(rabbit.close_connections)
            async with asyncio.timeout(20.0):
                assert f"127.0.0.1:{rabbit.port}: closed by the broker" in await lost.get()
                await back.wait()
                await broker.publish(Message("jobs", b"x"), 10.0)
        await broker.close()

    with rabbit.vhost() as url:
        asyncio.run(scenario(url))


def test_where_none_lets_us_in_the_error_says_of_each_why_and_never_the_password(
    rabbit: RabbitNode, hanging_up: int
):
    async def scenario(url: str) -> None:
        await open_broker(_with_servers(url, f"127.0.0.1:1,127.0.0.1:{hanging_up}"), name="test").connect(
            10.0
        )

    with rabbit.vhost() as url, pytest.raises(ConnectionFailed) as failure:
        asyncio.run(scenario(url))

    told = str(failure.value)
    assert "127.0.0.1:1/" in told
    assert "connection refused" in told
    assert f"127.0.0.1:{hanging_up}/" in told
    assert url.partition("@")[0].rpartition(":")[2] not in told


# ---------------------------------------------------------------------------------------------- TLS


def _openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True, timeout=30.0)


def _authority(folder: Path, name: str) -> None:
    _openssl(
        folder,
        *(
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "2",
        ),
        *("-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.pem"),
    )


@pytest.fixture(scope="module")
def authority() -> Iterator[Path]:
    """A folder with an authority `ours`, another one `theirs`, and a server's certificate for `localhost`."""
    with tempfile.TemporaryDirectory(prefix="roger-tls-") as name:
        folder = Path(name)
        _authority(folder, "ours")
        _authority(folder, "theirs")
        (folder / "names").write_text("subjectAltName=DNS:localhost\n")
        _openssl(
            folder,
            *("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-subj", "/CN=localhost", "-keyout", "server.key", "-out", "server.csr"),
        )
        _openssl(
            folder,
            *(
                "x509",
                "-req",
                "-in",
                "server.csr",
                "-CA",
                "ours.pem",
                "-CAkey",
                "ours.key",
                "-CAcreateserial",
            ),
            *("-days", "2", "-extfile", "names", "-out", "server.pem"),
        )
        yield folder


@pytest.fixture(scope="module")
def secured(authority: Path) -> Iterator[tuple[RabbitNode, int]]:
    """A RabbitMQ that speaks TLS, and the port where it does."""
    port = free_ports().amqp
    settings = {
        "listeners.ssl.1": f"127.0.0.1:{port}",
        "ssl_options.cacertfile": str(authority / "ours.pem"),
        "ssl_options.certfile": str(authority / "server.pem"),
        "ssl_options.keyfile": str(authority / "server.key"),
    }
    node = RabbitNode(Path(tempfile.mkdtemp(prefix="roger-secured-", dir="/tmp")), settings=settings)
    try:
        node.start()
    except BrokerNotInstalled as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))
    yield node, port
    node.destroy()


def _secured_url(node: RabbitNode, host: str, port: int, authority: Path | None) -> str:
    url = _with_servers(node.url(), f"{host}:{port}").replace("amqp://", "amqps://", 1)
    return url if authority is None else f"{url}?ssl_options={{'ca_certs':'{authority}'}}"


def test_amqps_with_a_private_authority_carries_messages(secured: tuple[RabbitNode, int], authority: Path):
    node, port = secured

    async def scenario() -> None:
        broker = open_broker(_secured_url(node, "localhost", port, authority / "ours.pem"), name="test")
        await broker.connect(10.0)
        assert broker.address == f"amqps://localhost:{port}/"
        await broker.declare([QueueSpec("jobs")])
        come = asyncio.get_running_loop().create_future()
        body = bytes(300_000)
        consumer = await broker.consume("jobs", prefetch=1, on_delivery=come.set_result, on_reset=print)
        await broker.publish(Message("jobs", body), 10.0)
        delivery = await asyncio.wait_for(come, 10.0)
        assert delivery.body == body
        assert consumer.ack(delivery)
        await broker.delete("jobs")
        await broker.close()

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("host", "ca", "complaint"),
    [
        (
            "localhost",
            "theirs.pem",
            "certificate of 'localhost' is refused",
        ),
        ("localhost", None, "certificate of 'localhost' is refused"),
        ("127.0.0.1", "ours.pem", "certificate of '127.0.0.1' is refused: IP address mismatch"),
        ("localhost", "nothing.pem", "a file of its ssl_options: "),
    ],
)
def test_a_server_that_cannot_show_who_it_is_gets_no_password(
    secured: tuple[RabbitNode, int], authority: Path, host: str, ca: str | None, complaint: str
):
    node, port = secured

    async def scenario() -> None:
        url = _secured_url(node, host, port, authority / ca if ca else None)
        await open_broker(url, name="test").connect(10.0)

    with pytest.raises(ConnectionFailed) as failure:
        asyncio.run(scenario())
    assert complaint in str(failure.value)
    assert "roger:" not in str(failure.value)


def test_amqps_to_a_port_without_tls_says_that_tls_failed(secured: tuple[RabbitNode, int], authority: Path):
    node, _ = secured

    async def scenario() -> None:
        url = _secured_url(node, "localhost", node.port, authority / "ours.pem")
        await open_broker(url, name="test").connect(10.0)

    with pytest.raises(ConnectionFailed, match="TLS failed: "):
        asyncio.run(scenario())
