"""The process that asks for signs of life of the lanes' connections, and passes on what they are good for.

Started by the kernel's root supervisor. Every half second it has the broker answer on each connection
through which a lane is consumed; an answer makes the lane's proof good for `fence_after` seconds from the
moment of asking, and puts off the end of the jobs that worker hosts run on the strength of it. When this
process, or its whole host, is frozen, nothing is put off, and the root host kills them.

Source:
    New here; see `roger_actors.roger.worker_host.fence`.
"""

from __future__ import annotations

import contextlib
from typing import Any, NamedTuple

from roger_actors.otp import GenServer, NoReply, Ok, process
from roger_actors.roger.kernel import Kernel, consumer_name, tell
from roger_actors.roger.worker_host.fence import Proof
from roger_actors.roger.worker_host.mark import FenceMark

EVERY = 0.5
"""Seconds between two questions."""
ANSWER_LIMIT = 1.0
"""Seconds that the broker has for an answer."""


class Proven(NamedTuple):
    """To a consumer: the proof of its lane is good again, after it had not been."""

    proof: Proof


class State(NamedTuple):
    """What the process holds: the marks of the hosts that run jobs of lanes, by number."""

    kernel: Kernel
    marks: dict[int, FenceMark]


class Fencing(GenServer[State]):
    """Keeps the proofs of this node's lanes good; see the module."""

    def init(self, kernel: Kernel) -> Ok[State]:
        """Ask for the first time."""
        return Ok(State(kernel, {}), then="ask")

    async def handle_continue(self, token: Any, state: State) -> NoReply[State]:
        """Ask once, then wait a little."""
        await prove(state.kernel, list(state.kernel.fence.lanes))
        _put_off(state)
        process.send_after(EVERY, process.self(), "ask")
        return NoReply(state)

    def handle_info(self, message: Any, state: State) -> NoReply[State]:
        """Ask again."""
        return NoReply(state, then="ask")

    async def terminate(self, reason: Any, state: State) -> None:
        """Let go of the marks."""
        for mark in state.marks.values():
            mark.close()


async def prove(kernel: Kernel, proofs: list[Proof]) -> None:
    """Ask for signs of life, and make those proofs good again whose connection answers.

    Args:
        kernel: The node's.
        proofs: Of lanes of this node; nothing is asked if there are none.
    """
    if not proofs:
        return
    asked = kernel.clock.monotonic()
    answers = await kernel.broker.prove([proof.subscription for proof in proofs], ANSWER_LIMIT)
    for proof, answered in zip(proofs, answers, strict=True):
        if answered:
            was_good = proof.is_good(kernel.clock.monotonic())
            proof.until = max(proof.until, asked + kernel.config.fence_after)
            if not was_good:
                tell(consumer_name(proof.partition), Proven(proof))


def _put_off(state: State) -> None:
    """Write into the worker hosts' marks until when their jobs of lanes may run now."""
    running = state.kernel.fence.running
    for host in state.marks.keys() - {hold.host for hold in running}:
        state.marks.pop(host).close()
    for hold in running:
        if hold.host and hold.proof in state.kernel.fence.lanes:
            with contextlib.suppress(OSError):  # a host that ends just now
                if hold.host not in state.marks:
                    state.marks[hold.host] = FenceMark(process.here().endpoint.directory, hold.host)
                state.marks[hold.host].put_off(hold.ticket, hold.proof.until)
