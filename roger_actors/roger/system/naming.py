"""A node's name is one living node's: claimed in a durable table, and defended over the bus.

The entry says which run of a node has the name, and where. A run that finds another's entry takes the
name over at once if that node's root process is known to be dead, because it ran on this machine;
refuses to run if it is known to live; and else asks over the bus: a living holder objects. A holder
that was frozen, and has lost its name meanwhile, sees that when it hears again, and ends.

Source:
    Erlang refuses a second node of one name through its `epmd`; here the broker is all there is.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any, Literal

import msgspec

from roger_actors.broker import Change
from roger_actors.errors import BrokerError
from roger_actors.otp import Timeout, process
from roger_actors.roger.kernel import Kernel
from roger_actors.roger.system.message import TOPIC, Claim, Objection, encode
from roger_actors.roger.worker_pool.hosts import end_node

TABLE = "nodes"
OBJECTION_LIMIT = 1.0
"""Seconds in which a living holder of a name objects."""
TRY_AGAIN = 1.0
"""Seconds between two tries when the broker does not answer."""
REFUSED_FOR = 2.0
"""Seconds that a refused node stays, so that whoever started it can ask why."""


class Holder(msgspec.Struct, frozen=True):
    """Who has a name.

    Attributes:
        run: Of the node.
        host: Name of its machine, for people.
        machine: Which boot of which machine, and which of its spaces of process ids.
        os_pid: Its root process there.
        born: When that process started, so that another one with its number is not taken for it.
    """

    run: str
    host: str
    machine: str
    os_pid: int
    born: str

    def __str__(self) -> str:
        return f"OS process {self.os_pid} on {self.host}"


_decode = msgspec.json.Decoder(Holder).decode


def verdict(
    holder: Holder | None, own: Holder, alive: bool | None
) -> Literal["free", "ours", "dead", "taken", "ask"]:
    """Decide about a name.

    Args:
        holder: What the table says, None if nobody has it.
        own: Who claims it.
        alive: Whether the holder's process lives; None where that cannot be seen from here.
    """
    if holder is None:
        return "free"
    if holder.run == own.run:
        return "ours"
    return "ask" if alive is None else "taken" if alive else "dead"


def own_holder(kernel: Kernel) -> Holder:
    """Return what this node writes into the table. The parent of its kernel host is its root process."""
    root = os.getppid()
    return Holder(kernel.run, socket.gethostname(), _machine(), root, _born(root))


def is_alive(holder: Holder) -> bool | None:
    """Whether a holder's process lives, None where that cannot be seen from here."""
    if holder.machine != _machine() or not holder.machine:
        return None
    return bool(holder.born) and _born(holder.os_pid) == holder.born


async def keep_name(kernel: Kernel) -> None:
    """Claim this node's name, or end the node. A process of its own, started when the bus is heard.

    `Objection`s to its claim are sent to it.
    """
    own = own_holder(kernel)
    while True:
        try:
            taken_by = await _claim(kernel, own)
        except BrokerError as error:
            kernel.log.warning("cannot claim the name of this node yet: %s; trying again", error)
            await process.sleep(TRY_AGAIN)
            continue
        if not taken_by:
            kernel.is_named = True
            return
        await _refuse(kernel, taken_by)
        return


async def _claim(kernel: Kernel, own: Holder) -> str:
    """Return who has the name, empty if this node has it now."""
    key, limit = table_key(kernel.node), kernel.config.enqueue_timeout
    while True:
        current = await kernel.broker.tables.get(TABLE, key, limit)
        holder = _decode(current) if current is not None else None
        found = verdict(holder, own, is_alive(holder) if holder is not None else None)
        if found == "ours":
            return ""
        if found == "taken" or (found == "ask" and await _objects(kernel)):
            return str(holder)
        if holder is not None:
            kernel.log.info("the name %s was that of %s, which is gone", kernel.node, holder)
        change = Change(TABLE, key, current, msgspec.json.encode(own))
        (answer,) = await kernel.broker.tables.change([change], limit)
        if answer.done:
            return ""


async def _objects(kernel: Kernel) -> bool:
    """Whether a living node objects to this node's having its name."""
    await kernel.broker.broadcast(TOPIC, encode(Claim(kernel.node, kernel.run)))
    answer: Any = await process.receive(OBJECTION_LIMIT, lambda message: isinstance(message, Objection))
    return not isinstance(answer, Timeout)


async def _refuse(kernel: Kernel, holder: str) -> None:
    kernel.refused = holder
    kernel.log.critical("the name %s is taken by %s; this node ends", kernel.node, holder)
    await process.sleep(REFUSED_FOR)
    await end_node(f"its name is taken by {holder}")


async def give_name_back(kernel: Kernel) -> None:
    """Let the name be free: this node ends in order.

    Raises:
        BrokerError: It could not be written; whoever comes next will find that this node is gone.
    """
    key, limit = table_key(kernel.node), kernel.config.enqueue_timeout
    current = await kernel.broker.tables.get(TABLE, key, limit)
    if current is not None and _decode(current).run == kernel.run:
        await kernel.broker.tables.change([Change(TABLE, key, current, None)], limit)


def table_key(node: str) -> str:
    """Return the key of a node's name."""
    return f"name/{node}"


def _machine() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""


def _born(pid: int) -> str:
    """Return when a process started, in the kernel's clock ticks; empty if there is none, or it is over."""
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except (OSError, ValueError):
        return ""
    return "" if state in ("Z", "X") else fields[18]
