"""Until when a node may run what a lane has given it, as values that the kernel host shares.

A lane (the queue of a partition's jobs with an execution key) has one consumer in the cluster. When the
broker gives it to another node, because this one is cut off or frozen, this node must not go on running
what it took from it: the other node runs it again. So each sign of life of the lane's connection is good
for `fence_after` seconds; jobs whose last sign is older are killed, on the root host's word if need be,
and the next holder of the lane waits so long before it begins.

Pure: the `Fencing` process asks for the signs, the consumers and the pool read what they say.

Source:
    New here: Roger's execution keys are held by one process, wherever their jobs run.
"""

from __future__ import annotations

from math import inf

from roger_actors.broker import Consumer as Subscription


class Proof:
    """What is known of one holding of a lane. Lost with the subscription's reset: a new one follows.

    Attributes:
        partition: Whose lane.
        subscription: Through which it is consumed.
        until: When the last sign of life ceases to be good, on the monotonic clock that all processes of a
            machine share; `-inf` before the first, `inf` where a lane cannot change hands.
    """

    __slots__ = ("partition", "subscription", "until")

    def __init__(self, partition: str, subscription: Subscription) -> None:
        self.partition = partition
        self.subscription = subscription
        self.until = -inf

    def is_good(self, now: float) -> bool:
        """Whether a job may be begun on the strength of it."""
        return now < self.until


class Hold:
    """One job of a lane that is being run, and the proof that it may be.

    Attributes:
        proof: Of the holding that delivered it; another when it was delivered again to the same node.
        host: Number of its worker host, 0 while it has none.
        ticket: What the pool calls it there.
    """

    __slots__ = ("host", "proof", "ticket")

    def __init__(self, proof: Proof) -> None:
        self.proof = proof
        self.host = 0
        self.ticket = 0

    def is_good(self, now: float) -> bool:
        """Whether it may be begun, or go on."""
        return self.proof.is_good(now)


class Fence:
    """What the kernel host's processes share about its lanes.

    Attributes:
        lanes: The holdings that stand, as their consumers have them.
        running: The jobs of lanes that worker hosts have.
    """

    def __init__(self) -> None:
        self.lanes: set[Proof] = set()
        self.running: set[Hold] = set()
