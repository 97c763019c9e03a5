"""Servers to look into, on whatever host: one with secrets, one whose hook fails, and who keeps its log."""

from __future__ import annotations

import logging

from roger_actors.otp import ChildSpec, Crash, GenServer, NoReply, Ok, Reply, Start


class Notes(GenServer):
    """Writes down what comes; the call `"notes"` tells it."""

    def init(self):
        return Ok(())

    def handle_call(self, request, sender, state):
        if request == "notes":
            return Reply(list(state), state)
        return Reply(None, (*state, ("call", request)))

    def handle_cast(self, request, state):
        return NoReply((*state, ("cast", request)))

    def handle_info(self, message, state):
        return NoReply((*state, ("info", message)))


def with_one_more(state):
    """Return a state with a note that nobody sent."""
    return (*state, ("put", 0))


def failing(state):
    """Raise."""
    raise ValueError("no state")


class Secretive(GenServer):
    """Shows neither its password nor one that it is asked with, nor why it ends."""

    def init(self, *_):
        return Ok({"password": "hunter2", "user": "bob"})

    def handle_call(self, request, sender, state):
        return Reply("alive", state)

    def handle_cast(self, request, state):
        raise ValueError(request["password"])

    def format_status(self, status):
        status.state = {**status.state, "password": "***"}
        if isinstance(status.message, dict):
            status.message = {**status.message, "password": "***"}
        if isinstance(status.reason, Crash):
            status.reason = Crash(status.reason.kind, "***")
        return status


class Broken(Secretive):
    """Fails when it shall say what may be shown."""

    def format_status(self, status):
        raise KeyError("hunter2")


class LogKeeper(GenServer):
    """Keeps what its host's servers log; the call `"text"` tells it."""

    trap_exit = True

    def init(self):
        handler = Kept()
        logging.getLogger("roger_actors.otp.gen_server").addHandler(handler)
        return Ok(handler)

    def handle_call(self, request, sender, state):
        return Reply("\n".join(state.texts), state)

    def terminate(self, reason, state):
        logging.getLogger("roger_actors.otp.gen_server").removeHandler(state)


class Kept(logging.Handler):
    """Formats records as any handler would, and keeps the texts."""

    def __init__(self):
        super().__init__()
        self.texts = []

    def emit(self, record):
        self.texts.append(self.format(record))


async def started(world, *names):
    """Start servers of this module where children live, under one supervisor; return it and their pids."""
    specs = [
        ChildSpec(
            id=name, start=Start(f"conformance_looking_in:{name}"), host=world.elsewhere, restart="temporary"
        )
        for name in names
    ]
    sup = await world.supervisor(specs)
    pids = await world.pids(sup)
    return sup, *(pids[name] for name in names)
