"""Plays a scenario step by step, on a node whose time is virtual.

Source: `oracle.erl`, which see.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from roger_actors.errors import (
    ChildAlreadyPresent,
    ChildAlreadyStarted,
    ChildNotFound,
    ChildRestarting,
    ChildRunning,
    InvalidChildSpec,
    NoProcess,
    ServerExited,
    SimpleOneForOne,
    StartFailed,
)
from roger_actors.otp import KILL, Fault, GenServer, Ignore, Pid, Supervisor, process
from roger_actors.otp.message import CastRequest
from roger_actors.otp.reason import NOPROC
from roger_actors.testing.local_node import LocalNode
from roger_actors.transport.memory import NothingCanMove

from .collector import Collector, Record, reports_to_the_collector
from .tree import Data, reason, spec, start


def play(scenario: Data) -> list[Data]:
    """Play a scenario and return its raw trace, in the shape of Erlang's."""
    with LocalNode() as node, reports_to_the_collector():
        player = _Player(node)
        return [player.step(step) for step in [{"do": "start", "root": scenario["root"]}, *scenario["steps"]]]


class _Player:
    def __init__(self, node: LocalNode) -> None:
        self.node = node
        self.record = Record()
        self.callers = 0
        self.answers: list[Data] = []
        node.run(lambda: Collector.start(self.record, name="collector"))
        self.parent = node.spawn(self._parent)

    async def _parent(self) -> None:
        """The process that starts the root supervisor, as an application master would."""
        process.trap_exit()
        while True:
            match await process.receive():
                case ("start", root, caller):
                    try:
                        result = await start(root)
                    except Exception as error:
                        result = error
                    process.send(caller, ("started", result))
                case ("leave", why):
                    process.exit(why)

    def step(self, step: Data) -> Data:
        """Do one step and return what came of it."""
        self.answers = []
        _ACTS[step["do"]](self, step)
        self._settle()
        record = self.record
        told = {"events": record.events, "answers": sorted(self.answers, key=lambda answer: answer["n"])}
        record.events = []
        supervisors = [pid for pid in record.supervisors if pid in record.alive]
        return {**told, "children": {record.name(pid): self._children(pid) for pid in supervisors}}

    def _settle(self) -> None:
        """Go on until every process has answered a request made after the last thing that happened."""
        record = self.record
        while True:
            self.node.settle()
            count = record.count
            for pid in [pid for pid in record.alive if pid not in record.busy]:
                self._answers_at_all(pid)
            if record.count == count:
                return

    def _answers_at_all(self, pid: Pid) -> None:
        """One round trip, given up when a start is held: then whoever starts something cannot answer."""

        async def ask() -> None:
            """Ask anything."""
            try:
                await GenServer.call(pid, ("count_children",), None)
            except (NoProcess, ServerExited):
                return

        try:
            self.node.run(ask)
        except NothingCanMove:
            assert self.record.held

    def _children(self, pid: Pid) -> Any:
        if pid in self.record.busy:
            return "busy"

        async def ask() -> Any:
            """Ask what a supervisor says of its children."""
            infos = await Supervisor.which_children(pid)
            return [info[:3] for info in infos], list(await Supervisor.count_children(pid))

        return self.record.shown(self.node.run(ask))

    # ------------------------------------------------------------------------------------------- steps

    def ask(self, call: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        """Ask from a process of its own, and write the answer down when it comes."""
        self.callers += 1
        number = self.callers

        async def body() -> None:
            """Ask."""
            answer = await _answer_of(call)
            self.answers.append({"n": number, "value": self.record.shown(answer)})

        self.node.spawn(body)

    def request(self, call: Callable[[Any], Coroutine[Any, Any, Any]], step: Data) -> None:
        """Call a function of `Supervisor`."""
        supervisor = self.record.latest.get(step["supervisor"], "nobody")
        self.ask(lambda: call(supervisor))

    def living(self, label: str) -> Pid | None:
        """Return a child's pid if it lives."""
        pid = self.record.latest.get(label)
        return pid if pid in self.record.alive else None

    def deliver(self, to: Any, message: Any) -> None:
        """Send a message from outside all processes."""
        if to is not None:
            self.node.runtime().send(to, message)

    def send(self, label: str, message: Any) -> None:
        """Send a message to a child that lives."""
        self.deliver(self.living(label), message)

    def tell(self, label: str, request: Any) -> None:
        """Cast to a child that lives."""
        self.send(label, CastRequest(request))

    def cast(self, to: Any, request: Any) -> None:
        """Cast from outside all processes."""
        self.deliver(to, CastRequest(request))

    def signal(self, label: str, why: Any) -> None:
        """Send an exit signal to a child that lives."""
        pid = self.living(label)
        if pid is not None:
            runtime = self.node.runtime()
            runtime.exit(runtime.host_pid, pid, why)

    def child_of(self, step: Data) -> Any:
        """Return the id or the pid that a step names."""
        return step["id"] if "id" in step else self.record.latest.get(step["pid"])


async def _answer_of(call: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    """Return what Erlang's function would."""
    try:
        return await call()
    except StartFailed as error:
        return "error", error.reason
    except InvalidChildSpec as error:
        return "error", Fault(error.data["kind"], error.data["value"])
    except ChildAlreadyStarted as error:
        return "error", ("already_started", error.data["pid"])
    except tuple(_REFUSALS) as error:
        return "error", _REFUSALS[type(error)]
    except TypeError:
        return "error", "badarg"
    except NoProcess:
        return "exit", NOPROC
    except ServerExited as error:
        return "exit", error.reason


_REFUSALS = {
    ChildAlreadyPresent: "already_present",
    ChildNotFound: "not_found",
    ChildRestarting: "restarting",
    ChildRunning: "running",
    SimpleOneForOne: "simple_one_for_one",
}


async def _started(result: Any) -> Any:
    result = await result
    return ("ok", *result) if type(result) is tuple else ("ok", result)


async def _done(result: Any) -> Any:
    await result
    return "ok"


def _start(player: _Player, step: Data) -> None:
    for label, starts in step["root"].get("first", {}).items():
        player.cast("collector", ("plan", label, list(starts)))

    async def call() -> Any:
        """Let the parent start the root supervisor."""
        process.send(player.parent, ("start", step["root"], process.self()))
        _, result = await process.receive()
        if isinstance(result, Exception):
            raise result
        return "ignore" if isinstance(result, Ignore) else ("ok", result)

    player.ask(call)


def _plan(player: _Player, step: Data) -> None:
    player.cast("collector", ("plan", step["child"], list(step["starts"])))


def _release(player: _Player, step: Data) -> None:
    player.cast("collector", ("release", step["child"], step["as"]))


def _exit(player: _Player, step: Data) -> None:
    why = reason(step["reason"])
    if why is KILL:
        player.signal(step["child"], KILL)
    else:
        player.tell(step["child"], ("exit", why))


def _start_child(player: _Player, step: Data) -> None:
    given = [step["label"]] if "label" in step else spec(step["child"])
    player.request(lambda sup: _started(Supervisor.start_child(sup, given)), step)


def _get_childspec(player: _Player, step: Data) -> None:
    async def call(supervisor: Any) -> Any:
        """Show what Erlang's spec has too."""
        found = await Supervisor.get_childspec(supervisor, player.child_of(step))
        limit = found.shutdown
        limit = limit if isinstance(limit, str) else round(limit * 1000)
        return found.restart, limit, found.type, found.significant

    player.request(call, step)


def _which_children(player: _Player, step: Data) -> None:
    async def call(supervisor: Any) -> Any:
        """Show ids and pids."""
        return [info[:2] for info in await Supervisor.which_children(supervisor)]

    player.request(call, step)


def _which_child(player: _Player, step: Data) -> None:
    async def call(supervisor: Any) -> Any:
        """Show what Erlang's answer has too."""
        return "ok", (await Supervisor.which_child(supervisor, player.child_of(step)))[:3]

    player.request(call, step)


def _check(player: _Player, step: Data) -> None:
    async def call() -> Any:
        """Check."""
        specs = step["specs"]
        given = [spec(it) for it in specs] if isinstance(specs, list) else spec(specs)
        Supervisor.check_childspecs(given, step.get("auto_shutdown"))
        return "ok"

    player.ask(call)


_ACTS: dict[str, Callable[[_Player, Data], None]] = {
    "start": _start,
    "plan": _plan,
    "release": _release,
    "exit": _exit,
    "raise": lambda player, step: player.tell(step["child"], "raise"),
    "signal": lambda player, step: player.signal(step["to"], reason(step["reason"])),
    "send": lambda player, step: player.send(step["to"], "stray"),
    "leave": lambda player, step: player.deliver(player.parent, ("leave", reason(step["reason"]))),
    "start_child": _start_child,
    "terminate_child": lambda player, step: player.request(
        lambda sup: _done(Supervisor.terminate_child(sup, player.child_of(step))), step
    ),
    "restart_child": lambda player, step: player.request(
        lambda sup: _started(Supervisor.restart_child(sup, player.child_of(step))), step
    ),
    "delete_child": lambda player, step: player.request(
        lambda sup: _done(Supervisor.delete_child(sup, player.child_of(step))), step
    ),
    "stop": lambda player, step: player.request(
        lambda sup: _done(Supervisor.stop(sup, reason(step["reason"]))), step
    ),
    "get_childspec": _get_childspec,
    "which_children": _which_children,
    "which_child": _which_child,
    "count_children": lambda player, step: player.request(Supervisor.count_children, step),
    "check_childspecs": _check,
}
