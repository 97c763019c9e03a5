"""Requests that say what their reply is."""

from __future__ import annotations

import pytest

from roger_actors.otp import GenServer, Ok, Reply, Request, wire


@wire.register
class Add(Request[int]):
    amount: int
    note: str = ""


class Counter(GenServer[int]):
    def init(self):
        return Ok(1)

    def handle_call(self, request, sender, state):
        match request:
            case Add(amount):
                return Reply(state + amount, state + amount)
        return super().handle_call(request, sender, state)


async def test_a_typed_request_is_answered_as_any_other():
    pid = await Counter.start_link()

    assert await Counter.call(pid, Add(2)) == 3
    assert await Counter.call(pid, Add(2, note="again")) == 5


@pytest.mark.parametrize("request_", [Add(1), Add(2, "why")])
def test_a_registered_one_travels_plainly(request_):
    assert wire.loads(wire.dumps(request_)) == request_
