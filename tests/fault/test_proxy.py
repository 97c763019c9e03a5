"""The proxy by which the network is hurt: what passes, and what does not."""

from __future__ import annotations

import socket
import socketserver
import threading
import time

import pytest

from tests.fault.proxy import Proxy


class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        while data := self.request.recv(1000):
            self.request.sendall(data)


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = False
    allow_reuse_address = True


@pytest.fixture
def proxy():
    with Server(("127.0.0.1", 0), Echo) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        proxy = Proxy([1, server.server_address[1]])
        yield proxy
        proxy.close()
        server.shutdown()
        thread.join()


@pytest.fixture
def client(proxy):
    with socket.create_connection(("127.0.0.1", proxy.port), 5.0) as client:
        client.settimeout(5.0)
        yield client


def ask(client, word=b"hello"):
    client.sendall(word)
    return client.recv(1000)


def test_it_forwards_to_the_first_port_that_answers(client):
    assert ask(client) == b"hello"


def test_a_cut_closes_connections_and_refuses_new_ones_until_it_is_healed(proxy, client):
    assert ask(client)
    proxy.cut()

    with pytest.raises(OSError), socket.create_connection(("127.0.0.1", proxy.port), 5.0):
        pass
    assert client.recv(1000) == b""
    proxy.heal()
    with socket.create_connection(("127.0.0.1", proxy.port), 5.0) as again:
        assert ask(again) == b"hello"


def test_a_muted_connection_stays_open_and_goes_on_when_it_is_healed(proxy, client):
    assert ask(client)
    proxy.mute()
    client.settimeout(0.2)

    with pytest.raises(TimeoutError):
        ask(client)
    client.settimeout(5.0)
    proxy.heal()
    assert client.recv(1000) == b"hello"


def test_a_delay_is_waited_for(proxy, client):
    proxy.delay(0.1)
    began = time.monotonic()

    assert ask(client) == b"hello"
    assert time.monotonic() - began >= 0.2


def test_it_becomes_mute_behind_a_mark(proxy, client):
    proxy.mute_after(b"Snap")
    assert ask(client) == b"hello"
    client.settimeout(0.2)

    with pytest.raises(TimeoutError):
        ask(client, b"a Snapshot")
    assert proxy.seen.wait(5.0)
