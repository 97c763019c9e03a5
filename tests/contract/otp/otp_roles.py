"""A node with two app hosts that run whatever scenario they are told to; imported inside the node."""

from __future__ import annotations

import importlib

from roger_actors.otp import (
    APP_HOSTS,
    ChildSpec,
    DynamicSupervisor,
    GenServer,
    NoReply,
    Ok,
    Start,
    host_child,
    open_host,
    process,
    serve_outside,
)
from roger_actors.transport import Role


class Stage(GenServer):
    """Runs a scenario, a coroutine function by name, in a trapping process of its own."""

    def init(self):
        return Ok(None)

    def handle_call(self, request, sender, state):
        name, arguments = request
        scenario = getattr(importlib.import_module("otp_scenarios"), name)
        process.spawn(perform, scenario, arguments, sender)
        return NoReply(state)


async def perform(scenario, arguments, sender):
    process.trap_exit()
    try:
        result = ("ok", await scenario(*arguments))
    except BaseException as error:
        result = ("raised", f"{type(error).__name__}: {error}")
    GenServer.reply(sender, result)


def root(endpoint, args):
    tree = [
        ChildSpec(id="own", start=Start(DynamicSupervisor, name=APP_HOSTS)),
        host_child("first", "first", shutdown=5.0),
        host_child("second", "second", shutdown=5.0),
    ]
    runtime = open_host(
        endpoint, tree, max_restarts=100, own_host=host_child("alone", "alone"), own_process=False
    )
    serve_outside(runtime)


def app(endpoint, args):
    children = [ChildSpec(id="stage", start=Start(Stage, name="stage"))]
    open_host(endpoint, children, own_process=False)


def alone(endpoint, args):
    open_host(endpoint, own_process=False)


ROLES = {
    role.name: role
    for role in (Role("root", root), Role("first", app), Role("second", app), Role("alone", alone))
}
