"""Several servers in one URL: taken apart, tried in any order, named without the password."""

from __future__ import annotations

import pytest

from roger_actors.broker import each_server
from roger_actors.broker.amqp.connecting.servers import Servers, host_of
from roger_actors.errors import ConnectionFailed


def test_a_url_of_several_servers_is_one_url_for_each_with_its_own_port():
    assert each_server("amqp://u:p,w@one,two:5673,[::1]:5674/v?heartbeat=5") == (
        "amqp://u:p,w@one/v?heartbeat=5",
        "amqp://u:p,w@two:5673/v?heartbeat=5",
        "amqp://u:p,w@[::1]:5674/v?heartbeat=5",
    )


@pytest.mark.parametrize(
    "url", ["amqp://u:p@one:5672/a,b", "embedded:a,b.db", "embedded:/a/b.db", "amqp://u:p,q@h"]
)
def test_a_comma_elsewhere_is_no_second_server(url):
    assert each_server(url) == (url,)


def test_all_servers_are_named_with_their_ports_and_without_the_password():
    assert Servers("amqps://u:secret@one,two:5673/v", "test").address == "amqps://one:5671,two:5673/v"
    assert Servers("amqp://u:secret@[::1]/", "test").address == "amqp://[::1]:5672/"


def test_every_order_of_the_servers_comes_up():
    servers = Servers("amqp://u:p@one,two,three/", "test")
    seen = {tuple(map(host_of, servers.in_random_order())) for _ in range(500)}
    assert len(seen) == 6


def test_a_server_is_expected_to_show_the_certificate_of_the_name_it_is_called_by():
    one, two = sorted(Servers("amqps://u:p@one,two/", "test").in_random_order(), key=host_of)
    assert (one.ssl_options.server_hostname, two.ssl_options.server_hostname) == ("one", "two")


@pytest.mark.parametrize(
    "url", ["amqp://u:secret/w@h/", "amqp://u:secret", "amqp://u:5@one,:6/", "amqp://u:p@h,:secret/"]
)
def test_a_malformed_url_is_refused_and_not_quoted(url):
    with pytest.raises(ConnectionFailed, match="the URL is malformed") as failure:
        Servers(url, "test")
    assert "secret" not in str(failure.value).replace(":secret/", "")
