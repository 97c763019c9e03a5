"""The permissions that the page on operating asks for are enough; no name is outside the prefix."""

from __future__ import annotations

import re
import secrets
from pathlib import Path
from typing import Any

import pytest
import roger_test_jobs as jobs

from roger_actors import Node
from roger_actors.testing.rabbitmq import RabbitNode

pytestmark = [pytest.mark.live, pytest.mark.rabbitmq, pytest.mark.timeout(90)]

PAGE = Path(__file__).parents[2] / "docs" / "pages" / "how-to" / "operate.md"


def documented() -> list[str]:
    """Return the patterns to configure, write and read from the page's `set_permissions` line."""
    line = next(line for line in PAGE.read_text().splitlines() if "set_permissions" in line)
    return re.findall(r"'([^']*)'", line)


def test_a_node_with_the_documented_permissions_runs_keyed_delayed_and_repeated_jobs_and_answers(
    rabbit: RabbitNode, events: Any
) -> None:
    patterns = ", ".join('<<"{}">>'.format(pattern.replace("\\", "\\\\")) for pattern in documented())
    user = f"shop-{secrets.token_hex(4)}"
    with rabbit.vhost() as url:
        vhost = url.rpartition("/")[2]
        rabbit.eval(f'ok = rabbit_auth_backend_internal:add_user(<<"{user}">>, <<"secret">>, <<"test">>)')
        rabbit.eval(
            f'ok = rabbit_auth_backend_internal:set_permissions(<<"{user}">>, <<"{vhost}">>,'
            f' {patterns}, <<"test">>)'
        )
        node = {
            "name": user,
            "broker": f"amqp://{user}:secret@127.0.0.1:{rabbit.port}/{vhost}",
            "prefix": "shop.",
            "jobs": ["roger_test_jobs"],
            "enqueue_timeout": 10.0,
        }
        tables = {
            "node": node,
            "logging": {"level": "ERROR"},
            "partitions": {"acme": {"queues": {"default": 2}}},
        }
        with Node.start(tables) as running:
            assert running.health()["ready"]
            running.enqueue(jobs.Unique.create({"n": 1}), "acme")
            assert events.next("ran")["args"] == {"n": 1}
            running.enqueue(jobs.Serial.create({"key": "k", "n": 2}), "acme")
            assert events.next("stop")["n"] == 2
            running.enqueue(jobs.Tell.create("late"), "acme", delay=0.3)
            assert events.next("ran", args="late")
            running.pause("default", "acme")
            running.resume("default", "acme")
            assert list(running.info().values) == [user]
            names = rabbit.eval(
                f'[element(4, amqqueue:get_name(Q)) || Q <- rabbit_amqqueue:list(<<"{vhost}">>)]'
            )
        assert all(name.startswith("shop.") for name in re.findall(r'<<"([^"]*)"', names))
        rabbit.eval(f'rabbit_auth_backend_internal:delete_user(<<"{user}">>, <<"test">>)')
