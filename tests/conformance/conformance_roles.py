"""The node that the conformance tests run in: two app hosts, each with a stage that runs tests.

Imported inside the node; the tests' own modules are loaded by file where they run.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import pickle
import sys
import traceback
from pathlib import Path

from conformance_world import RUNTIMES, SCRIPT, Script, World

from roger_actors.errors import NoProcess
from roger_actors.otp import (
    APP_HOSTS,
    KILL,
    ChildSpec,
    DynamicSupervisor,
    GenServer,
    NoReply,
    Ok,
    Reply,
    Start,
    host_child,
    open_host,
    process,
    serve_outside,
)
from roger_actors.transport import Role


class Stage(GenServer):
    """Runs one test at a time in a trapping process of its own, and tells what it left running."""

    def init(self):
        return Ok(None)

    def handle_call(self, request, sender, state):
        match request:
            case ("test", path, name, given, transport, second):
                process.spawn(_perform, path, name, given, transport, second, sender)
                return NoReply(state)
            case ("processes",):
                return Reply(_running(), state)
            case ("kill_when_told", pid, folder):
                process.spawn(_kill_when_told, pid, Path(folder))
                return Reply(None, state)
            case ("kill_left", pids):
                for pid in pids:
                    process.exit(pid, KILL)
                return Reply(None, state)
        return super().handle_call(request, sender, state)

    def handle_cast(self, request, state):
        _, signal, status = request
        if signal is None:
            os._exit(status)
        os.kill(os.getpid(), signal)
        return NoReply(state)


def _running():
    """Return every process of this host but the one that the question came by."""
    return [
        (one.pid, one.label())
        for one in process.here().processes.values()
        if one.label() != "_answer" and one.pid != process.self()
    ]


async def _kill_when_told(pid, folder):
    while not (folder / "go").exists():
        await process.sleep(0.002)
    process.exit(pid, KILL)
    await process.sleep(0.05)
    (folder / "done").touch()


async def _perform(path, name, given, transport, second, sender):
    process.trap_exit()
    world = World(transport, second)
    logger = logging.getLogger("roger_actors")
    before = logger.level, logger.propagate
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    logger.addHandler(world.handler)
    try:
        script = await Script.start(name=SCRIPT)
        try:
            await getattr(_module(path), name)(world=world, **pickle.loads(given))
            answer = ("passed", None)
        finally:
            world.clean()
            await GenServer.stop(script)
    except BaseException as error:
        answer = ("failed", "".join(traceback.format_exception(error)))
    finally:
        logger.removeHandler(world.handler)
        logger.setLevel(before[0])
        logger.propagate = before[1]
    try:
        GenServer.reply(sender, answer)
    except NoProcess:
        return


def _module(path):
    """Return the test's module, loaded once; in memory it is the one that pytest loaded."""
    for module in list(sys.modules.values()):
        if getattr(module, "__file__", None) == path:
            return module
    name = Path(path).stem
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


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
    RUNTIMES[endpoint.host] = open_host(
        endpoint, [ChildSpec(id="stage", start=Start(Stage, name="stage"))], own_process=False
    )


def alone(endpoint, args):
    runtime = open_host(endpoint, own_process=False)
    end = runtime.on_shutdown
    # It takes a moment to end, as a host does that has something to put in order.
    runtime.on_shutdown = lambda reason: runtime.loop.call_later(0.05, end, reason)


ROLES = {
    role.name: role
    for role in (Role("root", root), Role("first", app), Role("second", app), Role("alone", alone))
}
