"""What follows from what a RabbitMQ says of itself.

3.10.8 is recorded from the server that the tests start. The others are written after the table that the
server's source makes (`rabbit_reader:server_properties`): the same but for the version. None of them was
tested with.
"""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from roger_actors.broker.amqp.connecting.server import NEEDED, fault, read_server

CAPABILITIES = {
    "publisher_confirms": True,
    "exchange_exchange_bindings": True,
    "basic.nack": True,
    "consumer_cancel_notify": True,
    "connection.blocked": True,
    "consumer_priorities": True,
    "authentication_failure_close": True,
    "per_consumer_qos": True,
    "direct_reply_to": True,
}
RECORDED: dict[str, Any] = {
    "capabilities": CAPABILITIES,
    "cluster_name": "rabbit@vm",
    "copyright": "Copyright (c) 2007-2022 VMware, Inc. or its affiliates.",
    "information": "Licensed under the MPL 2.0. Website: https://rabbitmq.com",
    "platform": "Erlang/OTP 25.2.3",
    "product": "RabbitMQ",
    "version": "3.10.8",
}


@pytest.mark.parametrize(
    ("version", "is_tested"),
    [
        ("3.10.8", True),
        ("3.12.14", False),
        ("3.13.7", False),
        ("4.0.9", False),
        ("4.1.4", False),
        ("4.3.0-beta.1+12.gabc", False),
        ("main", False),
    ],
)
def test_every_server_from_3_10_on_will_do_and_only_3_10_is_called_tested(version: str, is_tested: bool):
    server = read_server({**RECORDED, "version": version})

    assert fault(server) is None
    assert server.is_tested is is_tested


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"version": "3.9.29"}, "it is RabbitMQ 3.9.29, and 3.10 or newer is needed"),
        ({"version": "3.8.2"}, "it is RabbitMQ 3.8.2, and 3.10 or newer is needed"),
        ({"product": "LavinMQ"}, "it is LavinMQ, and RabbitMQ 3.10 or newer is needed"),
        ({"product": ""}, "it is an unknown server, and RabbitMQ 3.10 or newer is needed"),
        ({"capabilities": None}, f"it lacks {', '.join(NEEDED)}"),
        ({"capabilities": {**CAPABILITIES, "basic.nack": False}}, "it lacks basic.nack"),
    ],
)
def test_a_server_that_cannot_keep_the_promises_is_refused_and_why(changed: dict[str, Any], text: str):
    assert fault(read_server({**RECORDED, **changed})) == text


def test_what_a_server_says_beside_that_does_not_matter():
    few = {name: RECORDED[name] for name in ("product", "version", "capabilities")}
    assert read_server(few) == read_server(RECORDED)
    assert attrs.asdict(read_server({})) == {"product": "", "version": "", "capabilities": frozenset()}
